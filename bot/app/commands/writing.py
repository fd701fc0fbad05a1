"""`postmortem` and `update`: texts that are written from the record, for people to finish."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Final

from bot.app.commands.asked import DASHES, Answer, Misused, Question, nobodys, plain
from bot.app.commands.finding import about_one, named_first
from bot.app.commands.people import who_changes
from bot.app.enclose import redacted, share_postmortem
from bot.app.facts import gather
from bot.app.handover import stakeholder_update, update_draft
from bot.app.inform import Posted, places_of, plain_words, post_update
from bot.app.world import World
from bot.domain.document import Document, Line, Section, lines
from bot.domain.ids import sha256_hex
from bot.domain.record import IncidentRecord

POST: Final = "--post"
LONGEST_WHOM: Final = 500  # Our choice: an update is read on a telephone.
_INCIDENT: Final = re.compile(r"#\S+|[PQ][A-Z0-9]{6,13}|(?=\D+\d)[PQpq][A-Za-z0-9]{6,13}")
"""Without a digit small letters are a word, such as `payments`."""


async def postmortem(world: World, question: Question) -> Answer:
    """Put the postmortem draft, as the record is now, into the incident's thread."""
    if len(question.words) > 1:
        raise Misused("Too many words.")
    meant = await who_changes(world, question, question.words[0] if question.words else None)
    if isinstance(meant, Answer):
        return meant
    found, _ = meant
    if found.card is None:
        return plain(f"{found.id} has no card of its own, so there is no thread to put the draft into.")
    key = f"postmortem:{found.id}:{question.asked.key[:32]}"
    await share_postmortem(world, await gather(world, found), found.card, key, question.sleep)
    where = Line(text=f"As the record of {found.id} is now; what it does not tell is a question in it.")
    return plain("The draft is in the incident's thread.", Section(heading="Draft", lines=(where,)))


async def _drafted(world: World, question: Question, record: IncidentRecord) -> Answer:
    how = _how_to_post(world, record)
    return Answer(redacted(world, update_draft(await gather(world, record), how)), about=(record,))


async def update(world: World, question: Question) -> Answer:
    """Draft an update in plain words for those who only need to know, or post it when a person says so."""
    words = tuple(word for word in question.words if word.casefold().translate(DASHES) != POST)
    asked = replace(question, words=words)
    return await (_draft if words == question.words else _post)(world, asked)


_draft = about_one(_drafted)


async def _post(world: World, question: Question) -> Answer:
    word, rest = await named_first(world, question)
    if word is None and rest and (len(rest) == 1 or _INCIDENT.fullmatch(rest[0])):
        return plain(f"{nobodys(rest[0])} Nothing was posted.")  # Never taken for a text about another one.
    whom = " ".join(rest)
    if len(whom) > LONGEST_WHOM:
        return plain(f"That has {len(whom)} characters; {LONGEST_WHOM} are the most. Nothing was posted.")
    meant = await who_changes(world, question, word)
    if isinstance(meant, Answer):
        return meant
    found, person = meant
    wanted = world.catalogue.told(found.incident)
    if wanted is None:
        return plain(f"Nothing was posted. {_how_to_post(world, found)}")
    text = redacted(world, stakeholder_update(await gather(world, found), whom=whom))
    # Named by what it says: the same update is not posted again, whoever asks.
    key = f"update:{found.id}:{found.life}:{sha256_hex(text.as_text())[:16]}"
    posted = await post_update(
        world, found, wanted, text, key, by=person.id, name=person.name, sleep=question.sleep
    )
    where = Section(heading="Where", lines=lines(_told(posted)))
    # The record may say more than when the draft was read: whoever posts it sees what was told.
    told = Section(heading="What it says", lines=lines(plain_words(text).splitlines()))
    return Answer(Document(title=f"Update of {found.id}", sections=(where, told)), about=(found,))


def _told(posted: Sequence[Posted]) -> Iterator[str]:
    for one in posted:
        if one.problem and one.is_in_doubt:
            yield f"{one.place}: it may be posted, its answer was lost. Look there first ({one.problem})"
        elif one.problem:
            yield f"{one.place}: not posted ({one.problem})"
        elif one.is_new:
            doubt = "; its answer was lost twice, so look whether it stands once" if one.is_in_doubt else ""
            yield f"{one.place}: posted{doubt}"
        else:
            yield f"{one.place}: this very update was posted before; add whom it hurts to say something new"


def _how_to_post(world: World, record: IncidentRecord) -> str:
    wanted = world.catalogue.told(record.incident)
    if wanted is None:
        return (
            "Nobody is named to be told of it under `updates` in services.yaml: copy it to where it belongs."
        )
    places = " and ".join(places_of(wanted))
    return f"/incident update {POST} {record.id}, with whom it hurts behind it, posts it to {places}."
