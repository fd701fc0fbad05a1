"""`similar`: earlier incidents of the service, and what fixed them."""

from collections.abc import Sequence

from bot.app.asking import what_people_said
from bot.app.commands.asked import Answer, Question
from bot.app.commands.finding import LOOKED_THROUGH, known_to
from bot.app.similar import Earlier, most_alike, what_came_of
from bot.app.wording import change_name, clock_time, duration
from bot.app.world import World
from bot.domain.document import Document, Line, Section, lines
from bot.domain.record import IncidentRecord

_SHOWN = 5


async def similar(world: World, question: Question, record: IncidentRecord) -> Answer:
    """Tell of earlier incidents of the service, the most alike first, and what fixed them."""
    section, named = await similar_section(world, question, record)
    title = f"Like {record.incident.title or record.id}"
    return Answer(Document(title=title, sections=(section,)), about=(record, *named))


async def similar_section(
    world: World, question: Question, record: IncidentRecord
) -> tuple[Section, Sequence[IncidentRecord]]:
    """Return the section and the incidents that it names: only such as the asker may know of."""
    past = [r for r in await world.book.recent(LOOKED_THROUGH) if r.seen_at <= record.seen_at]
    alike = most_alike(record, await known_to(world, question, past), _SHOWN)
    told = [
        Line(text=await _told(world, one), url=one.record.incident.url)
        for one in await what_came_of(world, alike)
    ]
    where = record.incident.service or "an unmapped service"
    section = Section(
        heading=f"Earlier on {where}, and what fixed it",
        lines=tuple(told) or lines([f"No earlier incident of {where} is on record."]),
    )
    return section, alike


async def _told(world: World, one: Earlier) -> str:
    incident = one.record.incident
    at = clock_time(incident.opened_at, today=world.clock.now())
    said = [f"{one.record.id}, {at}, {incident.title}", _fix(one)]
    said.append(f"suspected: {change_name(one.suspect)}" if one.suspect else "no change was named")
    said += await what_people_said(world, one.record)
    return " · ".join(said)


def _fix(one: Earlier) -> str:
    if one.fixed_by is not None:
        return f"fixed by “{one.fixed_by.title}” ({one.fixed_by.playbook})"
    if one.tried is not None:
        return f"“{one.tried.title}” ({one.tried.playbook}) ran and did not help"
    record = one.record
    if record.incident.is_open:
        return "still open"
    if record.resolved_at is None:
        return "resolved, nothing was run"
    return f"resolved after {duration(record.resolved_at - record.incident.opened_at)}, nothing was run"
