"""What every inbox promises, shown on Redis and on its memory twin; and what only a server can show."""

import asyncio
import tempfile
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, aclosing, asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path

import pytest

from adapters.store.memory_inbox import MemoryInbox, MemoryQueues
from adapters.store.redis.client import open_redis
from adapters.store.redis.durability import Durability
from adapters.store.redis.inbox import MAX_DELIVERIES, RedisInbox
from bot.domain.errors import Unavailable
from bot.ports import Message, Stream
from tests.redis_server import RedisServer, redis_server

AT_ONCE = timedelta(0)
NEVER = timedelta(days=1)
AnyInbox = RedisInbox | MemoryInbox


@dataclass
class FixedClock:
    at: datetime = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)

    def now(self) -> datetime:
        return self.at


@dataclass
class Inboxes:
    """Opens inboxes of several consumers over the same queues."""

    build: Callable[[str, timedelta], AnyInbox]
    opened: list[AnyInbox] = field(default_factory=list)

    def of(self, consumer: str = "bot", *, reclaim_after: timedelta = NEVER) -> AnyInbox:
        inbox = self.build(consumer, reclaim_after)
        self.opened.append(inbox)
        return inbox

    async def aclose(self) -> None:
        for inbox in self.opened:
            await inbox.aclose()


def over_redis(server: RedisServer) -> Inboxes:
    block = timedelta(milliseconds=20)
    return Inboxes(
        lambda name, after: RedisInbox(server.url, consumer=name, reclaim_after=after, block=block)
    )


@pytest.fixture(params=["redis", "memory"])
async def inboxes(request: pytest.FixtureRequest) -> AsyncIterator[Inboxes]:
    async with AsyncExitStack() as stack:
        if request.param == "redis":
            made = over_redis(stack.enter_context(redis_server()))
        else:
            queues = MemoryQueues(FixedClock())
            made = Inboxes(lambda name, after: MemoryInbox(queues, consumer=name, reclaim_after=after))
        stack.push_async_callback(made.aclose)
        yield made


@pytest.fixture
async def server() -> AsyncIterator[RedisServer]:
    with redis_server() as started:
        yield started


async def take(inbox: AnyInbox, count: int, stream: Stream = Stream.EVENTS) -> list[Message]:
    """Return the next *count* messages, handed out and not done."""
    taken: list[Message] = []
    async with asyncio.timeout(60), aclosing(inbox.messages(stream)) as messages:
        async for message in messages:
            taken.append(message)
            if len(taken) == count:
                break
    return taken


async def test_what_is_put_is_handed_out_with_its_bytes_in_order(inboxes: Inboxes) -> None:
    inbox = inboxes.of()
    await inbox.put(Stream.EVENTS, "one", b"\x00\xff first")
    await inbox.put(Stream.EVENTS, "two", b"second")

    taken = await take(inbox, 2)

    assert [(Stream.EVENTS, "one", b"\x00\xff first", 1), (Stream.EVENTS, "two", b"second", 1)] == [
        (message.stream, message.key, message.payload, message.deliveries) for message in taken
    ]
    assert taken[0].received_at.tzinfo is not None


async def test_a_key_is_stored_once_in_its_stream(inboxes: Inboxes) -> None:
    inbox = inboxes.of()

    assert [True, False, True, True] == [
        await inbox.put(Stream.EVENTS, "same", b"first"),
        await inbox.put(Stream.EVENTS, "same", b"again"),
        await inbox.put(Stream.ACTIONS, "same", b"another stream"),
        await inbox.put(Stream.EVENTS, "other", b"last"),
    ]
    assert [b"first", b"last"] == [message.payload for message in await take(inbox, 2)]


async def test_of_200_concurrent_puts_of_one_key_one_is_stored(inboxes: Inboxes) -> None:
    inbox = inboxes.of()

    answers = await asyncio.gather(*(inbox.put(Stream.EVENTS, "same", b"%d" % n) for n in range(200)))

    assert 1 == sum(answers)


async def test_concurrent_puts_of_many_keys_are_all_handed_out(inboxes: Inboxes) -> None:
    inbox = inboxes.of()

    answers = await asyncio.gather(*(inbox.put(Stream.EVENTS, f"key-{n}", b"%d" % n) for n in range(600)))

    assert all(answers)
    taken: set[bytes] = set()
    async with aclosing(inbox.messages(Stream.EVENTS)) as messages:
        async for message in messages:
            await inbox.done(message)
            taken.add(message.payload)
            if len(taken) == 600:
                break
    assert {b"%d" % n for n in range(600)} == taken


async def test_a_message_that_is_done_is_not_handed_out_again_and_its_key_stays_known(
    inboxes: Inboxes,
) -> None:
    inbox = inboxes.of()
    await inbox.put(Stream.EVENTS, "one", b"first")
    await inbox.put(Stream.EVENTS, "two", b"second")
    first, _ = await take(inbox, 2)

    await inbox.done(first)
    await inbox.done(first)

    assert not await inbox.put(Stream.EVENTS, "one", b"first")
    assert [b"second"] == [message.payload for message in await take(inboxes.of(), 1)]


async def test_a_consumer_that_starts_again_gets_what_it_left_behind_at_once(inboxes: Inboxes) -> None:
    before = inboxes.of("bot-a")
    await before.put(Stream.EVENTS, "one", b"first")
    (taken,) = await take(before, 1)

    (again,) = await take(inboxes.of("bot-a", reclaim_after=NEVER), 1)

    assert taken.model_copy(update={"deliveries": 2}) == again


async def test_what_a_dead_consumer_left_behind_goes_to_another(inboxes: Inboxes) -> None:
    dead = inboxes.of("bot-a")
    await dead.put(Stream.EVENTS, "one", b"first")
    (taken,) = await take(dead, 1)

    (again,) = await take(inboxes.of("bot-b", reclaim_after=AT_ONCE), 1)

    assert taken.model_copy(update={"deliveries": 2}) == again


async def test_what_a_living_consumer_holds_is_left_to_it(inboxes: Inboxes) -> None:
    holder, other = inboxes.of("bot-a"), inboxes.of("bot-b", reclaim_after=NEVER)
    await holder.put(Stream.EVENTS, "held", b"held")
    await take(holder, 1)
    await holder.put(Stream.EVENTS, "new", b"new")

    assert ["new"] == [message.key for message in await take(other, 1)]


async def test_a_consumer_that_waits_is_woken_by_a_put(inboxes: Inboxes) -> None:
    inbox = inboxes.of()
    waiting = asyncio.create_task(take(inbox, 1))

    await inboxes.of("another").put(Stream.EVENTS, "one", b"first")

    assert ["one"] == [message.key for message in await waiting]


async def test_a_message_that_is_never_done_is_given_up_and_kept(inboxes: Inboxes) -> None:
    inbox = inboxes.of(reclaim_after=AT_ONCE)
    await inbox.put(Stream.EVENTS, "poison", b"bytes")
    deliveries = [message.deliveries for message in await take(inbox, MAX_DELIVERIES)]
    await inbox.put(Stream.EVENTS, "next", b"bytes")

    assert ["next"] == [message.key for message in await take(inbox, 1)]
    assert list(range(1, MAX_DELIVERIES + 1)) == deliveries
    assert 1 == len(await inbox.dead())


async def test_what_is_postponed_each_time_is_never_given_up(inboxes: Inboxes) -> None:
    inbox = inboxes.of(reclaim_after=AT_ONCE)
    await inbox.put(Stream.EVENTS, "patient", b"bytes")

    for _ in range(3 * MAX_DELIVERIES):
        (message,) = await take(inbox, 1)
        await inbox.postpone(message)

    assert ["patient"] == [message.key for message in await take(inbox, 1)]
    assert [] == list(await inbox.dead())


async def test_what_is_done_cannot_be_postponed(inboxes: Inboxes) -> None:
    inbox = inboxes.of(reclaim_after=AT_ONCE)
    await inbox.put(Stream.EVENTS, "one", b"bytes")
    (message,) = await take(inbox, 1)
    await inbox.done(message)

    await inbox.postpone(message.model_copy(update={"deliveries": MAX_DELIVERIES}))
    await inbox.put(Stream.EVENTS, "two", b"bytes")

    assert ["two"] == [message.key for message in await take(inbox, 1)]


async def test_ping_returns_while_writes_are_accepted_and_leaves_nothing_to_hand_out(
    inboxes: Inboxes,
) -> None:
    inbox = inboxes.of()
    await inbox.ping()

    assert await inbox.put(Stream.EVENTS, "one", b"bytes")
    assert ["one"] == [message.key for message in await take(inbox, 1)]


async def test_nothing_acknowledged_is_lost_by_kill_9(server: RedisServer) -> None:
    inbox = RedisInbox(server.url, consumer="bot", block=timedelta(milliseconds=20))
    acknowledged: set[str] = set()

    async def put_until_killed(writer: int) -> None:
        for number in count():
            try:
                await inbox.put(Stream.EVENTS, key := f"key-{writer}-{number}", b"payload")
            except Unavailable:
                return
            acknowledged.add(key)
            if len(acknowledged) == 300:
                server.kill()

    await asyncio.gather(*(put_until_killed(writer) for writer in range(50)))
    server.start()

    found: set[str] = set()
    async with aclosing(inbox.messages(Stream.EVENTS)) as messages:
        async for message in messages:
            await inbox.done(message)
            found.add(message.key)
            if acknowledged <= found:
                break
    await inbox.aclose()

    assert len(acknowledged) >= 300
    assert set() == acknowledged - found


async def test_a_put_works_again_after_a_restart_and_a_retry_of_a_stored_one_is_a_duplicate(
    server: RedisServer,
) -> None:
    inbox = RedisInbox(server.url, consumer="bot")
    await inbox.put(Stream.EVENTS, "stored", b"payload")
    server.kill()
    with pytest.raises(Unavailable):
        await inbox.put(Stream.EVENTS, "new", b"payload")
    with pytest.raises(Unavailable):
        await inbox.ping()
    with pytest.raises(Unavailable):
        await take(inbox, 1)
    server.start()

    assert not await inbox.put(Stream.EVENTS, "stored", b"payload")
    assert await inbox.put(Stream.EVENTS, "new", b"payload")
    await inbox.aclose()


class AnswerCutter:
    """Passes bytes on to the server; told to cut, it drops the connection in place of an answer."""

    def __init__(self, server: RedisServer, path: Path) -> None:
        self.cutting = False
        self._server = server
        self._path = path

    @asynccontextmanager
    async def listening(self) -> AsyncIterator[str]:
        """Yield the address to use in place of the server's."""
        async with await asyncio.start_unix_server(self._pass_on, self._path):
            yield f"unix://{self._path}"

    async def _pass_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        path = self._server.url.removeprefix("unix://")
        from_server, to_server = await asyncio.open_unix_connection(path)
        try:
            async with asyncio.TaskGroup() as group:
                up = group.create_task(self._copy(reader, to_server))
                await self._copy(from_server, writer, answers=True)
                up.cancel()
        finally:
            to_server.close()
            writer.close()

    async def _copy(
        self, source: asyncio.StreamReader, target: asyncio.StreamWriter, *, answers: bool = False
    ) -> None:
        while piece := await source.read(65_536):
            if answers and self.cutting:
                return
            target.write(piece)


async def test_e_lost_answer_a_put_that_was_stored_unheard_is_a_duplicate_when_repeated(
    server: RedisServer,
) -> None:
    with tempfile.TemporaryDirectory(prefix="hr-") as folder:
        cutter = AnswerCutter(server, Path(folder) / "s")
        async with cutter.listening() as url:
            inbox = RedisInbox(url, consumer="bot", block=timedelta(milliseconds=20))
            await inbox.put(Stream.EVENTS, "heard", b"payload")
            cutter.cutting = True
            with pytest.raises(Unavailable):
                await inbox.put(Stream.EVENTS, "unheard", b"payload")
            cutter.cutting = False

            assert not await inbox.put(Stream.EVENTS, "unheard", b"payload")
            assert ["heard", "unheard"] == [message.key for message in await take(inbox, 2)]
            await inbox.aclose()


async def test_e_oom_a_full_server_refuses_puts_and_fails_the_ping() -> None:
    with redis_server("--maxmemory", "1") as server:
        inbox = RedisInbox(server.url, consumer="bot")

        with pytest.raises(Unavailable):
            await inbox.ping()
        refused = await asyncio.gather(
            *(inbox.put(Stream.EVENTS, f"key-{n}", b"payload") for n in range(5)), return_exceptions=True
        )

        assert [Unavailable] * 5 == [type(answer) for answer in refused]
        await inbox.aclose()


async def test_a_key_whose_entry_could_not_be_stored_counts_as_new(server: RedisServer) -> None:
    inbox, redis = RedisInbox(server.url, consumer="bot"), open_redis(server.url)
    await redis.set("{in}:events", "in the way")
    with pytest.raises(Unavailable):
        await inbox.put(Stream.EVENTS, "one", b"payload")
    await redis.delete("{in}:events")

    assert await inbox.put(Stream.EVENTS, "one", b"payload")
    await redis.aclose()
    await inbox.aclose()


async def test_the_consumer_group_is_made_again_when_somebody_removed_it(server: RedisServer) -> None:
    inbox = RedisInbox(server.url, consumer="bot", block=timedelta(milliseconds=20))
    redis = open_redis(server.url)
    await inbox.put(Stream.EVENTS, "one", b"payload")
    async with aclosing(inbox.messages(Stream.EVENTS)) as messages:
        first = await anext(messages)
        await redis.xgroup_destroy("{in}:events", "disp")
        again = await anext(messages)

    assert first == again
    await redis.aclose()
    await inbox.aclose()


async def test_an_entry_that_is_not_ours_is_put_aside(server: RedisServer) -> None:
    inbox = RedisInbox(server.url, consumer="bot", block=timedelta(milliseconds=20))
    redis = open_redis(server.url)
    await redis.xadd("{in}:events", {"key": "k", "at": "not a time", "payload": "p"})
    await inbox.put(Stream.EVENTS, "ours", b"payload")

    assert ["ours"] == [message.key for message in await take(inbox, 1)]
    assert [b"not one of our entries"] == [fields[b"why"] for fields in await inbox.dead()]
    await redis.aclose()
    await inbox.aclose()


async def test_each_delivery_doubles_the_wait_for_the_next(server: RedisServer) -> None:
    """After two deliveries an entry that is idle for a minute is not yet due; one delivered once is."""
    inbox = RedisInbox(
        server.url, consumer="bot-b", reclaim_after=timedelta(minutes=1), block=timedelta(milliseconds=20)
    )
    redis = open_redis(server.url)
    for key in ("twice", "once"):
        await inbox.put(Stream.EVENTS, key, b"payload")
    dead = RedisInbox(server.url, consumer="bot-a", block=timedelta(milliseconds=20))
    for message, deliveries in zip(await take(dead, 2), (2, 1), strict=True):
        await redis.xclaim(
            "{in}:events", "disp", "bot-a", 0, [message.id], idle=61_000, retrycount=deliveries
        )

    assert ["once"] == [message.key for message in await take(inbox, 1)]
    for closing in (inbox, dead, redis):
        await closing.aclose()


async def test_durability_says_what_the_server_is_set_to(server: RedisServer) -> None:
    inbox = RedisInbox(server.url, consumer="bot")

    found = await inbox.durability()

    assert Durability(append_only=True, fsync="always", eviction="noeviction") == found
    assert found.is_durable
    await inbox.aclose()


async def test_durability_is_unknown_where_config_is_forbidden() -> None:
    with redis_server("--rename-command", "CONFIG", "") as server:
        inbox = RedisInbox(server.url, consumer="bot")

        found = await inbox.durability()

        assert (Durability(append_only=None, fsync=None, eviction=None), None) == (found, found.is_durable)
        await inbox.aclose()


async def test_e_volatile_store_a_server_that_forgets_or_evicts_is_not_durable() -> None:
    forgetful = Durability(append_only=False, fsync="always", eviction="noeviction")
    evicting = Durability(append_only=True, fsync="always", eviction="allkeys-lru")

    assert (False, False) == (forgetful.is_durable, evicting.is_durable)
