"""Write a ranking's case in the form that labelled cases have, so that it can be ranked again later."""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

import rfc8785
from pydantic import AwareDatetime

from bot.domain.alert import Alert
from bot.domain.change import ChangeEvent, RolloutStep
from bot.domain.correlation_case import Case
from bot.domain.evidence import Evidence, Hosting, HostingRelation, VersionEvidence
from bot.domain.ids import ChangeId, Digest

MOST_BYTES: Final = 256 * 1024
"""Our choice: fifty changes with their differences; packed, a thousand diagnoses take some ten megabytes."""

Redact = Callable[[str], str]

_RELATIONS: Final = {HostingRelation.RUNS: "runs", HostingRelation.INSTANCE: "has_instance"}


@dataclass(frozen=True)
class Snapshot:
    """Canonical JSON (RFC 8785) of one case, redacted, and of bounded size."""

    raw: bytes
    is_trimmed: bool

    @property
    def sha256(self) -> Digest:
        return digest_of(self.raw)


@dataclass(frozen=True)
class _Room:
    """How much of a case is kept: changes and alerts in number, bodies and differences in characters."""

    changes: int
    alerts: int
    text: int


_ROOMS: Final = (_Room(500, 500, 20_000), _Room(200, 200, 2_000), _Room(50, 100, 1_000), _Room(50, 50, 200))
_LAST: Final = _Room(20, 20, 0)


def digest_of(raw: bytes) -> Digest:
    """Return the SHA-256 of a snapshot's bytes."""
    return Digest(hashlib.sha256(raw).hexdigest())


def take_snapshot(name: str, case: Case, *, order: Sequence[ChangeId], redact: Redact) -> Snapshot:
    """Return the snapshot of *case*, called *name*.

    *order* says which changes matter, first to last: what does not fit goes from the end. Every free text
    passes *redact*; ids, services and versions are ours or the catalogue's and stay.
    """
    place = {change: index for index, change in enumerate(order)}
    changes = sorted(case.changes, key=lambda change: (place.get(change.id, len(place)), change.id))
    ordered = replace(case, changes=tuple(changes))
    for room in (*_ROOMS, _LAST):
        kept = _within(ordered, room)
        # Redacting is most of the work, so it is not done for what will not fit anyway.
        if _least_size(kept) > MOST_BYTES and room is not _LAST:
            continue
        raw = canonical(neutral_form(name, _clean(kept, redact)))
        if len(raw) <= MOST_BYTES or room is _LAST:
            return Snapshot(raw=raw, is_trimmed=kept != ordered)
    raise AssertionError("the last room is always taken")


def _least_size(case: Case) -> int:
    """Return how many characters of free text *case* holds."""
    changes = sum(len(change.title) + len(change.body) + len(change.diff) for change in case.changes)
    return changes + sum(len(alert.title) + len(alert.details) for alert in case.alerts)


def _clean(case: Case, redact: Redact) -> Case:
    return replace(
        case,
        changes=tuple(_clean_change(change, redact) for change in case.changes),
        alerts=tuple(_clean_alert(alert, redact) for alert in case.alerts),
        evidence=_clean_evidence(case.evidence, redact),
    )


def canonical(value: object) -> bytes:
    """Return *value*, which holds JSON's own types only, as canonical JSON (RFC 8785)."""
    return rfc8785.dumps(value)  # type: ignore[arg-type]  # Its parameter is a recursive type of its own.


def _clean_change(change: ChangeEvent, redact: Redact) -> ChangeEvent:
    texts = {name: redact(getattr(change, name)) for name in ("author", "title", "body", "diff")}
    return change.model_copy(update={**texts, "files": tuple(redact(path) for path in change.files)})


def _clean_alert(alert: Alert, redact: Redact) -> Alert:
    return alert.model_copy(update={"title": redact(alert.title), "details": redact(alert.details)})


def _clean_evidence(evidence: Evidence, redact: Redact) -> Evidence:
    return evidence.model_copy(
        update={
            "patterns": tuple(
                pattern.model_copy(update={"signature": redact(pattern.signature)})
                for pattern in evidence.patterns
            ),
            "rivals": tuple(
                rival.model_copy(update={"summary": redact(rival.summary)}) for rival in evidence.rivals
            ),
        }
    )


def _within(case: Case, room: _Room) -> Case:
    return replace(
        case,
        changes=tuple(
            change.model_copy(
                update={
                    "body": change.body[: room.text],
                    "diff": change.diff[: room.text],
                    "files": change.files[: max(20, room.text // 40)],
                }
            )
            for change in case.changes[: room.changes]
        ),
        alerts=tuple(
            alert.model_copy(update={"details": alert.details[: max(500, room.text)]})
            for alert in case.alerts[: room.alerts]
        ),
        evidence=case.evidence.model_copy(update={"patterns": case.evidence.patterns[: room.alerts]}),
    )


def neutral_form(name: str, case: Case) -> dict[str, object]:
    """Return *case* as the object that one line of a case file holds, without a label."""
    evidence = case.evidence
    edges = sorted((caller, callee) for caller, found in case.topology.callees.items() for callee in found)
    return _filled(
        {
            "id": name,
            "environment": case.environment,
            "services": sorted(case.services),
            "dependencies": [list(edge) for edge in edges],
            "deploys": [_change(change) for change in case.changes],
            "alerts": [_alert(alert) for alert in case.alerts],
            "version_evidence": [_version(version) for version in evidence.versions],
            "hosting": [_hosting(fact) for fact in evidence.hosting],
            "evidence": _evidence(evidence),
            "history": [record.model_dump(mode="json") for record in evidence.history],
            "coverage": _filled(
                {
                    "answered": list(evidence.coverage.answered),
                    "unreachable": list(evidence.coverage.unreachable),
                }
            ),
        },
        always=("id", "services", "dependencies", "deploys", "alerts"),
    )


def _filled(fields: Mapping[str, object], *, always: Sequence[str] = ()) -> dict[str, object]:
    return {
        name: value for name, value in fields.items() if name in always or value not in (None, "", [], {})
    }


def _alert(alert: Alert) -> dict[str, object]:
    return {
        "id": alert.id,
        "service": alert.service,
        "title": alert.title,
        "severity": alert.severity.value,
        "at": _time(alert.at),
        "details": alert.details,
    }


def _change(change: ChangeEvent) -> dict[str, object]:
    return _filled(
        {
            "id": change.id,
            "service": change.service,
            "env": change.environment,
            "kind": change.kind.value,
            "version": change.version,
            "previous_version": change.previous_version,
            "started_at": _time(change.started_at),
            "finished_at": _time(change.finished_at),
            "at": _time(change.reported_at),
            "author": change.author,
            "title": change.title,
            "body": change.body,
            "files": list(change.files),
            "diff": change.diff,
            "services": list(change.also_touches),
            "rollout": [_step(step) for step in change.rollout],
        }
    )


def _step(step: RolloutStep) -> dict[str, object]:
    return _filled(
        {
            "started_at": _time(step.started_at),
            "finished_at": _time(step.finished_at),
            "old_pods": step.old_instances,
            "new_pods": step.new_instances,
        }
    )


def _version(version: VersionEvidence) -> dict[str, object]:
    return {
        "edge": [version.caller, version.callee],
        **version.model_dump(mode="json", exclude={"caller", "callee"}),
    }


def _hosting(fact: Hosting) -> list[str]:
    return [fact.owner, fact.member, _RELATIONS[fact.relation]]


def _evidence(evidence: Evidence) -> dict[str, object]:
    return _filled(
        {
            "patterns": [
                _filled(
                    {
                        "signature": pattern.signature,
                        "service": pattern.service,
                        "count": pattern.count,
                        "delta_vs_baseline": pattern.delta,
                    }
                )
                for pattern in evidence.patterns
            ],
            "metrics": [
                {
                    "service": shift.service,
                    "metric": shift.metric,
                    "value": shift.value,
                    "baseline": shift.usual,
                }
                for shift in evidence.metrics
            ],
            "rivals": [_filled(rival.model_dump(mode="json")) for rival in evidence.rivals],
        }
    )


def _time(at: AwareDatetime | None) -> str | None:
    return at.isoformat() if at is not None else None
