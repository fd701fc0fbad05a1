"""`Inbox` in memory, for tests and for trying things out: nothing survives the process."""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from bot.ports import Clock, Message, Stream

MAX_DELIVERIES = 10
PATIENT_DELIVERIES = 5
RECLAIM_AFTER = timedelta(seconds=5)
_SEEN_FOR = timedelta(days=8)


@dataclass(frozen=True)
class _Waiting:
    message: Message
    handed_at: datetime | None = None
    handed_to: str | None = None


@dataclass
class MemoryQueues:
    """What the inboxes of several consumers share, as they would share a server."""

    clock: Clock
    seen: dict[tuple[Stream, str], datetime] = field(default_factory=dict)
    waiting: dict[str, _Waiting] = field(default_factory=dict)
    dead: list[Message] = field(default_factory=list)
    news: asyncio.Condition = field(default_factory=asyncio.Condition)
    stored: int = 0


class MemoryInbox:
    """One consumer's view of the shared queues. Age is measured by the queues' clock."""

    def __init__(
        self, queues: MemoryQueues, *, consumer: str = "bot", reclaim_after: timedelta = RECLAIM_AFTER
    ) -> None:
        self._queues = queues
        self._consumer = consumer
        self._reclaim_after = reclaim_after

    async def put(self, stream: Stream, key: str, payload: bytes) -> bool:
        """Store *payload*; False when *key* was seen in the last 8 days."""
        queues, now = self._queues, self._queues.clock.now()
        seen_at = queues.seen.get((stream, key))
        if seen_at is not None and now - seen_at < _SEEN_FOR:
            return False
        queues.stored += 1
        entry = f"{queues.stored}-0"
        message = Message(id=entry, stream=stream, key=key, payload=payload, received_at=now)
        queues.seen[(stream, key)] = now
        queues.waiting[entry] = _Waiting(message)
        async with queues.news:
            queues.news.notify_all()
        return True

    async def messages(self, stream: Stream) -> AsyncGenerator[Message, None]:
        """Yield messages for ever, first what this consumer left behind."""
        left_behind = [entry for entry, one in self._of(stream) if one.handed_to == self._consumer]
        for entry in left_behind:
            if (message := self._hand_out(entry)) is not None:
                yield message
        while True:
            ready = next((entry for entry, one in self._of(stream) if self._is_ready(one)), None)
            if ready is None:
                await self._news()
            elif (message := self._hand_out(ready)) is not None:
                yield message

    async def done(self, message: Message) -> None:
        """Forget *message*."""
        self._queues.waiting.pop(message.id, None)

    async def postpone(self, message: Message) -> None:
        """Keep *message* for later; however often this is done, it is never given up."""
        one = self._queues.waiting.get(message.id)
        if one is not None:
            tried = min(one.message.deliveries, PATIENT_DELIVERIES)
            again = one.message.model_copy(update={"deliveries": tried})
            self._queues.waiting[message.id] = replace(one, message=again)

    async def dead(self) -> Sequence[Message]:
        """Return the messages that were given up, oldest first."""
        return tuple(self._queues.dead)

    async def ping(self) -> None:
        """Return: memory always accepts."""

    async def aclose(self) -> None:
        """Return: nothing is open."""

    def _of(self, stream: Stream) -> list[tuple[str, _Waiting]]:
        return [(entry, one) for entry, one in self._queues.waiting.items() if one.message.stream is stream]

    def _is_ready(self, one: _Waiting) -> bool:
        return one.handed_at is None or self._queues.clock.now() - one.handed_at >= self._reclaim_after

    def _hand_out(self, entry: str) -> Message | None:
        """Return the message with its deliveries counted; None when it is gone or given up."""
        one = self._queues.waiting.get(entry)
        if one is None:
            return None
        first = one.handed_at is None
        message = (
            one.message
            if first
            else one.message.model_copy(update={"deliveries": one.message.deliveries + 1})
        )
        if message.deliveries > MAX_DELIVERIES:
            self._queues.dead.append(self._queues.waiting.pop(entry).message)
            return None
        self._queues.waiting[entry] = replace(
            one, message=message, handed_at=self._queues.clock.now(), handed_to=self._consumer
        )
        return message

    async def _news(self) -> None:
        # The clock may be one that a test moves, so the ages are looked at again and again.
        async with self._queues.news:
            try:
                await asyncio.wait_for(self._queues.news.wait(), timeout=0.05)
            except TimeoutError:
                return
