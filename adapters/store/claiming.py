"""Claims on effects: taken before the effect can happen, ended once, never given back."""

from typing import Final

from adapters.store import entries
from adapters.store.policing import forbidden
from adapters.store.proposing import leave, moved
from adapters.store.transaction import Transaction
from bot.domain.approval import faithful_plan
from bot.domain.audit import Act
from bot.domain.errors import Invalid, NotFound, Tampered
from bot.domain.execution import (
    ApprovedStep,
    Claim,
    NotAdmitted,
    Result,
    StepOutcome,
    TargetUse,
    admit,
    why_no_undo,
)
from bot.domain.freshness import Freshness
from bot.domain.ids import EffectKey, ProposalId
from bot.domain.person import Person
from bot.domain.plan import UNDO_FROM, Plan
from bot.domain.policy import Policy
from bot.domain.proposal import HOLDS_TARGET, LIVE, ProposalRecord, ProposalState, approval_statement

ENDS: Final = frozenset(
    {
        ProposalState.DONE,
        ProposalState.FAILED,
        ProposalState.UNKNOWN,
        ProposalState.VERIFIED,
        ProposalState.NOT_RECOVERED,
    }
)
"""What may be concluded of a started proposal."""

RUNNING: Final = frozenset({ProposalState.STARTED, ProposalState.UNDOING})
"""States in which steps run."""


def claim(
    tx: Transaction,
    proposal: ProposalId,
    step_index: int,
    freshness: Freshness | None,
    policy: Policy,
) -> ApprovedStep | Claim | NotAdmitted:
    """Claim a step that may run now, or return the claim that this proposal made before.

    Another proposal's claim on the same attempt is a refusal: its end is not this proposal's to tell.
    """
    record = tx.proposal(proposal)
    plan = faithful_plan(record)
    earlier, last_attempt, holder = _before(tx, plan, step_index)
    if earlier is not None and earlier.proposal_id == proposal:
        return earlier
    answer = _admit(tx, record, step_index, holder, last_attempt, freshness)
    if isinstance(answer, ApprovedStep) and (refusal := forbidden(tx, record, policy, freshness)):
        _turn_away(tx, record, step_index, refusal)
        return refusal
    if isinstance(answer, ApprovedStep):
        _start(tx, record, answer, freshness)
    return answer


def resume(tx: Transaction, proposal: ProposalId, step_index: int) -> ApprovedStep | NotAdmitted:
    """Admit a step again that this proposal claimed and did not finish; the claim stays as it is."""
    record = tx.proposal(proposal)
    plan = faithful_plan(record)
    taken, last_attempt, holder = _before(tx, plan, step_index)
    if plan is not None and (taken is None or taken.proposal_id != proposal or taken.outcome is not None):
        refusal = NotAdmitted(why=f"step {step_index} is not one that was claimed and has not finished")
        _turn_away(tx, record, step_index, refusal)
        return refusal
    if taken is not None and taken.attempt == last_attempt:
        last_attempt -= 1  # The attempt that goes on does not stand in its own way.
    answer = _admit(tx, record, step_index, holder, last_attempt)
    if isinstance(answer, ApprovedStep):
        tx.append(entries.started(Act.RESUMED, answer, record))
    return answer


def _admit(
    tx: Transaction,
    record: ProposalRecord,
    step_index: int,
    holder: ProposalId | None,
    last_attempt: int,
    freshness: Freshness | None = None,
) -> ApprovedStep | NotAdmitted:
    refusal = _untrusted(tx, record)
    if refusal is not None:
        _turn_away(tx, record, step_index, refusal)
        return refusal
    answer = admit(
        record,
        step_index,
        finished=_finished(tx, record),
        target_holder=holder,
        last_use=_last_use(tx, record),
        last_attempt=last_attempt,
        freshness=freshness,
        around=tx.circumstances(record.incident),
        now=tx.now,
    )
    if isinstance(answer, NotAdmitted):
        _turn_away(tx, record, step_index, answer)
    return answer


def _untrusted(tx: Transaction, record: ProposalRecord) -> NotAdmitted | None:
    """Return why nothing may rest on this record: it cannot be signed, or an approval is not ours."""
    withdrawn = ProposalState.CANCELLED if record.state is ProposalState.APPROVED else None
    if why := tx.why_unsigned():
        return NotAdmitted(why=f"the record cannot be signed: {why}", state=withdrawn)
    if faithful_plan(record) is None:
        why = "the stored plan differs from the one approved"
        tx.append(entries.tampered(why, record.incident, record.id))
        return NotAdmitted(why=why, state=withdrawn)
    for approval in record.approvals:
        if not tx.is_ours(approval_statement(record, approval), approval.seal):
            why = f"the approval of {approval.user_id} does not carry our signature: the record was changed"
            tx.append(entries.tampered(why, record.incident, record.id))
            return NotAdmitted(why=why, state=withdrawn)
    return None


def _before(
    tx: Transaction, plan: Plan | None, step_index: int
) -> tuple[Claim | None, int, ProposalId | None]:
    """Return the step's claim, the highest attempt at its effect, and who holds the target."""
    if plan is None:
        return (
            None,
            0,
            None,
        )  # Nothing can be looked up for bytes that nobody approved; they are not admitted.
    holder = tx.rows.targets.holder(plan.target)
    step = plan.step(step_index)
    if step is None:
        return None, 0, holder
    effect = plan.effect_key(step)
    return tx.rows.claims.get(effect, step.attempt), tx.rows.claims.last_attempt(effect), holder


def _last_use(tx: Transaction, record: ProposalRecord) -> TargetUse | None:
    plan = faithful_plan(record)
    return tx.rows.targets.last_use(plan.target) if plan is not None else None


def _finished(tx: Transaction, record: ProposalRecord) -> frozenset[int]:
    return frozenset(
        claim.step_index
        for claim in tx.rows.claims.of_proposal(record.id)
        if claim.outcome is not None and claim.outcome.result is Result.DONE
    )


def _turn_away(tx: Transaction, record: ProposalRecord, step_index: int, answer: NotAdmitted) -> None:
    tx.append(entries.not_admitted(record, step_index, answer))
    if answer.state is not None:
        leave(tx, record, answer.state, answer.why)


def _start(tx: Transaction, record: ProposalRecord, step: ApprovedStep, freshness: Freshness | None) -> None:
    entry = tx.append(entries.started(Act.CLAIMED, step, record, freshness))
    taken = Claim(
        effect_key=step.effect_key,
        attempt=step.step.attempt,
        proposal_id=record.id,
        step_index=step.step.index,
        claimed_at=tx.now,
    )
    tx.rows.claims.add(taken, incident=record.incident, entry=entry.seq)
    if tx.rows.targets.holder(step.plan.target) is None:
        tx.rows.targets.take(step.plan.target, TargetUse(proposal=record.id, at=tx.now))
    if record.state is ProposalState.APPROVED:
        tx.rows.proposals.put(moved(tx, record, ProposalState.STARTED))


def finish(tx: Transaction, effect: EffectKey, attempt: int, outcome: StepOutcome) -> None:
    """Record how a claimed step ended; the same end again changes nothing."""
    taken = tx.rows.claims.get(effect, attempt)
    if taken is None:
        raise NotFound(f"Attempt {attempt} at effect {effect[:12]} was never claimed.")
    if taken.outcome == outcome:
        return
    if taken.outcome is not None:
        raise Tampered(
            f"Step {taken.step_index} of proposal {taken.proposal_id} ended {taken.outcome.result.value} "
            f"and cannot end {outcome.result.value} as well."
        )
    tx.append(entries.finished(taken, outcome, tx.proposal(taken.proposal_id).incident))
    tx.rows.claims.finish(taken.model_copy(update={"finished_at": tx.now, "outcome": outcome}))


def conclude(tx: Transaction, proposal: ProposalId, state: ProposalState, detail: str) -> ProposalRecord:
    """Record what came of a started proposal; the same state again changes nothing."""
    if state not in ENDS:
        raise Invalid(f"A started proposal cannot be concluded as {state.value}.")
    record = tx.proposal(proposal)
    if record.state is state:
        return record
    after = moved(tx, record, state, detail)
    if state not in HOLDS_TARGET and record.state in RUNNING and _in_doubt(tx, record):
        raise Tampered(
            f"Proposal {proposal} cannot end {state.value}: a step of it was started, and it is not known "
            "whether it took effect."
        )
    tx.append(entries.concluded(after))
    tx.rows.proposals.put(after)
    if after.state not in HOLDS_TARGET:
        tx.rows.targets.free(record.id)
    return after


def begin_undo(tx: Transaction, proposal: ProposalId, detail: str) -> str:
    """Let the undo that was approved with the plan begin, once; return why not, "" when it has begun.

    The target stays with this execution all the while, so nobody else can have acted on it.
    """
    record = tx.proposal(proposal)
    plan = faithful_plan(record)
    if record.state is not ProposalState.DONE or plan is None:
        return f"the proposal is {record.state.value}" if plan is not None else "the stored plan was changed"
    if any(claim.step_index >= UNDO_FROM for claim in tx.rows.claims.of_proposal(proposal)):
        return "it was begun before"
    if tx.rows.targets.holder(plan.target) != proposal:
        return f"{plan.target} is held by another execution"
    refusal = _untrusted(tx, record)
    if (
        why := refusal.why
        if refusal
        else why_no_undo(plan, tx.circumstances(record.incident), _finished(tx, record))
    ):
        return why
    after = moved(tx, record, ProposalState.UNDOING, detail)
    tx.append(entries.concluded(after))
    tx.rows.proposals.put(after)
    return ""


def stop(tx: Transaction, proposal: ProposalId, person: Person) -> ProposalState | None:
    """Take a proposal off before its start, or end it between steps; None when there is nothing to stop."""
    record, why = tx.proposal(proposal), f"stopped by {person.name}"
    if record.state in LIVE:
        tx.append(entries.stopped(record, person))
        return leave(tx, record, ProposalState.CANCELLED, why).state
    is_watched = record.state is ProposalState.DONE and _undoes_itself(record)
    if record.state not in RUNNING and not is_watched:
        return None
    tx.append(entries.stopped(record, person))
    if is_watched:
        said = f"{why} while its proof was watched; its undo does not run by itself"
        return conclude(tx, proposal, ProposalState.FAILED, said).state
    if _in_doubt(tx, record):
        said = f"{why} while a step ran; whether that took effect is for a person to say"
        return conclude(tx, proposal, ProposalState.UNKNOWN, said).state
    if record.state is ProposalState.UNDOING:
        said = f"{record.reason}; {why}, so the further steps of its undo do not start"
        return conclude(tx, proposal, ProposalState.NOT_RECOVERED, said).state
    return conclude(tx, proposal, ProposalState.FAILED, f"{why}; its further steps do not start").state


def _in_doubt(tx: Transaction, record: ProposalRecord) -> bool:
    """Say whether a step was started of which it is not certain what came: the target is not free then."""
    claims = tx.rows.claims.of_proposal(record.id)
    return any(claim.outcome is None or claim.outcome.result is Result.UNKNOWN for claim in claims)


def _undoes_itself(record: ProposalRecord) -> bool:
    plan = faithful_plan(record)
    return plan is not None and plan.undo_automatic


def remark(tx: Transaction, proposal: ProposalId, text: str) -> None:
    """Replace the words beside the proposal's state."""
    after = tx.proposal(proposal).model_copy(update={"reason": text, "changed_at": tx.now})
    tx.append(entries.remarked(after))
    tx.rows.proposals.put(after)
