"""Say in words what shares a card, what has none of its own, and why."""

from datetime import datetime

from bot.app.wording import clock_time, counted, duration
from bot.app.world import World
from bot.domain.document import Document, Line, Section, lines
from bot.domain.ids import IncidentId
from bot.domain.merging import Member, MergeAct, MergeEntry, Standing
from bot.domain.record import IncidentRecord

_MOST = 20
_LEDGER = 200


async def also_shown(world: World, record: IncidentRecord) -> tuple[Line, ...]:
    """Return what the incident's card says of others: those it shows, or where it was shown itself."""
    if world.manners.merging is None:
        return ()
    company = await world.groups.company(record.id)
    found = [await _merged_line(world, record, member) for member in company.merged]
    if company.last is not None and company.member is not None and company.member.has_course:
        found.append(Line(text=_came_from(company.last)))
    return tuple(found)


async def _merged_line(world: World, host: IncidentRecord, member: Member) -> Line:
    known = await world.book.get(member.incident)
    where = member.service or "an unmapped service"
    status = "" if known is None else known.incident.status.value
    said = (
        f"also: {where} {member.incident}, {status or 'open'}, joined because {member.words}, "
        f"{distance(host.incident.opened_at, member.opened_at)}"
    )
    return Line(text=said, url=known.incident.url if known else None)


def distance(first: datetime, second: datetime) -> str:
    """Return how much later or earlier *second* was, in words."""
    if first == second:
        return "at the same time"
    return f"{duration(abs(second - first))} {'later' if second > first else 'earlier'}"


def _came_from(last: MergeEntry) -> str:
    match last.act:
        case MergeAct.SPLIT:
            return f"{last.name or 'A person'} took this out of {last.host}: {last.words}."
        case MergeAct.RELEASED:
            return f"This was shown on the card of {last.host} until then: {last.words}."
        case MergeAct.MERGED | MergeAct.MUTED:
            return f"This was shown on the card of {last.host}."


async def muted(world: World) -> Document:
    """List what has no card of its own, and what had none, with the rule and how to undo it."""
    if world.manners.merging is None:
        return Document(title="Nothing is merged or muted: HANDRAIL_GROUP is off.", sections=())
    hidden = await _hidden(world)
    ledger = await world.groups.ledger(_LEDGER)
    now: list[str] = []
    undoable: list[IncidentId] = []
    earlier: list[str] = []
    told: set[IncidentId] = set()
    for entry in ledger:
        if entry.incident in hidden and entry.incident not in told:
            now.append(f"{in_words(entry)}. Undo: /incident split {entry.incident}")
            undoable.append(entry.incident)
        else:
            earlier.append(in_words(entry))
        told.add(entry.incident)
    shown = [*now[:_MOST], *([f"and {len(hidden) - _MOST} more"] if len(hidden) > _MOST else [])]
    past = [*earlier[:_MOST], *(["and older ones: handrail audit"] if len(earlier) > _MOST else [])]
    return Document(
        title=f"Without a card of their own: {counted(len(hidden), 'open incident')}",
        sections=(
            Section(heading="Merged or muted now", lines=lines(shown or ["None."])),
            Section(heading="Earlier", lines=lines(past or ["None."])),
        ),
        undoable=tuple(undoable[:_MOST]),
    )


async def hidden_now(world: World) -> tuple[MergeEntry, ...]:
    """Return for each open incident without a card of its own why that is so, the newest first."""
    if world.manners.merging is None:
        return ()
    hidden = await _hidden(world)
    if not hidden:
        return ()
    found: dict[IncidentId, MergeEntry] = {}
    for entry in await world.groups.ledger(_LEDGER):
        if entry.incident in hidden:
            found.setdefault(entry.incident, entry)
    return tuple(found.values())


async def _hidden(world: World) -> frozenset[IncidentId]:
    standings = await world.groups.standings()
    return frozenset(i for i, one in standings.items() if one in (Standing.MERGED, Standing.MUTED))


def in_words(entry: MergeEntry) -> str:
    """Return a line of the ledger as people read it."""
    at = clock_time(entry.at)
    match entry.act:
        case MergeAct.MERGED:
            return f"{at} {entry.incident} merged into {entry.host}: {entry.words} (rule {entry.rule.value})"
        case MergeAct.MUTED:
            return f"{at} {entry.incident} muted by {entry.host}: {entry.words} (rule {entry.rule.value})"
        case MergeAct.RELEASED:
            return f"{at} {entry.incident} released from {entry.host}: {entry.words}"
        case MergeAct.SPLIT:
            return (
                f"{at} {entry.incident} taken out of {entry.host} by {entry.name or entry.by}: {entry.words}"
            )


async def standing_of(world: World, incident: IncidentId) -> str:
    """Return in words where an incident without a card of its own is shown; nothing when it has one."""
    member = None if world.manners.merging is None else await world.groups.get(incident)
    if member is None or member.has_course or member.host is None:
        return ""
    return f"Shown on the card of {member.host}: {member.words}. Undo: /incident split {incident}"
