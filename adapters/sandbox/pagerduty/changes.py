"""Wait for something to become true, woken at every change."""

import asyncio
from collections.abc import Callable


class Changes:
    """Wakes everybody who waits, each time that something changed."""

    def __init__(self) -> None:
        self._next = asyncio.Event()

    def announce(self) -> None:
        """Wake the waiting, who look again."""
        self._next.set()
        self._next = asyncio.Event()

    async def wait_for(self, predicate: Callable[[], bool], timeout: float = 60.0) -> None:
        """Return as soon as *predicate* holds.

        Raises:
            TimeoutError: it did not hold within *timeout* seconds.
        """
        async with asyncio.timeout(timeout):
            while not predicate():
                await self._next.wait()
