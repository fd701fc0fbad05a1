"""Who gave a command: what changes something is for real members of the workspace."""

import asyncio
import re

from bot.app.commands.asked import Answer, plain
from bot.app.world import World
from bot.domain.errors import HandrailError
from bot.domain.ids import SlackUserId
from bot.domain.person import Person

_NAMING_S = 0.5  # Our choice: an answer is there within a second, with an id for a name if need be.
_MENTION = re.compile(r"<@([UW][A-Z0-9]+)>")


async def named(world: World, text: str) -> str:
    """Return *text* with names for the ids of Slack users in it, as far as Slack tells them in time."""
    users = dict.fromkeys(SlackUserId(found) for found in _MENTION.findall(text))
    names = dict(zip(users, await asyncio.gather(*(_name(world, user) for user in users)), strict=True))
    return _MENTION.sub(lambda found: names[SlackUserId(found[1])], text)


async def _name(world: World, user: SlackUserId) -> str:
    try:
        async with asyncio.timeout(_NAMING_S):
            return (await world.directory.person(user)).name
    except (TimeoutError, HandrailError):
        return user


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
