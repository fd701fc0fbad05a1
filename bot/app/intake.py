"""Take in what happened outside: an incident's event, a change, and what the webhooks missed."""

from datetime import timedelta

import structlog
from structlog.contextvars import bind_contextvars

from bot.app.group import going_on, settle
from bot.app.investigate import reconsider, redacted
from bot.app.pager_fields import prioritise_missed
from bot.app.show import redraw
from bot.app.unknown import closed_as_unknown, is_nobodys
from bot.app.wording import NOT_KNOWN, change_name, clock_time
from bot.app.world import World
from bot.domain.change import ChangeEvent, ChangeStatus
from bot.domain.errors import NotFound, Unavailable
from bot.domain.ids import IncidentId
from bot.domain.incident import Incident, IncidentEvent, IncidentEventKind, IncidentStatus
from bot.domain.plan import Plan
from bot.domain.proposal import LIVE, ProposalState
from bot.domain.record import IncidentRecord

log = structlog.get_logger()

_STATUS = {
    IncidentEventKind.ACKNOWLEDGED: IncidentStatus.ACKNOWLEDGED,
    IncidentEventKind.RESOLVED: IncidentStatus.RESOLVED,
}
RECONCILE_WINDOW = timedelta(days=7)
# A change with a time beyond these is kept and has no effect: a wrong clock, or somebody playing.
NEAR_FUTURE = timedelta(hours=1)
PAST = timedelta(days=3650)


async def handle_event(world: World, event: IncidentEvent) -> None:
    """Follow one webhook. The pager's present answer counts, so order and repetition do not."""
    if event.kind is IncidentEventKind.OTHER:
        return
    bind_contextvars(incident_id=event.incident_id)
    before = await world.book.get(event.incident_id)
    if before is not None:
        world.stories.begin(before)
    incident = await _present(world, event, before)
    await follow(world, incident, before, heard_as=event.event_id)


async def follow(
    world: World, incident: Incident, before: IncidentRecord | None, *, heard_as: str = ""
) -> None:
    """Bring our record and the incident's course in line with what the pager says now."""
    record = await world.book.see(redacted(world, incident), heard_as=heard_as)
    with world.stories.within(record):
        if before is None:
            log.info("incident_seen", status=incident.status.value, service=incident.service)
        elif before.incident.is_open and not incident.is_open:
            log.info("incident_resolved", life=record.life)
        if before is None and not incident.is_open:
            # It was over before we heard of it: no card, but an older trigger that comes late must find this.
            await settle(world, record)
        else:
            await _go_on(world, incident, record, before)


async def _go_on(
    world: World, incident: Incident, record: IncidentRecord, before: IncidentRecord | None
) -> None:
    # Asked of the record and not of what was read before it: a crash between the two steps is made good.
    if incident.is_open and record.resolved_at is not None:
        record = await world.book.reopen(incident.id)
        log.info("incident_reopened", life=record.life)
    if not await settle(world, record):
        return  # The card of another incident shows it, and nothing is proposed for it by itself.
    if incident.is_open:
        await world.workflows.start(incident.id, record.life)
    if before is not None and before.incident.status is not incident.status:
        await world.workflows.wake(incident.id, record.life)
        await redraw(world, incident.id)


async def _present(world: World, event: IncidentEvent, before: IncidentRecord | None) -> Incident:
    """Ask the pager what is true now; only when it does not answer believe the webhook.

    A first trigger is believed at once: the investigation that it starts asks the pager anyway.
    """
    if before is None and event.kind is IncidentEventKind.TRIGGERED:
        return _from_event(world, event)
    try:
        return await world.incidents.read(event.incident_id)
    except Unavailable:
        world.telemetry.degraded("PagerDuty")
    except NotFound:
        world.telemetry.degraded(NOT_KNOWN)
    known = before.incident if before else None
    status = event.status or _STATUS.get(event.kind)
    if status is None and known is not None:
        status = known.status
    if (
        known is not None
        and known.status is IncidentStatus.RESOLVED
        and event.kind is not IncidentEventKind.REOPENED
    ):
        status = IncidentStatus.RESOLVED  # An older event that came late does not reopen anything.
    if known is not None:
        return known.model_copy(update={"status": status or known.status})
    return _from_event(world, event)


def _from_event(world: World, event: IncidentEvent) -> Incident:
    return Incident(
        id=event.incident_id,
        title=event.title or "",
        status=event.status or _STATUS.get(event.kind, IncidentStatus.TRIGGERED),
        pagerduty_service_id=event.pagerduty_service_id,
        escalation_policy_id=event.escalation_policy_id,
        service=world.catalogue.by_pagerduty_id(event.pagerduty_service_id),
        opened_at=event.opened_at or event.occurred_at,
    )


async def reconcile(world: World) -> int:
    """Backfill what webhooks missed; return how many incidents were brought in line."""
    found = await world.incidents.opened_since(world.clock.now() - RECONCILE_WINDOW)
    mended = 0
    for incident in found:
        before = await world.book.get(incident.id)
        if before is None or before.incident.status is not incident.status:
            await follow(world, await world.incidents.read(incident.id), before)
            mended += 1
    open_there = {incident.id for incident in found}
    for record in await world.book.open():
        if record.id not in open_there:
            mended += await _follow_closed(world, record)
    for record in await going_on(world, await world.book.open()):
        await world.workflows.start(record.id, record.life)
    await prioritise_missed(world)
    world.bell.ring()
    return mended


async def _follow_closed(world: World, record: IncidentRecord) -> int:
    """An incident we hold open is not in the pager's list of open ones: ask for it by name."""
    try:
        incident = await world.incidents.read(record.id)
    except NotFound:
        if not is_nobodys(world, record.incident):
            return 0
        incident = closed_as_unknown(record.incident)
    if incident.status is record.incident.status:
        return 0
    await follow(world, incident, record)
    return 1


async def handle_change(world: World, change: ChangeEvent) -> None:
    """Record a change; withdraw proposals that it has overtaken, and think again where it came late."""
    known = await _complete(world, _redacted_change(world, change))
    await world.ledger.record(known)
    now = await world.gate.now()
    if not now - PAST <= known.live_at <= now + NEAR_FUTURE:
        world.telemetry.degraded("change with an impossible time")
        return
    for record in await going_on(world, await world.book.open()):
        with world.stories.within(record):
            if await _overtake(world, record.id, known) or await reconsider(world, record.id, known):
                await redraw(world, record.id)
                await world.workflows.wake(record.id, record.life)


async def _complete(world: World, change: ChangeEvent) -> ChangeEvent:
    """Fill in the version before this one from the ledger when the source did not say it."""
    if change.previous_version is not None or change.version is None:
        return change
    earlier = await world.ledger.between(
        [change.service], change.began_at - timedelta(days=30), change.began_at
    )
    for other in earlier:
        is_live = other.status is ChangeStatus.SUCCEEDED and other.environment == change.environment
        if other.id != change.id and is_live and other.version not in (None, change.version):
            return change.model_copy(update={"previous_version": other.version})
    return change


def _redacted_change(world: World, change: ChangeEvent) -> ChangeEvent:
    redact = world.redactor.redact
    return change.model_copy(
        update={
            "title": redact(change.title).text,
            "body": redact(change.body).text,
            "diff": redact(change.diff).text,
            "author": redact(change.author).text,
        }
    )


async def _overtake(world: World, incident: IncidentId, change: ChangeEvent) -> bool:
    """Withdraw a waiting proposal when its service has been changed since it was made."""
    proposals = await world.gate.proposals(incident)
    if not proposals or proposals[-1].state not in LIVE:
        return False
    last = proposals[-1]
    if Plan.from_bytes(last.plan).service != change.service or change.live_at <= last.created_at:
        return False
    reason = f"{change_name(change)} went live at {clock_time(change.live_at)}, after this was proposed"
    return await world.gate.withdraw(last.id, ProposalState.CANCELLED, reason)
