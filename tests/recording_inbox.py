"""An inbox for routes under test, and a clock that stands still."""

from collections.abc import AsyncGenerator
from dataclasses import dataclass, field
from datetime import UTC, datetime

from bot.ports import Message, Stream

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)


class FixedClock:
    """It is always `NOW`."""

    def now(self) -> datetime:
        return NOW


@dataclass
class RecordingInbox:
    """Remembers what was put, or fails as told; nobody takes anything out."""

    failure: Exception | None = None
    stored: list[tuple[Stream, str, bytes]] = field(default_factory=list)

    async def put(self, stream: Stream, key: str, payload: bytes) -> bool:
        if self.failure is not None:
            raise self.failure
        if any((stream, key) == one[:2] for one in self.stored):
            return False
        self.stored.append((stream, key, payload))
        return True

    async def messages(self, stream: Stream) -> AsyncGenerator[Message, None]:
        nothing: tuple[Message, ...] = ()
        for message in nothing:
            yield message

    async def done(self, message: Message) -> None:
        raise AssertionError(f"nobody finishes {message} here")

    async def postpone(self, message: Message) -> None:
        raise AssertionError(f"nobody postpones {message} here")

    async def ping(self) -> None:
        return None
