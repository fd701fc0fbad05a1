"""What versions, errors, instances and the past say of a change."""

from collections.abc import Iterator
from math import log2
from typing import assert_never

from bot.domain.change import ChangeEvent
from bot.domain.correlation_case import Feature
from bot.domain.evidence import Evidence, VersionEvidence
from bot.domain.exposure import Standing, contrast
from bot.domain.scene import Scene, touched_by
from bot.domain.symptoms import Symptoms
from bot.domain.weights import WeightName


def exposure_features(change: ChangeEvent, scene: Scene) -> Iterator[Feature]:
    found = contrast(scene.case.evidence.versions, touched_by(change), change.version)
    if found is None:
        return
    shown = f"version {found.new.version} shows {_shown(found.new)}"
    against = f", {found.old.version} {_shown(found.old)}" if found.old is not None else ""
    match found.standing:
        case Standing.WORSE:
            yield Feature(WeightName.VERSION_WORSE, 0.5 + 0.5 * min(1.0, found.excess), shown + against)
        case Standing.HEALTHY:
            yield Feature(WeightName.VERSION_HEALTHY, 1.0, f"its {shown}")
        case Standing.ALIKE:
            yield Feature(WeightName.VERSIONS_ALIKE, 1.0, f"{shown}{against}: no difference")
        case _:
            assert_never(found.standing)


def _shown(row: VersionEvidence) -> str:
    latency = f", {row.latency_ms:.0f} ms" if row.latency_ms is not None else ""
    return f"{row.success_rate:.1f} % success{latency}"


def error_features(change: ChangeEvent, scene: Scene) -> Iterator[Feature]:
    touched = touched_by(change)
    shares = scene.new_errors
    here = [pattern for pattern in shares if touched & scene.blame[pattern]]
    if here:
        newest = max(here, key=lambda p: (shares[p], p.signature))
        value = sum(shares[p] for p in here) / sum(shares.values())
        yield Feature(
            WeightName.NOVEL_ERRORS, value, f"new errors at {change.service}: {newest.signature[:80]}"
        )


def metric_features(change: ChangeEvent, scene: Scene) -> Iterator[Feature]:
    """Say when a metric of what changed moved, and how far beside the metric that moved most."""
    touched, metrics = touched_by(change), scene.case.evidence.metrics
    here = max(
        (m for m in metrics if m.service in touched), key=lambda m: (m.halvings, m.metric), default=None
    )
    if here is not None and here.halvings >= MOVED:
        most = max(metric.halvings for metric in metrics)
        sentence = f"{here.metric} of {here.service} went from {here.usual:.4g} to {here.value:.4g}"
        yield Feature(WeightName.METRIC_SHIFT, here.halvings / most, sentence)


MOVED = 0.5  # Our choice: a metric that changed by less than 40 % may only be noisy.


def history_features(change: ChangeEvent, evidence: Evidence) -> Iterator[Feature]:
    record = next((r for r in evidence.history if r.service == change.service), None)
    if record is not None and record.changes:
        rate = (record.failures + 0.5) / (record.changes + 5.0)
        yield Feature(
            WeightName.HISTORY,
            max(-2.0, min(2.0, log2(rate / 0.1))),
            f"{record.failures} of the last {record.changes} changes of {change.service} caused trouble",
        )


def instance_features(change: ChangeEvent, symptoms: Symptoms) -> Iterator[Feature]:
    """A finished change reaches every instance: when only some hurt, the cause is rather in those."""
    service = change.service
    alerting, known = symptoms.instances.get(service), symptoms.known_instances.get(service)
    if not alerting or not known or service in symptoms.whole or len(known) < 2:
        return
    if change.rollout or change.live_at >= symptoms.onset or len(alerting) == len(known):
        return
    spared = 1.0 - len(alerting) / len(known)
    yield Feature(
        WeightName.PARTIAL_INSTANCES,
        spared,
        f"only {len(alerting)} of {len(known)} instances of {service} alert",
    )
