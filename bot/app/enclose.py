"""Put the picture and the postmortem draft of an incident into its thread, each of them once."""

import asyncio
from collections.abc import Coroutine

import structlog

from bot.app.facts import Facts, gather
from bot.app.markdown import markdown
from bot.app.picturing import timeline_of
from bot.app.postmortem import postmortem
from bot.app.report import Sleep, post_once
from bot.app.show import redraw
from bot.app.world import World
from bot.domain.attachment import Attachment, AttachmentKind
from bot.domain.card import CardRef
from bot.domain.document import Document
from bot.domain.errors import HandrailError, Tampered
from bot.domain.ids import IncidentId

log = structlog.get_logger()


async def enclose(world: World, incident_id: IncidentId, *, sleep: Sleep = asyncio.sleep) -> None:
    """Share the picture after a recovery or at the end, and the postmortem draft at the end.

    People can do without both: what cannot be drawn or shared now is left out, and the log says so.
    """
    record = await world.book.get(incident_id)
    if record is None or record.card is None:
        return
    facts = await gather(world, record)
    if record.incident.is_open and not facts.is_recovered:
        return
    # Drawing takes seconds, and the card must not wait for it.
    await _or_without(world, "card", redraw(world, incident_id))
    await _or_without(world, "picture", _share_picture(world, facts, record.card, sleep))
    if not record.incident.is_open:
        key = f"postmortem:{record.id}:{record.life}"
        await _or_without(world, "postmortem", share_postmortem(world, facts, record.card, key, sleep))


async def _or_without(world: World, what: str, work: Coroutine[object, object, None]) -> None:
    try:
        await work
    except Tampered:
        raise
    except HandrailError as exc:
        world.telemetry.degraded(what)
        log.warning("not_enclosed", what=what, error=str(exc))


async def share_postmortem(world: World, facts: Facts, card: CardRef, key: str, sleep: Sleep) -> None:
    """Put the draft as a file into the card's thread, once for *key*."""
    draft = redacted(world, postmortem(facts))
    file = Attachment(
        kind=AttachmentKind.MARKDOWN,
        title=draft.title,
        alt=f"{draft.title}, a text of {len(draft.sections)} sections, written from the record",
        content=markdown(draft).encode(),
    )
    await _share(world, facts.record.id, card, file, key, sleep)


def redacted(world: World, document: Document) -> Document:
    """Return *document* as it may leave: what the record took from outside may hold a secret after all."""

    def clean(text: str) -> str:
        return world.redactor.redact(text).text

    sections = tuple(
        section.model_copy(
            update={
                "heading": clean(section.heading),
                "lines": tuple(
                    line.model_copy(
                        update={"text": clean(line.text), "url": clean(line.url) if line.url else None}
                    )
                    for line in section.lines
                ),
            }
        )
        for section in document.sections
    )
    return document.model_copy(update={"title": clean(document.title), "sections": sections})


async def _share_picture(world: World, facts: Facts, card: CardRef, sleep: Sleep) -> None:
    key = f"timeline:{facts.record.id}:{facts.record.life}"
    if world.pictures is None or await world.chat.has_attachment(card, key=key):
        return
    timeline = await timeline_of(world, facts)
    if timeline is None:
        return
    file = Attachment(
        kind=AttachmentKind.PNG,
        title=f"Timeline: {timeline.title}",
        alt=timeline.alt_text(),
        content=await world.pictures.timeline(timeline),
    )
    await _share(world, facts.record.id, card, file, key, sleep)


async def _share(
    world: World, incident: IncidentId, card: CardRef, file: Attachment, key: str, sleep: Sleep
) -> None:
    async def send() -> None:
        await world.chat.attach(card, file, key=key)

    async def was_sent() -> bool:
        return await world.chat.has_attachment(card, key=key)

    await post_once(world, f"slack:{key}", incident, send=send, was_sent=was_sent, sleep=sleep)
