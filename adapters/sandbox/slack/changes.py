"""Wake everybody who waits for the sandbox to change."""

import asyncio
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


class Changes:
    """A version that grows with every change, and waiting for the next one without polling."""

    def __init__(self) -> None:
        self.version = 0
        self._next = asyncio.Event()

    def touch(self) -> None:
        """Say that something changed."""
        self.version += 1
        happened, self._next = self._next, asyncio.Event()
        happened.set()

    async def after(self, version: int) -> int:
        """Return the current version as soon as it is beyond *version*."""
        while self.version <= version:
            await self._next.wait()
        return self.version

    async def until(self, look: Callable[[], T | None], timeout: float) -> T:
        """Return the first answer of *look* that is not None or False; it is asked after each change.

        Raises:
            TimeoutError: none came within *timeout* seconds.
        """
        async with asyncio.timeout(timeout):
            while True:
                version = self.version
                seen = look()
                if seen is not None and seen is not False:
                    return seen
                await self.after(version)
