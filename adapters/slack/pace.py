"""Turns at a channel: in order, no faster than Slack allows, and the newest edit of a message wins."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TypeVar

from bot.domain.card import Card, CardRef
from bot.domain.errors import RateLimited

T = TypeVar("T")
APART_S = 1.0  # Slack: one message a second for each channel.
BURST = 3  # Our choice: a card and two edits of it may follow one another at once, where it is calm.
CALM_S = 20.0  # Our choice: so long a channel remembers what went out, to know that it is calm.
PATIENCE_S = 60.0  # Our choice: how long one call waits out Slack's limits before its caller is told.


@dataclass
class _Channel:
    """One channel's queue, who waits in it, and when its last messages ended."""

    queue: asyncio.Lock = field(default_factory=asyncio.Lock)
    waiting: int = 0
    ended: deque[float] = field(default_factory=lambda: deque(maxlen=BURST))


class Pace:
    """The turns of every channel. *monotonic* and *sleep* are in seconds."""

    def __init__(
        self,
        *,
        monotonic: Callable[[], float],
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        patience_s: float = PATIENCE_S,
    ) -> None:
        self.monotonic = monotonic
        self._sleep = sleep
        self._patience_s = patience_s
        self._channels: dict[str, _Channel] = {}

    @asynccontextmanager
    async def turn(self, channel: str, *, may_hurry: bool = False) -> AsyncIterator[None]:
        """Wait for the turn at *channel*; whoever asked first goes first, and the next waits for the end.

        Messages are a second apart. One that *may_hurry*, such as the edit that a person's press waits for,
        goes at once where nobody else waits and little was said lately: in a storm that is never so.
        """
        state = self._channels.setdefault(channel, _Channel())
        state.waiting += 1
        try:
            async with state.queue:
                while (wait := self._wait_s(state, may_hurry=may_hurry)) > 0:
                    await self._sleep(wait)
                try:
                    yield
                finally:
                    state.ended.append(self.monotonic())
        finally:
            state.waiting -= 1

    async def patiently(self, call: Callable[[], Awaitable[T]]) -> T:
        """Call until Slack no longer asks to wait.

        Raises:
            RateLimited: Slack asks for more patience than one call has; nothing was changed.
        """
        waited = 0.0
        while True:
            try:
                return await call()
            except RateLimited as limited:
                wait = max(limited.retry_after.total_seconds(), 0.1)
                waited += wait
                if waited > self._patience_s:
                    raise
                await self._sleep(wait)

    def _wait_s(self, state: _Channel, *, may_hurry: bool) -> float:
        """Return the seconds until the next message may go; 0 when it may go now."""
        if not state.ended:
            return 0.0
        now = self.monotonic()
        left = APART_S - (now - state.ended[-1])
        is_calm = len(state.ended) < BURST or now - state.ended[0] > CALM_S
        if left <= 0 or (may_hurry and is_calm and state.waiting == 1):
            return 0.0
        return max(left, 0.001)


@dataclass
class _Edit:
    card: Card
    sent: asyncio.Task[None]


class Edits:
    """Edits that wait for their channel's turn; a newer state of a message replaces the older one."""

    def __init__(self, pace: Pace, send: Callable[[CardRef, Card], Awaitable[None]]) -> None:
        self._pace = pace
        self._send = send
        self._waiting: dict[CardRef, _Edit] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    async def put(self, ref: CardRef, card: Card) -> None:
        """Return when *card*, or a newer state, stands at *ref*. A caller that leaves stops no edit."""
        waiting = self._waiting.get(ref)
        if waiting is None:
            task = asyncio.create_task(self._send_newest(ref), name=f"edit-{ref.ts}")
            self._tasks.add(task)
            task.add_done_callback(self._ended)
            waiting = self._waiting[ref] = _Edit(card, task)
        else:
            waiting.card = card
        await asyncio.shield(waiting.sent)

    async def aclose(self) -> None:
        """Give up the edits that still wait; the record has what they would have said."""
        for task in tuple(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _send_newest(self, ref: CardRef) -> None:
        try:
            async with self._pace.turn(ref.channel, may_hurry=True):
                await self._send(ref, self._waiting.pop(ref).card)
        finally:
            this = self._waiting.get(ref)
            if this is not None and this.sent is asyncio.current_task():
                del self._waiting[ref]

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled():
            # Whoever still waits gets it; without this line asyncio warns about those who left.
            task.exception()
