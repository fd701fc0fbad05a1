"""Many people and several bots at one gate: the first to commit wins, and everybody is answered."""

import asyncio
from collections import Counter

import pytest

from bot.domain.approval import Action, Reason, Ruling
from bot.domain.execution import ApprovedStep, Claim, NotAdmitted
from bot.domain.policy import FLOOR
from bot.domain.proposal import ProposalState
from tests.builders import a_click, a_person, a_plan, fresh
from tests.contracts.stores import ALLOWED, Bench

PEOPLE = [a_person(f"U0PERSON{number}", name=f"Person {number}") for number in range(10)]


async def test_of_many_approvals_at_once_one_wins_and_the_others_are_told(bench: Bench) -> None:
    record = await bench.offered()
    stores = (bench.store, bench.another())

    rulings = await asyncio.gather(
        *(
            store.gate.rule(a_click(by=p, nonce=str(n)), ALLOWED, p)
            for n, store in enumerate(stores)
            for p in PEOPLE
        )
    )

    assert Counter(ruling.reason for ruling in rulings) == {Reason.ACCEPTED: 1, Reason.ALREADY_DECIDED: 19}
    assert len((await bench.proposal(record)).approvals) == 1
    assert (await bench.store.audit.verify()).is_intact


async def test_approvals_against_denials_end_denied_and_never_start(bench: Bench) -> None:
    """A denial counts until the start, so that whatever the order one denial is the last word."""
    record = await bench.offered()
    stores = (bench.store, bench.another())
    actions = (Action.APPROVE, Action.DENY)

    rulings: list[Ruling] = await asyncio.gather(
        *(
            store.gate.rule(a_click(action, by=p), ALLOWED, p)
            for p in PEOPLE
            for action, store in zip(actions, stores, strict=True)
        )
    )

    denied = [ruling for ruling in rulings if ruling.state is ProposalState.DENIED]
    approved = [ruling for ruling in rulings if ruling.state is ProposalState.APPROVED]
    assert (len(denied), len(approved) <= 1) == (1, True)
    assert isinstance(
        await bench.store.gate.claim(record.id, 0, fresh(record, bench.time.at), policy=FLOOR), NotAdmitted
    )


async def test_of_many_claims_at_once_one_may_run(bench: Bench) -> None:
    record = await bench.approved()
    stores = (bench.store, bench.another())

    answers = await asyncio.gather(
        *(
            store.gate.claim(record.id, 0, fresh(record, bench.time.at), policy=FLOOR)
            for store in stores
            for _ in range(10)
        )
    )

    assert Counter(type(answer) for answer in answers) == {ApprovedStep: 1, Claim: 19}


async def test_of_two_executions_on_one_target_one_starts(bench: Bench) -> None:
    first = await bench.approved(a_plan(incident="P1"))
    second = await bench.approved(a_plan(incident="P2"))
    other = bench.another()

    answers = await asyncio.gather(
        bench.store.gate.claim(first.id, 0, fresh(first, bench.time.at), policy=FLOOR),
        other.gate.claim(second.id, 0, fresh(second, bench.time.at), policy=FLOOR),
    )

    assert Counter(type(answer) for answer in answers) == {ApprovedStep: 1, NotAdmitted: 1}


@pytest.mark.parametrize("round_", range(5))
async def test_a_denial_and_a_start_at_once_agree_on_who_was_first(bench: Bench, round_: int) -> None:
    record = await bench.approved()
    other = bench.another()

    answer, ruling = await asyncio.gather(
        bench.store.gate.claim(record.id, 0, fresh(record, bench.time.at), policy=FLOOR),
        other.gate.rule(a_click(Action.DENY, by=PEOPLE[round_]), ALLOWED, PEOPLE[round_]),
    )

    started = isinstance(answer, ApprovedStep)
    assert ruling.reason is (Reason.ALREADY_STARTED if started else Reason.ACCEPTED)
    state = (await bench.proposal(record)).state
    assert state is (ProposalState.STARTED if started else ProposalState.DENIED)
