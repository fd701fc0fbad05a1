"""Have timelines drawn by a child process: the bot neither waits nor grows."""

import asyncio
import contextlib
import sys
from pathlib import Path
from typing import Final

from bot.domain.errors import Unavailable
from bot.domain.timeline import Timeline

WITHIN_S: Final = 30.0  # Our choice: the first picture after an installation builds a cache of fonts.
_MOST_BYTES: Final = 2 * 1024 * 1024
_PNG: Final = b"\x89PNG\r\n\x1a\n"


class ChildPictures:
    """Implements `Pictures`, one picture at a time. *folder* is the drawing program's for its cache."""

    def __init__(self, folder: Path, *, program: str = "adapters.pictures.drawing") -> None:
        self._folder = folder
        self._program = program
        self._turn = asyncio.Lock()

    async def timeline(self, timeline: Timeline) -> bytes:
        async with self._turn:
            child = await asyncio.create_subprocess_exec(
                *(sys.executable, "-I", "-m", self._program),
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.DEVNULL,
                cwd=self._folder,
                env={"MPLBACKEND": "Agg", "MPLCONFIGDIR": str(self._folder), "LANG": "C.UTF-8"},
            )
            try:
                async with asyncio.timeout(WITHIN_S):
                    drawn, _ = await child.communicate(timeline.model_dump_json().encode())
            except TimeoutError as exc:
                raise Unavailable(f"The picture was not drawn within {WITHIN_S:g} s.") from exc
            finally:
                if child.returncode is None:
                    with contextlib.suppress(ProcessLookupError):
                        child.kill()
                    await child.wait()
        if child.returncode != 0 or not drawn.startswith(_PNG) or len(drawn) > _MOST_BYTES:
            raise Unavailable(f"The picture could not be drawn (exit {child.returncode}).")
        return drawn
