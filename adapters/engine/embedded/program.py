"""Ask a program for its version."""

import asyncio
from asyncio.subprocess import DEVNULL, PIPE
from pathlib import Path

from adapters.engine.embedded.errors import BinaryMissing

_ANSWER_S = 30.0  # A cold disk and a busy machine; the answer itself takes milliseconds.


async def ask_version(program: Path) -> str:
    """Return what `PROGRAM --version` prints, run in an empty environment.

    Raises:
        BinaryMissing: the program is not there, does not run, fails or does not end.
    """
    try:
        process = await asyncio.create_subprocess_exec(
            program, "--version", stdin=DEVNULL, stdout=PIPE, stderr=DEVNULL, env={}
        )
    except OSError as exc:
        raise BinaryMissing(f"{program} does not run: {exc.strerror}.") from exc
    try:
        async with asyncio.timeout(_ANSWER_S):
            output, _ = await process.communicate()
    except TimeoutError as exc:
        raise BinaryMissing(f"'{program} --version' did not end within {_ANSWER_S:g} s.") from exc
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    if process.returncode:
        raise BinaryMissing(f"'{program} --version' ended with exit code {process.returncode}.")
    return output.decode("utf-8", "replace").strip()
