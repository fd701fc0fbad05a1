"""`postmortem` and `update`: texts that are written from the record, for people to finish."""

from bot.app.commands.asked import Answer, Misused, Question, plain
from bot.app.commands.finding import find_to_change
from bot.app.commands.people import member
from bot.app.enclose import redacted, share_postmortem
from bot.app.facts import gather
from bot.app.handover import stakeholder_update
from bot.app.world import World
from bot.domain.document import Line, Section
from bot.domain.record import IncidentRecord


async def postmortem(world: World, question: Question) -> Answer:
    """Put the postmortem draft, as the record is now, into the incident's thread."""
    if len(question.words) > 1:
        raise Misused("Too many words.")
    found = await find_to_change(world, question, question.words[0] if question.words else None)
    if isinstance(found, Answer):
        return found
    person = await member(world, question.asked.user)
    if isinstance(person, Answer):
        return person
    if found.card is None:
        return plain(f"{found.id} has no card of its own, so there is no thread to put the draft into.")
    key = f"postmortem:{found.id}:{question.asked.key[:32]}"
    await share_postmortem(world, await gather(world, found), found.card, key, question.sleep)
    where = Line(text=f"As the record of {found.id} is now; what it does not tell is a question in it.")
    return plain("The draft is in the incident's thread.", Section(heading="Draft", lines=(where,)))


async def update(world: World, question: Question, record: IncidentRecord) -> Answer:
    """Draft an update in plain words for those who only need to know; a person posts it."""
    return Answer(redacted(world, stakeholder_update(await gather(world, record))), about=(record,))
