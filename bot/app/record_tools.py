"""The questions to our own record: changes, alerts, signals, who calls whom, earlier incidents, playbooks."""

import asyncio
from collections.abc import Sequence
from datetime import datetime
from typing import Final

from bot.app.findings import Found, Question, typed
from bot.app.similar import Earlier, most_alike, what_came_of
from bot.app.source_tools import diff_of, patch_lines
from bot.app.wording import duration
from bot.app.world import World
from bot.domain.change import ChangeEvent
from bot.domain.diagnosis import CandidateId, ToolName, Trust
from bot.domain.ids import ServiceName
from bot.domain.sources import ChangeDiff
from bot.domain.topology import Topology

DIFF_LINES: Final = 60
DIFFS: Final = 3
SIMILAR: Final = 5
EARLIER: Final = 100
"""Incidents looked through for similar ones."""
LISTED: Final = 20


async def list_changes(world: World, question: Question) -> Sequence[Found]:
    """Return the candidates in typed facts; elsewhere, what changed in that service."""
    if question.elsewhere is not None:
        return [await _changes_elsewhere(world, question, question.elsewhere)]
    lines = [
        f"{candidate} {_change_line(suspect.change, question.onset.end)}, "
        f"{_relation(world, question, suspect.change.service)}, "
        f"probability by the rules {suspect.probability:.2f}"
        for candidate, suspect in question.suspects
    ]
    return [Found(ToolName.LIST_CHANGES, tuple(lines), Trust.SYSTEM, len(lines), question.onset)]


async def _changes_elsewhere(world: World, question: Question, service: ServiceName) -> Found:
    start = question.onset.end - (question.lead or world.manners.lookback)
    found = await world.ledger.between([service], start, world.clock.now())
    offered = {suspect.change.id: candidate for candidate, suspect in question.suspects}
    newest = sorted(found, key=lambda change: change.live_at, reverse=True)
    lines = tuple(
        f"{offered.get(change.id, 'no candidate:')} {_change_line(change, question.onset.end)}"
        for change in newest[:LISTED]
    )
    return Found(ToolName.LIST_CHANGES, lines, Trust.SYSTEM, len(newest), service=service)


def _change_line(change: ChangeEvent, onset: datetime) -> str:
    when = (
        f"{duration(onset - change.live_at)} before the onset"
        if change.live_at <= onset
        else f"{duration(change.live_at - onset)} after the onset"
    )
    return (
        f"{change.kind.value} of {typed(change.service)} "
        f"version {typed(change.version)} before {typed(change.previous_version)} "
        f"flag {typed(change.flag)}, live {change.live_at:%Y-%m-%d %H:%M:%S} UTC, {when}"
    )


def _relation(world: World, question: Question, service: ServiceName) -> str:
    own = question.record.incident.service
    if own is None or service == own:
        return "the alerting service itself" if service == own else "relation unknown"
    topology = world.topology()
    if hops := topology.dependencies_of(own).get(service):
        return f"called by it, {_hops(hops)} away"
    if hops := topology.dependents_of(own).get(service):
        return f"calls it, {_hops(hops)} away"
    return "no path to it"


def _hops(count: int) -> str:
    return f"{count} hop" if count == 1 else f"{count} hops"


async def get_change_diffs(world: World, question: Question) -> Sequence[Found]:
    """Return what the first candidates changed; of several the beginning, of one alone more."""
    wanted = question.suspects[:DIFFS]
    length = DIFF_LINES if len(wanted) > 1 or question.lead is None else DIFF_LINES * 4
    diffs = await asyncio.gather(*(diff_of(world, suspect.change) for _, suspect in wanted))
    return [
        _diff_of(world, candidate, suspect.change, code, length)
        for (candidate, suspect), code in zip(wanted, diffs, strict=True)
    ]


def _diff_of(
    world: World, candidate: CandidateId, change: ChangeEvent, code: ChangeDiff | None, length: int
) -> Found:
    # Redacted before it is split: a key of many lines has no shape when each line is looked at alone.
    body, text = (world.redactor.redact(part).text for part in (change.body, change.diff))
    said = [line for line in (change.title, *body.splitlines()) if line.strip()]
    files = [f"file {name}" for name in change.files]
    diff = [line for line in text.splitlines() if line.strip()]
    if code is not None:
        files = [
            f"file {file.name} {file.status.value}, +{file.added} -{file.removed}" for file in code.files
        ]
        diff = diff or patch_lines(world, code)
    lines = (*said[:20], *files[:30], *diff[:length])
    total = len(said) + len(files) + len(diff) + (1 if code is not None and code.is_cut else 0)
    return Found(ToolName.GET_CHANGE_DIFF, lines, Trust.HUMAN, total, about=candidate)


async def get_alert_timeline(world: World, question: Question) -> Sequence[Found]:
    """Return the incident's alerts; elsewhere, those of open incidents of that service."""
    found = [question.record]
    if question.elsewhere is not None:
        open_ones = [r for r in await world.book.open() if r.incident.service == question.elsewhere]
        found = [record for record in open_ones if question.tells_of(record)]
    pairs = sorted(
        ((alert.at, record, alert) for record in found for alert in record.incident.alerts),
        key=lambda one: one[0],
    )
    lines = tuple(
        f"{at:%Y-%m-%d %H:%M:%S} UTC alert of {typed(alert.service)}, severity {alert.severity.value}"
        for at, _, alert in pairs[:LISTED]
    )
    texts = tuple(f"{alert.title} {alert.details}" for _, _, alert in pairs[:10])
    return [
        Found(ToolName.GET_ALERT_TIMELINE, lines, Trust.SYSTEM, len(pairs), service=question.elsewhere),
        Found(ToolName.GET_ALERT_TEXTS, texts, Trust.HUMAN, len(pairs), service=question.elsewhere),
    ]


async def get_signals(world: World, question: Question) -> Sequence[Found]:
    """Return what the service's own signals read now."""
    name = question.service
    service = world.catalogue.services.get(name) if name else None
    if service is None:
        return [Found(ToolName.GET_SIGNALS, (), Trust.TELEMETRY, 0, service=name)]
    readings = await asyncio.gather(*(world.signals.read(signal) for signal in service.signals.values()))
    lines = tuple(
        f"{signal} of {name} is {f'{reading.value:.4g}' if reading.value is not None else 'unknown'} "
        f"at {reading.at:%H:%M:%S} UTC"
        for signal, reading in zip(service.signals, readings, strict=True)
    )
    return [Found(ToolName.GET_SIGNALS, lines, Trust.TELEMETRY, len(lines), service=name)]


async def get_dependencies(world: World, question: Question) -> Sequence[Found]:
    """Return what the service calls and what calls it, two hops far, with who told of it."""
    name = question.service
    if name is None:
        return [Found(ToolName.GET_DEPENDENCIES, (), Trust.SYSTEM, 0)]
    topology = world.topology()
    below, above = topology.dependencies_of(name, hops=2), topology.dependents_of(name, hops=2)
    lines = (
        *(
            f"{name} calls {other}, {_hops(hops)} away{_told(topology, name, other)}"
            for other, hops in sorted(below.items())
        ),
        *(
            f"{other} calls {name}, {_hops(hops)} away{_told(topology, other, name)}"
            for other, hops in sorted(above.items())
        ),
    )
    return [Found(ToolName.GET_DEPENDENCIES, lines[:30], Trust.SYSTEM, len(lines), service=name)]


def _told(topology: Topology, caller: ServiceName, callee: ServiceName) -> str:
    sources = topology.told_by.get((caller, callee), ())
    return f", by {' and '.join(sources)}" if sources else ""


async def find_similar_incidents(world: World, question: Question) -> Sequence[Found]:
    """Return earlier incidents of the service and what fixed them.

    What was done is our own record; how they were called and explained is text, and may have been poisoned.
    """
    now, service = question.record, question.service
    earlier = [
        record
        for record in await world.book.recent(EARLIER)
        if record.id != now.id and record.assessment and record.incident.service == service
        if question.tells_of(record)
    ]
    ranked = most_alike(now, earlier, SIMILAR)
    outcomes = await what_came_of(world, ranked)
    done = tuple(
        f"{one.record.id} {duration(now.seen_at - one.record.seen_at)} earlier: {_fix(one)}"
        for one in outcomes
    )
    said = tuple(f"{r.id}: {r.assessment.cause.headline}" for r in ranked if r.assessment)
    return [
        Found(ToolName.FIND_SIMILAR_INCIDENTS, done, Trust.SYSTEM, len(earlier), service=service),
        Found(ToolName.FIND_SIMILAR_INCIDENTS, said, Trust.HUMAN, len(earlier), service=service),
    ]


def _fix(one: Earlier) -> str:
    """Return what was done and whether it helped, from the proposals alone."""
    named = one.suspect
    cause = f"{named.kind.value} of {typed(named.service)} was suspected" if named else "no change was named"
    if one.fixed_by is not None:
        return f"{cause}, playbook {one.fixed_by.playbook} fixed it"
    if one.tried is not None:
        return f"{cause}, playbook {one.tried.playbook} did not fix it"
    return f"{cause}, no playbook was run"


async def get_playbooks(world: World, question: Question) -> Sequence[Found]:
    """Return the playbooks of the services concerned: what each does, its risk, what it answers."""
    services = {question.record.incident.service, *(s.change.service for _, s in question.suspects)}
    lines = []
    for name in sorted(name for name in services if name in world.catalogue.services):
        for playbook_id in world.catalogue.services[name].playbooks:
            loaded = world.playbooks.get(playbook_id)
            if loaded is not None:
                kinds = ", ".join(loaded.playbook.when.kinds) or "no change"
                steps = ", ".join(step.type for step in loaded.playbook.steps)
                lines.append(
                    f"{playbook_id} for {name}: {loaded.playbook.title}; risk {loaded.playbook.risk.value}, "
                    f"answers {kinds}, steps {steps}"
                )
    return [Found(ToolName.GET_PLAYBOOKS, tuple(lines), Trust.SYSTEM, len(lines))]


async def who_is_on_call(world: World, question: Question) -> Sequence[Found]:
    """Return how many people are on call, and whether one of them made a candidate; no names."""
    names = {name.casefold() for name in question.record.on_call_names}
    if not names:
        return [Found(ToolName.WHO_IS_ON_CALL, (), Trust.SYSTEM, 0)]
    people = "1 person is" if len(names) == 1 else f"{len(names)} people are"
    lines = [f"{people} on call for the incident"]
    lines += [
        f"the author of {candidate} is on call"
        for candidate, suspect in question.suspects
        if (suspect.change.author or "").casefold() in names
    ]
    return [Found(ToolName.WHO_IS_ON_CALL, tuple(lines), Trust.SYSTEM, len(lines))]
