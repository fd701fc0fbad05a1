"""Running one program: no shell, a clean environment, its own group, its output cut and cleaned."""

import asyncio
import os
import re
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from adapters.runners.family import MARK, end_family

MAX_OUTPUT = 64 * 1024
LAST_WORDS_S = 0.5  # For output on its way; what left the group may hold the pipe open for ever.
_ANSI = re.compile(r"\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)?|\x1b\[[0-9;?]*[ -/]*[@-~]|\x1b[@-_]")


@dataclass(frozen=True)
class Program:
    """What to start. *mark* is in the environment of all that it starts, so that they can be ended."""

    argv: tuple[str, ...]
    environment: Mapping[str, str]
    cwd: Path
    mark: str
    within_s: int
    stdin: bytes = b""
    """At most what fits into a pipe, 64 KiB: nobody waits for a program that reads nothing."""


@dataclass(frozen=True)
class Ended:
    """How a program ended; no exit code means that its time was up."""

    code: int | None
    text: str


class NotStarted(Exception):
    """The program could not be started; nothing ran."""


async def run_program(program: Program) -> Ended:
    """Return how the program ended. When it ends well, who is left in its group is ended too.

    When its time is up, or the caller is cancelled, everybody whom it started is ended within 6 s.

    Raises:
        NotStarted: there is no such program, or an argument that no program can be given.
    """
    async with _hearing() as heard:
        try:
            process = await _start(program, heard.write_end)
        except (OSError, ValueError) as exc:
            raise NotStarted(exc.strerror if isinstance(exc, OSError) else str(exc)) from exc
        heard.only_the_program_speaks()
        code = await _end_of(process, program)
    return Ended(code, _clean(heard.output))


async def _start(program: Program, output: int) -> asyncio.subprocess.Process:
    read_end, write_end = os.pipe()
    try:
        os.write(write_end, program.stdin)
        os.close(write_end)
        return await asyncio.create_subprocess_exec(
            *program.argv,
            stdin=read_end,
            stdout=output,
            stderr=asyncio.subprocess.STDOUT,
            cwd=program.cwd,
            env={**program.environment, MARK: program.mark},
            start_new_session=True,
        )
    finally:
        os.close(read_end)


async def _end_of(process: asyncio.subprocess.Process, program: Program) -> int | None:
    """Return the exit code, or None when the time was up first."""
    code = None
    try:
        async with asyncio.timeout(program.within_s):
            code = await process.wait()
    except TimeoutError:
        return None
    finally:
        # A daemon that left the group of a program which ended well was meant to stay.
        await end_family(program.mark if code is None else None, group=process.pid)
        await process.wait()
    return code


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


def _clean(output: bytearray) -> str:
    text = _ANSI.sub("", bytes(output).decode(errors="replace"))
    return "".join(sign if sign.isprintable() or sign in "\n\t" else "�" for sign in text)
