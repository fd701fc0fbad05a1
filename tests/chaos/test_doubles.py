"""The crash table against other ways to start once: it must show where those start twice.

Two owners want one step. The first dies, or only sleeps, at a boundary; then the second has its turn; then a
sleeper wakes. `gate` is the store; `naive` looks and then acts; `lock` acts under a lease that runs out.
"""

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

import pytest

from bot.domain.execution import ApprovedStep, Result, StepOutcome
from bot.domain.ids import ProposalId
from bot.domain.policy import FLOOR
from tests.builders import ManualTime, fresh
from tests.contracts.stores import Bench

LEASE = timedelta(seconds=30)
BOUNDARIES = ("before the claim", "before the effect", "before the end")


@dataclass
class Ground:
    """What all owners share: the store, and the target's own journal."""

    bench: Bench
    proposal: ProposalId
    effects: list[str] = field(default_factory=list)
    is_done: bool = False
    locked_until: float = 0.0

    def now(self) -> float:
        return self.bench.time.at.timestamp()


async def gate(ground: Ground) -> AsyncIterator[str]:
    store = ground.bench.store
    yield "before the claim"
    record = await store.gate.proposal(ground.proposal)
    assert record is not None
    step = await store.gate.claim(ground.proposal, 0, fresh(record, ground.bench.time.at), policy=FLOOR)
    if not isinstance(step, ApprovedStep):
        return
    yield "before the effect"
    ground.effects.append(step.effect_key)
    yield "before the end"
    await store.gate.finish(step.effect_key, 1, StepOutcome(result=Result.DONE))


async def naive(ground: Ground) -> AsyncIterator[str]:
    yield "before the claim"
    if ground.is_done:
        return
    yield "before the effect"
    ground.effects.append("again")
    yield "before the end"
    ground.is_done = True


async def lock(ground: Ground) -> AsyncIterator[str]:
    yield "before the claim"
    if ground.is_done or ground.locked_until > ground.now():
        return
    ground.locked_until = ground.now() + LEASE.total_seconds()
    yield "before the effect"
    ground.effects.append("again")
    yield "before the end"
    ground.is_done, ground.locked_until = True, 0.0


Owner = Callable[[Ground], AsyncIterator[str]]


async def effects_after(owner: Owner, ground: Ground, at: str, *, wakes: bool) -> int:
    """Return how often the target acted when the first owner stopped *at* a boundary."""
    first = owner(ground)
    async for boundary in first:
        if boundary == at:
            break
    ground.bench.time.advance(2 * LEASE)
    async for _ in owner(ground):
        pass
    if wakes:
        async for _ in first:
            pass
    return len(ground.effects)


@pytest.fixture
async def ground(tmp_path: Path) -> AsyncIterator[Ground]:
    bench = Bench(url=f"sqlite:///{tmp_path}/audit.db", time=ManualTime(), kill_file=tmp_path / "KILL")
    yield Ground(bench, (await bench.approved()).id)
    await bench.close()


@pytest.mark.parametrize("wakes", [False, True], ids=["killed", "asleep"])
@pytest.mark.parametrize("at", BOUNDARIES)
async def test_the_gate_never_acts_twice(ground: Ground, at: str, wakes: bool) -> None:
    assert await effects_after(gate, ground, at, wakes=wakes) <= 1


@pytest.mark.parametrize(
    ("owner", "at", "wakes"),
    [
        (naive, "before the effect", True),
        (naive, "before the end", False),
        (lock, "before the effect", True),
        (lock, "before the end", False),
    ],
    ids=["naive, asleep", "naive, killed", "lock, asleep", "lock, killed"],
)
async def test_the_others_act_twice_so_the_table_can_fail(
    ground: Ground, owner: Owner, at: str, wakes: bool
) -> None:
    assert await effects_after(owner, ground, at, wakes=wakes) == 2
