"""Have the pager take a state: on record before it is sent, like everything that has an effect."""

from typing import Literal

from bot.app.world import World
from bot.domain.ids import IncidentId
from bot.ports import PostState


async def have_pager(
    world: World, deed: Literal["acknowledge", "resolve"], incident: IncidentId, occasion: str
) -> None:
    """Acknowledge or resolve the incident, once on that *occasion*; after a lost answer it is asked again.

    Raises:
        Unclear, Unavailable: whether it was done is not known, or it was not; call again later.
        Invalid, NotFound: the pager will not take it.
    """
    key = f"pagerduty:{deed}:{incident}:{occasion}"
    if await world.outbox.claim(key, incident) is PostState.SENT:
        return
    # Asking twice is harmless, other than with a note: the state is the same afterwards.
    if deed == "acknowledge":
        await world.incidents.acknowledge(incident)
    else:
        await world.incidents.resolve(incident)
    await world.outbox.sent(key)
