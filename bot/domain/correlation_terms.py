"""What speaks for or against one change: each function measures, none weighs."""

from collections.abc import Hashable, Iterator, Sequence
from functools import lru_cache
from math import log2

from bot.domain.change import ChangeEvent
from bot.domain.correlation_case import Feature
from bot.domain.ids import ChangeId
from bot.domain.kind_terms import kind_features
from bot.domain.names import names_in
from bot.domain.place_terms import place_features
from bot.domain.rollback import is_lower_version, is_rollback, is_undone_by
from bot.domain.scene import Scene, spoken, touched_by
from bot.domain.telemetry_terms import (
    error_features,
    exposure_features,
    history_features,
    instance_features,
    metric_features,
)
from bot.domain.weights import WeightName

_PRODUCTION = frozenset({"production", "prod", "live", ""})


def features_of(changes: Sequence[ChangeEvent], scene: Scene) -> dict[ChangeId, tuple[Feature, ...]]:
    """Return what is measured about each change, text apart; what is not known gives no feature."""
    evidence = scene.case.evidence
    has_more = bool(
        evidence.versions or scene.blame or evidence.metrics or evidence.history or scene.symptoms.instances
    )
    places: dict[Hashable, tuple[Feature, ...]] = {}
    found: dict[ChangeId, tuple[Feature, ...]] = {}
    for change in changes:
        key: Hashable = (change.service, change.also_touches)
        if change.service and touched_by(change).isdisjoint(scene.near):
            # All that lies nowhere near what alerts lies there alike.
            key = scene.is_known(change.service)
        place = places.get(key)
        if place is None:
            place = places[key] = tuple(place_features(change, scene))
        plain = (_time(change, scene), *place, *kind_features(change))
        found[change.id] = (*plain, *_undoing(change, scene), *_environment(change, scene))
    if has_more:
        for change in changes:
            found[change.id] += tuple(_observed(change, scene))
    return found


def _observed(change: ChangeEvent, scene: Scene) -> Iterator[Feature]:
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


def _time(change: ChangeEvent, scene: Scene) -> Feature:
    onset, live = scene.symptoms.onset, change.live_at
    if live >= onset or (change.finished_at is None and change.started_at is not None):
        return Feature(WeightName.ROLLING_OUT, 1.0, "was rolling out at the first symptom")
    gap_s = (onset - live).total_seconds()
    halvings = log2(1.0 + gap_s / scene.half_life_s)
    return Feature(WeightName.ELAPSED, halvings, f"finished {spoken(gap_s)} before the first symptom")


# Neither is a generator: most changes have nothing of the sort, and a hundred of them are looked at at once.
def _undoing(change: ChangeEvent, scene: Scene) -> tuple[Feature, ...]:
    if is_rollback(change):
        # What a rollback takes back is never the rollback itself.
        return (Feature(WeightName.ROLLBACK, 1.0, "is itself a rollback"),)
    found: tuple[Feature, ...] = ()
    if change.version is not None and is_lower_version(change, scene.last_before(change)):
        found = (Feature(WeightName.LOWER_VERSION, 1.0, "goes back to a lower version"),)
    following = scene.next_after(change)
    if following is not None and is_undone_by(change, following, before=scene.symptoms.onset):
        gap = spoken(scene.symptoms.onset - following.live_at)
        found += (Feature(WeightName.UNDONE, 1.0, f"was rolled back {gap} before the first symptom"),)
    return found


def _environment(change: ChangeEvent, scene: Scene) -> tuple[Feature, ...]:
    changed, alerting = _canonical(change.environment), scene.case.environment
    if alerting is None:
        if changed == "production" or names_in(change.environment, scene.symptoms.text):
            return ()
        sentence = f"went to {change.environment}, which no alert names"
        return (Feature(WeightName.OTHER_ENVIRONMENT, 0.5, sentence),)
    if changed == _canonical(alerting):
        return ()
    sentence = f"went to {change.environment}, the alerts are of {alerting}"
    return (Feature(WeightName.OTHER_ENVIRONMENT, 1.0, sentence),)


@lru_cache(maxsize=1_000)
def _canonical(environment: str) -> str:
    name = environment.strip().lower()
    return "production" if name in _PRODUCTION else name
