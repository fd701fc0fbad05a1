"""Gather what is known of an incident, rank its suspects, and store what was thought."""

import asyncio
import json
from collections.abc import Awaitable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import TypeVar

import structlog

from bot.app.drafts import Draft
from bot.app.freshness import basis_of
from bot.app.group import settle
from bot.app.observe import Observed, observe
from bot.app.previewing import with_previews
from bot.app.propose import NoPlaybook, draft_plan, is_live, place_of
from bot.app.raw_facts import raw_facts
from bot.app.unknown import closed_as_unknown, is_nobodys, is_stale
from bot.app.wording import (
    ANEW,
    MODEL_SILENT,
    NOT_KNOWN,
    RULES_ONLY,
    cause_in_words,
    change_name,
    clock_time,
    counted,
)
from bot.app.world import World
from bot.domain.alert import Alert
from bot.domain.card import Cause
from bot.domain.change import ChangeEvent
from bot.domain.change_index import rings
from bot.domain.correlation import Case, Ranking, rank_suspects
from bot.domain.correlation import Outcome as RankingOutcome
from bot.domain.document import Line
from bot.domain.errors import HandrailError, NotFound, Unavailable
from bot.domain.evidence import Coverage, Evidence
from bot.domain.ids import AlertId, Digest, IncidentId, PlaybookId, ServiceName, SlackUserId, sha256_hex
from bot.domain.incident import Incident
from bot.domain.person import OnCall
from bot.domain.plan import Plan
from bot.domain.proposal import ProposalState
from bot.domain.record import Assessment, OnCallTold
from bot.domain.trust import trust_in
from bot.ports import Reading

log = structlog.get_logger()

T = TypeVar("T")

ENRICH_S = 1.2  # The card must stand within 2 s: a source that takes longer is named as missing.

PAGERDUTY = "PagerDuty"
KEPT_SUSPECTS = 10
SECOND = timedelta(seconds=1)


@dataclass(frozen=True)
class Gathered:
    """What the sources said, and which of them did not answer."""

    incident: Incident
    changes: tuple[ChangeEvent, ...]
    on_call_told: OnCallTold | None
    """None when nobody is on call, or it is not known."""
    readings: tuple[tuple[str, Reading], ...]
    coverage: Coverage
    observed: Observed

    @property
    def has_heard_pager(self) -> bool:
        """Say whether the pager told how the incident is."""
        return not {PAGERDUTY, NOT_KNOWN} & set(self.coverage.unreachable)


async def investigate(world: World, incident_id: IncidentId, *, requester: SlackUserId | None = None) -> bool:
    """Assess the incident and propose a playbook if one fits; False when it is not open.

    Doing it twice is harmless: a proposal that is alive is kept. *requester* is who asked for a proposal.
    """
    found = await world.gate.on_record(incident_id)
    record = found.record
    if record is None or not record.incident.is_open:
        return False
    if is_live(found.proposals):
        return True
    gathered = await gather(world, record.incident)
    if NOT_KNOWN in gathered.coverage.unreachable and is_nobodys(world, record.incident):
        await settle(world, await world.book.see(closed_as_unknown(gathered.incident)))
        return False
    if not gathered.has_heard_pager and is_stale(world, record.incident):
        raise Unavailable(f"PagerDuty does not say whether {incident_id}, paged long ago, is still open")
    if not gathered.incident.is_open:
        await settle(world, await world.book.see(gathered.incident))
        log.info("incident_resolved", life=record.life)
        return False
    ranking = _ranked(world, gathered)
    thought = None
    if ranking:
        thought = await _think(world, gathered, ranking, before=record.assessment, requester=requester)
    assessment = thought.assessment if thought else raw_facts(world, gathered.incident)
    record = await world.book.learn(gathered.incident, assessment, gathered.on_call_told)
    if not record.incident.is_open:
        return False  # It was resolved meanwhile.
    if thought is not None:
        await _offer(world, gathered, thought)
    return True


async def reconsider(world: World, incident_id: IncidentId, change: ChangeEvent) -> bool:
    """Assess an incident anew when *change*, reported late, is now the suspect; True when it was.

    Only before a decision: what was approved stays as it is, whatever comes to light.
    """
    record = await world.book.get(incident_id)
    if record is None or record.assessment is None or not _may_be_behind(world, record.incident, change):
        return False
    proposals = await world.gate.proposals(incident_id)
    waiting = proposals[-1] if proposals else None
    if waiting is not None and waiting.state not in (ProposalState.PENDING, ProposalState.PROPOSED):
        return False
    gathered = await gather(world, record.incident)
    ranking = _ranked(world, gathered)
    if ranking is None or ranking.named != change.id or record.assessment.suspect == change.id:
        return False
    reason = f"{change_name(change)} was reported after this was proposed, and is suspected now"
    if waiting and not await world.gate.withdraw(waiting.id, ProposalState.CANCELLED, reason):
        return False
    thought = await _think(world, gathered, ranking, before=record.assessment)
    await world.book.assess(incident_id, thought.assessment)
    await _offer(world, gathered, thought)
    return True


@dataclass(frozen=True)
class _Thought:
    """What is thought of an incident, and the plan that follows from it, if one does."""

    ranking: Ranking
    assessment: Assessment
    plan: Plan | None


async def _think(
    world: World,
    gathered: Gathered,
    ranking: Ranking,
    *,
    before: Assessment | None,
    requester: SlackUserId | None = None,
) -> _Thought:
    """Return what is thought of the incident; nothing is stored yet."""
    incident, digest = gathered.incident, evidence_digest(ranking)
    plan, notes = None, tuple(_catalogue_notes(world, incident))
    if not notes and ranking.outcome is RankingOutcome.CANNOT_SEPARATE:
        notes = ("No playbook is proposed: two changes cannot be told apart.",)
    elif not notes:
        try:
            plan = await drafted(world, incident, named_suspect(ranking), digest, requester)
        except (NoPlaybook, Unavailable) as exc:
            notes = (f"No playbook is proposed: {exc}.",)
    assessment = Assessment(
        cause=_still_saying(before, cause_in_words(ranking, evidence_lines(world, gathered))),
        ranking=ranking.model_copy(update={"suspects": ranking.suspects[:KEPT_SUSPECTS]}),
        suspect=ranking.named,
        evidence_digest=digest,
        notes=notes,
        assessed_at=world.clock.now(),
    )
    return _Thought(ranking, assessment, plan)


async def drafted(
    world: World,
    incident: Incident,
    suspect: ChangeEvent | None,
    evidence: Digest,
    requester: SlackUserId | None,
    wanted: PlaybookId | None = None,
) -> Plan:
    """Return the plan to propose, of the playbook that somebody *wanted* if one was named.

    Raises:
        NoPlaybook: there is none.
        Unavailable: its ground cannot be read.
    """
    name = place_of(world, incident, suspect, wanted)
    basis = await basis_of(world, name, suspect) if name in world.catalogue.services and name else None
    found = await world.gate.on_record(incident.id)
    plan = draft_plan(world, incident, suspect, evidence, found, basis, requester, wanted)
    trust = trust_in(await world.gate.past_runs(plan.service, plan.playbook))
    plan = plan.model_copy(update={"trust": trust})
    return await with_previews(world, plan)


def _still_saying(before: Assessment | None, cause: Cause) -> Cause:
    """Return *cause*, saying what became of the model that was asked *before*: it is not asked anew."""
    if before is None or before.cause.speaker in ("", RULES_ONLY):
        return cause
    has_failed = before.cause.speaker.startswith(MODEL_SILENT)
    return cause.model_copy(update={"speaker": before.cause.speaker if has_failed else ANEW})


async def _offer(world: World, gathered: Gathered, thought: _Thought) -> None:
    """Propose the plan of a thought that is stored: a crash between the two leaves a reason without a plan,
    never a plan without one."""
    draft = Draft(case_of(world, gathered), thought.ranking, thought.assessment)
    world.drafts.put(gathered.incident.id, draft)
    ranking = thought.ranking
    log.info(
        "suspects_ranked",
        outcome=ranking.outcome.value,
        change_id=ranking.named,
        confidence_percent=thought.assessment.cause.confidence_percent,
        changes=len(gathered.changes),
        silent=ranking.coverage.unreachable,
    )
    if thought.plan is not None:
        made = await world.gate.propose(thought.plan)
        log.info(
            "proposed", proposal_id=made.id, playbook=thought.plan.playbook, risk=thought.plan.risk.value
        )


def _may_be_behind(world: World, incident: Incident, change: ChangeEvent) -> bool:
    """Say whether *change* began before the incident, in its service or in something that this calls."""
    if incident.service is None or change.began_at > incident.opened_at + SECOND:
        return False
    near = world.topology().dependencies_of(incident.service)
    return change.service == incident.service or change.service in near


async def gather(world: World, known: Incident) -> Gathered:
    """Ask every source at once, each with the same deadline; what did not answer is named."""
    async with asyncio.TaskGroup() as group:
        reading = group.create_task(_within(_read(world, known)))
        people = group.create_task(_within(_on_call(world, known, reading)))
        told = group.create_task(_told(world, people))
        changes = group.create_task(_within(_changes(world, known)))
        signals = group.create_task(_within(_signals(world, known.service)))
        observing = group.create_task(observe(world, known.service, known.opened_at, within_s=ENRICH_S))
    read = reading.result()
    answers = {
        PAGERDUTY: read,
        "on-call schedule": people.result(),
        "change ledger": changes.result(),
        "service signals": signals.result(),
    }
    missing = [name for name, answer in answers.items() if answer is None]
    answered = [name for name, answer in answers.items() if answer is not None]
    if read is not None and read.is_unknown:
        answered.remove(PAGERDUTY)
        missing.insert(0, NOT_KNOWN)
    observed = observing.result()
    for name in (*missing, *observed.unreachable):
        world.telemetry.degraded(name)
    return Gathered(
        incident=redacted(world, read or known),
        changes=tuple(changes.result() or ()),
        on_call_told=told.result(),
        readings=signals.result() or (),
        coverage=Coverage(
            answered=(*answered, *observed.answered),
            unreachable=(*missing, *observed.unreachable),
        ),
        observed=observed,
    )


def _ranked(world: World, gathered: Gathered) -> Ranking | None:
    """Return the ranking; None when it fails, which is counted and logged."""
    try:
        return rank(world, gathered)
    except Exception:
        # The outer edge of all that is worked out: a defect there comes again with every try, and whoever
        # was paged must not wait for a card until it is mended.
        log.exception("ranking_failed", changes=len(gathered.changes))
        world.telemetry.degraded("ranking")
        return None


def rank(world: World, gathered: Gathered) -> Ranking:
    """Rank the suspects of what was gathered."""
    return rank_suspects(case_of(world, gathered), world.weights)


def case_of(world: World, gathered: Gathered) -> Case:
    """Return what is ranked; an incident without alerts stands for one itself."""
    incident = gathered.incident
    alerts = incident.alerts or (
        Alert(id=AlertId(incident.id), service=incident.service, title=incident.title, at=incident.opened_at),
    )
    return Case(
        alerts=tuple(_placed(alert, incident) for alert in alerts),
        changes=gathered.changes,
        topology=world.topology(),
        evidence=Evidence(
            versions=gathered.observed.versions,
            patterns=gathered.observed.patterns,
            coverage=gathered.coverage,
        ),
        services=frozenset(world.catalogue.services),
    )


def _placed(alert: Alert, incident: Incident) -> Alert:
    """Return the alert with its service, at the end of its second.

    PagerDuty tells whole seconds: a change within that second may well have come before the symptom.
    """
    at = alert.at if alert.at.microsecond else alert.at + SECOND - timedelta(microseconds=1)
    return alert.model_copy(update={"service": alert.service or incident.service, "at": at})


def named_suspect(ranking: Ranking) -> ChangeEvent | None:
    """Return the change that is named as the cause, if one is."""
    return next((s.change for s in ranking.suspects if s.change.id == ranking.named), None)


def evidence_digest(ranking: Ranking) -> Digest:
    """Return the digest of everything the ranking says, so that a plan is bound to its reasons."""
    return sha256_hex(json.dumps(ranking.model_dump(mode="json"), sort_keys=True))


def redacted(world: World, incident: Incident) -> Incident:
    """Return the incident with every free text redacted: nothing else is stored or shown."""
    redact = world.redactor.redact
    return incident.model_copy(
        update={
            "title": redact(incident.title).text,
            "alerts": tuple(
                alert.model_copy(
                    update={"title": redact(alert.title).text, "details": redact(alert.details).text}
                )
                for alert in incident.alerts
            ),
        }
    )


def evidence_lines(world: World, gathered: Gathered) -> tuple[Line, ...]:
    """Return what a person can check: alerts with their links, readings, changes looked at."""
    incident, at = gathered.incident, clock_time(world.clock.now())
    lines = [
        # Most incidents are called after their first alert: the card has said those words already.
        Line(
            text="The alert itself" if alert.title == incident.title else f"Alert: {alert.title}",
            url=alert.url,
        )
        for alert in incident.alerts[:5]
    ]
    if (more := len(incident.alerts) - 5) > 0:
        lines.append(Line(text=f"and {counted(more, 'more alert')}", url=incident.url))
    name = gathered.incident.service
    service = world.catalogue.services.get(name) if name else None
    for signal, reading in gathered.readings:
        said = f"{reading.value:.4g}" if reading.value is not None else f"unknown ({reading.why})"
        lines.append(
            Line(
                text=f"{signal} of {name} at {at}: {said}",
                url=service.dashboard_url if service else None,
            )
        )
    hours = int(world.manners.lookback.total_seconds() // 3600)
    lines.append(Line(text=f"{counted(len(gathered.changes), 'change')} of the last {hours} h looked at"))
    return tuple(lines)


def _catalogue_notes(world: World, incident: Incident) -> Sequence[str]:
    if incident.service is not None and incident.service in world.catalogue.services:
        return ()
    named = f" ({incident.pagerduty_service_name})" if incident.pagerduty_service_name else ""
    return (
        f"No entry of services.yaml maps PagerDuty service {incident.pagerduty_service_id or 'unknown'}"
        f"{named}: add its id under “pagerduty” of the service, and playbooks can be proposed.",
    )


async def _read(world: World, known: Incident) -> Incident:
    """Return what the pager says of the incident; when it knows none such, that is an answer too."""
    try:
        return await world.incidents.read(known.id)
    except NotFound:
        return known.model_copy(update={"is_unknown": True})


async def _on_call(world: World, known: Incident, reading: asyncio.Task[Incident | None]) -> Sequence[OnCall]:
    """Ask at once when the webhook named the escalation policy, else once the incident was read."""
    if known.escalation_policy_id is None:
        await asyncio.wait({reading})  # Its own deadline ends it; ours must not.
        known = reading.result() or known
    return await world.incidents.on_call(known)


async def _changes(world: World, incident: Incident) -> Sequence[ChangeEvent]:
    """Look near what alerts; where nothing says what does, at the newest changes of every service."""
    now = world.clock.now()
    start = now - world.manners.lookback
    named = (incident.service, *(alert.service for alert in incident.alerts))
    hurt = frozenset(service for service in named if service is not None)
    if not hurt:
        return await world.ledger.between(list(world.catalogue.services), start, now)
    return await world.ledger.near(tuple(rings(hurt, world.topology())), start, now)


async def _signals(world: World, name: ServiceName | None) -> tuple[tuple[str, Reading], ...]:
    service = world.catalogue.services.get(name) if name else None
    if service is None:
        return ()
    readings = await asyncio.gather(*(world.signals.read(signal) for signal in service.signals.values()))
    return tuple(zip(service.signals, readings, strict=True))


async def _told(world: World, people: asyncio.Task[Sequence[OnCall] | None]) -> OnCallTold | None:
    """Return who is on call, by name, and by Slack user where an e-mail leads to one."""
    await asyncio.wait({people})
    on_call = people.result()
    if not on_call:
        return None
    first = [person for person in on_call if person.level == on_call[0].level]
    found = await asyncio.gather(
        *(_within(world.directory.by_email(person.email)) for person in first if person.email)
    )
    return OnCallTold(
        users=tuple(SlackUserId(user) for user in found if user),
        names=tuple(person.name for person in first),
    )


async def _within(answer: Awaitable[T]) -> T | None:
    """Return the answer, or None when it does not come in time."""
    try:
        async with asyncio.timeout(ENRICH_S):
            return await answer
    except (TimeoutError, HandrailError):
        return None
