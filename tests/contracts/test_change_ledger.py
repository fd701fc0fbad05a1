"""What every change ledger promises, shown on Redis and on its memory twin; and what only Redis does."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta

import pytest
from redis.asyncio import Redis

from adapters.store.memory_ledger import MemoryChangeLedger
from adapters.store.redis.client import open_redis
from adapters.store.redis.ledger import RedisChangeLedger
from bot.domain.change import ChangeEvent, ChangeStatus
from bot.domain.errors import Unavailable
from bot.domain.ids import ChangeId, ServiceName
from bot.ports import ChangeLedger
from tests.redis_server import RedisServer, redis_server

NOW = datetime.now(UTC).replace(
    microsecond=123_456
)  # Redis forgets by its own clock, so the present is used.
CHECKOUT, CART = ServiceName("checkout"), ServiceName("cart")


def minutes(count: float) -> timedelta:
    return timedelta(minutes=count)


def a_change(
    name: str = "one",
    *,
    service: ServiceName = CHECKOUT,
    live: datetime | None = NOW,
    reported: datetime = NOW,
    status: ChangeStatus = ChangeStatus.SUCCEEDED,
    also: tuple[ServiceName, ...] = (),
) -> ChangeEvent:
    return ChangeEvent(
        id=ChangeId(name),
        service=service,
        version="42",
        finished_at=live,
        reported_at=reported,
        status=status,
        title="Größer, schneller \u2028 – ok",
        also_touches=also,
    )


@pytest.fixture
async def redis() -> AsyncIterator[Redis]:
    with redis_server() as server:
        client = open_redis(server.url)
        yield client
        await client.aclose()


@pytest.fixture(params=["redis", "memory"])
async def ledger(request: pytest.FixtureRequest) -> AsyncIterator[ChangeLedger]:
    async with AsyncExitStack() as stack:
        if request.param == "memory":
            yield MemoryChangeLedger()
            return
        client = open_redis(stack.enter_context(redis_server()).url)
        stack.push_async_callback(client.aclose)
        yield RedisChangeLedger(client)


async def test_a_recorded_change_is_read_back_whole(ledger: ChangeLedger) -> None:
    change = a_change(also=(CART,))

    assert await ledger.record(change)
    assert change == await ledger.get(change.id)
    assert (change,) == tuple(await ledger.between([CHECKOUT], NOW, NOW))


async def test_an_unknown_change_is_none(ledger: ChangeLedger) -> None:
    assert await ledger.get(ChangeId("nothing")) is None


async def test_the_same_report_again_changes_nothing(ledger: ChangeLedger) -> None:
    first = a_change()
    await ledger.record(first)

    assert not await ledger.record(a_change(reported=NOW + minutes(1)))
    assert first == await ledger.get(first.id)


async def test_a_later_report_replaces_an_earlier_one_and_moves_it(ledger: ChangeLedger) -> None:
    started = a_change(live=None, reported=NOW - minutes(10), status=ChangeStatus.IN_PROGRESS)
    finished = a_change(service=CART, live=NOW)
    await ledger.record(started)

    assert await ledger.record(finished)
    assert finished == await ledger.get(finished.id)
    assert () == tuple(await ledger.between([CHECKOUT], NOW - minutes(20), NOW))
    assert (finished,) == tuple(await ledger.between([CHECKOUT, CART], NOW - minutes(20), NOW))


async def test_an_earlier_report_never_replaces_a_later_one(ledger: ChangeLedger) -> None:
    finished = a_change()
    await ledger.record(finished)

    assert not await ledger.record(a_change(reported=NOW - minutes(1), status=ChangeStatus.IN_PROGRESS))
    assert finished == await ledger.get(finished.id)


async def test_between_includes_both_ends_and_gives_the_newest_first(ledger: ChangeLedger) -> None:
    for name, minute in (("before", -11), ("start", -10), ("middle", -5), ("end", 0), ("after", 1)):
        await ledger.record(a_change(name, live=NOW + minutes(minute)))

    found = await ledger.between([CHECKOUT], NOW - minutes(10), NOW)

    assert ["end", "middle", "start"] == [change.id for change in found]


async def test_between_looks_at_the_named_services_only_and_gives_each_change_once(
    ledger: ChangeLedger,
) -> None:
    await ledger.record(a_change("both", also=(CART,)))
    await ledger.record(a_change("search", service=ServiceName("search")))
    await ledger.record(a_change("cart", service=CART, live=NOW - minutes(1)))

    found = await ledger.between([CART, CHECKOUT, CART], NOW - minutes(5), NOW)

    assert ["both", "cart"] == [change.id for change in found]
    assert () == tuple(await ledger.between([], NOW - minutes(5), NOW))


async def test_a_change_that_said_no_time_stands_at_its_report(ledger: ChangeLedger) -> None:
    change = a_change(live=None, reported=NOW - minutes(3))
    await ledger.record(change)

    assert (change,) == tuple(await ledger.between([CHECKOUT], NOW - minutes(3), NOW - minutes(3)))


async def test_at_most_500_changes_are_found(ledger: ChangeLedger) -> None:
    for number in range(510):
        await ledger.record(a_change(f"change-{number:03}", live=NOW - timedelta(seconds=number)))

    found = await ledger.between([CHECKOUT], NOW - minutes(60), NOW)

    assert [f"change-{number:03}" for number in range(500)] == [change.id for change in found]


async def test_near_gives_the_likeliest_by_time_and_distance_first(ledger: ChangeLedger) -> None:
    far, odd = ServiceName("ledger"), ServiceName("blog")
    for change in (
        a_change("own-old", live=NOW - minutes(600)),
        a_change("own", live=NOW - minutes(30)),
        a_change("called", service=CART, live=NOW - minutes(20)),
        a_change("further", service=far, live=NOW - minutes(10)),
        a_change("elsewhere", service=odd, live=NOW - minutes(1)),
        a_change("too old", live=NOW - minutes(900)),
        a_change("too late", live=NOW + minutes(1)),
        a_change("both", service=odd, live=NOW - minutes(40), also=(CHECKOUT,)),
    ):
        await ledger.record(change)

    found = await ledger.near([{CHECKOUT}, {CART}, set(), {far}], NOW - minutes(700), NOW)

    names = ["own", "both", "called", "further", "own-old", "elsewhere"]
    assert names == [change.id for change in found]


async def test_at_most_100_are_near_and_none_of_them_twice(ledger: ChangeLedger) -> None:
    for number in range(120):
        service = CHECKOUT if number % 2 else CART
        await ledger.record(a_change(f"change-{number:03}", service=service, live=NOW - minutes(number)))

    found = await ledger.near([{CHECKOUT}], NOW - minutes(200), NOW)

    assert 100 == len({change.id for change in found}) == len(found)
    assert {f"change-{number:03}" for number in range(1, 101, 2)} < {change.id for change in found}


async def test_only_the_newest_of_a_service_are_kept(redis: Redis) -> None:
    ledger = RedisChangeLedger(redis, most_per_service=3)
    for number in range(5):
        await ledger.record(a_change(f"{number}", live=NOW + minutes(number)))

    found = await ledger.between([CHECKOUT], NOW, NOW + minutes(9))

    assert ["4", "3", "2"] == [change.id for change in found]


async def test_changes_older_than_the_retention_are_not_found(redis: Redis) -> None:
    ledger = RedisChangeLedger(redis, retention=timedelta(days=1))
    await ledger.record(a_change("old", live=NOW - timedelta(days=2)))
    await ledger.record(a_change("new"))

    found = await ledger.between([CHECKOUT], NOW - timedelta(days=9), NOW)

    assert ["new"] == [change.id for change in found]
    assert 0 < await redis.ttl("{changes}:change:new") <= 86_400


async def test_what_is_no_change_is_left_out(redis: Redis) -> None:
    ledger = RedisChangeLedger(redis)
    await ledger.record(a_change("good"))
    await ledger.record(a_change("bad"))
    await redis.hset("{changes}:change:bad", "body", "{}")

    assert await ledger.get(ChangeId("bad")) is None
    assert ["good"] == [change.id for change in await ledger.between([CHECKOUT], NOW, NOW)]


async def test_without_redis_the_ledger_is_unavailable() -> None:
    with redis_server() as server:
        client = open_redis(server.url)
        ledger = RedisChangeLedger(client)
        await ledger.record(a_change())
        await _fails_while_gone(server, ledger)
        server.start()

        assert a_change() == await ledger.get(ChangeId("one"))
        await client.aclose()


async def _fails_while_gone(server: RedisServer, ledger: RedisChangeLedger) -> None:
    server.kill()
    with pytest.raises(Unavailable):
        await ledger.record(a_change("two"))
    with pytest.raises(Unavailable):
        await ledger.get(ChangeId("one"))
    with pytest.raises(Unavailable):
        await ledger.between([CHECKOUT], NOW, NOW)
    with pytest.raises(Unavailable):
        await ledger.near([{CHECKOUT}], NOW, NOW)
