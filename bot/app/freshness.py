"""Look whether what a plan rests on still holds, all sources at once and within 2 s."""

import asyncio
from collections.abc import Awaitable, Sequence
from typing import TypeVar

import structlog

from bot.app.group import settle
from bot.app.world import World
from bot.domain.approval import faithful_plan
from bot.domain.basis import Basis, changes_digest
from bot.domain.catalogue import HttpVersion
from bot.domain.change import ChangeEvent, ChangeKind
from bot.domain.errors import HandrailError, NotFound, Unavailable
from bot.domain.freshness import Freshness, Missed, Reads, changed_by_others, compared
from bot.domain.ids import ChangeId, IncidentId, ServiceName
from bot.domain.incident import IncidentStatus
from bot.domain.plan import Plan
from bot.domain.proposal import ProposalRecord

log = structlog.get_logger()

T = TypeVar("T")

PROPOSING_S = 1.2  # The card must stand within 2 s; a version that takes longer is read before the start.


async def basis_of(world: World, service: ServiceName, suspect: ChangeEvent | None) -> Basis:
    """Return what a plan for *service* is made from, as far as it is compared before anything runs.

    Raises:
        Unavailable: the ledger does not answer, so nothing could ever be compared.
    """
    now = world.clock.now()
    since = now - world.manners.lookback
    watched = (service, *sorted(world.topology().dependencies_of(service, hops=1)))
    source = _version_source(world, service)
    async with asyncio.TaskGroup() as group:
        reading = group.create_task(
            _within(world, f"the version of {service}", _serving(world, source), PROPOSING_S)
        )
        listing = group.create_task(
            _within(world, "the change ledger", world.ledger.between(watched, since, now), PROPOSING_S)
        )
    changes, serving = listing.result(), reading.result()
    if isinstance(changes, Missed):
        raise Unavailable(str(changes))
    if isinstance(serving, Missed) or serving is None:
        serving = _told_version(service, suspect, changes)
    return Basis(
        suspect=suspect.id if suspect else None,
        suspect_version=suspect.version if suspect else None,
        version_url=source.url if source else None,
        serving=serving,
        watched=watched,
        since=since,
        read_at=now,
        changes=changes_digest(changes),
    )


async def look(world: World, record: ProposalRecord) -> Freshness | None:
    """Return what differs now from what the proposal's plan was made from; None when its bytes were changed.

    An incident that the pager calls resolved is noted as such, so that everything else follows from that.
    """
    plan = faithful_plan(record)
    if plan is None:
        return None
    at = (
        await world.gate.now()
    )  # Before the first question, so that the answers are never older than it says.
    reads = await _reads(world, plan)
    freshness = compared(plan, record.digest, reads, at)
    if freshness.why_not:
        log.info("plan_does_not_fit", proposal_id=record.id, why=freshness.why_not)
    if freshness.is_closed:
        await _note_resolved(world, plan.incident)
    return freshness


async def foreign_changes(world: World, plan: Plan) -> str:
    """Return what others changed since the plan ran, in words; "" when nobody did.

    Raises:
        Unavailable: a source does not answer, so that nobody knows.
    """
    basis, within_s = plan.basis, world.manners.look_up.total_seconds()
    if basis is None:
        raise Unavailable("what the plan rests on was not written down")
    source = _version_source(world, plan.service)
    async with asyncio.TaskGroup() as group:
        listing = group.create_task(
            _within(
                world,
                "the change ledger",
                world.ledger.between(basis.watched, basis.since, world.clock.now()),
                within_s,
            )
        )
        reading = group.create_task(
            _within(world, f"the version of {plan.service}", _serving(world, source), within_s)
        )
    changes, serving = listing.result(), reading.result()
    if isinstance(changes, Missed):
        raise Unavailable(str(changes))
    if isinstance(serving, Missed):
        raise Unavailable(str(serving))
    return changed_by_others(plan, basis, changes, serving)


async def _reads(world: World, plan: Plan) -> Reads:
    basis, within_s = plan.basis, world.manners.look_up.total_seconds()
    source = _version_source(world, plan.service)
    watched = basis.watched if basis else ()
    since = basis.since if basis else world.clock.now()
    async with asyncio.TaskGroup() as group:
        is_open = group.create_task(_within(world, "PagerDuty", _is_open(world, plan.incident), within_s))
        suspected = group.create_task(
            _within(world, "the record", _suspected(world, plan.incident), within_s)
        )
        suspect = group.create_task(
            _within(world, "the change ledger", _change(world, basis.suspect if basis else None), within_s)
        )
        changes = group.create_task(
            _within(
                world,
                "the change ledger",
                world.ledger.between(watched, since, world.clock.now()),
                within_s,
            )
        )
        serving = group.create_task(
            _within(world, f"the version of {plan.service}", _serving(world, source), within_s)
        )
    return Reads(
        is_open=is_open.result(),
        suspected=suspected.result(),
        suspect=suspect.result(),
        changes=changes.result(),
        serving=serving.result(),
        policy_version=world.policies.current().version,
    )


def _version_source(world: World, service: ServiceName) -> HttpVersion | None:
    known = world.catalogue.services.get(service)
    return known.version if known else None


def _told_version(
    service: ServiceName, suspect: ChangeEvent | None, changes: Sequence[ChangeEvent]
) -> str | None:
    """Return the version that the last deploy brought, as far as anybody told of it."""
    told = [
        change
        for change in changes
        if change.service == service
        and change.kind in (ChangeKind.DEPLOY, ChangeKind.ROLLBACK)
        and change.version is not None
        and (suspect is None or change.environment == suspect.environment)
    ]
    newest = max(told, key=lambda change: change.live_at, default=None)
    return newest.version if newest else None


async def _is_open(world: World, incident: IncidentId) -> bool:
    try:
        return (await world.incidents.read(incident)).is_open
    except NotFound as exc:
        raise Unavailable("it knows no such incident") from exc


async def _suspected(world: World, incident: IncidentId) -> ChangeId | None:
    record = await world.book.get(incident)
    return record.assessment.suspect if record is not None and record.assessment is not None else None


async def _change(world: World, change: ChangeId | None) -> ChangeEvent | None:
    return await world.ledger.get(change) if change is not None else None


async def _serving(world: World, source: HttpVersion | None) -> str | None:
    if source is None:
        return None
    if world.sources.versions is None:
        raise Unavailable("nothing here can ask for it")
    return await world.sources.versions.serving(source)


async def _note_resolved(world: World, incident: IncidentId) -> None:
    record = await world.book.get(incident)
    if record is not None and record.incident.is_open:
        resolved = record.incident.model_copy(update={"status": IncidentStatus.RESOLVED})
        await settle(world, await world.book.see(resolved))


async def _within(world: World, source: str, answer: Awaitable[T], seconds: float) -> T | Missed:
    try:
        async with asyncio.timeout(seconds):
            return await answer
    except TimeoutError:
        why = f"no answer within {seconds:g} s"
    except HandrailError as exc:
        why = str(exc)
    world.telemetry.degraded(source)
    return Missed(source, why)
