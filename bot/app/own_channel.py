"""Give an incident a channel of its own, where the routes say so; the card stays where it stands."""

import asyncio
from collections.abc import Awaitable, Callable

import structlog

from bot.app.channel_topic import channel_name, topic_of
from bot.app.report import post_once
from bot.app.topics import Topic
from bot.app.world import World
from bot.domain.card import CardRef
from bot.domain.document import Document, Line, Section
from bot.domain.errors import HandrailError, Invalid, NotFound, Refused
from bot.domain.ids import IncidentId
from bot.domain.record import IncidentRecord
from bot.ports import OwnChannels, PostState

log = structlog.get_logger()

WAITS_S = (1.0, 3.0)
LIMIT_S = 12.0  # Our choice: a channel that Slack cannot make within some seconds is done without.

Sleep = Callable[[float], Awaitable[None]]


async def open_own_channel(world: World, incident_id: IncidentId, *, sleep: Sleep = asyncio.sleep) -> None:
    """Open the channel once, invite who is on call, and say in the card's thread where it is.

    Whatever keeps it from being opened is said there too, or counted; it raises nothing of Slack's.
    """
    record = await world.book.get(incident_id)
    if world.own_channels is None or record is None or record.card is None or not record.incident.is_open:
        return
    route = world.catalogue.route(record.incident)
    if route is None or not route.own_channel:
        return
    for wait in (*WAITS_S, None):
        try:
            async with asyncio.timeout(LIMIT_S):
                await _open_once(world, world.own_channels, record, record.card, sleep)
        except TimeoutError:
            world.telemetry.degraded("Slack channel of an incident")
            return
        except HandrailError as exc:
            log.warning("own_channel_not_opened", error=str(exc))
            world.telemetry.degraded("Slack channel of an incident")
            if wait is None:
                return
            await sleep(wait)
        else:
            return


async def _open_once(
    world: World, channels: OwnChannels, record: IncidentRecord, card: CardRef, sleep: Sleep
) -> None:
    key = f"own-channel:{record.id}"
    if await world.outbox.claim(key, record.id) is PostState.SENT:
        return
    try:
        line = await _opened(world, channels, record, card)
    except (Refused, Invalid, NotFound) as exc:
        line = Line(text=f"There is no channel of its own for it, so it is all here: {exc}")
    said = Document(title="A channel for this incident", sections=(Section(heading="Where", lines=(line,)),))

    async def tell() -> None:
        await world.chat.reply(card, said, key=key)

    async def was_told() -> bool:
        return await world.chat.has_reply(card, key=key)

    await post_once(world, f"slack:{key}", record.id, send=tell, was_sent=was_told, sleep=sleep)
    await world.outbox.sent(key)


async def _opened(world: World, channels: OwnChannels, record: IncidentRecord, card: CardRef) -> Line:
    """Open and furnish the channel; each part is the same when it is done again after a crash."""
    name = channel_name(record)
    channel = await channels.open(name, like=card.channel)
    missing = await _described(world, channels, record, channel)
    card_url = channels.address(card.channel, card.ts)
    links = {"The card, with its buttons": card_url, "PagerDuty": record.incident.url or ""}
    service = world.catalogue.services.get(record.incident.service) if record.incident.service else None
    if service is not None:
        links |= {"Runbook": service.runbook_url or "", "Dashboard": service.dashboard_url or ""}
    for title, url in links.items():
        if url:
            await channels.link(channel, title, url)
    for user, person in zip(record.on_call, record.on_call_names, strict=False):
        try:
            await channels.invite(channel, user)
        except (Refused, NotFound) as exc:
            missing.append(f"{person} could not be invited: {exc}")
    await _welcome(world, record, channel, card_url, missing)
    return Line(text=f"#{name}", url=channels.address(channel))


async def _described(world: World, channels: OwnChannels, record: IncidentRecord, channel: str) -> list[str]:
    """Set the topic, and let it be kept from now on; return what keeps it from being set."""
    said = await topic_of(world, record)
    try:
        await channels.describe(channel, said)
    except (Refused, Invalid) as exc:
        return [f"Its topic could not be set: {exc}"]
    world.topics.known[record.id] = Topic(channel, said, world.clock.now())
    world.topics.due.add(record.id)  # Its state may have changed while the channel was made.
    world.bell.ring()
    return []


async def _welcome(
    world: World, record: IncidentRecord, channel: str, card_url: str, missing: list[str]
) -> None:
    key = f"own-channel:{record.id}"
    if await world.chat.find_document(channel, key=key) is not None:
        return
    incident = record.incident
    told = (
        Line(text=f"{incident.title or incident.id} on {incident.service or 'an unmapped service'}"),
        Line(text="Everything is decided on the card, and its thread has the evidence", url=card_url),
        *(Line(text=one) for one in missing),
    )
    document = Document(
        title=f"The channel of {incident.id}", sections=(Section(heading="What it is about", lines=told),)
    )
    await world.chat.post_document(channel, document, key=key)
