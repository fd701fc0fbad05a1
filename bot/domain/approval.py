"""The gate: what a click may do to a proposal. One pure function decides, for every store."""

from collections.abc import Iterable
from datetime import timedelta
from enum import StrEnum
from typing import assert_never

from pydantic import AwareDatetime, ValidationError

from bot.domain.frozen import Frozen
from bot.domain.ids import ClickId, Digest, PagerDutyUserId, ProposalId, SlackUserId, sha256_hex
from bot.domain.person import Person
from bot.domain.plan import Plan, plan_digest
from bot.domain.proposal import Approval, ProposalRecord, ProposalState

APPROVAL_TTL = timedelta(minutes=15)  # Our choice; README, "Safety", says why.
LONGEST_WHY = 300
CLICK_TTL = timedelta(seconds=60)  # Our choice: a click decided later than this may no longer be meant.


class Action(StrEnum):
    """What a button asks for."""

    APPROVE = "approve"
    DENY = "deny"
    PROPOSE_AGAIN = "propose_again"
    IT_RAN = "it_ran"
    IT_DID_NOT = "it_did_not"
    CHECK_AGAIN = "check_again"
    SAY_WHY = "say_why"
    """Gives the reason for a denial that stands already: the denial itself is one press."""


class Confirmation(Frozen):
    """What somebody typed to confirm an approval."""

    target: str = ""
    """The target's name, where the window asked for it."""
    reason: str
    overrides: tuple[str, ...] = ()
    """The soft rules that the window named."""


class Question(Frozen):
    """What a window asks of somebody who wants to approve, or to say why something was denied."""

    action: Action = Action.APPROVE
    proposal_id: ProposalId
    digest: Digest
    channel: str
    message_ts: str
    title: str
    target: str | None = None
    """The name to type; None when none is asked for."""
    overrides: tuple[str, ...] = ()
    """The soft rules that the reason overrides."""
    objections: tuple[str, ...] = ()
    """What those rules say."""


class Click(Frozen):
    """A press of a button, as it was received."""

    id: ClickId
    action: Action
    proposal_id: ProposalId
    digest: Digest
    user_id: SlackUserId
    team_id: str
    channel: str
    message_ts: str
    received_at: AwareDatetime
    """By the intake store's clock."""
    action_ts: str = ""
    """When Slack took the press, by Slack's clock; for the record."""
    trigger_id: str = ""
    """Opens one window within 3 s."""
    confirmation: Confirmation | None = None
    """What the person typed into the window that the button opened; None for the button itself."""


def click_id(*, team: str, user: str, message_ts: str, action_id: str, action_ts: str, value: str) -> ClickId:
    """Name a click, so that the same press delivered twice is the same click."""
    return ClickId(sha256_hex(team, user, message_ts, action_id, action_ts, value))


class Permission(Frozen):
    """Whether a person may decide about a plan at this moment, and why."""

    allowed: bool
    grounds: str
    """For the record when allowed, for the person when not."""
    human: str = ""
    """The Slack enterprise user, else the user; empty stands for the user."""
    pagerduty_user: PagerDutyUserId | None = None
    quorum: int = 1
    """How many people it takes at least, by the policy at this moment."""
    type_target: bool = False
    overrides: tuple[str, ...] = ()
    """The soft rules that speak against it, which a reason overrides."""
    objections: tuple[str, ...] = ()
    """What those rules say."""


class Reason(StrEnum):
    """Why a click was refused, or that it was not."""

    ACCEPTED = "accepted"
    NOT_ALLOWED = "not_allowed"
    ASKED_TO_CONFIRM = "asked_to_confirm"
    NOT_CONFIRMED = "not_confirmed"
    TOO_LATE = "too_late"
    UNKNOWN_PROPOSAL = "unknown_proposal"
    OUT_OF_DATE = "out_of_date"
    WRONG_CARD = "wrong_card"
    EXPIRED = "expired"
    ALREADY_DECIDED = "already_decided"
    ALREADY_STARTED = "already_started"
    INCIDENT_CLOSED = "incident_closed"
    STOPPED = "stopped"
    VOID = "void"
    NOTHING_TO_ANSWER = "nothing_to_answer"
    IN_DOUBT = "in_doubt"


class Circumstances(Frozen):
    """What must hold around a proposal for anything to happen to it."""

    epoch: int
    is_incident_open: bool
    is_killed: bool


class Ruling(Frozen):
    """What a click did: the state that follows, and the words for the person who pressed."""

    reason: Reason
    text: str
    state: ProposalState | None = None
    """The proposal's next state; None when the click changes none."""
    question: Question | None = None
    """What the person is asked to type before their approval counts."""

    @property
    def is_accepted(self) -> bool:
        return self.reason is Reason.ACCEPTED


def faithful_plan(record: ProposalRecord) -> Plan | None:
    """Return the plan that *record* was approved for; None when any byte or column of it was changed.

    Only the bytes are bound by the digest, so what the columns repeat of them must agree. A plan that this
    version can no longer read is not faithful either.
    """
    if plan_digest(record.plan) != record.digest:
        return None
    try:
        plan = Plan.from_bytes(record.plan)
    except ValidationError:
        return None
    told = (record.id, record.incident, record.number, record.epoch, record.expires_at)
    meant = (plan.id, plan.incident, plan.number, plan.epoch, plan.expires_at)
    return plan if told == meant else None


def rule_on(
    record: ProposalRecord,
    click: Click,
    person: Person,
    permission: Permission,
    around: Circumstances,
    now: AwareDatetime,
) -> Ruling:
    """Decide what *click* does. *now* is the store's time, read inside the same transaction."""
    if refusal := _refuse_stale(record, click, now):
        return refusal
    plan = faithful_plan(record)
    if plan is None or click.digest != record.digest:
        return Ruling(
            reason=Reason.OUT_OF_DATE,
            text="That button belongs to another version of the plan. Read the card again.",
        )
    if not permission.allowed or person.disqualification is not None:
        why = permission.grounds if not permission.allowed else person.disqualification
        return Ruling(reason=Reason.NOT_ALLOWED, text=f"You cannot decide this: {why}.")
    match click.action:
        case Action.APPROVE:
            return _rule_on_approve(record, plan, click, permission, around, now)
        case Action.DENY:
            return _rule_on_deny(record)
        case Action.PROPOSE_AGAIN:
            return _rule_on_propose_again(record, around)
        case Action.SAY_WHY:
            return _rule_on_say_why(record, plan, click)
        case Action.IT_RAN | Action.IT_DID_NOT | Action.CHECK_AGAIN:
            return _rule_on_unknown(record, click.action)
        case _:
            assert_never(click.action)


def _refuse_stale(record: ProposalRecord, click: Click, now: AwareDatetime) -> Ruling | None:
    if now - click.received_at > CLICK_TTL:
        return Ruling(reason=Reason.TOO_LATE, text="That took too long to reach me. Press again.")
    if record.state is ProposalState.PENDING:
        return _already(record)  # The card is out before it is registered: its first thumb may be quicker.
    if click.message_ts != record.message_ts or click.channel != record.channel:
        return Ruling(
            reason=Reason.WRONG_CARD,
            text="That button is not on the card that shows this proposal. Use the card.",
        )
    return None


def _rule_on_approve(
    record: ProposalRecord,
    plan: Plan,
    click: Click,
    permission: Permission,
    around: Circumstances,
    now: AwareDatetime,
) -> Ruling:
    if record.state is not ProposalState.PROPOSED:
        return _already(record)
    if around.is_killed:
        return Ruling(reason=Reason.STOPPED, text="Handrail is stopped (`handrail kill`): nothing starts.")
    if record.epoch != around.epoch:
        return Ruling(reason=Reason.VOID, text="This proposal was made before a restart. Ask for it again.")
    if not around.is_incident_open:
        return Ruling(
            reason=Reason.INCIDENT_CLOSED, text="The incident is resolved: there is nothing to run."
        )
    if now >= record.expires_at:
        return Ruling(
            reason=Reason.EXPIRED,
            text=f"The proposal expired at {record.expires_at:%H:%M:%S} UTC. Press *Propose again*.",
            state=ProposalState.EXPIRED,
        )
    if refusal := _counted_before(record, click, permission) or _unconfirmed(plan, click, permission):
        return refusal
    given, needed = len(record.approvals) + 1, needed_for(record, plan, permission.quorum)
    return Ruling(
        reason=Reason.ACCEPTED,
        text="Approved: it starts now." if given >= needed else f"Approved: {given} of {needed} people.",
        state=ProposalState.APPROVED if given >= needed else None,
    )


def needed_for(record: ProposalRecord, plan: Plan, by_policy: int = 1) -> int:
    """Return how many people it takes: the most that the plan, the policy or an approval ever asked for."""
    return max(plan.quorum, by_policy, *(approval.needed for approval in record.approvals), 1)


def different_people(approvals: Iterable[Approval]) -> int:
    """Return how many humans approved: one Slack person or one PagerDuty user counts once."""
    humans: set[str] = set()
    pagerduty_users: set[str] = set()
    for approval in approvals:
        human, user = approval.human or approval.user_id, approval.pagerduty_user
        if human not in humans and user not in pagerduty_users:
            humans.add(human)
            pagerduty_users |= {user} if user is not None else set()
    return len(humans)


def _unconfirmed(plan: Plan, click: Click, permission: Permission) -> Ruling | None:
    """Return why the approval is not confirmed as it must be: the target typed, the rules overridden."""
    typed = click.confirmation
    if not permission.type_target and not permission.overrides:
        return None
    if typed is None:
        return Ruling(
            reason=Reason.ASKED_TO_CONFIRM,
            text="This approval must be confirmed in a window.",
            question=_question(plan, click, permission),
        )
    if not typed.reason.strip():
        return Ruling(reason=Reason.NOT_CONFIRMED, text="This approval needs a reason. Press again.")
    if permission.type_target and typed.target.strip() != plan.target:
        return Ruling(
            reason=Reason.NOT_CONFIRMED,
            text=f"What you typed is not the target's name, {plan.target}. Press again.",
        )
    if missing := set(permission.overrides) - set(typed.overrides):
        return Ruling(
            reason=Reason.NOT_CONFIRMED,
            text=f"Meanwhile another rule speaks against it ({', '.join(sorted(missing))}). Press again.",
        )
    return None


def _question(plan: Plan, click: Click, permission: Permission) -> Question:
    return Question(
        proposal_id=click.proposal_id,
        digest=click.digest,
        channel=click.channel,
        message_ts=click.message_ts,
        title=plan.title,
        target=plan.target if permission.type_target else None,
        overrides=permission.overrides,
        objections=permission.objections,
    )


def _counted_before(record: ProposalRecord, click: Click, permission: Permission) -> Ruling | None:
    """Return that the person counts already, as themselves or as another account of the same human."""
    human = permission.human or click.user_id
    for approval in record.approvals:
        if human == (approval.human or approval.user_id) or click.user_id == approval.user_id:
            return Ruling(
                reason=Reason.ALREADY_DECIDED, text="You have approved this already; someone else must too."
            )
        if permission.pagerduty_user is not None and permission.pagerduty_user == approval.pagerduty_user:
            return Ruling(
                reason=Reason.ALREADY_DECIDED,
                text=f"PagerDuty knows you and {approval.name} as one person; someone else must approve.",
            )
    return None


def _rule_on_deny(record: ProposalRecord) -> Ruling:
    if record.state in (ProposalState.PROPOSED, ProposalState.APPROVED):
        return Ruling(reason=Reason.ACCEPTED, text="Denied: it will not run.", state=ProposalState.DENIED)
    return _already(record)


def _rule_on_say_why(record: ProposalRecord, plan: Plan, click: Click) -> Ruling:
    """Take the reason of a denial; it changes nothing else."""
    if record.state is not ProposalState.DENIED:
        return Ruling(reason=Reason.NOTHING_TO_ANSWER, text="This was not denied: read the card again.")
    if record.reason != denial(record.denied_by or ""):
        return Ruling(reason=Reason.ALREADY_DECIDED, text=f"The reason is on record: {record.reason}.")
    if click.confirmation is None:
        question = Question(
            action=Action.SAY_WHY,
            proposal_id=click.proposal_id,
            digest=click.digest,
            channel=click.channel,
            message_ts=click.message_ts,
            title=plan.title,
        )
        return Ruling(reason=Reason.ASKED_TO_CONFIRM, text="A window asks for the reason.", question=question)
    if not click.confirmation.reason.strip():
        return Ruling(reason=Reason.NOT_CONFIRMED, text="There was no reason in it. Press again.")
    return Ruling(reason=Reason.ACCEPTED, text="Noted: the reason stands with the denial.")


def denial(denier: str, why: str = "", *, by: str = "") -> str:
    """Return a denial in words; *by* is who said why, if that was somebody else.

    What was typed is cut at 300 characters: it stands on the card beside everything else.
    """
    if not why:
        return f"denied by {denier}"
    said = why if len(why) <= LONGEST_WHY else f"{why[: LONGEST_WHY - 1]}…"
    return f"denied by {denier} ({f'{by}: ' if by not in ('', denier) else ''}{said})"


def _rule_on_propose_again(record: ProposalRecord, around: Circumstances) -> Ruling:
    if not around.is_incident_open:
        return Ruling(
            reason=Reason.INCIDENT_CLOSED, text="The incident is resolved: there is nothing to propose."
        )
    if record.state in (
        ProposalState.EXPIRED,
        ProposalState.DENIED,
        ProposalState.CANCELLED,
        ProposalState.SUPERSEDED,
        ProposalState.FAILED,
        ProposalState.NOT_RECOVERED,
    ):
        return Ruling(reason=Reason.ACCEPTED, text="Looking again; a new proposal follows on the card.")
    return _already(record)


def _rule_on_unknown(record: ProposalRecord, action: Action) -> Ruling:
    if record.state is not ProposalState.UNKNOWN:
        return Ruling(
            reason=Reason.NOTHING_TO_ANSWER,
            text="Nobody is waiting for that answer any more. Read the card again.",
        )
    if action is Action.IT_RAN:
        return Ruling(
            reason=Reason.ACCEPTED, text="Noted: it ran. I check whether it helped.", state=ProposalState.DONE
        )
    if action is Action.IT_DID_NOT:
        return Ruling(
            reason=Reason.ACCEPTED,
            text="Noted: it did not run. The target is free again.",
            state=ProposalState.FAILED,
        )
    return Ruling(reason=Reason.ACCEPTED, text="I ask the target again.")


def _already(record: ProposalRecord) -> Ruling:
    match record.state:
        case ProposalState.PENDING:
            return Ruling(
                reason=Reason.WRONG_CARD, text="The card is not ready yet. Press again in a moment."
            )
        case ProposalState.PROPOSED:
            return Ruling(reason=Reason.NOTHING_TO_ANSWER, text="The proposal still waits for a decision.")
        case ProposalState.APPROVED:
            names = ", ".join(approval.name for approval in record.approvals)
            return Ruling(reason=Reason.ALREADY_DECIDED, text=f"Already approved by {names}.")
        case ProposalState.DENIED:
            return Ruling(reason=Reason.ALREADY_DECIDED, text=f"Already denied by {record.denied_by}.")
        case ProposalState.EXPIRED:
            return Ruling(reason=Reason.EXPIRED, text="The proposal has expired. Press *Propose again*.")
        case ProposalState.CANCELLED | ProposalState.SUPERSEDED:
            return Ruling(reason=Reason.ALREADY_DECIDED, text=f"The proposal was withdrawn: {record.reason}.")
        case _:
            return Ruling(
                reason=Reason.ALREADY_STARTED, text="It has started already; read the card for its state."
            )
