"""What a click may do to a proposal, whatever store asks."""

from datetime import datetime, timedelta

import pytest

from bot.domain.approval import (
    APPROVAL_TTL,
    CLICK_TTL,
    Action,
    Circumstances,
    Confirmation,
    Permission,
    Reason,
    Ruling,
    click_id,
    different_people,
    faithful_plan,
    needed_for,
    rule_on,
)
from bot.domain.ids import ClickId, PagerDutyUserId, SlackUserId, sha256_hex
from bot.domain.person import Person
from bot.domain.plan import Plan, plan_digest
from bot.domain.proposal import Approval, ProposalRecord, ProposalState
from tests.builders import CARD, NOW, a_click, a_person, a_plan, a_record

S = ProposalState
AROUND = Circumstances(epoch=0, is_incident_open=True, is_killed=False)
ALLOWED = Permission(allowed=True, grounds="named approver")


def rule(
    record: ProposalRecord,
    action: Action = Action.APPROVE,
    *,
    plan: Plan | None = None,
    by: Person | None = None,
    permission: Permission = ALLOWED,
    around: Circumstances = AROUND,
    now: datetime = NOW,
) -> Ruling:
    person = by or a_person()
    return rule_on(record, a_click(action, plan=plan, by=person, at=now), person, permission, around, now)


@pytest.mark.parametrize(
    ("state", "action", "reason", "follows"),
    [
        (S.PENDING, Action.APPROVE, Reason.WRONG_CARD, None),
        (S.PROPOSED, Action.APPROVE, Reason.ACCEPTED, S.APPROVED),
        (S.APPROVED, Action.APPROVE, Reason.ALREADY_DECIDED, None),
        (S.STARTED, Action.APPROVE, Reason.ALREADY_STARTED, None),
        (S.DONE, Action.APPROVE, Reason.ALREADY_STARTED, None),
        (S.UNKNOWN, Action.APPROVE, Reason.ALREADY_STARTED, None),
        (S.DENIED, Action.APPROVE, Reason.ALREADY_DECIDED, None),
        (S.EXPIRED, Action.APPROVE, Reason.EXPIRED, None),
        (S.CANCELLED, Action.APPROVE, Reason.ALREADY_DECIDED, None),
        (S.SUPERSEDED, Action.APPROVE, Reason.ALREADY_DECIDED, None),
        (S.PROPOSED, Action.DENY, Reason.ACCEPTED, S.DENIED),
        (S.APPROVED, Action.DENY, Reason.ACCEPTED, S.DENIED),
        (S.STARTED, Action.DENY, Reason.ALREADY_STARTED, None),
        (S.DENIED, Action.DENY, Reason.ALREADY_DECIDED, None),
        (S.PROPOSED, Action.PROPOSE_AGAIN, Reason.NOTHING_TO_ANSWER, None),
        (S.STARTED, Action.PROPOSE_AGAIN, Reason.ALREADY_STARTED, None),
        (S.UNKNOWN, Action.PROPOSE_AGAIN, Reason.ALREADY_STARTED, None),
        (S.EXPIRED, Action.PROPOSE_AGAIN, Reason.ACCEPTED, None),
        (S.DENIED, Action.PROPOSE_AGAIN, Reason.ACCEPTED, None),
        (S.CANCELLED, Action.PROPOSE_AGAIN, Reason.ACCEPTED, None),
        (S.SUPERSEDED, Action.PROPOSE_AGAIN, Reason.ACCEPTED, None),
        (S.FAILED, Action.PROPOSE_AGAIN, Reason.ACCEPTED, None),
        (S.NOT_RECOVERED, Action.PROPOSE_AGAIN, Reason.ACCEPTED, None),
        (S.VERIFIED, Action.PROPOSE_AGAIN, Reason.ALREADY_STARTED, None),
        (S.UNKNOWN, Action.IT_RAN, Reason.ACCEPTED, S.DONE),
        (S.UNKNOWN, Action.IT_DID_NOT, Reason.ACCEPTED, S.FAILED),
        (S.UNKNOWN, Action.CHECK_AGAIN, Reason.ACCEPTED, None),
        (S.STARTED, Action.IT_RAN, Reason.NOTHING_TO_ANSWER, None),
        (S.FAILED, Action.IT_DID_NOT, Reason.NOTHING_TO_ANSWER, None),
        (S.PROPOSED, Action.SAY_WHY, Reason.NOTHING_TO_ANSWER, None),
        (S.UNKNOWN, Action.SAY_WHY, Reason.NOTHING_TO_ANSWER, None),
    ],
)
def test_each_button_does_one_thing_in_each_state(
    state: ProposalState, action: Action, reason: Reason, follows: ProposalState | None
) -> None:
    ruling = rule(a_record(state=state), action)

    assert (ruling.reason, ruling.state) == (reason, follows)
    assert ruling.text


@pytest.mark.parametrize(
    ("around", "reason"),
    [
        (Circumstances(epoch=0, is_incident_open=True, is_killed=True), Reason.STOPPED),
        (Circumstances(epoch=1, is_incident_open=True, is_killed=False), Reason.VOID),
        (Circumstances(epoch=0, is_incident_open=False, is_killed=False), Reason.INCIDENT_CLOSED),
    ],
)
def test_what_holds_around_a_proposal_can_forbid_the_approval(around: Circumstances, reason: Reason) -> None:
    ruling = rule(a_record(), around=around)

    assert (ruling.reason, ruling.state) == (reason, None)
    assert rule(a_record(), Action.DENY, around=around).is_accepted


@pytest.mark.parametrize(
    ("late_by_ms", "reason"), [(-1, Reason.ACCEPTED), (0, Reason.EXPIRED), (1, Reason.EXPIRED)]
)
def test_a_tie_at_the_expiry_goes_to_the_safe_side(late_by_ms: int, reason: Reason) -> None:
    now = NOW + APPROVAL_TTL + timedelta(milliseconds=late_by_ms)

    assert rule(a_record(), now=now).reason is reason


@pytest.mark.parametrize(("late_by_ms", "reason"), [(0, Reason.ACCEPTED), (1, Reason.TOO_LATE)])
def test_a_click_is_good_for_a_minute(late_by_ms: int, reason: Reason) -> None:
    person, now = a_person(), NOW + CLICK_TTL + timedelta(milliseconds=late_by_ms)

    assert rule_on(a_record(), a_click(), person, ALLOWED, AROUND, now).reason is reason


def test_a_person_without_the_right_learns_nothing_else() -> None:
    """The right is asked before the state, so that a stranger cannot read the state from the refusal."""
    forbidden = Permission(allowed=False, grounds="nobody may decide this")

    for state in set(S) - {S.PENDING}:  # A pending one stands on no card yet.
        assert rule(a_record(state=state), permission=forbidden).reason is Reason.NOT_ALLOWED


@pytest.mark.parametrize(
    "changed",
    [
        {"plan": a_plan(version="40").to_bytes()},
        {"plan": b"{}"},
        {"digest": sha256_hex("something")},
        {"epoch": 4},
        {"incident": "P9"},
        {"number": 2},
        {"expires_at": NOW + timedelta(days=1)},
    ],
)
def test_a_record_that_differs_from_its_plan_takes_no_click(changed: dict[str, object]) -> None:
    record = a_record().model_copy(update=changed)

    assert faithful_plan(record) is None
    assert rule(record).reason is Reason.OUT_OF_DATE


def test_a_plan_that_this_version_cannot_read_is_not_faithful() -> None:
    raw = b'{"made":"by another version"}'
    record = a_record().model_copy(update={"plan": raw, "digest": plan_digest(raw)})

    assert faithful_plan(record) is None


def test_an_untouched_record_gives_its_plan() -> None:
    assert faithful_plan(a_record()) == a_plan()


def test_a_quorum_counts_people_and_not_clicks() -> None:
    plan = a_plan(quorum=2)
    waiting = a_record(plan, approved_by=(a_person(),))

    same = rule(waiting, plan=plan)
    other = rule(waiting, plan=plan, by=a_person("U0SECOND"))

    assert (same.reason, same.state) == (Reason.ALREADY_DECIDED, None)
    assert (other.reason, other.state) == (Reason.ACCEPTED, S.APPROVED)


@pytest.mark.parametrize("flag", ["is_bot", "is_guest", "is_deactivated", "is_external"])
def test_who_does_not_count_may_not_decide_even_when_permitted(flag: str) -> None:
    ruling = rule(a_record(), by=a_person().model_copy(update={flag: True}))

    assert ruling.reason is Reason.NOT_ALLOWED


def test_a_click_is_named_by_all_that_makes_it() -> None:
    press = {
        "team": "T",
        "user": "U",
        "message_ts": CARD.ts,
        "action_id": "approve",
        "action_ts": "1.1",
        "value": "P1-1|abc",
    }
    others = [click_id(**{**press, key: value + "x"}) for key, value in press.items()]

    assert click_id(**press) == click_id(**press)
    assert len({click_id(**press), *others}) == len(press) + 1


TYPED = Permission(allowed=True, grounds="on call", type_target=True)
SOFT = Permission(allowed=True, grounds="on call", overrides=("freeze",), objections=("the freeze holds",))


def confirmed(permission: Permission, **typed: object) -> Ruling:
    confirmation = Confirmation.model_validate({"reason": "the queue is full", **typed})
    click = a_click(Action.APPROVE, by=a_person()).model_copy(update={"confirmation": confirmation})
    return rule_on(a_record(), click, a_person(), permission, AROUND, NOW)


def test_a_plan_that_needs_the_targets_name_asks_for_it_first() -> None:
    ruling = rule(a_record(), permission=TYPED)

    assert (ruling.reason, ruling.state) == (Reason.ASKED_TO_CONFIRM, None)
    assert ruling.question is not None
    assert (ruling.question.target, ruling.question.overrides) == (a_plan().target, ())


@pytest.mark.parametrize("typed", ["", "checkout", "CHECKOUT/PRODUCTION", "checkout/staging"])
def test_another_name_than_the_targets_approves_nothing(typed: str) -> None:
    assert confirmed(TYPED, target=typed).reason is Reason.NOT_CONFIRMED


def test_the_targets_name_and_a_reason_approve() -> None:
    ruling = confirmed(TYPED, target=f" {a_plan().target} ")

    assert (ruling.reason, ruling.state) == (Reason.ACCEPTED, S.APPROVED)


def test_a_blank_reason_is_none() -> None:
    assert confirmed(TYPED, target=a_plan().target, reason="  ").reason is Reason.NOT_CONFIRMED


def test_a_reason_overrides_the_soft_rules_that_the_window_named_and_no_other() -> None:
    assert rule(a_record(), permission=SOFT).reason is Reason.ASKED_TO_CONFIRM
    assert confirmed(SOFT, overrides=("freeze",)).is_accepted
    assert confirmed(SOFT, overrides=("rate",)).reason is Reason.NOT_CONFIRMED


def test_the_policy_of_the_moment_can_ask_for_more_people_than_the_plan() -> None:
    ruling = rule(a_record(), permission=ALLOWED.model_copy(update={"quorum": 2}))

    assert (ruling.reason, ruling.state, ruling.text) == (Reason.ACCEPTED, None, "Approved: 1 of 2 people.")


def an_approval(**changed: object) -> Approval:
    usual = Approval(
        click_id=ClickId("1"),
        user_id=SlackUserId("U0ONCALL"),
        name="Dana",
        digest=a_record().digest,
        at=NOW,
        grounds="on call",
        human="W0DANA",
        pagerduty_user=PagerDutyUserId("PDANA"),
        needed=2,
    )
    return usual.model_copy(update=changed)


@pytest.mark.parametrize(
    ("human", "pagerduty_user", "reason"),
    [
        ("W0SAM", "PSAM", Reason.ACCEPTED),
        ("W0DANA", "PSAM", Reason.ALREADY_DECIDED),
        ("W0SAM", "PDANA", Reason.ALREADY_DECIDED),
    ],
)
def test_two_accounts_of_one_human_are_one_person(human: str, pagerduty_user: str, reason: Reason) -> None:
    record = a_record(plan=a_plan(quorum=2)).model_copy(update={"approvals": (an_approval(),)})
    permission = ALLOWED.model_copy(update={"human": human, "pagerduty_user": pagerduty_user, "quorum": 2})

    ruling = rule(record, plan=a_plan(quorum=2), by=a_person("U0SECOND"), permission=permission)

    assert ruling.reason is reason
    assert (ruling.state is S.APPROVED) == (reason is Reason.ACCEPTED)


def test_what_an_approval_asked_for_once_stays_needed() -> None:
    record = a_record().model_copy(update={"approvals": (an_approval(needed=3),)})

    assert needed_for(record, a_plan()) == 3


def test_approvals_of_one_human_count_once() -> None:
    other = an_approval(user_id="U0SECOND", human="W0SAM")

    assert different_people([an_approval(), other]) == 1
    assert different_people([an_approval(), other.model_copy(update={"pagerduty_user": "PSAM"})]) == 2
