"""Carry out an approved plan: claim, act, record."""

import asyncio

import structlog

from bot.app.freshness import look
from bot.app.permitting import objections_to_start
from bot.app.running import ask_target, end_what_is_left, run_until_stopped
from bot.app.show import redraw
from bot.app.watching import LOOK_EVERY_S, is_healthy, said
from bot.app.world import World
from bot.domain.approval import faithful_plan
from bot.domain.errors import HandrailError
from bot.domain.execution import (
    ApprovedStep,
    Claim,
    NotAdmitted,
    Result,
    StartedStep,
    StepOutcome,
    is_idempotent,
)
from bot.domain.freshness import Freshness
from bot.domain.ids import IncidentId, ProposalId
from bot.domain.plan import Check, Pause, Plan, PlannedAction
from bot.domain.proposal import ProposalRecord, ProposalState
from bot.ports import Reading

log = structlog.get_logger()

INTERRUPTED = StepOutcome(
    result=Result.UNKNOWN,
    detail="Handrail was interrupted while it ran; whether it took effect is not known",
)


async def run_step(world: World, proposal: ProposalId, step_index: int) -> None:
    """Claim one step, run it and record how it ended. After a crash it may be called again."""
    # Read beside the claim and not after it: the step waits for both, and its effect comes after them.
    looking = asyncio.create_task(_signal_before(world, proposal, step_index))
    try:
        fresh = await _freshness(world, proposal)
        claimed = await world.gate.claim(proposal, step_index, fresh, policy=world.policies.current())
        match claimed:
            case NotAdmitted():
                await _give_up(world, proposal, claimed)
            case Claim():
                await _take_up(world, proposal, claimed)
            case ApprovedStep():
                log.info("claimed", step=step_index, name=claimed.action.name, attempt=claimed.step.attempt)
                await _carry_out(world, claimed, before=await looking)
                await _measure_start(world, claimed)
    finally:
        looking.cancel()


async def _freshness(world: World, proposal: ProposalId) -> Freshness | None:
    """Look whether the plan still fits, if nothing of it has started: its own effect changes its ground."""
    record = await world.gate.proposal(proposal)
    if record is None or record.state is not ProposalState.APPROVED:
        return None
    policy_version = world.policies.current().version  # Before the question: a change in between voids it.
    freshness, objections = await asyncio.gather(look(world, record), objections_to_start(world, record))
    if freshness is None or objections is None:
        return freshness
    return freshness.model_copy(update={"asked_under": policy_version, "objections": objections})


async def _give_up(world: World, proposal: ProposalId, refusal: NotAdmitted) -> None:
    """Close a proposal whose step was not admitted: before its start it is withdrawn, after it it failed.

    With a step of no certain end it is unknown, and keeps its target.
    """
    if refusal.state is not None:
        return  # The store has closed it in the same transaction.
    if await world.gate.withdraw(proposal, ProposalState.CANCELLED, f"not started: {refusal.why}"):
        return
    record = await world.gate.proposal(proposal)
    if record is None or record.state not in (ProposalState.STARTED, ProposalState.UNDOING):
        return
    claims = await world.gate.claims(record.incident)
    if any(claim.proposal_id == proposal and _is_open(claim) for claim in claims):
        detail = (
            f"stopped: {refusal.why}; whether the step that was started took effect is for a person to say"
        )
        await world.gate.conclude(proposal, ProposalState.UNKNOWN, detail)
    elif record.state is ProposalState.STARTED:
        await world.gate.conclude(proposal, ProposalState.FAILED, f"stopped: {refusal.why}")
    else:
        detail = f"{record.reason}; its undo was not carried out: {refusal.why}"
        await world.gate.conclude(proposal, ProposalState.NOT_RECOVERED, detail)


async def _take_up(world: World, proposal: ProposalId, claim: Claim) -> None:
    """Go on after a crash: ask again under the same key where the step allows that, else say `UNKNOWN`."""
    if claim.finished_at is not None:
        return
    record = await world.gate.proposal(proposal)
    plan = faithful_plan(record) if record is not None else None
    step = plan.step(claim.step_index) if plan is not None else None
    if step is not None and is_idempotent(step.action):
        again = await world.gate.resume(proposal, claim.step_index)
        if isinstance(again, ApprovedStep):
            await _carry_out(world, again, is_resumed=True)
            return
    if record is not None and await _has_ended(world, record.incident, claim):
        return  # Whoever was thought dead was only slow.
    told = None
    if plan is not None and step is not None:
        started = StartedStep(plan=plan, step=step)
        await end_what_is_left(world, started)
        told = await ask_target(world, started)
    await world.gate.finish(claim.effect_key, claim.attempt, _redacted(world, _interrupted(told)))


def _interrupted(told: StepOutcome | None) -> StepOutcome:
    """Only what its target says by key tells what came of a step that nobody watched to its end."""
    if told is None:
        return INTERRUPTED
    return told.model_copy(update={"detail": f"{INTERRUPTED.detail}; asked: {told.detail}"})


async def _measure_start(world: World, step: ApprovedStep) -> None:
    """Tell how long the first step took to start, once it is over: measuring must not delay it."""
    if step.step.index != step.plan.steps[0].index:
        return
    record = await world.gate.proposal(step.proposal_id)
    for claim in await world.gate.claims(step.incident):
        if record and record.approvals and claim.effect_key == step.effect_key:
            world.telemetry.first_step_started(claim.claimed_at - record.approvals[-1].at)


async def _carry_out(
    world: World, step: ApprovedStep, *, before: Reading | None = None, is_resumed: bool = False
) -> None:
    """Act and record the end. Slack is told beside it: a silent Slack must not hold up an approved step."""
    noting = asyncio.create_task(_note_signal_before(world, step, before))
    showing = asyncio.create_task(_show_quietly(world, step))
    try:
        outcome = await run_until_stopped(world, step)
        if is_resumed:
            outcome = _after_interruption(step.action, outcome)
        await noting
        outcome = _redacted(world, outcome)
        await world.gate.finish(step.effect_key, step.step.attempt, outcome)
        log.info("step_finished", step=step.step.index, result=outcome.result.value, detail=outcome.detail)
    finally:
        showing.cancel()


async def _has_ended(world: World, incident: IncidentId, claim: Claim) -> bool:
    key = (claim.effect_key, claim.attempt)
    claims = await world.gate.claims(incident)
    return any((now.effect_key, now.attempt) == key and now.outcome is not None for now in claims)


def _after_interruption(action: PlannedAction, outcome: StepOutcome) -> StepOutcome:
    """A refusal now does not say what came of the first delivery, whose answer nobody heard."""
    if outcome.result is not Result.FAILED or isinstance(action, Pause | Check):
        return outcome
    detail = f"{INTERRUPTED.detail}; asked again: {outcome.detail}"
    return outcome.model_copy(update={"result": Result.UNKNOWN, "detail": detail})


async def _show_quietly(world: World, step: ApprovedStep) -> None:
    try:
        await redraw(world, step.incident)
    except HandrailError:
        world.telemetry.degraded("Slack")  # The course draws the card again after the step.


def _redacted(world: World, outcome: StepOutcome) -> StepOutcome:
    """Outcomes are shown and audited: what a target said may hold a secret."""
    redact = world.redactor.redact
    return outcome.model_copy(
        update={"detail": redact(outcome.detail).text, "output": redact(outcome.output).text[:4000]}
    )


async def _signal_before(world: World, proposal: ProposalId, step_index: int) -> Reading | None:
    """Read the plan's signal before its first step, so that the recovery can be told against it.

    None for a later step, and when the signal cannot be read: that must not leave a claimed step undone.
    """
    try:
        record = await world.gate.proposal(proposal)
        plan = faithful_plan(record) if record is not None else None
        if plan is None or step_index != plan.steps[0].index:
            return None
        async with asyncio.timeout(LOOK_EVERY_S):
            return await world.signals.read(plan.verify.signal)
    except (TimeoutError, HandrailError):
        world.telemetry.degraded("signal before the start")
        return None


async def _note_signal_before(world: World, step: ApprovedStep, before: Reading | None) -> None:
    """Record what the signal said. It is no part of the claim, so the step need not wait for it."""
    if before is None:
        return
    try:
        await world.audit.append(
            "signal_before",
            actor="handrail",
            incident=step.incident,
            body={
                "proposal": step.proposal_id,
                "signal": step.plan.verify.signal_name,
                "value": said(before),
            },
        )
    except HandrailError:
        world.telemetry.degraded("signal before the start")


async def check_again(world: World, proposal: ProposalId) -> None:
    """Look at the signal of a proposal whose step may or may not have run, and write down what it says."""
    record = await world.gate.proposal(proposal)
    if record is None or record.state is not ProposalState.UNKNOWN:
        return
    plan = faithful_plan(record)
    if plan is None:
        return  # Those bytes, which nobody approved, do not say what to look at.
    check = plan.verify
    reading, told = await asyncio.gather(world.signals.read(check.signal), _target_says(world, record, plan))
    side = "healthy" if is_healthy(check, reading) else "not healthy"
    await world.audit.append(
        "checked_again",
        actor="handrail",
        incident=record.incident,
        body={"proposal": proposal, "signal": check.signal_name, "value": said(reading), "side": side}
        | ({"target": told} if told else {}),
    )
    words = f"{check.signal_name} is {said(reading)} ({side}); whether the step ran is for a person to say"
    await world.gate.remark(proposal, f"{told}; {words}" if told else words)


async def _target_says(world: World, record: ProposalRecord, plan: Plan) -> str:
    """Return what the target says by key of the step that has no certain end; "" when it says nothing."""
    for claim in await world.gate.claims(record.incident):
        step = plan.step(claim.step_index)
        if claim.proposal_id != record.id or step is None or not _is_open(claim):
            continue
        told = await ask_target(world, StartedStep(plan=plan, step=step))
        if told is not None:
            return world.redactor.redact(f"{step.action.name}: {told.detail}").text
    return ""


def _is_open(claim: Claim) -> bool:
    return claim.outcome is None or claim.outcome.result is Result.UNKNOWN
