"""Steps of type `command`: one program with its arguments, no shell, a clean environment, its own group."""

import asyncio
import contextlib
import os
import re
import signal
from collections.abc import Mapping
from pathlib import Path

from bot.domain.execution import ApprovedStep, Result, StepOutcome
from bot.domain.plan import CommandRun

MAX_OUTPUT = 64 * 1024
TERM_GRACE_S = 5.0
_ANSI = re.compile(r"\x1b\[[0-9;?]*[ -/]*[@-~]|\x1b[@-_]")
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
        passed = {name: self._environment[name] for name in command.environment if name in self._environment}
        try:
            process = await asyncio.create_subprocess_exec(
                *command.argv,
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.STDOUT,
                cwd=self._cwd,
                env={"PATH": self._path, "LANG": "C.UTF-8", **passed},
                start_new_session=True,
            )
        except OSError as exc:
            return StepOutcome(result=Result.FAILED, detail=f"not started: {exc.strerror or exc}")
        return await self._follow(process, command)

    async def _follow(self, process: asyncio.subprocess.Process, command: CommandRun) -> StepOutcome:
        output = bytearray()
        try:
            async with asyncio.timeout(command.timeout_s):
                await _feed(process, command.stdin)
                await _drain(process, output)
                code = await process.wait()
        except TimeoutError:
            return StepOutcome(
                result=Result.UNKNOWN,
                detail=f"stopped after {command.timeout_s} s; what it had done by then is not known",
                output=_clean(output),
            )
        finally:
            # Also what the program left behind in its group ends here, however this was left.
            await _end_group(process)
        return _outcome(command, code, _clean(output))


def _outcome(command: CommandRun, code: int, text: str) -> StepOutcome:
    if code not in command.expect_exit:
        return StepOutcome(result=Result.FAILED, detail=f"ended with exit code {code}", output=text)
    wanted = command.expect_output
    if wanted is not None and re.fullmatch(wanted, text[:_MATCH_WITHIN]) is None:
        return StepOutcome(
            result=Result.FAILED, detail="ended well but said something unexpected", output=text
        )
    return StepOutcome(result=Result.DONE, detail=f"ended with exit code {code}", output=text)


async def _feed(process: asyncio.subprocess.Process, text: str | None) -> None:
    if process.stdin is None:
        return
    with contextlib.suppress(BrokenPipeError, ConnectionResetError):
        process.stdin.write((text or "").encode())
        await process.stdin.drain()
    process.stdin.close()


async def _drain(process: asyncio.subprocess.Process, output: bytearray) -> None:
    """Read all that the program says, and keep the first part."""
    if process.stdout is None:
        return
    while part := await process.stdout.read(65536):
        output += part[: max(0, MAX_OUTPUT - len(output))]


async def _end_group(process: asyncio.subprocess.Process) -> None:
    """Ask the whole group to end, then make it."""
    if not _signal_group(process.pid, signal.SIGTERM):
        return
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(TERM_GRACE_S):
            await process.wait()
            while _signal_group(process.pid, 0):  # Nothing tells us of the end of a grandchild.
                await asyncio.sleep(0.05)  # noqa: ASYNC110
    _signal_group(process.pid, signal.SIGKILL)
    await process.wait()


def _signal_group(group: int, number: int) -> bool:
    """Return False when nobody of the group is left."""
    try:
        os.killpg(group, number)
    except ProcessLookupError:
        return False
    return True


def _clean(output: bytearray) -> str:
    text = _ANSI.sub("", bytes(output).decode(errors="replace"))
    return "".join(sign if sign.isprintable() or sign in "\n\t" else "�" for sign in text)
