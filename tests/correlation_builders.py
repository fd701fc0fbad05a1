"""Cases for correlation tests: times are minutes before the onset, so that a test reads like a story."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from bot.domain.alert import Alert, Severity
from bot.domain.change import ChangeEvent, ChangeKind, RolloutStep
from bot.domain.correlation import Case
from bot.domain.evidence import ErrorPattern, Evidence, Hosting, HostingRelation, VersionEvidence
from bot.domain.ids import AlertId, ChangeId, ServiceName
from bot.domain.topology import Topology
from tests.builders import NOW

ONSET = NOW

SHOP = (("web", "checkout"), ("checkout", "payments"), ("checkout", "inventory"), ("payments", "ledger"))


def alert(
    service: str | None = "checkout",
    title: str = "5xx rate above 3 %",
    *,
    minutes_later: float = 0,
    details: str = "",
    alert_id: str | None = None,
) -> Alert:
    at = ONSET + timedelta(minutes=minutes_later)
    return Alert(
        id=AlertId(alert_id or f"{service}/{title}/{minutes_later}"),
        service=ServiceName(service) if service is not None else None,
        title=title,
        severity=Severity.CRITICAL,
        at=at,
        details=details,
    )


def change(
    service: str = "checkout",
    *,
    minutes_before: float = 10,
    change_id: str | None = None,
    title: str = "New totals",
    body: str = "",
    version: str | None = "2.0",
    environment: str = "production",
    kind: ChangeKind = ChangeKind.DEPLOY,
    files: Sequence[str] = (),
    diff: str = "",
    took_minutes: float = 1,
    rollout: Sequence[RolloutStep] = (),
) -> ChangeEvent:
    """Return a change that was live everywhere *minutes_before* the onset (negative: after it)."""
    finished = before_onset(minutes_before)
    return ChangeEvent(
        id=ChangeId(change_id or f"{service}@{minutes_before}"),
        service=ServiceName(service),
        environment=environment,
        kind=kind,
        version=version,
        started_at=finished - timedelta(minutes=took_minutes),
        finished_at=finished,
        reported_at=finished,
        author="dana",
        title=title,
        body=body,
        files=tuple(files),
        diff=diff,
        rollout=tuple(rollout),
    )


def before_onset(minutes: float) -> datetime:
    return ONSET - timedelta(minutes=minutes)


def topology(*edges: tuple[str, str]) -> Topology:
    return Topology.of((ServiceName(caller), ServiceName(callee)) for caller, callee in edges)


def shop_case(
    *changes: ChangeEvent,
    alerts: Sequence[Alert] | None = None,
    edges: Sequence[tuple[str, str]] = SHOP,
    evidence: Evidence | None = None,
    environment: str | None = None,
) -> Case:
    return Case(
        alerts=tuple(alerts) if alerts is not None else (alert(),),
        changes=changes,
        topology=topology(*edges),
        evidence=evidence or Evidence(),
        environment=environment,
    )


def version_row(
    version: str,
    *,
    success: float = 99.9,
    latency: float | None = 40,
    usual: float | None = 40,
    edge: tuple[str, str] = ("checkout", "payments"),
    samples: int = 40,
) -> VersionEvidence:
    return VersionEvidence(
        caller=ServiceName(edge[0]),
        callee=ServiceName(edge[1]),
        observed_at=ServiceName(edge[1]),
        version=version,
        success_rate=success,
        latency_ms=latency,
        baseline_latency_ms=usual,
        samples=samples,
    )


def pattern(signature: str, service: str | None = "checkout", *, count: int = 50) -> ErrorPattern:
    return ErrorPattern(
        signature=signature,
        service=ServiceName(service) if service is not None else None,
        count=count,
        delta=count,
    )


def runs(host: str, member: str) -> Hosting:
    return Hosting(owner=host, member=member, relation=HostingRelation.RUNS)


def instance(service: str, member: str) -> Hosting:
    return Hosting(owner=service, member=member, relation=HostingRelation.INSTANCE)
