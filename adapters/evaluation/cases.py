"""Read labelled cases: what is judged and the truth come apart here and never meet before scoring."""

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from adapters.evaluation.fields import integer, mappings, number, record, text, texts, when
from adapters.evaluation.metrics import metric_shifts
from bot.domain.alert import Alert, Severity
from bot.domain.change import ChangeEvent, ChangeKind, RolloutStep
from bot.domain.correlation_case import Case
from bot.domain.errors import Invalid
from bot.domain.evidence import (
    ChangeRecord,
    Coverage,
    ErrorPattern,
    Evidence,
    Hosting,
    HostingRelation,
    Rival,
    RivalKind,
    VersionEvidence,
)
from bot.domain.ids import AlertId, ChangeId, ServiceName
from bot.domain.topology import Topology


@dataclass(frozen=True)
class Truth:
    """What the label says: `change` is None when no listed change was behind the alerts."""

    change: ChangeId | None


@dataclass(frozen=True)
class LabelledCase:
    """One line of a case file; `name` and `truth` are for the report, only `case` is judged."""

    name: str
    case: Case
    truth: Truth | None
    """None: the line has no label and is predicted, not scored."""
    wrong: frozenset[ChangeId] = frozenset()
    """Changes of which people only said that they were not it."""
    strength: float = 1.0
    """How much the label counts when weights are fitted."""


@dataclass(frozen=True)
class Stream:
    """A stream of alerts, in order of arrival."""

    name: str
    alerts: tuple[Alert, ...]
    topology: Topology
    resolved: frozenset[AlertId]
    """Alerts of the stream that report a recovery."""
    truth: Mapping[AlertId, str]
    """The true group of an alert; empty when the stream has no labels."""


def read_file(path: Path) -> tuple[tuple[LabelledCase, ...], tuple[Stream, ...]]:
    """Return the cases and the streams of a JSON Lines file.

    Raises:
        Invalid: a line is no JSON object, or lacks what a case or a stream needs; the message names it.
    """
    cases: list[LabelledCase] = []
    streams: list[Stream] = []
    for number_of_line, line in _lines(path):
        try:
            raw = json.loads(line)
            if not isinstance(raw, dict):
                raise Invalid("not a JSON object")
            if "stream" in raw:
                streams.append(parse_stream(raw))
            else:
                cases.append(parse_case(raw))
        except (ValueError, KeyError, Invalid) as exc:
            raise Invalid(f"{path.name}, line {number_of_line}: {exc}") from exc
    return tuple(cases), tuple(streams)


def _lines(path: Path) -> Iterator[tuple[int, str]]:
    try:
        content = path.read_text(encoding="utf-8")
    except OSError as exc:
        raise Invalid(f"{path}: cannot be read ({exc.strerror})") from exc
    for number_of_line, line in enumerate(content.splitlines(), start=1):
        if line.strip():
            yield number_of_line, line


def parse_case(raw: Mapping[str, Any]) -> LabelledCase:
    """Return one case; of the line only named fields are read, so labels cannot slip into what is judged."""
    services = frozenset(ServiceName(name) for name in texts(raw.get("services")))
    deploys = [_deploy(entry) for entry in mappings(raw.get("deploys"))]
    known = services | {deploy.service for deploy in deploys}
    changes = [
        *deploys,
        *(_commit(entry, known) for entry in mappings(raw.get("commits"))),
        *(_flag(entry, index) for index, entry in enumerate(mappings(raw.get("flags")))),
    ]
    alerts = tuple(_alert(entry, index) for index, entry in enumerate(mappings(raw.get("alerts"))))
    if not alerts:
        raise Invalid("a case needs at least one alert")
    return LabelledCase(
        name=text(raw.get("id")),
        case=Case(
            alerts=alerts,
            changes=tuple(changes),
            topology=Topology.of(_edges(raw.get("dependencies"))),
            evidence=_evidence(raw, known),
            environment=text(raw.get("environment")) or None,
            services=services,
        ),
        truth=_truth(raw.get("truth")),
        wrong=frozenset(ChangeId(name) for name in texts(record(raw.get("labels")).get("wrong"))),
        strength=_strength(record(raw.get("labels")).get("strength")),
    )


def parse_stream(raw: Mapping[str, Any]) -> Stream:
    """Return one stream of alerts, ordered by time."""
    entries = [(entry, _alert(entry, index)) for index, entry in enumerate(mappings(raw.get("alerts")))]
    entries.sort(key=lambda pair: (pair[1].at, pair[1].id))
    return Stream(
        name=text(raw.get("stream")),
        alerts=tuple(alert for _, alert in entries),
        topology=Topology.of(_edges(raw.get("dependencies"))),
        resolved=frozenset(alert.id for entry, alert in entries if text(entry.get("status")) == "resolved"),
        truth={alert.id: text(entry["group"]) for entry, alert in entries if entry.get("group") is not None},
    )


def _strength(raw: object) -> float:
    found = number(raw)
    return 1.0 if found is None else min(1.0, max(0.0, found))


def _truth(raw: object) -> Truth | None:
    if not isinstance(raw, Mapping) or "deploy_id" not in raw:
        return None
    found = text(raw.get("deploy_id"))
    return Truth(change=ChangeId(found) if found else None)


def _alert(raw: Mapping[str, Any], index: int) -> Alert:
    service = text(raw.get("service"))
    at = when(raw.get("at"))
    if at is None:
        raise Invalid(f"alert {index} has no time")
    return Alert(
        id=AlertId(text(raw.get("id")) or f"alert-{index}"),
        service=ServiceName(service) if service else None,
        title=text(raw.get("title")),
        severity=_SEVERITIES.get(text(raw.get("severity")).lower(), Severity.UNKNOWN),
        at=at,
        details=_flat(raw.get("details")),
    )


_SEVERITIES = {severity.value: severity for severity in Severity} | {
    "high": Severity.CRITICAL,
    "warn": Severity.WARNING,
}


def _flat(details: object) -> str:
    if isinstance(details, Mapping):
        return "\n".join(f"{key}: {text(value)}" for key, value in details.items())
    return text(details)


_KINDS = {kind.value: kind for kind in ChangeKind} | {
    "code": ChangeKind.DEPLOY,
    "configuration": ChangeKind.CONFIG,
    "feature_flag": ChangeKind.FLAG,
    "infra": ChangeKind.INFRASTRUCTURE,
    "schema": ChangeKind.MIGRATION,
}


def _deploy(raw: Mapping[str, Any]) -> ChangeEvent:
    rollout = tuple(_step(entry) for entry in mappings(raw.get("rollout")))
    first_step = min((step.started_at for step in rollout), default=None)
    started, finished = when(raw.get("started_at")) or first_step, when(raw.get("finished_at"))
    version = text(raw.get("version"))
    return ChangeEvent(
        id=ChangeId(text(raw["id"])),
        service=ServiceName(text(raw.get("service"))),
        environment=text(raw.get("env")) or text(raw.get("environment")) or "production",
        kind=_KINDS.get(text(raw.get("kind")).lower(), ChangeKind.DEPLOY),
        version=version or None,
        previous_version=text(raw.get("previous_version")) or None,
        started_at=started,
        finished_at=finished,
        reported_at=_needed(finished or started or when(raw.get("at")), raw),
        author=text(raw.get("author")),
        title=text(raw.get("title")),
        body=text(raw.get("body")),
        files=texts(raw.get("files")),
        diff=text(raw.get("diff")),
        also_touches=tuple(ServiceName(name) for name in texts(raw.get("services"))),
        rollout=rollout,
        source="evaluation",
    )


def _step(raw: Mapping[str, Any]) -> RolloutStep:
    return RolloutStep(
        started_at=_needed(when(raw.get("started_at")), raw),
        finished_at=when(raw.get("finished_at")),
        old_instances=max(0, integer(raw.get("old_pods"))),
        new_instances=max(0, integer(raw.get("new_pods"))),
    )


def _commit(raw: Mapping[str, Any], services: Iterable[ServiceName]) -> ChangeEvent:
    at = _needed(when(raw.get("at")) or when(raw.get("timestamp")), raw)
    files = texts(raw.get("files"))
    service = text(raw.get("service")) or _owner(files, text(raw.get("title")), services)
    return ChangeEvent(
        id=ChangeId(text(raw["id"])),
        service=ServiceName(service),
        kind=ChangeKind.COMMIT,
        finished_at=at,
        reported_at=at,
        author=text(raw.get("author")),
        title=text(raw.get("title")),
        body=text(raw.get("body")),
        files=files,
        diff=text(raw.get("diff")),
        source="evaluation",
    )


def _owner(files: tuple[str, ...], title: str, services: Iterable[ServiceName]) -> str:
    """Return the service that a commit's paths or title name, "" when none is named."""
    parts = {part for path in files for part in path.split("/")} | set(title.replace(":", " ").split())
    return min((name for name in services if name in parts), default="")


def _flag(raw: Mapping[str, Any], index: int) -> ChangeEvent:
    at = _needed(when(raw.get("timestamp")) or when(raw.get("at")), raw)
    flag = text(raw.get("flag"))
    return ChangeEvent(
        id=ChangeId(text(raw.get("id")) or f"flag-{index}-{flag}"),
        service=ServiceName(text(raw.get("service"))),
        environment=text(raw.get("env")) or "production",
        kind=ChangeKind.FLAG,
        finished_at=at,
        reported_at=at,
        author=text(raw.get("actor")),
        title=f"flag {flag}: {text(raw.get('change'))}",
        source="evaluation",
    )


def _needed(at: datetime | None, raw: Mapping[str, Any]) -> datetime:
    if at is None:
        raise Invalid(f"{text(raw.get('id')) or 'an entry'} has no time")
    return at


def _edges(raw: object) -> Iterator[tuple[ServiceName, ServiceName]]:
    if isinstance(raw, list):
        for edge in raw:
            if isinstance(edge, list) and len(edge) >= 2:
                yield ServiceName(text(edge[0])), ServiceName(text(edge[1]))


def _evidence(raw: Mapping[str, Any], services: Iterable[ServiceName]) -> Evidence:
    extra = record(raw.get("evidence"))
    return Evidence(
        versions=tuple(_version(entry) for entry in mappings(raw.get("version_evidence"))),
        patterns=(
            *(_pattern(entry) for entry in mappings(extra.get("patterns"))),
            *(_log_line(entry) for entry in mappings(extra.get("logs"))),
        ),
        metrics=tuple(metric_shifts(extra.get("metrics"))),
        hosting=tuple(_hosting(raw.get("hosting"), frozenset(services))),
        rivals=tuple(_rival(entry) for entry in mappings(raw.get("rivals")) + mappings(extra.get("rivals"))),
        history=tuple(_history(entry) for entry in mappings(raw.get("history"))),
        coverage=Coverage(
            answered=texts(record(raw.get("coverage")).get("answered")),
            unreachable=texts(record(raw.get("coverage")).get("unreachable")),
        ),
    )


def _version(raw: Mapping[str, Any]) -> VersionEvidence:
    edge = texts(raw.get("edge"))
    observed = text(raw.get("observed_at")) or (edge[-1] if edge else "")
    rate = number(raw.get("success_rate"))
    return VersionEvidence(
        caller=ServiceName(edge[0] if edge else ""),
        callee=ServiceName(edge[1] if len(edge) > 1 else observed),
        observed_at=ServiceName(observed),
        version=text(raw.get("version")),
        success_rate=min(100.0, max(0.0, 100.0 if rate is None else rate)),
        latency_ms=number(raw.get("latency_ms")),
        baseline_latency_ms=number(raw.get("baseline_latency_ms")),
        samples=max(0, integer(raw.get("samples"))),
    )


def _pattern(raw: Mapping[str, Any]) -> ErrorPattern:
    service = text(raw.get("service"))
    return ErrorPattern(
        signature=text(raw.get("signature")),
        service=ServiceName(service) if service else None,
        count=max(0, integer(raw.get("count"))),
        delta=number(raw.get("delta_vs_baseline")),
    )


def _log_line(raw: Mapping[str, Any]) -> ErrorPattern:
    """Read one logged error; how usual it is, nobody says."""
    service = text(raw.get("service"))
    return ErrorPattern(
        signature=next(
            (text(raw[key]) for key in ("message", "signature", "text", "line") if key in raw), ""
        ),
        service=ServiceName(service) if service else None,
        count=max(1, integer(raw.get("count"))),
    )


_MEMBER_SECOND = {
    "runs": HostingRelation.RUNS,
    "hosts": HostingRelation.RUNS,
    "has_instance": HostingRelation.INSTANCE,
    "has_pod": HostingRelation.INSTANCE,
}
_MEMBER_FIRST = {
    "hosted_on": HostingRelation.RUNS,
    "runs_on": HostingRelation.RUNS,
    "scheduled_on": HostingRelation.RUNS,
    "instance_of": HostingRelation.INSTANCE,
    "pod_of": HostingRelation.INSTANCE,
}


def _hosting(raw: object, services: frozenset[ServiceName]) -> Iterator[Hosting]:
    """Read `[owner, member, relation]` in both directions; relations that say neither are left out."""
    for fact in raw if isinstance(raw, list) else []:
        first, second, relation = [*(text(part) for part in fact), "", "", ""][:3]
        if relation in _MEMBER_SECOND:
            yield Hosting(owner=first, member=second, relation=_MEMBER_SECOND[relation])
        elif relation in _MEMBER_FIRST:
            yield Hosting(owner=second, member=first, relation=_MEMBER_FIRST[relation])
        elif not relation and first in services:
            yield Hosting(owner=first, member=second, relation=HostingRelation.INSTANCE)


def _rival(raw: Mapping[str, Any]) -> Rival:
    service = text(raw.get("service"))
    kinds = {kind.value: kind for kind in RivalKind}
    return Rival(
        kind=kinds.get(text(raw.get("kind")), RivalKind.INFRASTRUCTURE),
        service=ServiceName(service) if service else None,
        started_at=when(raw.get("started_at")),
        summary=text(raw.get("summary")),
    )


def _history(raw: Mapping[str, Any]) -> ChangeRecord:
    return ChangeRecord(
        service=ServiceName(text(raw.get("service"))),
        changes=max(0, integer(raw.get("changes"))),
        failures=max(0, integer(raw.get("failures"))),
    )
