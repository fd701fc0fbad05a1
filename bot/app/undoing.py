"""Take back what did not help: propose the undo, or say why it may not run by itself."""

import structlog

from bot.app.freshness import basis_of, foreign_changes
from bot.app.previewing import with_previews
from bot.app.propose import after_earlier_attempts, under_policy
from bot.app.world import World
from bot.domain.approval import faithful_plan
from bot.domain.errors import HandrailError, Unavailable
from bot.domain.execution import Result
from bot.domain.ids import ProposalId
from bot.domain.on_record import OnRecord
from bot.domain.plan import UNDO_FROM, Plan, PlannedStep
from bot.domain.proposal import ProposalRecord, ProposalState

log = structlog.get_logger()


async def propose_undo(world: World, proposal: ProposalId) -> None:
    """Propose to take back an execution that did not help, or failed part-way; twice is harmless.

    A ground that cannot be read leaves it unproposed, and the card says so.
    """
    record = await world.gate.proposal(proposal)
    found = await world.gate.on_record(record.incident) if record is not None else None
    tried = _to_take_back(record, found) if record is not None and found is not None else None
    if record is None or found is None or tried is None:
        return
    try:
        plan = await _undo_of(world, record, tried, found)
        made = await world.gate.propose(plan)
    except HandrailError as exc:
        world.telemetry.degraded("proposal of the undo")
        await world.gate.remark(proposal, f"{record.reason}; its undo is not proposed: {exc}")
        return
    log.info("undo_proposed", proposal_id=made.id, undoes=proposal)


def _to_take_back(record: ProposalRecord, found: OnRecord) -> Plan | None:
    """Return the plan of *record* if it is the last word on an open incident, left something behind that
    did not help, and has an undo.

    One whose bytes were changed is none: nobody has seen those steps.
    """
    plan = faithful_plan(record)
    if plan is None:
        return None
    has_begun = any(c.proposal_id == record.id and c.step_index >= UNDO_FROM for c in found.claims)
    is_last = bool(found.proposals) and found.proposals[-1].id == record.id
    is_open = found.record is not None and found.record.incident.is_open
    is_wanted = bool(plan.undo_steps) and plan.undoes is None and not has_begun
    is_due = _left_no_help(record, found) and is_last and is_open and is_wanted
    return plan if is_due else None


def _left_no_help(record: ProposalRecord, found: OnRecord) -> bool:
    """Return whether the execution ended badly and some of it was done.

    One that was only cut short, by an engine that began from empty, may still go on with what is left.
    """
    if record.state is ProposalState.FAILED:
        mine = [claim.outcome for claim in found.claims if claim.proposal_id == record.id]
        ends = {outcome.result for outcome in mine if outcome is not None}
        return Result.DONE in ends and ends != {Result.DONE}
    return record.state is ProposalState.NOT_RECOVERED


async def _undo_of(world: World, record: ProposalRecord, tried: Plan, found: OnRecord) -> Plan:
    """Return the plan that runs the undo's steps as they were shown with *tried*, which did not help.

    Raises:
        Unavailable: its ground cannot be read.
    """
    suspect = tried.basis.suspect if tried.basis else None
    basis = await basis_of(world, tried.service, await world.ledger.get(suspect) if suspect else None)
    names = ", ".join(approval.name for approval in record.approvals)
    draft = tried.model_copy(
        update={
            "number": record.number + 1,
            "epoch": found.epoch,
            "title": f"Undo: {tried.title}",
            "button": "Approve the undo",
            "expects": tried.undo_summary,
            "steps": tuple(
                PlannedStep(index=index, attempt=1, action=action)
                for index, action in enumerate(tried.undo_steps)
            ),
            "already_done": (),
            "undo_summary": "What was tried can be proposed again.",
            "undo_steps": (),
            "undo_attempts": (),
            "undo_automatic": False,
            "trust": None,
            "undoes": record.id,
            "tried": f"{tried.title}, approved by {names}. {_came_to(record, tried, found)}.",
            "basis": basis,
            "preview_digest": None,
            "expires_at": found.now + world.manners.approval_ttl,
        }
    )
    plan = after_earlier_attempts(draft, found.claims, found.proposals)
    return await with_previews(world, under_policy(plan, world.policies.current(), found.now, None))


def _came_to(record: ProposalRecord, tried: Plan, found: OnRecord) -> str:
    if record.state is not ProposalState.FAILED:
        return f"It ran, and it did not help: {record.reason}"
    mine = [claim for claim in found.claims if claim.proposal_id == record.id]
    done = {claim.step_index for claim in mine if claim.outcome and claim.outcome.result is Result.DONE}
    names = ", ".join(step.action.name for step in tried.steps if step.index in done)
    return f"It failed after {names}, which ran: {record.reason}"


async def why_not_unasked(world: World, plan: Plan) -> str:
    """Return why an undo should not run without being asked for again; "" when nothing speaks against it.

    Somebody may have changed the service since the plan ran: its undo would take that away.
    """
    try:
        others = await foreign_changes(world, plan)
    except Unavailable as exc:
        return str(exc)
    return others
