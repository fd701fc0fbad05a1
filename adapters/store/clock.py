"""The store's time, counted on between two looks at it."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from typing import Final

import structlog

from bot.domain.errors import HandrailError

log = structlog.get_logger()

SET_EVERY_S: Final = 30.0  # Our choice: a machine's timer is right to a millisecond over that time.


class StoreClock:
    """Implements `Clock` by the store's time: bots whose machines disagree about the time agree.

    It asks the store now and then, and counts on from there by a timer that nobody sets.
    """

    def __init__(
        self, ask: Callable[[], Awaitable[datetime]], *, timer: Callable[[], float] = time.monotonic
    ) -> None:
        self._ask = ask
        self._timer = timer
        self._start: datetime | None = None

    async def set(self) -> None:
        """Ask the store. Raises `Unavailable`."""
        before = self._timer()
        at = await self._ask()
        # The store looked at its clock at some time between the question and the answer.
        self._start = at - timedelta(seconds=(before + self._timer()) / 2)

    async def follow(self, *, every_s: float = SET_EVERY_S) -> None:
        """Ask again for ever; while the store does not answer, the timer goes on."""
        while True:
            await asyncio.sleep(every_s)
            try:
                await self.set()
            except HandrailError as exc:
                log.warning("clock_not_set", error=str(exc))

    def now(self) -> datetime:
        if self._start is None:
            raise RuntimeError("the store was not asked for its time yet")
        return self._start + timedelta(seconds=self._timer())
