"""Steps of type `command`: one program with its arguments, no shell, a clean environment, its own group."""

import asyncio
import contextlib
import os
import re
import signal
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from bot.domain.execution import ApprovedStep, Result, StepOutcome
from bot.domain.plan import CommandRun

MAX_INPUT = 32 * 1024  # Fits into a pipe, so that a program which reads nothing holds nobody up.
MAX_OUTPUT = 64 * 1024
TERM_GRACE_S = 5.0
LAST_WORDS_S = 0.5  # For output on its way; what left the group may hold the pipe open for ever.
_ANSI = re.compile(r"\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)?|\x1b\[[0-9;?]*[ -/]*[@-~]|\x1b[@-_]")
_MATCH_WITHIN = 4096


class CommandRunner:
    """Implements `Runner`. *environment* is what may be passed on by name; *cwd* is an empty folder."""

    def __init__(self, *, environment: Mapping[str, str], path: str, cwd: Path) -> None:
        self._environment = environment
        self._path = path
        self._cwd = cwd

    async def run(self, step: ApprovedStep) -> StepOutcome:
        command = step.action
        if not isinstance(command, CommandRun):
            raise TypeError(f"the command runner was handed a step of type {command.type}")
        if len((command.stdin or "").encode()) > MAX_INPUT:
            return StepOutcome(result=Result.FAILED, detail="not started: its standard input is too long")
        async with _hearing() as heard:
            try:
                process = await self._start(command, heard.write_end)
            except (OSError, ValueError) as exc:  # ValueError: an argument that no program can be given.
                why = exc.strerror if isinstance(exc, OSError) else str(exc)
                return StepOutcome(result=Result.FAILED, detail=f"not started: {why}")
            heard.only_the_program_speaks()
            code = await _end_of(process, within_s=command.timeout_s)
        return _outcome(command, code, _clean(heard.output))

    async def _start(self, command: CommandRun, output: int) -> asyncio.subprocess.Process:
        passed = {name: self._environment[name] for name in command.environment if name in self._environment}
        read_end, write_end = os.pipe()
        try:
            os.write(write_end, (command.stdin or "").encode())
            os.close(write_end)
            return await asyncio.create_subprocess_exec(
                *command.argv,
                stdin=read_end,
                stdout=output,
                stderr=asyncio.subprocess.STDOUT,
                cwd=self._cwd,
                env={"PATH": self._path, "LANG": "C.UTF-8", **passed},
                start_new_session=True,
            )
        finally:
            os.close(read_end)


@dataclass
class _Heard:
    """What a program says into a pipe of ours: its process is waited for whoever else holds that pipe."""

    write_end: int
    output: bytearray = field(default_factory=bytearray)
    is_open: bool = True

    def only_the_program_speaks(self) -> None:
        if self.is_open:
            self.is_open = False
            os.close(self.write_end)


@asynccontextmanager
async def _hearing() -> AsyncIterator[_Heard]:
    """Collect output during the block, and for a moment after it."""
    read_end, write_end = os.pipe()
    heard, reader = _Heard(write_end), asyncio.StreamReader()
    transport, _ = await asyncio.get_running_loop().connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(reader), os.fdopen(read_end, "rb", buffering=0)
    )
    collecting = asyncio.create_task(_collect(reader, heard.output))
    try:
        yield heard
    finally:
        heard.only_the_program_speaks()
        await asyncio.wait({collecting}, timeout=LAST_WORDS_S)
        collecting.cancel()
        transport.close()


async def _collect(reader: asyncio.StreamReader, output: bytearray) -> None:
    """Read all that the program says, and keep the first part."""
    while part := await reader.read(65536):
        output += part[: max(0, MAX_OUTPUT - len(output))]


async def _end_of(process: asyncio.subprocess.Process, *, within_s: int) -> int | None:
    """Return the exit code, or None when the time was up first; nobody of its group is left either way."""
    try:
        async with asyncio.timeout(within_s):
            return await process.wait()
    except TimeoutError:
        return None
    finally:
        await _end_group(process)


def _outcome(command: CommandRun, code: int | None, text: str) -> StepOutcome:
    if code is None:
        detail = f"stopped after {command.timeout_s} s; what it had done by then is not known"
        return StepOutcome(result=Result.UNKNOWN, detail=detail, output=text)
    if code < 0:
        detail = f"was ended by signal {-code}; what it had done by then is not known"
        return StepOutcome(result=Result.UNKNOWN, detail=detail, output=text)
    if code not in command.expect_exit:
        return StepOutcome(result=Result.FAILED, detail=f"ended with exit code {code}", output=text)
    wanted = command.expect_output
    if wanted is not None and (len(text) > _MATCH_WITHIN or re.fullmatch(wanted, text) is None):
        return StepOutcome(
            result=Result.FAILED, detail="ended well but said something unexpected", output=text
        )
    return StepOutcome(result=Result.DONE, detail=f"ended with exit code {code}", output=text)


async def _end_group(process: asyncio.subprocess.Process) -> None:
    """Ask the whole group to end, then make it."""
    if not _signal_group(process.pid, signal.SIGTERM):
        return
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(TERM_GRACE_S):
            await process.wait()
            while _signal_group(process.pid, 0):  # noqa: ASYNC110 - Nothing tells us of a grandchild's end.
                await asyncio.sleep(0.05)
    _signal_group(process.pid, signal.SIGKILL)
    await process.wait()


def _signal_group(group: int, number: int) -> bool:
    """Return False when nobody of the group is left, or nobody whom we may end."""
    try:
        os.killpg(group, number)
    except (ProcessLookupError, PermissionError):
        return False
    return True


def _clean(output: bytearray) -> str:
    text = _ANSI.sub("", bytes(output).decode(errors="replace"))
    return "".join(sign if sign.isprintable() or sign in "\n\t" else "�" for sign in text)
