"""Bots on machines whose clocks are ten minutes apart make the same plan and decide it the same."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import pytest

from adapters.store.clock import StoreClock
from bot.domain.approval import Action
from bot.domain.errors import Unavailable
from bot.domain.proposal import ProposalState
from tests.app.world import Bot, a_bot, with_world
from tests.builders import NOW, ManualTime, a_change

TEN_MINUTES = timedelta(minutes=10)
SKEWS = [-TEN_MINUTES, timedelta(0), TEN_MINUTES]


@dataclass
class Machine:
    """A machine whose own clock and timer are off by *skew*."""

    time: ManualTime
    skew: timedelta

    def now(self) -> datetime:
        return self.time.at + self.skew

    def timer(self) -> float:
        return (self.now() - NOW).total_seconds()


async def on_machines(bot: Bot, *skews: timedelta) -> list[Bot]:
    """Return a replica for each machine, over one record."""
    replicas = []
    for skew in skews:
        clock = StoreClock(bot.store.gate.now, timer=Machine(bot.time, skew).timer)
        await clock.set()
        replicas.append(with_world(bot, clock=clock))
    return replicas


async def recorded(bot: Bot) -> Sequence[tuple[str, str, str]]:
    return [(str(entry.at), entry.act, entry.body) for entry in await bot.entries()]


async def plans(bot: Bot) -> Sequence[bytes]:
    return [record.plan for record in await bot.world.gate.proposals((await bot.the_last()).incident)]


async def a_story(first: Bot, second: Bot, third: Bot) -> None:
    """One proposes, another decides, a third acts and verifies; one more approval comes too late."""
    await first.begin()
    first.signals.values = [0.3, 0.0]
    second.presses = 10
    await second.press(Action.APPROVE, follow=False)
    await third.follow()


@pytest.mark.parametrize("turn", [0, 1, 2])
async def test_e_clock_replicas_ten_minutes_apart_write_the_same_record(turn: int) -> None:
    true, skewed = a_bot(), a_bot()
    await a_story(*await on_machines(true, timedelta(0), timedelta(0), timedelta(0)))

    await a_story(*await on_machines(skewed, *(SKEWS[turn:] + SKEWS[:turn])))

    assert ProposalState.VERIFIED is await skewed.state()
    assert await recorded(true) == await recorded(skewed)
    assert await plans(true) == await plans(skewed)


@pytest.mark.parametrize("skew", SKEWS, ids=["late", "right", "early"])
async def test_e_clock_a_change_just_before_the_press_is_seen_by_every_replica(skew: timedelta) -> None:
    bot = a_bot()
    await bot.begin()
    bot.time.advance(timedelta(minutes=3))
    newer = a_change(version="43", previous_version="42", finished_at=bot.time.at - timedelta(minutes=1))
    await bot.ledger.record(newer)
    (replica,) = await on_machines(bot, skew)
    replica.presses = 10

    ruling = await replica.press(Action.APPROVE)

    assert not ruling.is_accepted
    assert [] == bot.runner.ran
    assert ProposalState.SUPERSEDED is await bot.state() or ProposalState.CANCELLED is await bot.state()


async def test_e_clock_a_machines_own_clock_would_decide_otherwise() -> None:
    """The control: by its own late clock a replica knows of no change yet, and proposes something else."""
    true, late = a_bot(), a_bot()
    await true.begin()
    await with_world(late, clock=Machine(late.time, -TEN_MINUTES)).begin()

    assert await plans(true) != await plans(late)


async def test_e_clock_the_last_answer_counts_on_while_the_store_is_away() -> None:
    time, timer, is_away = ManualTime(), 0.0, False

    async def ask() -> datetime:
        if is_away:
            raise Unavailable("the store does not answer")
        return time.at

    clock = StoreClock(ask, timer=lambda: timer)
    with pytest.raises(RuntimeError, match="not asked"):
        clock.now()
    await clock.set()
    is_away, timer = True, 7.0
    with pytest.raises(Unavailable):
        await clock.set()

    assert NOW + timedelta(seconds=7) == clock.now()
