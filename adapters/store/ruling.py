"""Deciding a click: one transaction from reading the proposal to remembering the answer."""

from adapters.store import entries
from adapters.store.proposing import moved
from adapters.store.rows import Decision
from adapters.store.transaction import Transaction
from bot.domain.approval import Action, Click, Permission, Reason, Ruling, denial, faithful_plan, rule_on
from bot.domain.errors import Tampered
from bot.domain.person import Person
from bot.domain.proposal import HOLDS_TARGET, Approval, ProposalRecord, ProposalState, approval_statement


def rule(tx: Transaction, click: Click, permission: Permission, person: Person) -> Ruling:
    """Decide *click*, or repeat the answer it got before."""
    if click.user_id != person.id:
        raise Tampered(f"A click of {click.user_id} came with the rights of {person.id}.")
    if (known := tx.rows.decisions.answer(click.id)) is not None:
        return known
    record = tx.rows.proposals.get(click.proposal_id)
    if record is None:
        ruling = Ruling(
            reason=Reason.UNKNOWN_PROPOSAL, text="I know no such proposal. Use the buttons on the card."
        )
    else:
        around = tx.circumstances(record.incident)
        ruling = rule_on(record, click, person, permission, around, tx.now)
    if ruling.is_accepted and click.action is Action.APPROVE and (why := tx.why_unsigned()):
        ruling = Ruling(
            reason=Reason.STOPPED, text=f"Nothing can be approved: the record cannot be signed. {why}"
        )
    decision = Decision(click, permission, ruling, tx.now)
    plan = faithful_plan(record) if record is not None else None
    tx.append(entries.decided(decision, record, plan))
    tx.rows.decisions.add(decision)
    if record is not None:
        _apply(tx, record, decision, person)
    return ruling


def _apply(tx: Transaction, record: ProposalRecord, decision: Decision, person: Person) -> None:
    ruling, action = decision.ruling, decision.click.action
    after = record
    if ruling.is_accepted and action is Action.APPROVE:
        after = after.model_copy(
            update={"approvals": (*after.approvals, _approval(tx, record, decision, person))}
        )
    if ruling.is_accepted and action is Action.DENY:
        after = after.model_copy(update={"denied_by": person.name})
    if ruling.is_accepted and action is Action.SAY_WHY:
        after = after.model_copy(update={"reason": _reason(tx, decision, person, record) or after.reason})
    if ruling.state is not None:
        after = moved(tx, after, ruling.state, _reason(tx, decision, person, record))
    if after == record:
        return
    tx.rows.proposals.put(after)
    if after.state is ProposalState.EXPIRED:
        tx.append(entries.left(after))
    if record.state in HOLDS_TARGET and after.state not in HOLDS_TARGET:
        tx.rows.targets.free(record.id)


def _reason(tx: Transaction, decision: Decision, person: Person, record: ProposalRecord) -> str | None:
    """Return what stands beside the proposal's next state; None leaves what stands there."""
    typed = decision.click.confirmation
    why = " ".join(tx.redact(typed.reason).split()) if typed is not None else ""
    if not decision.ruling.is_accepted:
        return decision.ruling.text
    match decision.click.action:
        case Action.DENY:
            return denial(person.name, why)
        case Action.SAY_WHY:
            return denial(record.denied_by or "", why, by=person.name)
        case Action.IT_RAN:
            return f"{person.name} says that it ran"
        case Action.IT_DID_NOT:
            return f"{person.name} says that it did not run"
        case Action.APPROVE | Action.PROPOSE_AGAIN | Action.CHECK_AGAIN:
            return None


def _approval(tx: Transaction, record: ProposalRecord, decision: Decision, person: Person) -> Approval:
    typed = decision.click.confirmation
    approval = Approval(
        click_id=decision.click.id,
        user_id=person.id,
        name=person.name,
        digest=decision.click.digest,
        at=decision.at,
        grounds=decision.permission.grounds,
        human=decision.permission.human,
        pagerduty_user=decision.permission.pagerduty_user,
        needed=decision.permission.quorum,
        reason=tx.redact(typed.reason) if typed is not None else "",
        overrides=decision.permission.overrides,
    )
    return approval.model_copy(update={"seal": tx.signed(approval_statement(record, approval))})
