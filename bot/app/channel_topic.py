"""Keep the state of an incident in the first words of its own channel's topic.

Slack tells a channel of each new topic, so one is set once a minute at most and the last state wins. In a
crowd of incidents topics wait until it is over.
"""

import asyncio
from dataclasses import replace
from datetime import timedelta
from typing import Final

import structlog

from bot.app.running_summary import MOST_OPEN
from bot.app.show import AT_ONCE_S, status_line
from bot.app.topics import Topic
from bot.app.world import World
from bot.domain.errors import Invalid, NotFound, Refused, Unavailable, Unclear
from bot.domain.record import IncidentRecord
from bot.ports import OwnChannels

log = structlog.get_logger()

APART: Final = timedelta(minutes=1)
EACH_TIME: Final = 1  # Our choice, for each painting: Slack allows twenty looks and as many topics a minute.
MOST_LOOKS: Final = 3  # Our choice: a look goes through up to twenty pages of a large workspace's channels.
_TOPIC: Final = 250  # Slack's limit.
_NAME: Final = 80  # Slack's limit.


async def keep_topics(world: World) -> bool:
    """Bring the topics of changed incidents up to date; True when one must wait for the next time."""
    topics, channels = world.topics, world.own_channels
    if channels is None or not any(route.own_channel for route in world.catalogue.routes):
        topics.due.clear()
    if channels is None or not topics.due or len(await world.book.open()) > MOST_OPEN:
        return False
    now = world.clock.now()
    ready = [one for one in topics.due if one not in topics.known or now - topics.known[one].at >= APART]
    looked_at = 0
    for incident_id in ready:
        if looked_at == EACH_TIME:
            break
        record = await world.book.get(incident_id)
        topics.due.discard(incident_id)
        if record is None or record.card is None or not _may_have_one(world, record):
            continue
        looked_at += 1
        if not await _kept_in_time(world, channels, record):
            topics.due.add(incident_id)
    return bool(topics.due)


async def topic_of(world: World, record: IncidentRecord) -> str:
    """Return what stands above the channel: the state first, cut at Slack's limit."""
    proposals = await world.gate.proposals(record.id)
    incident = record.incident
    state = status_line(record, proposals[-1] if proposals else None)
    said = f"{state} · {incident.service or 'unmapped service'} · {incident.title} · PagerDuty {incident.id}"
    return said if len(said) <= _TOPIC else f"{said[: _TOPIC - 1]}…"


def channel_name(record: IncidentRecord) -> str:
    """Return a name that no other incident has, of the signs that Slack takes: `inc-q2abc-checkout`."""
    of = "".join(sign if sign.isalnum() and sign.isascii() else "-" for sign in record.id.lower())
    return f"inc-{of}-{record.incident.service or 'unmapped'}"[:_NAME].rstrip("-")


def _may_have_one(world: World, record: IncidentRecord) -> bool:
    route = world.catalogue.route(record.incident)
    return record.id in world.topics.known or (route is not None and route.own_channel)


async def _kept_in_time(world: World, channels: OwnChannels, record: IncidentRecord) -> bool:
    """Return whether nothing is left to be done now."""
    try:
        async with asyncio.timeout(AT_ONCE_S):
            await _keep(world, channels, record)
    except (TimeoutError, Unavailable, Unclear):
        world.telemetry.degraded("Slack channel of an incident")
        known = _known(world, record)
        misses = known.misses + (known.channel is None)
        world.topics.known[record.id] = replace(known, at=world.clock.now(), misses=misses)
        return misses >= MOST_LOOKS
    except (Refused, Invalid, NotFound) as exc:
        log.warning("topic_not_set", incident_id=record.id, error=str(exc))  # A person archived it, say.
    return True


def _known(world: World, record: IncidentRecord) -> Topic:
    return world.topics.known.get(record.id, Topic(None, "", world.clock.now()))


async def _keep(world: World, channels: OwnChannels, record: IncidentRecord) -> None:
    known = _known(world, record)
    if known.channel is None and known.misses < MOST_LOOKS:
        known = await _found(world, channels, record, known.misses)
    if known.channel is None:
        return
    said = await topic_of(world, record)
    if said != known.said:
        await channels.describe(known.channel, said)
        world.topics.known[record.id] = Topic(known.channel, said, world.clock.now())


async def _found(world: World, channels: OwnChannels, record: IncidentRecord, misses: int) -> Topic:
    """Look for a channel that another bot made, or this one before its restart."""
    found = await channels.find(channel_name(record))
    now = world.clock.now()
    topic = Topic(None, "", now, misses + 1) if found is None else Topic(found.id, found.topic, now)
    world.topics.known[record.id] = topic
    return topic
