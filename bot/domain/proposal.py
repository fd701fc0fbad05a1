"""The life of a proposal: its states and which may follow which."""

from enum import StrEnum
from typing import Final

import rfc8785
from pydantic import AwareDatetime

from bot.domain.frozen import Frozen
from bot.domain.ids import ClickId, Digest, IncidentId, PagerDutyUserId, ProposalId, SlackUserId
from bot.domain.seal import Seal


class ProposalState(StrEnum):
    """Where a proposal stands. The second line are exits before the start; they are final."""

    PENDING = "pending"
    PROPOSED = "proposed"
    APPROVED = "approved"
    STARTED = "started"
    DONE = "done"
    FAILED = "failed"
    UNKNOWN = "unknown"
    UNDOING = "undoing"
    """It did not help, and its undo runs by itself, as approved with the plan."""
    VERIFIED = "verified"
    NOT_RECOVERED = "not_recovered"

    DENIED = "denied"
    EXPIRED = "expired"
    CANCELLED = "cancelled"
    SUPERSEDED = "superseded"


_S = ProposalState
_EXITS = frozenset({_S.DENIED, _S.EXPIRED, _S.CANCELLED, _S.SUPERSEDED})

FOLLOWS: dict[ProposalState, frozenset[ProposalState]] = {
    _S.PENDING: frozenset({_S.PROPOSED}) | _EXITS,
    _S.PROPOSED: frozenset({_S.APPROVED}) | _EXITS,
    _S.APPROVED: frozenset({_S.STARTED}) | _EXITS,
    _S.STARTED: frozenset({_S.DONE, _S.FAILED, _S.UNKNOWN}),
    # A stop while the proof is watched fails a plan whose undo would else follow by itself.
    _S.DONE: frozenset({_S.VERIFIED, _S.NOT_RECOVERED, _S.UNDOING, _S.FAILED}),
    _S.UNDOING: frozenset({_S.NOT_RECOVERED, _S.UNKNOWN}),
    # A person, the target asked by key, or the signal itself closes what was unknown.
    _S.UNKNOWN: frozenset({_S.DONE, _S.FAILED}),
    _S.FAILED: frozenset(),
    _S.VERIFIED: frozenset(),
    _S.NOT_RECOVERED: frozenset(),
    **{exit_: frozenset() for exit_ in _EXITS},
}
"""Which state may follow which; every other step is a defect and is refused by the store."""

LIVE = frozenset({_S.PENDING, _S.PROPOSED, _S.APPROVED})
"""States before the start: the proposal can still be stopped."""

HOLDS_TARGET = frozenset({_S.STARTED, _S.DONE, _S.UNDOING, _S.UNKNOWN})
"""States in which the target belongs to this execution and no other may start on it."""


_APPROVAL: Final = b"handrail approval v1\n"


def may_follow(now: ProposalState, then: ProposalState) -> bool:
    """Say whether *then* may come directly after *now*."""
    return then in FOLLOWS[now]


class Approval(Frozen):
    """One accepted Approve click, bound to the plan's bytes by digest."""

    click_id: ClickId
    user_id: SlackUserId
    name: str
    digest: Digest
    at: AwareDatetime
    grounds: str
    """Why this person was allowed: a named approver, or on call."""
    human: str = ""
    """The Slack enterprise user, else the user; empty stands for the user."""
    pagerduty_user: PagerDutyUserId | None = None
    needed: int = 1
    """How many people it took at least, by the policy of that moment."""
    reason: str = ""
    """What the person typed, where the policy asked for it."""
    overrides: tuple[str, ...] = ()
    """The soft rules that the reason overrides."""
    seal: Seal | None = None
    """Our signature over what was approved; an approval without one starts nothing."""


class ProposalRecord(Frozen):
    """A proposal as the store holds it."""

    id: ProposalId
    incident: IncidentId
    number: int
    epoch: int
    digest: Digest
    plan: bytes
    state: ProposalState
    reason: str = ""
    """Why the proposal left the way to its start, for people."""
    created_at: AwareDatetime
    changed_at: AwareDatetime
    expires_at: AwareDatetime
    message_ts: str | None = None
    """The card that shows it; a click on any other message is refused."""
    channel: str | None = None
    approvals: tuple[Approval, ...] = ()
    denied_by: str | None = None


def approval_statement(record: ProposalRecord, approval: Approval) -> bytes:
    """Return what is signed of an approval: who said yes to which bytes, with which click, and until when."""
    return _APPROVAL + rfc8785.dumps(
        {
            "verdict": "approve",
            "person": approval.user_id,
            "incident": record.incident,
            "number": record.number,
            "digest": approval.digest,
            "epoch": record.epoch,
            "human": approval.human,
            "pagerduty_user": approval.pagerduty_user,
            "needed": approval.needed,
            "reason": approval.reason,
            "overrides": list(approval.overrides),
            "click": approval.click_id,
            "at": approval.at.isoformat(),
            "expires_at": record.expires_at.isoformat(),
        }
    )
