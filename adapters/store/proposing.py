"""The way of a proposal up to its start, and its side exits."""

from typing import Final

from adapters.store import entries
from adapters.store.transaction import Transaction
from bot.domain.audit import Act
from bot.domain.card import CardRef
from bot.domain.errors import Invalid, Refused, Tampered
from bot.domain.ids import Digest, ProposalId
from bot.domain.plan import Plan, plan_digest
from bot.domain.proposal import LIVE, ProposalRecord, ProposalState, may_follow

WITHDRAWN: Final = frozenset({ProposalState.EXPIRED, ProposalState.CANCELLED, ProposalState.SUPERSEDED})
"""The exits that need no person; a denial is always a click."""


def moved(
    tx: Transaction, record: ProposalRecord, state: ProposalState, reason: str | None = None
) -> ProposalRecord:
    """Return *record* in *state*. Raises `Tampered` when the one may not follow the other."""
    if not may_follow(record.state, state):
        raise Tampered(
            f"Proposal {record.id} is {record.state.value} and cannot become {state.value}: "
            "compare the record with what happened before anything else starts."
        )
    why = record.reason if reason is None else reason
    return record.model_copy(update={"state": state, "reason": why, "changed_at": tx.now})


def leave(tx: Transaction, record: ProposalRecord, state: ProposalState, reason: str) -> ProposalRecord:
    """Take a proposal off by a side exit and say so in the record."""
    gone = moved(tx, record, state, reason)
    tx.append(entries.left(gone))
    tx.rows.proposals.put(gone)
    return gone


def propose(tx: Transaction, plan: Plan) -> ProposalRecord:
    """Store a plan as the incident's next proposal. The same bytes again are the same proposal."""
    earlier = tx.rows.proposals.of_incident(plan.incident)
    last = earlier[-1] if earlier else None
    record = _new(tx, plan)
    if last is not None and (last.id, last.digest) == (record.id, record.digest):
        return last
    following = last.number + 1 if last is not None else 1
    if plan.number != following:
        raise Refused(f"Proposal {plan.id} is out of turn: the next one for {plan.incident} is {following}.")
    if plan.epoch != (epoch := tx.rows.switches.epoch()):
        raise Refused(f"Proposal {plan.id} was made in epoch {plan.epoch}; it is {epoch} now. Make it anew.")
    for old in earlier:
        if old.state in LIVE:
            leave(tx, old, ProposalState.SUPERSEDED, f"proposal {plan.number} took its place")
    tx.append(entries.proposed(record, plan))
    tx.rows.proposals.put(record)
    return record


def _new(tx: Transaction, plan: Plan) -> ProposalRecord:
    raw = plan.to_bytes()
    return ProposalRecord(
        id=plan.id,
        incident=plan.incident,
        number=plan.number,
        epoch=plan.epoch,
        digest=plan_digest(raw),
        plan=raw,
        state=ProposalState.PENDING,
        created_at=tx.now,
        changed_at=tx.now,
        expires_at=plan.expires_at,
    )


def offer(
    tx: Transaction, proposal: ProposalId, ref: CardRef, card_sha256: Digest | None = None
) -> ProposalRecord:
    """Bind a proposal to its card, once. The same card again changes nothing."""
    record = tx.proposal(proposal)
    if record.state is ProposalState.PROPOSED and (record.channel, record.message_ts) == (
        ref.channel,
        ref.ts,
    ):
        return record
    if record.state is not ProposalState.PENDING:
        raise Refused(f"Proposal {proposal} is {record.state.value} and cannot be offered.")
    shown = moved(tx, record, ProposalState.PROPOSED).model_copy(
        update={"channel": ref.channel, "message_ts": ref.ts}
    )
    tx.append(entries.offered(shown, ref, card_sha256))
    tx.rows.proposals.put(shown)
    return shown


def withdraw(tx: Transaction, proposal: ProposalId, state: ProposalState, reason: str) -> bool:
    """Take a proposal off before its start. False when it started or has left."""
    if state not in WITHDRAWN:
        raise Invalid(f"A proposal cannot be withdrawn as {state.value}.")
    record = tx.proposal(proposal)
    if record.state not in LIVE:
        return False
    leave(tx, record, state, reason)
    return True


def raise_epoch(tx: Transaction, minimum: int) -> int:
    """Raise the epoch to at least *minimum*; proposals of older epochs that did not start are void."""
    before = tx.rows.switches.epoch()
    if before >= minimum:
        return before
    tx.rows.switches.set_epoch(minimum)
    tx.append(entries.epoch_raised(before, minimum))
    for record in tx.rows.proposals.live():
        if record.epoch < minimum:
            leave(tx, record, ProposalState.SUPERSEDED, "it was made before a restart")
    return minimum


def kill(tx: Transaction, by: str, reason: str) -> None:
    """Stop every later start."""
    tx.rows.switches.set_killed(True)
    tx.append(entries.switched(Act.KILLED, by, reason))


def revive(tx: Transaction, by: str) -> None:
    """Take the row away; a kill file stops on until somebody removes it."""
    tx.rows.switches.set_killed(False)
    tx.append(entries.switched(Act.REVIVED, by))
