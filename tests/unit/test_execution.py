"""The last check before an effect, whatever store asks."""

from datetime import datetime, timedelta

import pytest

from bot.domain.approval import APPROVAL_TTL, Circumstances
from bot.domain.execution import ApprovedStep, NotAdmitted, admit, is_idempotent
from bot.domain.freshness import Freshness
from bot.domain.ids import ProposalId, sha256_hex
from bot.domain.plan import CommandRun, Pause, Plan, PlannedAction
from bot.domain.proposal import FOLLOWS, HOLDS_TARGET, LIVE, ProposalRecord, ProposalState, may_follow
from tests.builders import NOW, a_check, a_person, a_plan, a_record, a_request

S = ProposalState
AROUND = Circumstances(epoch=0, is_incident_open=True, is_killed=False)
TWO_STEPS = (a_request("drain"), a_request("deploy"))


def approved(plan: Plan | None = None, *, state: ProposalState = S.APPROVED) -> ProposalRecord:
    return a_record(plan, state=state, approved_by=(a_person(),))


def ask(
    record: ProposalRecord,
    step: int = 0,
    *,
    finished: frozenset[int] = frozenset(),
    holder: str | None = None,
    last_attempt: int = 0,
    around: Circumstances = AROUND,
    now: datetime = NOW,
) -> ApprovedStep | NotAdmitted:
    return admit(
        record,
        step,
        finished=finished,
        target_holder=ProposalId(holder) if holder is not None else None,
        last_use=None,
        last_attempt=last_attempt,
        freshness=Freshness(proposal=record.id, digest=record.digest, at=now),
        around=around,
        now=now,
    )


def test_an_approved_step_carries_what_was_approved() -> None:
    plan = a_plan()

    assert ask(approved(plan)) == ApprovedStep(
        incident=plan.incident,
        proposal_id=plan.id,
        plan=plan,
        step=plan.steps[0],
        effect_key=plan.effect_key(plan.steps[0]),
    )


@pytest.mark.parametrize("state", [state for state in S if state not in (S.APPROVED, S.STARTED)])
def test_nothing_but_an_approved_or_started_proposal_starts(state: ProposalState) -> None:
    assert ask(approved(state=state)) == NotAdmitted(why=f"the proposal is {state.value}")


def test_approvals_of_other_bytes_do_not_count() -> None:
    record = approved()
    swapped = record.approvals[0].model_copy(update={"digest": sha256_hex("another plan")})

    answer = ask(record.model_copy(update={"approvals": (swapped,)}))

    assert answer == NotAdmitted(why="0 of 1 approvals")


def test_two_approvals_of_one_person_are_one() -> None:
    plan = a_plan(quorum=2)
    record = a_record(plan, state=S.APPROVED, approved_by=(a_person(), a_person()))

    assert ask(record) == NotAdmitted(why="1 of 2 approvals")


@pytest.mark.parametrize(
    "changed",
    [
        {"plan": a_plan(version="40").to_bytes()},
        {"digest": sha256_hex("something")},
        {"expires_at": NOW + timedelta(days=1)},
        {"number": 9},
        {"incident": "P9"},
    ],
)
def test_a_record_that_differs_from_its_plan_does_not_start(changed: dict[str, object]) -> None:
    answer = ask(approved().model_copy(update=changed))

    assert answer == NotAdmitted(why="the stored plan differs from the one approved")


def test_an_epoch_written_over_does_not_bring_an_approval_back() -> None:
    record = approved(a_plan(epoch=0)).model_copy(update={"epoch": 3})

    answer = ask(record, around=Circumstances(epoch=3, is_incident_open=True, is_killed=False))

    assert answer == NotAdmitted(why="the stored plan differs from the one approved")


@pytest.mark.parametrize(
    ("around", "state"),
    [
        (Circumstances(epoch=0, is_incident_open=True, is_killed=True), None),
        (Circumstances(epoch=1, is_incident_open=True, is_killed=False), S.SUPERSEDED),
        (Circumstances(epoch=0, is_incident_open=False, is_killed=False), S.CANCELLED),
    ],
)
def test_what_holds_around_a_proposal_can_forbid_its_start(
    around: Circumstances, state: ProposalState | None
) -> None:
    answer = ask(approved(), around=around)

    assert isinstance(answer, NotAdmitted)
    assert answer.state is state


@pytest.mark.parametrize(("late_by_ms", "starts"), [(-1, True), (0, False), (1, False)])
def test_a_tie_at_the_expiry_starts_nothing(late_by_ms: int, starts: bool) -> None:
    answer = ask(approved(), now=NOW + APPROVAL_TTL + timedelta(milliseconds=late_by_ms))

    assert isinstance(answer, ApprovedStep) is starts


def test_a_started_proposal_goes_on_when_its_incident_is_resolved_or_its_time_is_over() -> None:
    answer = ask(
        approved(state=S.STARTED),
        holder=a_plan().id,
        around=Circumstances(epoch=0, is_incident_open=False, is_killed=False),
        now=NOW + timedelta(hours=1),
    )

    assert isinstance(answer, ApprovedStep)


@pytest.mark.parametrize(
    "around",
    [
        Circumstances(epoch=1, is_incident_open=True, is_killed=False),
        Circumstances(epoch=0, is_incident_open=True, is_killed=True),
    ],
)
def test_a_started_proposal_leaves_by_no_side_exit(around: Circumstances) -> None:
    answer = ask(approved(state=S.STARTED), around=around)

    assert isinstance(answer, NotAdmitted)
    assert answer.state is None


def test_a_target_that_another_execution_holds_cancels_the_start() -> None:
    answer = ask(approved(), holder="P9-1")

    assert answer == NotAdmitted(
        why="checkout/production belongs to the running execution P9-1", state=S.CANCELLED
    )


def test_steps_run_in_order() -> None:
    record = approved(a_plan(actions=TWO_STEPS), state=S.STARTED)

    assert ask(record, 1) == NotAdmitted(why="step drain has not finished")
    assert isinstance(ask(record, 1, finished=frozenset({0})), ApprovedStep)
    assert ask(record, 2) == NotAdmitted(why="the plan has no step 2")


@pytest.mark.parametrize(
    ("attempt", "last", "starts"), [(1, 0, True), (2, 1, True), (1, 1, False), (3, 1, False), (2, 0, False)]
)
def test_an_attempt_is_exactly_the_next(attempt: int, last: int, starts: bool) -> None:
    answer = ask(approved(a_plan(attempt=attempt)), last_attempt=last)

    assert isinstance(answer, ApprovedStep) is starts


@pytest.mark.parametrize(
    ("action", "expected"),
    [
        (a_request(idempotent=True), True),
        (a_request(idempotent=False), False),
        (CommandRun(name="run", argv=("true",), expect_exit=(0,), idempotent=False, timeout_s=1), False),
        (Pause(name="settle", seconds=1), True),
        (a_check(), True),
    ],
)
def test_only_what_changes_nothing_twice_may_be_asked_for_again(
    action: PlannedAction, expected: bool
) -> None:
    assert is_idempotent(action) is expected


def test_the_exits_are_absorbing_and_nothing_starts_twice() -> None:
    exits = {S.DENIED, S.EXPIRED, S.CANCELLED, S.SUPERSEDED}

    assert all(not FOLLOWS[state] for state in exits)
    assert [state for state in S if may_follow(state, S.STARTED)] == [S.APPROVED]
    assert all(exits & FOLLOWS[state] == (exits if state in LIVE else set()) for state in S)
    assert not LIVE & HOLDS_TARGET
