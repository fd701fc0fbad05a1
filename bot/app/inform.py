"""Tell those who only need to know how an incident stands: once, on record, in plain words from the record.

It is the one text that leaves an incident's own channel, where the catalogue names who is told; it holds no
title, no names and no identifiers of systems.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Final

import structlog

from bot.app.enclose import redacted
from bot.app.facts import Facts, gather
from bot.app.handover import stakeholder_update
from bot.app.report import Sleep, post_once
from bot.app.running_summary import MOST_OPEN
from bot.app.world import World
from bot.domain.audit import Act
from bot.domain.document import Document
from bot.domain.errors import HandrailError, Tampered, Unclear
from bot.domain.ids import IncidentId
from bot.domain.record import IncidentRecord
from bot.domain.updates import Milestone, Updates

log = structlog.get_logger()

BY_ITSELF: Final = "handrail"
LIMIT_S: Final = (
    20.0  # Our choice: longer than a lost answer is looked for, shorter than what is done beside it.
)


@dataclass(frozen=True)
class Place:
    """Where an update goes, how it is sent there, and how to tell that it was."""

    name: str
    key: str
    send: Callable[[], Awaitable[None]]
    was_sent: Callable[[], Awaitable[bool]]


@dataclass(frozen=True)
class Posted:
    """What came of an update in one place."""

    place: str
    is_new: bool = False
    """Whether this call sent it; else it had been posted before."""
    is_in_doubt: bool = False
    """Whether the last answer to it was lost."""
    problem: str = ""
    """Why it is not known to be posted."""


async def inform(world: World, incident_id: IncidentId, *, sleep: Sleep = asyncio.sleep) -> None:
    """Post by itself what the team wants told at what the incident has come to, once for each life.

    In a crowd of incidents nothing is: people may still post. Nobody waits for it, so it raises nothing of
    Slack's or PagerDuty's; what was not posted is logged and counted.
    """
    try:
        async with asyncio.timeout(LIMIT_S):
            await _inform(world, incident_id, sleep)
    except TimeoutError:
        _count(world, "the time that it may take was over")


async def _inform(world: World, incident_id: IncidentId, sleep: Sleep) -> None:
    record = await world.book.get(incident_id)
    wanted = world.catalogue.told(record.incident) if record is not None else None
    if record is None or record.card is None or wanted is None or not wanted.automatic:
        return
    facts = await gather(world, record)
    milestone = milestone_of(facts)
    if milestone not in wanted.automatic or len(await world.book.open()) > MOST_OPEN:
        return
    text = redacted(world, stakeholder_update(facts))
    key = f"update:{record.id}:{record.life}:{milestone}"
    for posted in await post_update(world, record, wanted, text, key, by=BY_ITSELF, sleep=sleep):
        if posted.problem:
            _count(world, posted.problem, where=posted.place)


def _count(world: World, problem: str, *, where: str = "") -> None:
    world.telemetry.degraded("stakeholder update")
    log.warning("update_not_posted", where=where, error=problem)


def milestone_of(facts: Facts) -> Milestone | None:
    """Return what the incident has come to; None for one that PagerDuty turned out not to know."""
    incident = facts.record.incident
    if incident.is_open:
        return Milestone.RECOVERED if facts.is_recovered else Milestone.OPENED
    return None if incident.is_unknown else Milestone.RESOLVED


async def post_update(
    world: World,
    record: IncidentRecord,
    wanted: Updates,
    text: Document,
    key: str,
    *,
    by: str,
    name: str = "",
    sleep: Sleep = asyncio.sleep,
) -> Sequence[Posted]:
    """Post *text* wherever it is *wanted*, once for *key*; *by* whom is on record before it is sent."""
    return [
        await _post_in(world, record, place, text, by=by, name=name, sleep=sleep)
        for place in _places(world, record, wanted, text, key)
    ]


def places_of(wanted: Updates) -> Sequence[str]:
    """Return in words where updates go."""
    channel = [f"channel {wanted.channel}"] if wanted.channel is not None else []
    return [*channel, *(["PagerDuty's status updates"] if wanted.pagerduty else [])]


def _places(
    world: World, record: IncidentRecord, wanted: Updates, text: Document, key: str
) -> Sequence[Place]:
    marker = f"[handrail {key}]"
    channel = wanted.channel

    async def post() -> None:
        await world.chat.post_document(channel or "", text, key=key)

    async def was_posted() -> bool:
        return await world.chat.find_document(channel or "", key=key) is not None

    async def publish() -> None:
        await world.incidents.add_update(record.id, f"{plain_words(text)}\n\n{marker}")

    async def was_published() -> bool:
        return any(marker in found for found in await world.incidents.updates(record.id))

    sends = [(f"slack:{key}", post, was_posted)] if channel is not None else []
    sends += [(f"pagerduty:{key}", publish, was_published)] if wanted.pagerduty else []
    named = zip(places_of(wanted), sends, strict=True)
    return [Place(name, key, send, was_sent) for name, (key, send, was_sent) in named]


async def _post_in(
    world: World,
    record: IncidentRecord,
    place: Place,
    text: Document,
    *,
    by: str,
    name: str,
    sleep: Sleep,
) -> Posted:
    sent, lost = 0, 0

    async def send() -> None:
        nonlocal sent, lost
        await world.audit.append(
            Act.INFORMED,
            actor=by,
            incident=record.id,
            body={"where": place.name, "name": name, "key": place.key, "text": plain_words(text)},
        )
        try:
            await place.send()
        except Unclear:
            lost += 1
            raise
        sent += 1

    try:
        await post_once(world, place.key, record.id, send=send, was_sent=place.was_sent, sleep=sleep)
    except Tampered:
        raise
    except HandrailError as exc:
        return Posted(place.name, is_in_doubt=lost > 0, problem=str(exc))
    return Posted(place.name, is_new=sent + lost > 0, is_in_doubt=lost > 1)


def plain_words(text: Document) -> str:
    """Return the update as a few sentences, for readers of a telephone's lock screen."""
    said = [line.text for section in text.sections for line in section.lines]
    return "\n".join([f"{text.title}.", *said])
