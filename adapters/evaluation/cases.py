"""Read labelled cases: what is judged and the truth come apart here and never meet before scoring."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from adapters.evaluation.changes import changes_of
from adapters.evaluation.evidence import evidence_of
from adapters.evaluation.fields import mappings, number, record, text, texts, when
from bot.domain.alert import Alert, Severity
from bot.domain.correlation_case import Case
from bot.domain.errors import Invalid
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
    undated: tuple[ChangeId, ...] = ()
    """Changes of which nobody knows the time: they cannot be judged, and close every ranking."""


@dataclass(frozen=True)
class Stream:
    """A stream of alerts, in order of arrival."""

    name: str
    alerts: tuple[Alert, ...]
    topology: Topology
    resolved: frozenset[int]
    """Which of `alerts`, counted from 0, report a recovery; it may bear the id of what it ends."""
    truth: Mapping[AlertId, str]
    """The true group of an alert; empty when the stream has no labels."""


def parse_case(raw: Mapping[str, Any]) -> LabelledCase:
    """Return one case; of the line only named fields are read, so labels cannot slip into what is judged.

    Raises:
        Invalid: there is no alert, or none that says when.
    """
    services = frozenset(ServiceName(name) for name in texts(raw.get("services")))
    known = services | {ServiceName(text(entry.get("service"))) for entry in mappings(raw.get("deploys"))}
    changes, undated = changes_of(raw, known - {""})
    alerts = tuple(alert for alert, _ in _alerts(raw))
    if not alerts:
        raise Invalid("a case needs at least one alert")
    return LabelledCase(
        name=text(raw.get("id")),
        case=Case(
            alerts=alerts,
            changes=changes,
            topology=Topology.of(_edges(raw.get("dependencies"))),
            evidence=evidence_of(raw, known),
            environment=text(raw.get("environment")) or None,
            services=services,
        ),
        truth=_truth(raw.get("truth")),
        wrong=frozenset(ChangeId(name) for name in texts(record(raw.get("labels")).get("wrong"))),
        strength=_strength(record(raw.get("labels")).get("strength")),
        undated=undated,
    )


def parse_stream(raw: Mapping[str, Any]) -> Stream:
    """Return one stream of alerts, ordered by time.

    Raises:
        Invalid: no alert says when.
    """
    entries = sorted(_alerts(raw), key=lambda pair: (pair[0].at, pair[0].id))
    return Stream(
        name=text(raw.get("stream")),
        alerts=tuple(alert for alert, _ in entries),
        topology=Topology.of(_edges(raw.get("dependencies"))),
        resolved=frozenset(n for n, (_, entry) in enumerate(entries) if _is_resolved(entry)),
        truth={alert.id: text(entry["group"]) for alert, entry in entries if entry.get("group") is not None},
    )


def _strength(raw: object) -> float:
    found = number(raw)
    return 1.0 if found is None else min(1.0, max(0.0, found))


def _truth(raw: object) -> Truth | None:
    if not isinstance(raw, Mapping) or "deploy_id" not in raw:
        return None
    found = text(raw.get("deploy_id"))
    return Truth(change=ChangeId(found) if found else None)


def _is_resolved(entry: Mapping[str, Any]) -> bool:
    return text(entry.get("status")).lower() == "resolved"


def _alerts(raw: Mapping[str, Any]) -> list[tuple[Alert, Mapping[str, Any]]]:
    """Return the alerts beside their entries; one without a time came with the one that it stands behind."""
    entries = mappings(raw.get("alerts"))
    at = next((at for entry in entries if (at := when(entry.get("at"))) is not None), None)
    if at is None and entries:
        raise Invalid("no alert says when")
    found: list[tuple[Alert, Mapping[str, Any]]] = []
    for index, entry in enumerate(entries):
        at = when(entry.get("at")) or at
        if at is not None:
            found.append((_alert(entry, index, at), entry))
    return found


def _alert(raw: Mapping[str, Any], index: int, at: datetime) -> Alert:
    service = text(raw.get("service"))
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


def _edges(raw: object) -> Iterator[tuple[ServiceName, ServiceName]]:
    if isinstance(raw, list):
        for edge in raw:
            if isinstance(edge, list) and len(edge) >= 2:
                yield ServiceName(text(edge[0])), ServiceName(text(edge[1]))
