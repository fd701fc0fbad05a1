"""What speaks for or against one change: each function measures, none weighs."""

from collections.abc import Iterable, Iterator
from datetime import timedelta
from math import log2
from typing import assert_never

from bot.domain.change import ChangeEvent
from bot.domain.correlation_case import Feature
from bot.domain.ids import ChangeId, ServiceName
from bot.domain.kind_terms import kind_features
from bot.domain.names import names_in
from bot.domain.onset import SymptomClass
from bot.domain.place_terms import place_features
from bot.domain.rollback import is_lower_version, is_rollback, is_undone_by
from bot.domain.scene import Scene, spoken
from bot.domain.telemetry_terms import (
    error_features,
    exposure_features,
    history_features,
    instance_features,
    metric_features,
)
from bot.domain.weights import HalfLives, WeightName

_PRODUCTION = frozenset({"production", "prod", "live", ""})


def features_of(changes: Iterable[ChangeEvent], scene: Scene) -> dict[ChangeId, tuple[Feature, ...]]:
    """Return what is measured about each change, text apart; what is not known gives no feature."""
    places: dict[tuple[ServiceName, tuple[ServiceName, ...]], tuple[Feature, ...]] = {}
    found: dict[ChangeId, tuple[Feature, ...]] = {}
    for change in changes:
        key = (change.service, change.also_touches)
        place = places.get(key)
        if place is None:
            place = places[key] = tuple(place_features(change, scene))
        found[change.id] = (*_time(change, scene), *place, *kind_features(change), *_observed(change, scene))
    return found


def _observed(change: ChangeEvent, scene: Scene) -> Iterator[Feature]:
    yield from _undoing(change, scene)
    yield from _environment(change, scene)
    evidence = scene.case.evidence
    if evidence.versions:
        yield from exposure_features(change, scene)
    if scene.blame:
        yield from error_features(change, scene)
    if evidence.metrics:
        yield from metric_features(change, scene)
    if evidence.history:
        yield from history_features(change, evidence)
    if scene.symptoms.instances:
        yield from instance_features(change, scene.symptoms)


def _time(change: ChangeEvent, scene: Scene) -> Iterator[Feature]:
    onset = scene.symptoms.onset
    if change.live_at >= onset or (change.finished_at is None and change.started_at is not None):
        yield Feature(WeightName.ROLLING_OUT, 1.0, "was rolling out at the first symptom")
        return
    gap = onset - change.live_at
    half_life = half_life_min(scene.symptoms.pace, scene.half_lives)
    halvings = log2(1.0 + gap / timedelta(minutes=half_life))
    yield Feature(WeightName.ELAPSED, halvings, f"finished {spoken(gap)} before the first symptom")


def half_life_min(pace: SymptomClass, half_lives: HalfLives) -> float:
    """Return the minutes after which a change is half as likely to be behind a symptom of this *pace*."""
    match pace:
        case SymptomClass.FAST:
            return half_lives.fast_min
        case SymptomClass.SLOW:
            return half_lives.slow_min
        case SymptomClass.TOLD:
            return half_lives.told_min
        case _:
            assert_never(pace)


def _undoing(change: ChangeEvent, scene: Scene) -> Iterator[Feature]:
    if is_rollback(change):
        yield Feature(WeightName.ROLLBACK, 1.0, "is itself a rollback")
    elif is_lower_version(change, scene.last_before(change)):
        yield Feature(WeightName.LOWER_VERSION, 1.0, "goes back to a lower version")
    following = scene.next_after(change)
    if following is not None and is_undone_by(change, following, before=scene.symptoms.onset):
        gap = spoken(scene.symptoms.onset - following.live_at)
        yield Feature(WeightName.UNDONE, 1.0, f"was rolled back {gap} before the first symptom")


def _environment(change: ChangeEvent, scene: Scene) -> Iterator[Feature]:
    changed, alerting = _canonical(change.environment), scene.case.environment
    if alerting is None:
        if changed != "production" and not names_in(change.environment, scene.symptoms.text):
            yield Feature(
                WeightName.OTHER_ENVIRONMENT, 0.5, f"went to {change.environment}, which no alert names"
            )
    elif changed != _canonical(alerting):
        yield Feature(
            WeightName.OTHER_ENVIRONMENT, 1.0, f"went to {change.environment}, the alerts are of {alerting}"
        )


def _canonical(environment: str) -> str:
    name = environment.strip().lower()
    return "production" if name in _PRODUCTION else name
