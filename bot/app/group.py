"""Show incidents of one cause on one card, and undo that when people say so."""

from collections.abc import Iterable, Sequence

from bot.app.also import distance
from bot.app.show import channel_of, redraw
from bot.app.world import World
from bot.domain.card import CardRef
from bot.domain.document import Document, Line, Section
from bot.domain.errors import HandrailError, NotFound, Refused
from bot.domain.ids import IncidentId, SlackUserId
from bot.domain.merging import Member, MergingRules, Placing, Standing
from bot.domain.record import IncidentRecord
from bot.ports import PostState


async def settle(world: World, record: IncidentRecord) -> bool:
    """Decide which card shows the incident; True when it goes on by itself."""
    rules = world.manners.merging
    if rules is None:
        return True
    placing = await _placed(world, record, rules)
    member = placing.member
    touched = placing.touched
    if member is not None and member.standing is Standing.MERGED and member.host:
        touched = (*touched, IncidentId(member.host))  # Its line there says how it stands.
    await _follow_up(world, placing.released, touched)
    return member is None or member.has_course


async def _placed(world: World, record: IncidentRecord, rules: MergingRules) -> Placing:
    topology = world.topology()
    if not record.incident.is_open:
        return await world.groups.close(record.incident, topology, rules)
    channel = channel_of(world, record)
    return await world.groups.place(record.incident, topology, rules, channel=channel)


async def _follow_up(world: World, released: Iterable[IncidentId], touched: Iterable[IncidentId]) -> None:
    """Begin what goes on by itself, and bring the cards up to date. After a crash the next look does it."""
    for incident in released:
        record = await world.book.get(incident)
        if record is not None and record.incident.is_open:
            await world.workflows.start(incident, record.life)
    world.bell.ring()
    for host in dict.fromkeys(touched):
        await redraw(world, host)


async def going_on(world: World, records: Iterable[IncidentRecord]) -> Sequence[IncidentRecord]:
    """Return those open incidents that go on by themselves; one that has no place yet is given one."""
    if world.manners.merging is None:
        return tuple(records)
    standings = await world.groups.standings()
    found: list[IncidentRecord] = []
    for record in records:
        standing = standings.get(record.id)
        if standing is None:
            has_course = await settle(world, record)
        else:
            has_course = standing in (Standing.OWN, Standing.SPLIT)
        if has_course:
            found.append(record)
    return found


async def split(world: World, incident: IncidentId, by: SlackUserId) -> Document:
    """Take an incident out of what it was merged into or muted by, for good; return what the person reads."""
    if world.manners.merging is None:
        return Document(title="Nothing is merged here: HANDRAIL_GROUP is off.", sections=())
    try:
        person = await world.directory.person(by)
        if person.disqualification:
            return Document(title=f"You cannot undo this: {person.disqualification}.", sections=())
        placing = await world.groups.split(incident, by, person.name)
    except (NotFound, Refused) as exc:
        return Document(title=str(exc), sections=())
    await _follow_up(world, placing.released, placing.touched)
    if placing.released:
        return Document(title=f"{incident} goes on by itself now. Its own card follows.", sections=())
    return Document(title=f"{incident} is by itself; it will not be merged again.", sections=())


async def tell_threads(world: World, doubted: set[str]) -> bool:
    """Write the detail of each merge into the thread of the card that shows it; True when some must wait.

    *doubted* holds the posts that somebody else may be sending: those are looked for twice.
    """
    is_waiting = False
    for member in await world.groups.untold():
        host = await world.book.get(IncidentId(member.host or ""))
        if host is None or host.card is None:
            is_waiting = True
            continue
        try:
            is_waiting = not await _tell(world, host, host.card, member, doubted) or is_waiting
        except HandrailError:
            world.telemetry.degraded("Slack thread")
            is_waiting = True
    return is_waiting


async def _tell(world: World, host: IncidentRecord, card: CardRef, member: Member, doubted: set[str]) -> bool:
    key = f"merged:{member.incident}:{host.id}"
    state = await world.outbox.claim(key, member.incident)
    stands = state is PostState.IN_DOUBT and await world.chat.has_reply(card, key=key)
    if state is PostState.IN_DOUBT and not stands and key not in doubted:
        doubted.add(key)
        return False
    if not stands and state is not PostState.SENT:
        await world.chat.reply(card, await _detail(world, host, member), key=key)
    await world.outbox.sent(key)
    await world.groups.tell(member.incident)
    return True


async def _detail(world: World, host: IncidentRecord, member: Member) -> Document:
    known = await world.book.get(member.incident)
    # A title says what is wrong: it is read where its own card would stand, and in no other channel.
    is_at_home = known is not None and host.card is not None and channel_of(world, known) == host.card.channel
    title = known.incident.title if known is not None and is_at_home else ""
    told = (
        Line(text=f"{member.incident} on {member.service or 'an unmapped service'}", url=known.incident.url)
        if known
        else Line(text=member.incident),
        Line(
            text=f"It joined because {member.words}, {distance(host.incident.opened_at, member.opened_at)}."
        ),
        Line(text="It has no card and no proposal of its own: what is approved here is all that runs."),
        Line(text=f"Undo: /incident split {member.incident}"),
    )
    return Document(
        title=f"Also of this cause: {title or member.incident}",
        sections=(Section(heading="Why", lines=told),),
    )
