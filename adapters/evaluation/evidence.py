"""Read what telemetry showed in a labelled case; every part of it may be missing or odd."""

from collections.abc import Iterator, Mapping
from typing import Any

from adapters.evaluation.fields import integer, mappings, number, record, text, texts, when
from adapters.evaluation.metrics import metric_shifts
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
from bot.domain.ids import ServiceName


def evidence_of(raw: Mapping[str, Any], services: frozenset[ServiceName]) -> Evidence:
    extra = record(raw.get("evidence"))
    return Evidence(
        versions=tuple(_version(entry) for entry in mappings(raw.get("version_evidence"))),
        patterns=(
            *(_pattern(entry) for entry in mappings(extra.get("patterns"))),
            *(_log_line(entry) for entry in mappings(extra.get("logs"))),
        ),
        metrics=tuple(metric_shifts(extra.get("metrics"))),
        hosting=tuple(_hosting(raw.get("hosting"), services)),
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
        first, second, relation = [*texts(fact), "", "", ""][:3]
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
