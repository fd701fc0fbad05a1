"""An outage of the engine, however long, loses no message; a message that cannot be handled is given up."""

import asyncio
from dataclasses import dataclass
from datetime import datetime

import pytest

from adapters.engine.dispatcher import Dispatcher
from adapters.store.memory_inbox import MAX_DELIVERIES, RECLAIM_AFTER, MemoryInbox, MemoryQueues
from bot.domain.errors import NotFound, Unavailable
from bot.ports import Message, Stream
from tests.recording_inbox import NOW


@dataclass
class MovedClock:
    at: datetime = NOW

    def now(self) -> datetime:
        return self.at


class Engine:
    """Fails so many times, each after a long while, then takes what it is handed."""

    def __init__(self, clock: MovedClock, failures: int, failure: Exception) -> None:
        self._clock = clock
        self._failures = failures
        self._failure = failure
        self.taken: list[str] = []
        self.ended = asyncio.Event()
        self.worn_out = asyncio.Event()

    async def handle(self, message: Message) -> None:
        if message.key == "broken" and self._failures > 0:
            self._failures -= 1
            self._clock.at += RECLAIM_AFTER
            if message.deliveries == MAX_DELIVERIES:
                self.worn_out.set()
            raise self._failure
        self.taken.append(message.key)
        self.ended.set()


@pytest.fixture
def clock() -> MovedClock:
    return MovedClock()


@pytest.fixture
def inbox(clock: MovedClock) -> MemoryInbox:
    return MemoryInbox(MemoryQueues(clock))


async def run_until_taken(inbox: MemoryInbox, engine: Engine) -> None:
    running = asyncio.create_task(Dispatcher(inbox, {Stream.EVENTS: engine.handle}).run())
    async with asyncio.timeout(60):
        await engine.ended.wait()
    running.cancel()
    await asyncio.wait({running})


async def test_a_message_outlives_more_failures_than_it_has_deliveries(
    inbox: MemoryInbox, clock: MovedClock
) -> None:
    engine = Engine(clock, 2 * MAX_DELIVERIES, Unavailable("the engine is down"))
    await inbox.put(Stream.EVENTS, "broken", b"")

    await run_until_taken(inbox, engine)

    assert (["broken"], []) == (engine.taken, list(await inbox.dead()))


async def test_a_message_that_fails_by_itself_is_given_up(inbox: MemoryInbox, clock: MovedClock) -> None:
    engine = Engine(clock, 2 * MAX_DELIVERIES, NotFound("there is no such incident"))
    await inbox.put(Stream.EVENTS, "broken", b"")
    running = asyncio.create_task(Dispatcher(inbox, {Stream.EVENTS: engine.handle}).run())
    async with asyncio.timeout(60):
        await engine.worn_out.wait()
        await inbox.put(Stream.EVENTS, "next", b"")
        await engine.ended.wait()
    running.cancel()
    await asyncio.wait({running})

    assert ["broken"] == [message.key for message in await inbox.dead()]
