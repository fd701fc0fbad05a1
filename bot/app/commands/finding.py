"""Find the incident that a command means, as far as the asker may know of it."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass, replace

from bot.app.commands.asked import Answer, Handler, Misused, Question, nobodys, plain
from bot.app.show import channel_of, status_line
from bot.app.wording import duration
from bot.app.world import World
from bot.domain.document import Line, Section, lines
from bot.domain.errors import HandrailError
from bot.domain.ids import IncidentId
from bot.domain.record import IncidentRecord

LOOKED_THROUGH = 200  # Our choice: an older incident is found by its id alone.
_NAMED = 10

Teller = Callable[[World, Question, IncidentRecord], Awaitable[Answer]]


@dataclass(frozen=True)
class Found:
    """The incident meant, and the other open ones that it might have been."""

    record: IncidentRecord
    others: tuple[IncidentRecord, ...] = ()


def about_one(tell: Teller) -> Handler:
    """Return the handler of a command that tells of one incident: by its id, or from where it is asked."""

    async def handle(world: World, question: Question) -> Answer:
        if len(question.words) > 1:
            raise Misused("Too many words.")
        found = await find(world, question, question.words[0] if question.words else None)
        if isinstance(found, Answer):
            return found
        answer = await tell(world, question, found.record)
        about = tuple(dict.fromkeys((*answer.about, *found.others)))
        return replace(answer, about=about).followed_by(*also_open(world, found.others))

    return handle


async def find(world: World, question: Question, word: str | None) -> Found | Answer:
    """Return the incident that *word* names; without one that of the thread, else the newest open one here.

    What the asker may not know of is answered with the words for what is not there.
    """
    if word is not None:
        named = await named_by(world, question, word)
        return Found(named) if named is not None else plain(nobodys(word))
    records = await world.book.recent(LOOKED_THROUGH)
    asked = question.asked
    if asked.thread_ts is not None:
        for record in records:
            if record.card and (record.card.channel, record.card.ts) == (asked.channel, asked.thread_ts):
                return Found(record)
    here = [record for record in records if where(world, record) == asked.channel]
    near = here or await known_to(world, question, records)
    near.sort(key=lambda record: (not record.incident.is_open, -record.seen_at.timestamp()))
    if not near:
        return plain("No incident is on record.")
    return Found(near[0], tuple(record for record in near[1:] if record.incident.is_open))


async def find_to_change(world: World, question: Question, word: str | None) -> IncidentRecord | Answer:
    """Return the one incident that is meant; several that it might be are listed and none is touched."""
    found = await find(world, question, word)
    if isinstance(found, Answer) or not found.others:
        return found if isinstance(found, Answer) else found.record
    open_ones = (found.record, *found.others)
    return plain(
        f"{len(open_ones)} incidents are open here. Say which one is meant.",
        Section(heading="Open here", lines=tuple(line_of(world, record) for record in open_ones[:_NAMED])),
    )


async def named_first(world: World, question: Question) -> tuple[str | None, tuple[str, ...]]:
    """Return the word that names the incident, if the first one does, and the other words."""
    words = question.words
    # A text may begin with any word, a number too: it names an incident by its id or with a # alone.
    if words and not words[0].isdecimal() and await named_by(world, question, words[0]) is not None:
        return words[0], words[1:]
    return None, words


async def named_by(world: World, question: Question, word: str) -> IncidentRecord | None:
    """Return the incident with this id or number, if the asker may know of it."""
    wanted = word.lstrip("#")
    records: Iterable[IncidentRecord] = await world.book.recent(LOOKED_THROUGH)
    folded = wanted.casefold()
    found = [r for r in records if folded in (r.id.casefold(), str(r.incident.number))]
    if not found and (known := await world.book.get(IncidentId(wanted))):
        found = [known]
    # All of them are looked at: how long the answer takes must not tell whether there is one.
    seen = [record for record in found if await may_know(world, question, record)]
    return seen[0] if seen else None


async def known_to(
    world: World, question: Question, records: Iterable[IncidentRecord]
) -> list[IncidentRecord]:
    """Return those of *records* that the asker may know of."""
    return [record for record in records if await may_know(world, question, record)]


async def may_know(world: World, question: Question, record: IncidentRecord) -> bool:
    """Say whether the command was given in the incident's own channel, or by somebody who is in it.

    Nobody is taken to be in a channel when Slack does not say so in time.
    """
    channel, asked = where(world, record), question.asked
    if channel == asked.channel:
        return True
    if channel not in question.rooms:
        try:
            async with asyncio.timeout(world.manners.look_up.total_seconds()):
                question.rooms[channel] = await world.rooms.has(channel, asked.user)
        except (TimeoutError, HandrailError):
            world.telemetry.degraded("Slack channel members")
            question.rooms[channel] = False
    return question.rooms[channel]


def where(world: World, record: IncidentRecord) -> str:
    """Return the incident's own channel."""
    return record.card.channel if record.card else channel_of(world, record)


def line_of(world: World, record: IncidentRecord) -> Line:
    """Return an incident as one line: what it is called, how it stands, since when, where, and its id."""
    incident = record.incident
    name = f"#{incident.number}, {record.id}" if incident.number is not None else record.id
    age = duration(world.clock.now() - incident.opened_at)
    service = incident.service or incident.pagerduty_service_name or "an unmapped service"
    stands = f"{incident.status.value} for {age}" if incident.is_open else status_line(record, None)
    parts = (incident.title, stands, service, name)
    return Line(text=" · ".join(part for part in parts if part), url=incident.url)


def also_open(world: World, others: Sequence[IncidentRecord]) -> tuple[Section, ...]:
    """Return what says that another incident may have been meant."""
    if not others:
        return ()
    shown = tuple(line_of(world, record) for record in others[:_NAMED])
    rest = len(others) - _NAMED
    more = lines([f"and {rest} more"]) if rest > 0 else ()
    return (Section(heading="Also open here; say the id to ask about one of them", lines=(*shown, *more)),)
