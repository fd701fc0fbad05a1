"""Many people, several replicas and the clock at one gate, over one SQLite file as three bots have it."""

import asyncio
from collections import Counter
from collections.abc import Sequence
from datetime import timedelta

import pytest

from adapters.store.opening import Store
from bot.domain.approval import Action, Reason, Ruling
from bot.domain.errors import Tampered
from bot.domain.execution import ApprovedStep, Claim, NotAdmitted, Result, StepOutcome
from bot.domain.person import Person
from bot.domain.plan import Plan
from bot.domain.policy import FLOOR
from bot.domain.proposal import ProposalRecord, ProposalState
from tests.builders import a_click, a_person, a_plan, fresh
from tests.conftest import Rounds
from tests.contracts.stores import ALLOWED, Bench
from tests.history import violations

PEOPLE = [a_person(f"U0PERSON{number}", name=f"Person {number}") for number in range(5)]
REPLICAS = 3
CLICKS = 10

pytestmark = pytest.mark.timeout(900)


@pytest.fixture
def replicas(bench: Bench) -> list[Store]:
    return [bench.store, *(bench.another() for _ in range(REPLICAS - 1))]


def a_round(bench: Bench, number: int) -> Plan:
    """Return a plan of its own incident and target, so that rounds do not meet."""
    return a_plan(
        incident=f"P{number}", target=f"service-{number}", expires_at=bench.time.at + timedelta(minutes=15)
    )


async def press(store: Store, bench: Bench, plan: Plan, action: Action, who: Person, nonce: str) -> Ruling:
    click = a_click(action, plan=plan, by=who, at=bench.time.at, nonce=nonce)
    return await store.gate.rule(click, ALLOWED, who)


async def claim(store: Store, bench: Bench, record: ProposalRecord) -> ApprovedStep | Claim | NotAdmitted:
    return await store.gate.claim(record.id, 0, fresh(record, bench.time.at), policy=FLOOR)


async def assert_history(bench: Bench) -> None:
    assert violations(await bench.store.audit.entries(limit=1_000_000)) == []


async def test_sl_stampede_one_start_and_every_click_is_answered(
    bench: Bench, replicas: Sequence[Store], rounds: Rounds
) -> None:
    """Five people at three replicas press ten times each, and each replica tries to start it."""
    for number in range(rounds(3, 100)):
        plan = a_round(bench, number)
        record = await bench.offered(plan)

        rulings = await asyncio.gather(
            *(
                press(store, bench, plan, Action.APPROVE, who, f"{replica}.{click}")
                for replica, store in enumerate(replicas)
                for who in PEOPLE
                for click in range(CLICKS)
            )
        )
        answers = await asyncio.gather(*(claim(store, bench, record) for store in replicas))

        assert Counter(ruling.reason for ruling in rulings) == {
            Reason.ACCEPTED: 1,
            Reason.ALREADY_DECIDED: REPLICAS * len(PEOPLE) * CLICKS - 1,
        }
        assert all(ruling.text for ruling in rulings)
        assert Counter(type(answer) for answer in answers) == {ApprovedStep: 1, Claim: REPLICAS - 1}
        bench.time.advance(timedelta(hours=2))
    await assert_history(bench)


async def test_sl_deny_race_a_denial_before_the_start_means_no_start(
    bench: Bench, replicas: Sequence[Store], rounds: Rounds
) -> None:
    """Approve, deny and start at once; who is asked first alternates. The record says who was first."""
    seen: Counter[str] = Counter()
    for number in range(rounds(50, 1000)):
        plan = a_round(bench, number)
        record = await bench.offered(plan)
        racers = [
            press(replicas[0], bench, plan, Action.APPROVE, PEOPLE[0], "a"),
            press(replicas[1], bench, plan, Action.DENY, PEOPLE[1], "d"),
        ]

        first, second = await asyncio.gather(*(racers if number % 2 else reversed(racers)))
        started = await claim(replicas[2], bench, record)

        approval, denial = (first, second) if number % 2 else (second, first)
        seen[f"approve {approval.reason}"] += 1
        assert denial.reason is Reason.ACCEPTED
        assert approval.reason in (Reason.ACCEPTED, Reason.ALREADY_DECIDED)
        assert isinstance(started, NotAdmitted)
        assert (await bench.proposal(record)).state is ProposalState.DENIED
    assert len(seen) == 2, f"one of them always won: {seen}"
    await assert_history(bench)


async def test_sl_deny_race_a_denial_and_a_start_at_once(
    bench: Bench, replicas: Sequence[Store], rounds: Rounds
) -> None:
    seen: Counter[bool] = Counter()
    for number in range(rounds(50, 1000)):
        plan = a_round(bench, number)
        record = await bench.approved(plan)
        racers = [
            claim(replicas[1], bench, record),
            press(replicas[2], bench, plan, Action.DENY, PEOPLE[1], "d"),
        ]

        answers = await asyncio.gather(*(racers if number % 2 else reversed(racers)))

        ruling = next(answer for answer in answers if isinstance(answer, Ruling))
        has_started = any(isinstance(answer, ApprovedStep) for answer in answers)
        assert has_started == (ruling.reason is Reason.ALREADY_STARTED)
        assert has_started != ruling.is_accepted
        seen[has_started] += 1
        bench.time.advance(timedelta(hours=2))
    assert len(seen) == 2, f"one of them always won: {seen}"
    await assert_history(bench)


@pytest.mark.parametrize(
    ("milliseconds", "is_in_time"), [(-1, True), (0, False), (1, False)], ids=["before", "at", "after"]
)
async def test_sl_expired_the_stores_time_decides_to_the_millisecond(
    bench: Bench, milliseconds: int, is_in_time: bool
) -> None:
    """A press and a start around the expiry. No clock but the store's is asked: there is none to skew."""
    plan = a_round(bench, 1)
    record = await bench.offered(plan)
    bench.time.at = plan.expires_at + timedelta(milliseconds=milliseconds)

    ruling = await press(bench.another(), bench, plan, Action.APPROVE, PEOPLE[0], "1")
    started = await claim(bench.another(), bench, record)

    assert ruling.is_accepted == is_in_time
    assert ruling.reason is (Reason.ACCEPTED if is_in_time else Reason.EXPIRED)
    assert isinstance(started, ApprovedStep) == is_in_time
    await assert_history(bench)


async def test_e_kill_switch_nothing_starts_after_the_stop_is_committed(
    bench: Bench, replicas: Sequence[Store], rounds: Rounds
) -> None:
    """Thirty approved starts, in full a hundred, and a stop once one is through: none follows the stop.

    More of them keep one file so busy that, on a loaded machine, the last waits longer than a store may.
    """
    starts = 0
    for number in range(rounds(1, 10)):
        records = [
            await bench.approved(a_round(bench, number * 100 + each)) for each in range(rounds(30, 100))
        ]

        claims = [asyncio.create_task(claim(replicas[n % REPLICAS], bench, r)) for n, r in enumerate(records)]
        await asyncio.wait(claims, return_when=asyncio.FIRST_COMPLETED)
        _, answers = await asyncio.gather(replicas[1].gate.kill("test", "stop"), asyncio.gather(*claims))

        acts = [e.act for e in await bench.store.audit.entries(limit=1_000_000)]
        since_the_stop = acts[len(acts) - acts[::-1].index("killed") :]
        assert "claimed" not in since_the_stop
        starts += sum(isinstance(answer, ApprovedStep) for answer in answers)
        for record in records[:3]:
            assert not isinstance(await claim(replicas[0], bench, record), ApprovedStep)
        await bench.store.gate.revive("test")
        bench.time.advance(timedelta(hours=2))
    assert starts > 0, "the stop was always first: nothing was raced"
    await assert_history(bench)


async def test_e_zombie_a_slow_owner_cannot_change_what_another_has_ended(bench: Bench) -> None:
    """Both believe that the step is theirs; the first end stands, and the other is an alarm."""
    step = await bench.started(a_plan(incident="P1"))
    other = bench.another()
    await other.gate.finish(step.effect_key, 1, StepOutcome(result=Result.UNKNOWN))

    with pytest.raises(Tampered, match="cannot end done as well"):
        await bench.store.gate.finish(step.effect_key, 1, StepOutcome(result=Result.DONE))

    assert isinstance(await other.gate.claim(step.proposal_id, 0, None, policy=FLOOR), Claim)
    await assert_history(bench)
