"""What comes next for an incident, state by state."""

from collections.abc import Sequence
from datetime import datetime, timedelta

import pytest

from bot.domain.course import (
    Await,
    Execute,
    Expire,
    Finish,
    Move,
    Settle,
    Show,
    Situation,
    Verify,
    Withdraw,
    next_move,
)
from bot.domain.execution import Claim, Result, StepOutcome
from bot.domain.plan import Plan, plan_digest
from bot.domain.proposal import ProposalRecord, ProposalState
from tests.builders import NOW, a_check, a_plan, a_request

S = ProposalState
FIRST, SECOND = a_request("first"), a_request("second")
PLAN = a_plan(actions=[FIRST, SECOND])
EXITS = [S.DENIED, S.EXPIRED, S.CANCELLED, S.SUPERSEDED, S.FAILED, S.VERIFIED, S.NOT_RECOVERED]


def a_record(state: ProposalState, plan: Plan = PLAN) -> ProposalRecord:
    raw = plan.to_bytes()
    return ProposalRecord(
        id=plan.id,
        incident=plan.incident,
        number=plan.number,
        epoch=plan.epoch,
        digest=plan_digest(raw),
        plan=raw,
        state=state,
        created_at=NOW,
        changed_at=NOW,
        expires_at=plan.expires_at,
    )


def a_claim(index: int, result: Result | None, plan: Plan = PLAN) -> Claim:
    step = plan.steps[index]
    return Claim(
        effect_key=plan.effect_key(step),
        attempt=step.attempt,
        proposal_id=plan.id,
        step_index=step.index,
        claimed_at=NOW,
        finished_at=NOW if result else None,
        outcome=StepOutcome(result=result, detail=f"it is {result.value}") if result else None,
    )


def the_move(
    state: ProposalState,
    *,
    is_open: bool = True,
    epoch: int = 0,
    now: datetime = NOW,
    claims: Sequence[Claim] = (),
    plan: Plan = PLAN,
) -> Move:
    return next_move(
        Situation(
            is_open=is_open, epoch=epoch, now=now, proposals=[a_record(state, plan)], claims=list(claims)
        )
    )


def test_without_a_proposal_an_open_incident_waits_and_a_closed_one_ends() -> None:
    def at(is_open: bool) -> Situation:
        return Situation(is_open=is_open, epoch=0, now=NOW, proposals=[], claims=[])

    assert [Await(), Finish()] == [next_move(at(True)), next_move(at(False))]


@pytest.mark.parametrize(
    ("state", "move"),
    [
        (S.PENDING, Show(proposal=PLAN.id)),
        (S.PROPOSED, Await(until=PLAN.expires_at)),
        (S.APPROVED, Execute(proposal=PLAN.id, step_index=0, timeout_s=10)),
        (S.STARTED, Execute(proposal=PLAN.id, step_index=0, timeout_s=10)),
        (S.DONE, Verify(proposal=PLAN.id, timeout_s=150)),
        (S.UNKNOWN, Await()),
        *((state, Await()) for state in EXITS),
    ],
)
def test_while_the_incident_is_open_the_state_says_what_follows(state: ProposalState, move: Move) -> None:
    assert move == the_move(state)


@pytest.mark.parametrize(
    ("state", "move"),
    [
        *(
            (state, Withdraw(proposal=PLAN.id, reason="the incident was resolved"))
            for state in (S.PENDING, S.PROPOSED, S.APPROVED)
        ),
        (S.STARTED, Execute(proposal=PLAN.id, step_index=0, timeout_s=10)),
        (S.DONE, Verify(proposal=PLAN.id, timeout_s=150)),
        (S.UNKNOWN, Await()),
        *((state, Finish()) for state in EXITS),
    ],
)
def test_a_resolve_stops_what_has_not_started_and_ends_what_is_over(state: ProposalState, move: Move) -> None:
    assert move == the_move(state, is_open=False)


@pytest.mark.parametrize("state", [S.PENDING, S.PROPOSED, S.APPROVED])
def test_at_the_very_moment_of_expiry_it_is_over(state: ProposalState) -> None:
    just_before = PLAN.expires_at - timedelta(microseconds=1)

    assert Expire(proposal=PLAN.id) == the_move(state, now=PLAN.expires_at)
    assert Expire(proposal=PLAN.id) != the_move(state, now=just_before)


@pytest.mark.parametrize("state", [S.PENDING, S.PROPOSED, S.APPROVED])
def test_a_proposal_of_another_epoch_is_withdrawn(state: ProposalState) -> None:
    assert Withdraw(proposal=PLAN.id, reason="the engine was restarted from empty") == the_move(
        state, epoch=1
    )


@pytest.mark.parametrize(
    ("claims", "move"),
    [
        ([a_claim(0, None)], Execute(proposal=PLAN.id, step_index=0, timeout_s=10)),
        ([a_claim(0, Result.DONE)], Execute(proposal=PLAN.id, step_index=1, timeout_s=10)),
        (
            [a_claim(0, Result.DONE), a_claim(1, None)],
            Execute(proposal=PLAN.id, step_index=1, timeout_s=10),
        ),
        (
            [a_claim(0, Result.DONE), a_claim(1, Result.DONE)],
            Settle(proposal=PLAN.id, state=S.DONE, detail="all steps are done"),
        ),
        (
            [a_claim(0, Result.FAILED)],
            Settle(proposal=PLAN.id, state=S.FAILED, detail="it is failed"),
        ),
        (
            [a_claim(0, Result.DONE), a_claim(1, Result.UNKNOWN)],
            Settle(proposal=PLAN.id, state=S.UNKNOWN, detail="it is unknown"),
        ),
    ],
)
def test_steps_run_one_after_the_other_until_one_does_not_work(claims: list[Claim], move: Move) -> None:
    assert move == the_move(S.STARTED, claims=claims)


@pytest.mark.parametrize(
    ("claims", "state"),
    [
        ([a_claim(0, None)], S.UNKNOWN),
        ([a_claim(0, Result.DONE)], S.FAILED),
        ([a_claim(0, Result.DONE), a_claim(1, None)], S.UNKNOWN),
        ([a_claim(0, Result.UNKNOWN)], S.UNKNOWN),
    ],
)
def test_a_new_epoch_stops_between_steps_and_leaves_a_begun_one_to_people(
    claims: list[Claim], state: ProposalState
) -> None:
    move = the_move(S.STARTED, epoch=1, claims=claims)

    assert isinstance(move, Settle)
    assert state is move.state


def test_claims_of_other_proposals_are_not_ours() -> None:
    other = a_plan(number=2, actions=[FIRST, SECOND])

    assert Execute(proposal=PLAN.id, step_index=0, timeout_s=10) == the_move(
        S.STARTED, claims=[a_claim(0, Result.DONE, other)]
    )


def test_steps_that_a_voided_run_has_done_are_left_out() -> None:
    rest = PLAN.model_copy(update={"steps": PLAN.steps[1:]})

    assert Execute(proposal=PLAN.id, step_index=1, timeout_s=10) == the_move(S.APPROVED, plan=rest)


def test_a_check_between_steps_gets_its_hold_time_too() -> None:
    plan = a_plan(actions=[a_check("settled", within_s=60, hold_s=15)])

    assert Execute(proposal=plan.id, step_index=0, timeout_s=75) == the_move(S.APPROVED, plan=plan)
