"""Which of many changes are worth a full look: by time, distance and risk alone."""

from collections.abc import Mapping, Sequence
from heapq import nsmallest
from math import log2

from bot.domain.change import ChangeEvent
from bot.domain.ids import ServiceName
from bot.domain.rollback import is_rollback
from bot.domain.scene import Scene
from bot.domain.weights import WeightName

_BY_HOPS = (WeightName.DEPENDENCY_1, WeightName.DEPENDENCY_2, WeightName.DEPENDENCY_3)


def likeliest(
    changes: Sequence[ChangeEvent], scene: Scene, weights: Mapping[WeightName, float], most: int
) -> list[ChangeEvent]:
    """Return at most *most* of *changes*; ties go to the newer one, then to the id.

    What alerts or observations name counts as alerting, so that it is never left out for its place.
    """
    if len(changes) <= most:
        return list(changes)
    places = _places(scene, weights)
    elsewhere = 0.0 if scene.symptoms.inferred else weights[WeightName.NO_PATH]
    onset, half_life_s = scene.symptoms.onset, scene.half_life_s
    elapsed, rollback = weights[WeightName.ELAPSED], weights[WeightName.ROLLBACK]

    def cost(change: ChangeEvent) -> tuple[float, float, str]:
        gap_s = (onset - change.live_at).total_seconds()
        place = max([places.get(name, elsewhere) for name in (change.service, *change.also_touches)])
        risk = rollback if is_rollback(change) else 0.0
        return -(elapsed * log2(1.0 + max(0.0, gap_s) / half_life_s) + place + risk), gap_s, change.id

    return nsmallest(most, changes, key=cost)


def _places(scene: Scene, weights: Mapping[WeightName, float]) -> Mapping[ServiceName, float]:
    """Return what the place of a service is worth, for every service that is near or named."""
    found: dict[ServiceName, float] = {}
    for calls, called_by in scene.around.values():
        found.update(dict.fromkeys(called_by.keys() - found.keys(), weights[WeightName.DEPENDENT]))
        for name, hops in calls.items():
            worth = weights[_BY_HOPS[hops - 1]]
            found[name] = max(worth, found.get(name, worth))
    evidence, symptoms = scene.case.evidence, scene.symptoms
    named = {*symptoms.placed, *(row.observed_at for row in evidence.versions)}
    named.update(metric.service for metric in evidence.metrics)
    named.update(*scene.blame.values())
    found.update(dict.fromkeys(named, weights[WeightName.SAME_SERVICE]))
    return found
