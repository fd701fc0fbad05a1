"""Keep a summary in the thread of each open card: posted once, edited when the incident changes.

At the end `bot.app.report.summarise` writes the last one in its place.
In a crowd of incidents none is begun or edited: then the cards are what people read.
"""

import asyncio
from typing import Final

import structlog

from bot.app.report import is_over, summary_key, summary_of
from bot.app.show import AT_ONCE_S
from bot.app.world import World
from bot.domain.card import CardRef
from bot.domain.document import Document
from bot.domain.errors import NotFound, Tampered, Unavailable, Unclear
from bot.domain.ids import IncidentId
from bot.domain.record import IncidentRecord
from bot.ports import PostState

log = structlog.get_logger()

MOST_OPEN: Final = 5
"""Our choice: with more open incidents, no message more than their cards goes out."""


async def keep_summaries(world: World) -> bool:
    """Bring the summaries of changed incidents up to date; True when one must wait for the next time."""
    due = tuple(world.summaries.due)
    if not due:
        return False
    world.summaries.due.clear()
    if len(await world.book.open()) > MOST_OPEN:
        return False
    waiting = [one for one in due if not await _kept_in_time(world, one)]
    world.summaries.due.update(waiting)
    return bool(waiting)


async def _kept_in_time(world: World, incident_id: IncidentId) -> bool:
    try:
        async with asyncio.timeout(AT_ONCE_S):
            return await _keep(world, incident_id)
    except Tampered:
        raise
    except (TimeoutError, Unavailable, Unclear):
        return False
    except NotFound as exc:
        log.warning("summary_gone", incident_id=incident_id, error=str(exc))  # A person deleted it.
        return True


async def _keep(world: World, incident_id: IncidentId) -> bool:
    """Return whether the summary says how the incident is; False when another bot may be posting it."""
    record = await world.book.get(incident_id)
    if record is None or record.card is None:
        return True
    card, key = record.card, summary_key(record)
    async with world.summaries.turn_of(key):
        now = await world.book.get(incident_id)  # It may have ended while the last summary was written.
        if now is None or await is_over(world, now):
            world.summaries.shown.pop(key, None)
            return True  # The last summary takes its place.
        return await _write(world, now, card, key)


async def _write(world: World, record: IncidentRecord, card: CardRef, key: str) -> bool:
    known, document = world.summaries.shown.get(key), await _so_far(world, record)
    if known is not None and known[1] == document:
        return True
    ref = known[0] if known else await _standing(world, card, key)
    if ref is not None:
        await world.chat.update_document(ref, document)
    else:
        ref = await _post(world, record, card, key, document)
    if ref is not None:
        world.summaries.shown[key] = (ref, document)
    return ref is not None


async def _standing(world: World, card: CardRef, key: str) -> CardRef | None:
    return await world.chat.find_document(card.channel, key=key, thread_ts=card.ts)


async def _post(
    world: World, record: IncidentRecord, card: CardRef, key: str, document: Document
) -> CardRef | None:
    """Post the summary once; None while a post of before may still turn up."""
    state = await world.outbox.claim(f"slack:so-far:{key}", record.id)
    if state is not PostState.FIRST and key not in world.summaries.doubted:
        world.summaries.doubted.add(key)
        return None
    ref = await world.chat.post_document(card.channel, document, key=key, thread_ts=card.ts)
    await world.outbox.sent(f"slack:so-far:{key}", possibly_double=state is not PostState.FIRST)
    return ref


async def _so_far(world: World, record: IncidentRecord) -> Document:
    whole = await summary_of(world, record)
    return whole.model_copy(update={"title": f"So far: {record.incident.title or record.id}"})
