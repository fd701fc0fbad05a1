"""Hands messages of the durable queues to the application, several at a time, each until it is handled."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from functools import partial

import structlog

from bot.domain.errors import HandrailError, Invalid, Tampered, Unavailable
from bot.ports import Inbox, Message, Stream

log = structlog.get_logger()

AT_ONCE = 16  # Our choice: enough to hide a neighbour's latency, few enough to spare its rate limit.
INSIST_S = 0.1  # Our choice: how long a consumer may take to notice that it is cancelled.
OUTAGE_S = 0.5  # Our choice: how long to leave a queue alone that does not answer.
Handler = Callable[[Message], Awaitable[None]]


class Dispatcher:
    """One consumer for each stream. A message is forgotten only after its handler returned."""

    def __init__(self, inbox: Inbox, handlers: Mapping[Stream, Handler]) -> None:
        self._inbox = inbox
        self._handlers = handlers

    async def run(self) -> None:
        """Consume until cancelled; what is being handled then is handed out again later."""
        consumers = {
            asyncio.create_task(self._consume(stream, handler), name=f"consume-{stream}")
            for stream, handler in self._handlers.items()
        }
        try:
            ended, _ = await asyncio.wait(consumers, return_when=asyncio.FIRST_COMPLETED)
            for consumer in ended:
                consumer.result()
        finally:
            await _end(consumers)

    async def _consume(self, stream: Stream, handler: Handler) -> None:
        places = asyncio.Semaphore(AT_ONCE)
        in_hand: set[str] = set()
        async with asyncio.TaskGroup() as group:
            async for message in self._for_ever(stream):
                if message.id in in_hand:
                    continue  # Handed out again because it takes long: it is still being handled here.
                await places.acquire()
                in_hand.add(message.id)
                task = group.create_task(self._handle(handler, message))
                task.add_done_callback(partial(_give_place_back, places, in_hand, message.id))

    async def _for_ever(self, stream: Stream) -> AsyncIterator[Message]:
        """Yield messages, over outages of the queue as well: nothing is lost in them."""
        while True:
            try:
                async for message in self._inbox.messages(stream):
                    yield message
            except Unavailable as exc:
                log.warning("queue_unavailable", stream=stream.value, error=str(exc))
                await asyncio.sleep(OUTAGE_S)

    async def _handle(self, handler: Handler, message: Message) -> None:
        # The handler, which learns the incident, replaces the correlation id by that of its story.
        with structlog.contextvars.bound_contextvars(
            correlation_id=message.key, delivery=message.key, stream=message.stream.value
        ):
            try:
                await handler(message)
            except Invalid as exc:
                # It will not become valid by waiting; the sender's text is in the log by its error alone.
                log.warning("message_invalid", error=str(exc))
            except Tampered as exc:
                log.error("record_tampered", error=str(exc))  # noqa: TRY400 - The message says it all.
                return
            except Unavailable as exc:
                log.warning("message_postponed", error=str(exc), deliveries=message.deliveries)
                await self._postpone(message)
                return
            except HandrailError as exc:
                log.warning("message_not_handled", error=str(exc), deliveries=message.deliveries)
                return
            except Exception:  # The edge of one message: it stays queued, the others go on.
                log.exception("message_failed", deliveries=message.deliveries)
                return
            try:
                await self._inbox.done(message)
            except HandrailError as exc:
                log.warning("message_not_forgotten", error=str(exc))  # Handling it again is harmless.

    async def _postpone(self, message: Message) -> None:
        # An outage of the engine or of the record may outlast every delivery that a message has.
        try:
            await self._inbox.postpone(message)
        except HandrailError as exc:
            log.warning("message_not_postponed", error=str(exc))  # One delivery more is counted, no harm.


async def _end(tasks: set[asyncio.Task[None]]) -> None:
    """Cancel *tasks* until they have ended.

    Before Python 3.12 `asyncio.wait_for`, with which redis-py sends its commands, loses a cancellation that
    arrives as it finishes. Cancelled once, a consumer would then go on, and the bot would not stop.
    """
    waiting = tasks
    while waiting:
        for task in waiting:
            task.cancel()
        _, waiting = await asyncio.wait(waiting, timeout=INSIST_S)


def _give_place_back(
    places: asyncio.Semaphore, in_hand: set[str], message_id: str, _: asyncio.Task[None]
) -> None:
    places.release()
    in_hand.discard(message_id)
