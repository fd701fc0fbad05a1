"""A file that gets each checkpoint as a line; best on a disk that this machine's users cannot rewrite."""

import asyncio
import os
from pathlib import Path

from bot.domain.errors import Unavailable


class CheckpointFile:
    """Appends lines durably. Several bots may share one file: each line is one write."""

    def __init__(self, path: Path) -> None:
        self._path = path

    async def keep(self, line: str) -> None:
        """Add *line*. Raises `Unavailable`."""
        try:
            await asyncio.to_thread(self._append, f"{line}\n".encode())
        except OSError as exc:
            raise Unavailable(f"The checkpoint file {self._path} cannot be written: {exc.strerror}.") from exc

    def _append(self, line: bytes) -> None:
        fd = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        try:
            os.write(fd, line)
            os.fsync(fd)
        finally:
            os.close(fd)
