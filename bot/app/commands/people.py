"""Who gave a command: what changes something is for real members of the workspace."""

import asyncio
import re

from bot.app.commands.asked import Answer, Question, plain
from bot.app.commands.finding import find_to_change
from bot.app.naming import names_of
from bot.app.world import World
from bot.domain.errors import HandrailError
from bot.domain.ids import SlackUserId
from bot.domain.person import Person
from bot.domain.record import IncidentRecord

_MENTION = re.compile(r"<@([UW][A-Z0-9]+)>")


async def named(world: World, text: str) -> str:
    """Return *text* with names for the ids of Slack users in it, as far as Slack tells them in time."""
    users = (SlackUserId(found) for found in _MENTION.findall(text))
    names = dict(await names_of(world, users))
    return _MENTION.sub(lambda found: names.get(SlackUserId(found[1]), found[1]), text)


async def who_changes(
    world: World, question: Question, word: str | None
) -> tuple[IncidentRecord, Person] | Answer:
    """Return the one incident that is meant and who asks, or why nothing is done."""
    found = await find_to_change(world, question, word)
    if isinstance(found, Answer):
        return found
    person = await member(world, question.asked.user)
    return person if isinstance(person, Answer) else (found, person)


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
