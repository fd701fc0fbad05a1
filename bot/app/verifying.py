"""Say whether a plan helped; if it did not, have its undo follow: by itself if approved so, else proposed."""

import asyncio
from collections.abc import Sequence

import structlog

from bot.app.undoing import propose_undo, why_not_unasked
from bot.app.watching import Sleep, watch
from bot.app.world import World
from bot.domain.approval import faithful_plan
from bot.domain.audit import Act
from bot.domain.course import CHANGED
from bot.domain.execution import Claim, Result, StepOutcome
from bot.domain.ids import ProposalId
from bot.domain.plan import UNDO_FROM, Plan
from bot.domain.proposal import ProposalRecord, ProposalState

log = structlog.get_logger()

_WATCHED = frozenset({ProposalState.DONE, ProposalState.UNDOING})


async def verify(world: World, proposal: ProposalId, *, sleep: Sleep = asyncio.sleep) -> ProposalState:
    """Watch the plan's signal until it has been healthy for the hold time, or the time is up.

    Missing, stale and NaN data is unknown and never counts as healthy. After a crash it may be called again.
    """
    record = await world.gate.proposal(proposal)
    if record is None:
        return ProposalState.UNKNOWN
    state = await _ended(world, record, sleep) if record.state in _WATCHED else record.state
    if state is ProposalState.NOT_RECOVERED:
        await propose_undo(world, proposal)
    return state


async def _ended(world: World, record: ProposalRecord, sleep: Sleep) -> ProposalState:
    """Return how the proposal stands once its signal was watched."""
    plan = faithful_plan(record)
    undone = [
        claim
        for claim in await world.gate.claims(record.incident)
        if claim.proposal_id == record.id and claim.step_index >= UNDO_FROM
    ]
    if plan is None:
        return await _end_unproven(world, record, undone)
    if record.state is ProposalState.UNDOING and not _is_over(plan, undone):
        return record.state  # It has only just begun: its steps come first.
    seen = await watch(world.signals, world.clock, plan.verify, sleep=sleep)
    if undone:
        state, detail = ProposalState.NOT_RECOVERED, f"{record.reason}; {_after_undo(seen)}"
    elif seen.result is Result.DONE:
        state, detail = ProposalState.VERIFIED, seen.detail
    else:
        state, detail = await _after_failure(world, record, plan, seen)
    if state is not ProposalState.UNDOING:
        now = await world.gate.proposal(record.id)
        if now is not None and now.state is not record.state:
            return now.state  # Watching takes minutes: a stop, or another who watched, has had the last word.
        await world.gate.conclude(record.id, state, detail)
        world.telemetry.outcome(state.value)
    log.info("verified", state=state.value, detail=detail)
    return state


async def _end_unproven(world: World, record: ProposalRecord, undone: Sequence[Claim]) -> ProposalState:
    """End an execution whose stored plan was changed: those bytes do not say what recovered means."""
    is_certain = all(claim.outcome and claim.outcome.result is Result.DONE for claim in undone)
    state = ProposalState.NOT_RECOVERED if is_certain else ProposalState.UNKNOWN
    why = CHANGED
    await world.audit.append(
        Act.TAMPERED, actor="handrail", incident=record.incident, body={"proposal": record.id, "why": why}
    )
    await world.gate.conclude(record.id, state, f"whether it helped is not known: {why}")
    world.telemetry.outcome(state.value)
    return state


def _after_undo(seen: StepOutcome) -> str:
    """Tell what the undo brought. It is the plan that did not help, whatever the signal says now."""
    if seen.result is Result.DONE:
        return f"its undo ran, and with it the signal came back: {seen.detail}"
    return f"its undo ran, and the signal is not proven healthy since: {seen.detail}"


def _is_over(plan: Plan, undone: Sequence[Claim]) -> bool:
    done = {claim.step_index for claim in undone if claim.outcome and claim.outcome.result is Result.DONE}
    return all(step.index in done for step in plan.undo_planned)


async def _after_failure(
    world: World, record: ProposalRecord, plan: Plan, seen: StepOutcome
) -> tuple[ProposalState, str]:
    """Begin the undo that was approved with the plan, if there is one and nothing speaks against it."""
    if not plan.undo_automatic:
        return ProposalState.NOT_RECOVERED, seen.detail
    why = await why_not_unasked(world, plan) or await world.gate.begin_undo(record.id, seen.detail)
    if not why:
        return ProposalState.UNDOING, seen.detail
    return ProposalState.NOT_RECOVERED, f"{seen.detail}; its undo did not run by itself: {why}"
