"""Stop what was proposed for one incident, or what runs for it. Stopping is always to the safe side."""

import structlog

from bot.app.show import show
from bot.app.world import World
from bot.domain.errors import NotFound
from bot.domain.ids import IncidentId
from bot.domain.person import Person
from bot.domain.proposal import ProposalState

log = structlog.get_logger()

_SAID = {
    ProposalState.CANCELLED: "Stopped before it started: nothing ran.",
    ProposalState.FAILED: "Stopped: no further step starts. What was done stays done.",
    ProposalState.UNKNOWN: "Stopped: no further step starts, and the one that ran is being ended. "
    "Say on the card whether it took effect.",
    ProposalState.NOT_RECOVERED: "Stopped: no further step of its undo starts. What was done stays done.",
}


async def stop(world: World, incident: IncidentId, person: Person) -> str:
    """Stop the incident's last proposal; return what the person reads.

    A child that runs is ended by whichever bot runs it, as soon as that sees the proposal closed.
    """
    if person.disqualification is not None:
        return f"You cannot stop this: {person.disqualification}."
    proposals = await world.gate.proposals(incident)
    if not proposals:
        return f"Nothing is proposed for {incident}."
    try:
        state = await world.gate.stop(proposals[-1].id, person)
    except NotFound:
        return f"Nothing is proposed for {incident}."
    if state is None:
        return (
            f"There is nothing to stop: the last proposal is {proposals[-1].state.value.replace('_', ' ')}."
        )
    log.info("stopped", proposal_id=proposals[-1].id, user=person.id, state=state.value)
    record = await world.book.get(incident)
    if record is not None:
        await world.workflows.wake(incident, record.life)
    await show(world, incident)
    return _SAID[state]
