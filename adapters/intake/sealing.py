"""What people pressed, sealed while it is queued: whoever can write to the queue has pressed nothing."""

import hashlib
import hmac
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Final

import structlog

from bot.domain.errors import HandrailError
from bot.ports import Clock, Inbox, Message, Stream

log = structlog.get_logger()

FORGED: Final = (
    "a press or command in the queue does not carry our seal: somebody else can write to the queue, or a bot "
    "of an earlier version or with another SLACK_BOT_TOKEN does; it is dropped"
)
_SEAL: Final = hashlib.sha256().digest_size
_STAMP: Final = 8  # Bytes: microseconds since 1970.
_BEGINNING: Final = datetime.fromtimestamp(0, UTC)

Report = Callable[[str], Awaitable[object]]
"""Puts on record what people must hear of."""


def sealing_key(token: str) -> bytes:
    """Return the key that all bots of one Slack app share, and nobody else has."""
    return hmac.digest(token.encode(), b"handrail/queued-presses", "sha256")


class SealedInbox:
    """Implements `Inbox` over another. What was pressed without our seal is dropped, told and never handled.

    When it was heard is within the seal: a press that somebody queues again is as old as it was.
    Webhooks and changes are left as they are: neither approves anything, and both are read again at their
    source where it matters.
    """

    def __init__(self, inbox: Inbox, key: bytes, *, clock: Clock, report: Report) -> None:
        self._inbox = inbox
        self._key = key
        self._clock = clock
        self._report = report
        self._is_told = False

    async def put(self, stream: Stream, key: str, payload: bytes) -> bool:
        if stream is Stream.ACTIONS:
            heard = _stamp(self._clock.now()) + payload
            payload = self._seal(key, heard) + heard
        return await self._inbox.put(stream, key, payload)

    def messages(self, stream: Stream) -> AsyncIterator[Message]:
        found = self._inbox.messages(stream)
        return self._opened(found) if stream is Stream.ACTIONS else found

    async def done(self, message: Message) -> None:
        await self._inbox.done(message)

    async def postpone(self, message: Message) -> None:
        await self._inbox.postpone(message)

    async def ping(self) -> None:
        await self._inbox.ping()

    async def _opened(self, found: AsyncIterator[Message]) -> AsyncGenerator[Message, None]:
        try:
            async for message in found:
                seal, heard = message.payload[:_SEAL], message.payload[_SEAL:]
                if hmac.compare_digest(seal, self._seal(message.key, heard)):
                    told = {"payload": heard[_STAMP:], "received_at": _time(heard[:_STAMP])}
                    yield message.model_copy(update=told)
                else:
                    await self._drop(message)
        finally:
            if isinstance(found, AsyncGenerator):
                await found.aclose()

    def _seal(self, key: str, heard: bytes) -> bytes:
        name = key.encode()
        return hmac.digest(self._key, len(name).to_bytes(8, "big") + name + heard, "sha256")

    async def _drop(self, message: Message) -> None:
        log.error("press_not_sealed", message=message.id)
        if not self._is_told:  # Once: a queue full of them must not fill the record.
            try:
                await self._report(FORGED)
            except HandrailError as exc:
                # It is handed out again and told then. Whatever is queued behind it must not wait for that.
                log.warning("press_not_sealed_untold", message=message.id, error=str(exc))
                return
            self._is_told = True
        await self._inbox.done(message)


def _stamp(at: datetime) -> bytes:
    return ((at - _BEGINNING) // timedelta(microseconds=1)).to_bytes(_STAMP, "big")


def _time(stamp: bytes) -> datetime:
    return _BEGINNING + timedelta(microseconds=int.from_bytes(stamp, "big"))
