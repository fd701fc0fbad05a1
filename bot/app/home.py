"""The home tab of one person: what is open, what waits for them, what changed since they looked last.

It tells; deciding stays on the card. What a neighbour does not answer in time is left out, and that is said.
"""

import asyncio
from collections.abc import Awaitable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final, TypeVar

import structlog

from bot.app.also import hidden_now, in_words
from bot.app.commands.asked import Asked, Question
from bot.app.commands.finding import LOOKED_THROUGH, known_to, where
from bot.app.permitting import may_approve
from bot.app.show import status_line
from bot.app.wording import clock_time, duration
from bot.app.world import World
from bot.domain.errors import HandrailError, NotFound, Tampered
from bot.domain.home import Home, HomeLine, HomeLink, Look
from bot.domain.ids import IncidentId, SlackUserId
from bot.domain.person import Duty, Person
from bot.domain.plan import Plan
from bot.domain.proposal import ProposalRecord, ProposalState
from bot.domain.record import IncidentRecord

log = structlog.get_logger()
T = TypeVar("T")

LOOK_UP_S: Final = 0.6
"""Our choice for each of two looks at neighbours, one after the other, so that the tab opens in a second."""
MOST: Final = 15
"""Our choice: more lines of one kind are counted and not shown."""
_MOST_CHANNELS: Final = 20  # Each is one question to Slack, which takes 100 a minute.


@dataclass(frozen=True)
class _Known:
    """What the person may know of."""

    records: tuple[IncidentRecord, ...]
    proposals: Mapping[IncidentId, ProposalRecord]
    """The last one of each."""

    def last(self, record: IncidentRecord) -> ProposalRecord | None:
        return self.proposals.get(record.id)


async def handle_home(world: World, user: SlackUserId, at: datetime) -> None:
    """Show the home tab to *user*, who opened it at *at*, and remember the look once it stands.

    What fails is not tried again later: the person opens the tab again when they want it.

    Raises:
        Tampered: the record contradicts itself.
    """
    try:
        before = await world.looks.last(user)
        look = before.again(at) if before else Look(at=at)
        await world.chat.show_home(user, await home_of(world, user, look.since))
        await world.looks.keep(user, look)
    except Tampered:
        raise
    except HandrailError as exc:
        log.warning("home_not_shown", error=str(exc))
        world.telemetry.degraded("home")


async def home_of(world: World, user: SlackUserId, since: datetime | None) -> Home:
    """Return what *user* may know now, and what of it changed after *since*."""
    notes: list[str] = []
    if await world.gate.is_killed():
        notes.append("Handrail is stopped by its kill switch: nothing starts.")
    known, person = await asyncio.gather(
        _known(world, user, since, notes), _or_none(world, _person(world, user), "who you are", notes)
    )
    waiting, duties = await asyncio.gather(
        _waiting(world, known, person, notes),
        _or_none(world, _duties(world, person), "for what you are on call", notes),
    )
    open_ones = [record for record in known.records if record.incident.is_open]
    return Home(
        waiting=waiting,
        open=tuple(_open_line(world, record, known.last(record)) for record in open_ones[:MOST]),
        open_count=len(open_ones),
        duties=tuple(duties or ()),
        since=since,
        news=_news(world, known, since),
        silenced=await _silenced(world, known),
        notes=tuple(dict.fromkeys(notes)),
        made_at=world.clock.now(),
    )


async def _known(world: World, user: SlackUserId, since: datetime | None, notes: list[str]) -> _Known:
    """Return the incidents in the person's channels that are open, or that changed since the last look."""
    recent = [
        record
        for record in await world.book.recent(LOOKED_THROUGH)
        if record.incident.is_open
        or (since is not None and record.resolved_at and record.resolved_at > since)
    ]
    channels = list(dict.fromkeys(where(world, record) for record in recent))
    if len(channels) > _MOST_CHANNELS:
        notes.append("Only the channels with the newest incidents were looked at.")
    asked = Question(Asked("", "", user, ""), (), rooms=dict.fromkeys(channels, False))
    looked_at = channels[:_MOST_CHANNELS]
    said = await asyncio.gather(
        *(
            _or_none(world, world.rooms.has(one, user), "which channels you are in", notes)
            for one in looked_at
        )
    )
    asked.rooms.update({channel: bool(is_in) for channel, is_in in zip(looked_at, said, strict=True)})
    records = tuple(await known_to(world, asked, recent))
    proposals: dict[IncidentId, ProposalRecord] = {}
    for record in records:
        if found := await world.gate.proposals(record.id):
            proposals[record.id] = found[-1]
    return _Known(records, proposals)


async def _person(world: World, user: SlackUserId) -> Person:
    return await world.directory.person(user)


async def _waiting(
    world: World, known: _Known, person: Person | None, notes: list[str]
) -> tuple[HomeLine, ...]:
    """Return the proposals that wait, as far as the policy lets this person approve them."""
    now = await world.gate.now()
    found = [
        (record, proposal)
        for record in known.records
        if (proposal := known.last(record)) is not None
        and proposal.state is ProposalState.PROPOSED
        and proposal.expires_at > now
    ][:MOST]
    if person is None:
        return ()
    what = "which approvals wait for you"
    allowed = await asyncio.gather(
        *(_or_none(world, may_approve(world, person, proposal), what, notes) for _, proposal in found)
    )
    return tuple(
        _waiting_line(record, proposal) for (record, proposal), may in zip(found, allowed, strict=True) if may
    )


def _waiting_line(record: IncidentRecord, proposal: ProposalRecord) -> HomeLine:
    plan = Plan.from_bytes(proposal.plan)
    return HomeLine(
        text=f"{plan.title} · {_name(record)}",
        card=record.card,
        expires_at=proposal.expires_at,
    )


def _open_line(world: World, record: IncidentRecord, proposal: ProposalRecord | None) -> HomeLine:
    incident = record.incident
    age = duration(world.clock.now() - incident.opened_at)
    where_it_is = incident.service or incident.pagerduty_service_name or "an unmapped service"
    service = world.catalogue.services.get(record.incident.service) if record.incident.service else None
    links = (
        ("PagerDuty", incident.url),
        ("Runbook", service.runbook_url if service else None),
        ("Dashboard", service.dashboard_url if service else None),
    )
    return HomeLine(
        text=_name(record),
        state=f"{status_line(record, proposal)} · {where_it_is} · {incident.status.value} for {age}",
        card=record.card,
        links=tuple(HomeLink(label=label, url=str(url)) for label, url in links if url),
    )


async def _duties(world: World, person: Person | None) -> Sequence[Duty]:
    """Return the person's turns on call; none when PagerDuty knows no single user with their address."""
    if person is None or person.email is None:
        return ()
    users = await world.incidents.users_by_email(person.email)
    return await world.incidents.duties(users[0]) if len(users) == 1 else ()


def _news(world: World, known: _Known, since: datetime | None) -> tuple[HomeLine, ...]:
    if since is None:
        return ()
    found = [
        (max(at for at, _ in happened), record, happened)
        for record in known.records
        if (happened := _happened(record, known.last(record), since, world.clock.now()))
    ]
    found.sort(key=lambda one: one[0], reverse=True)
    lines = [HomeLine(text=_told(record, happened), card=record.card) for _, record, happened in found[:MOST]]
    return (*lines, *_rest(len(found)))


def _told(record: IncidentRecord, happened: Sequence[tuple[datetime, str]]) -> str:
    said = "; ".join(words for _, words in happened)
    return f"{_name(record)}: {said}"


def _name(record: IncidentRecord) -> str:
    """Return the incident as people speak of it; its number is as good as its id in a command."""
    incident = record.incident
    number = f"#{incident.number}" if incident.number is not None else str(record.id)
    return f"{incident.title} ({number})" if incident.title else number


def _happened(
    record: IncidentRecord, proposal: ProposalRecord | None, since: datetime, now: datetime
) -> list[tuple[datetime, str]]:
    """Return what happened to one incident after *since*, in order of time."""
    found = []
    if record.seen_at > since:
        found.append((record.seen_at, f"came at {clock_time(record.seen_at, today=now)}"))
    if proposal is not None and proposal.changed_at > since:
        title, state = Plan.from_bytes(proposal.plan).title, proposal.state.value.replace("_", " ")
        found.append((proposal.changed_at, f"“{title}” is {state}"))
    if record.resolved_at is not None and record.resolved_at > since:
        found.append((record.resolved_at, f"ended at {clock_time(record.resolved_at, today=now)}"))
    return sorted(found)


async def _silenced(world: World, known: _Known) -> tuple[HomeLine, ...]:
    records = {record.id: record for record in known.records}
    found = [entry for entry in await hidden_now(world) if entry.incident in records]
    lines = [
        HomeLine(text=f"{in_words(entry)}. Undo: /incident split {entry.incident}") for entry in found[:MOST]
    ]
    return (*lines, *_rest(len(found)))


def _rest(count: int) -> tuple[HomeLine, ...]:
    return (HomeLine(text=f"and {count - MOST} more"),) if count > MOST else ()


async def _or_none(world: World, asking: Awaitable[T], what: str, notes: list[str]) -> T | None:
    """Return the answer; None when there is none in time, which *notes* then say."""
    try:
        async with asyncio.timeout(LOOK_UP_S):
            return await asking
    except NotFound:
        return None
    except (TimeoutError, HandrailError) as exc:
        if isinstance(exc, Tampered):
            raise
        world.telemetry.degraded("home look-up")
        notes.append(f"Nobody said in time {what}, so something may be missing here. Open the tab again.")
        return None
