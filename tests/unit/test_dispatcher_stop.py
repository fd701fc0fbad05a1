"""The dispatcher stops when it is told to, whatever its queue does with a cancellation."""

import asyncio
from collections.abc import AsyncGenerator

import pytest

from adapters.engine.dispatcher import Dispatcher
from bot.domain.errors import Invalid
from bot.ports import Inbox, Message, Stream

NOTHING: tuple[Message, ...] = ()


class DeafInbox(Inbox):
    """A queue that loses the first cancellation, as a client library may."""

    def __init__(self) -> None:
        self.asked = asyncio.Event()
        self.cancelled = 0

    async def messages(self, stream: Stream) -> AsyncGenerator[Message, None]:
        while self.cancelled < 2:
            try:
                self.asked.set()
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                self.cancelled += 1
        for never in NOTHING:
            yield never
        raise asyncio.CancelledError

    async def put(self, stream: Stream, key: str, payload: bytes) -> bool:
        return True

    async def done(self, message: Message) -> None:
        return None

    async def postpone(self, message: Message) -> None:
        return None

    async def ping(self) -> None:
        return None


class BrokenInbox(DeafInbox):
    async def messages(self, stream: Stream) -> AsyncGenerator[Message, None]:
        for never in NOTHING:
            yield never
        raise Invalid("no such stream")


async def handle(message: Message) -> None:
    raise AssertionError("nothing was queued")


async def test_a_lost_cancellation_does_not_keep_it_running() -> None:
    inbox = DeafInbox()
    running = asyncio.create_task(Dispatcher(inbox, {Stream.EVENTS: handle}).run())
    await inbox.asked.wait()

    running.cancel()
    await asyncio.wait({running})

    assert (running.cancelled(), inbox.cancelled) == (True, 2)


async def test_a_consumer_that_fails_ends_the_others_and_says_why() -> None:
    handlers = {Stream.EVENTS: handle, Stream.ACTIONS: handle}

    with pytest.raises(ExceptionGroup) as failed:
        await Dispatcher(BrokenInbox(), handlers).run()

    assert [str(exc) for exc in failed.value.exceptions] == ["no such stream"]
