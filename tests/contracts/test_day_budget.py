"""The contract of a day's budget, in Redis and in memory."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from datetime import date

import pytest

from adapters.llm.budget import Caps, DayBudget, MemoryDayBudget, Reservation
from adapters.store.redis.client import open_redis
from adapters.store.redis.day_budget import RedisDayBudget
from tests.redis_server import redis_server

FIRST = date(2026, 11, 22)
SECOND = date(2026, 11, 23)


class Today:
    def __init__(self) -> None:
        self.day = FIRST

    def __call__(self) -> date:
        return self.day


Make = Callable[[Caps, Today], DayBudget]


@pytest.fixture(params=["redis", "memory"])
async def make(request: pytest.FixtureRequest) -> AsyncIterator[Make]:
    async with AsyncExitStack() as stack:
        if request.param == "memory":
            yield MemoryDayBudget
            return
        client = open_redis(stack.enter_context(redis_server()).url)
        stack.push_async_callback(client.aclose)
        yield lambda caps, today: RedisDayBudget(client, caps, today)


async def test_a_reservation_counts_until_it_is_settled(make: Make) -> None:
    budget = make(Caps(tokens=100, calls=10), Today())

    first = await budget.reserve(60)
    assert Reservation(FIRST, 60) == first
    assert await budget.reserve(60) is None
    await budget.settle(first, 30)
    assert await budget.reserve(70) is not None
    assert await budget.reserve(1) is None


async def test_llm_cost_a_day_has_so_many_calls_whatever_they_cost(make: Make) -> None:
    budget = make(Caps(tokens=100, calls=2), Today())

    granted = [await budget.reserve(1) is not None for _ in range(3)]

    assert [True, True, False] == granted


async def test_a_new_day_begins_at_zero(make: Make) -> None:
    today = Today()
    budget = make(Caps(tokens=100, calls=1), today)
    assert await budget.reserve(100)

    today.day = SECOND

    assert Reservation(SECOND, 100) == await budget.reserve(100)


async def test_a_call_that_ends_after_midnight_is_settled_on_the_day_it_began(make: Make) -> None:
    today = Today()
    budget = make(Caps(tokens=100, calls=10), today)
    late = await budget.reserve(80)
    assert late is not None
    today.day = SECOND

    await budget.settle(late, 10)

    assert await budget.reserve(100)


async def test_calls_at_the_same_time_cannot_pass_the_cap_together(make: Make) -> None:
    budget = make(Caps(tokens=100, calls=100), Today())

    granted = await asyncio.gather(*(budget.reserve(30) for _ in range(10)))

    assert 3 == len([one for one in granted if one is not None])


async def test_a_restart_does_not_begin_the_day_anew() -> None:
    with redis_server() as server:
        caps = Caps(tokens=100, calls=10)
        before = open_redis(server.url)
        assert await RedisDayBudget(before, caps, Today()).reserve(80)
        await before.aclose()
        server.kill()
        server.start()

        after = open_redis(server.url)
        again = RedisDayBudget(after, caps, Today())

        assert await again.reserve(30) is None
        assert await again.reserve(20)
        assert 0 < await after.ttl("{model}:tokens:2026-11-22") <= 172_800
        await after.aclose()


async def test_without_redis_nothing_is_granted() -> None:
    with redis_server() as server:
        client = open_redis(server.url)
        budget = RedisDayBudget(client, Caps(tokens=100, calls=10), Today())
        reserved = await budget.reserve(10)
        assert reserved is not None
        server.kill()

        assert await budget.reserve(10) is None
        await budget.settle(reserved, 5)
        await client.aclose()
