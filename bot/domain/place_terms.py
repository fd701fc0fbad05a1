"""How what changed lies to what hurts."""

from collections.abc import Iterator

from bot.domain.change import ChangeEvent
from bot.domain.correlation_case import Feature
from bot.domain.ids import ServiceName
from bot.domain.onset import SymptomClass
from bot.domain.scene import Scene, touched_by
from bot.domain.weights import WeightName


def place_features(change: ChangeEvent, scene: Scene) -> Iterator[Feature]:
    """Yield how what *change* reached lies to what hurts: the same for all changes of the same services."""
    symptoms = scene.symptoms
    if not symptoms.services or not change.service:
        return
    touched = touched_by(change)
    distances = {service: _distance(service, touched, scene) for service in symptoms.services}
    near = min((hops for hops in distances.values() if hops is not None), default=None)
    yield from _nearest(change, scene, distances, near)
    explained = {service for service, hops in distances.items() if hops is not None}
    explained |= {s for s in symptoms.quiet - explained if _is_called(s, touched, scene)}
    total = len(symptoms.services)
    if symptoms.inferred:
        return
    if len(explained) < total:
        missed = f"explains {len(explained)} of {total} alerting services"
        yield Feature(WeightName.UNEXPLAINED, _certainty(scene) * (1.0 - len(explained) / total), missed)
    origins = scene.origins
    if origins and not origins <= explained:
        beyond = sorted(origins - explained)
        value = _certainty(scene) * len(beyond) / len(origins)
        yield Feature(
            WeightName.ORIGIN_MISSED, value, f"does not explain {beyond[0]}, where the trouble starts"
        )
    if total > 1 and len(explained) == total and touched.isdisjoint(symptoms.services):
        yield Feature(WeightName.SHARED_DEPENDENCY, 1.0, f"all {total} alerting services depend on it")


_DOUBTFUL = 0.5
"""Our choice: a person names where the trouble shows, so another place counts half against a change."""


def _certainty(scene: Scene) -> float:
    """Return how much a missing path speaks against a change."""
    return _DOUBTFUL if scene.symptoms.pace is SymptomClass.TOLD else 1.0


def _nearest(
    change: ChangeEvent, scene: Scene, distances: dict[ServiceName, int | None], near: int | None
) -> Iterator[Feature]:
    symptoms = scene.symptoms
    # A word in a person's sentence may mean the service, or only be a word.
    only_a_word = symptoms.inferred and symptoms.pace is SymptomClass.TOLD
    if near == 0 and change.service in symptoms.services and not only_a_word:
        yield Feature(WeightName.SAME_SERVICE, 1.0, f"changed {change.service}, which alerts")
    elif near == 0:
        yield Feature(WeightName.NAMED, 1.0, f"the alerts name {change.service}")
    elif near is not None:
        caller = min(service for service, hops in distances.items() if hops == near)
        name = (WeightName.DEPENDENCY_1, WeightName.DEPENDENCY_2, WeightName.DEPENDENCY_3)[near - 1]
        calls = "1 hop" if near == 1 else f"{near} hops"
        yield Feature(name, 1.0, f"{caller} calls {change.service} ({calls}), which changed")
    elif symptoms.inferred:
        return
    elif any(_is_called(service, touched_by(change), scene) for service in symptoms.services):
        yield Feature(WeightName.DEPENDENT, 1.0, f"{change.service} calls what alerts, not the other way")
    else:
        known = scene.is_known(change.service)
        sentence = "no call path to what alerts" if known else "nothing known ties it to what alerts"
        yield Feature(WeightName.NO_PATH, _certainty(scene), sentence)


def _distance(service: ServiceName, touched: frozenset[ServiceName], scene: Scene) -> int | None:
    """Return how many calls lead from *service* to what changed, None for no path of three calls or fewer.

    An alert whose text names what changed (a label such as its namespace) is as near as its own service.
    """
    if service in touched or touched & scene.symptoms.mentions.get(service, frozenset()):
        return 0
    calls, _ = scene.around[service]
    return min((calls[name] for name in touched if name in calls), default=None)


def _is_called(service: ServiceName, touched: frozenset[ServiceName], scene: Scene) -> bool:
    """Return whether what changed calls *service*."""
    _, called_by = scene.around[service]
    return not touched.isdisjoint(called_by)
