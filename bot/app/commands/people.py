"""Who gave a command: what changes something is for real members of the workspace."""

import asyncio

from bot.app.commands.asked import Answer, plain
from bot.app.world import World
from bot.domain.errors import HandrailError
from bot.domain.ids import SlackUserId
from bot.domain.person import Person


async def member(world: World, user: SlackUserId) -> Person | Answer:
    """Return the person as Slack knows them now, or the refusal; a look-up that fails allows nothing."""
    try:
        async with asyncio.timeout(world.manners.look_up.total_seconds()):
            person = await world.directory.person(user)
    except (TimeoutError, HandrailError) as exc:
        why = str(exc) or "no answer in time"
        return plain(f"Nothing was done: Slack could not say who you are ({why}).")
    if person.disqualification:
        return plain(f"Nothing was done: {person.disqualification}.")
    return person
