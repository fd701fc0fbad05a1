"""Have a runner carry out a step, end it when people say stop, and ask its target if the answer is lost."""

import asyncio
from typing import Final

from bot.app.world import World
from bot.domain.errors import HandrailError
from bot.domain.execution import ApprovedStep, Result, StartedStep, StepOutcome
from bot.domain.plan import Check, Pause, PlannedAction
from bot.domain.proposal import ProposalState

LOOK_FOR_STOP_S: Final = 0.4  # A child is asked to end within 1 s of the stop, and made to within 6 s.
ASK_S: Final = 5.0
END_S: Final = 6.5
_RUNS: Final = frozenset({ProposalState.STARTED, ProposalState.UNDOING})


async def run_until_stopped(world: World, step: ApprovedStep) -> StepOutcome:
    """Return how the step ended. The kill switch and a stop of its proposal end it at once."""
    running = asyncio.create_task(_run(world, step))
    stopping = asyncio.create_task(_stopped(world, step))
    try:
        await asyncio.wait({running, stopping}, return_when=asyncio.FIRST_COMPLETED)
        if not running.done():
            return await _end(world, step, running, why=stopping.result())
        outcome = running.result()
    finally:
        stopping.cancel()
        running.cancel()
        await asyncio.wait({running}, timeout=END_S)
    if outcome.result is not Result.UNKNOWN:
        return outcome
    return await _asked(world, step.started, outcome)


async def ask_target(world: World, step: StartedStep) -> StepOutcome | None:
    """Return what the target says by key of a step whose answer was lost; None when it says nothing."""
    runner = world.runners.get(step.action.type)
    if runner is None:
        return None
    try:
        async with asyncio.timeout(ASK_S):
            return await runner.status(step)
    except Exception:  # noqa: BLE001 - Whatever it did not foresee, a question leaves things as they are.
        world.telemetry.degraded("status of a step")
        return None


async def end_what_is_left(world: World, step: StartedStep) -> None:
    """End what a worker that died has left running."""
    runner = world.runners.get(step.action.type)
    if runner is None:
        return
    try:
        async with asyncio.timeout(END_S):
            await runner.cancel(step)
    except Exception:  # noqa: BLE001 - The step still needs its end on the record.
        world.telemetry.degraded("end of a step")


async def _asked(world: World, step: StartedStep, lost: StepOutcome) -> StepOutcome:
    said = await ask_target(world, step)
    if said is None:
        return lost
    return said.model_copy(update={"detail": f"{lost.detail}; asked: {said.detail}"})


async def _run(world: World, step: ApprovedStep) -> StepOutcome:
    try:
        return await world.runners[step.action.type].run(step)
    except Exception as exc:  # noqa: BLE001 - Whatever a runner did not foresee, a started step has an end.
        world.telemetry.degraded("runner")
        detail = f"the runner broke ({type(exc).__name__}: {exc}); it may have taken effect"
        return StepOutcome(result=Result.UNKNOWN, detail=detail)


async def _end(
    world: World, step: ApprovedStep, running: asyncio.Task[StepOutcome], *, why: str
) -> StepOutcome:
    running.cancel()
    await asyncio.wait({running}, timeout=END_S)
    await end_what_is_left(world, step.started)
    if running.done() and not running.cancelled():
        return running.result()  # It came to its own end in that moment.
    if _changes_nothing(step.action):
        return StepOutcome(result=Result.FAILED, detail=f"ended: {why}")
    ended = StepOutcome(result=Result.UNKNOWN, detail=f"ended: {why}; what it had done by then is not known")
    return await _asked(world, step.started, ended)


def _changes_nothing(action: PlannedAction) -> bool:
    return isinstance(action, Pause | Check)


async def _stopped(world: World, step: ApprovedStep) -> str:
    """Return why the step must end, once it must. A record that cannot be read says nothing."""
    while True:
        await asyncio.sleep(LOOK_FOR_STOP_S)
        try:
            if await world.gate.is_killed():
                return "Handrail was stopped"
            record = await world.gate.proposal(step.proposal_id)
        except HandrailError:
            world.telemetry.degraded("stop switch")
            continue
        if record is not None and record.state not in _RUNS:
            return f"its proposal was closed as {record.state.value.replace('_', ' ')}"
