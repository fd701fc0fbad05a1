"""What speaks for or against one change: each function measures, none weighs."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from math import log2

from bot.domain.change import ChangeEvent, ChangeKind
from bot.domain.correlation_case import Case, Feature
from bot.domain.evidence import Evidence, VersionEvidence
from bot.domain.ids import ServiceName
from bot.domain.lexicon import CONFIG_WORDS, INERT_PATHS, INERT_WORDS
from bot.domain.onset import SymptomClass
from bot.domain.rollback import is_lower_version, is_rollback, undone_by
from bot.domain.symptoms import Symptoms, names_in
from bot.domain.topology import MAX_HOPS, Topology
from bot.domain.vocabulary import Rarity, families_of, words_of
from bot.domain.weights import HalfLives, WeightName

_CALLER_SHARE = 0.3  # Our choice: a caller explains what happens to what it calls, but rarely is behind it.
_PRODUCTION = frozenset({"production", "prod", "live", ""})


@dataclass(frozen=True)
class Scene:
    """One case, read once, as every term needs it."""

    case: Case
    symptoms: Symptoms
    half_lives: HalfLives
    rarity: Rarity
    query_words: frozenset[str]
    query_families: frozenset[str]

    @classmethod
    def of(cls, case: Case, symptoms: Symptoms, half_lives: HalfLives) -> "Scene":
        patterns = " \n".join(p.signature for p in case.evidence.patterns if p.novelty >= 0.5)
        names = {change.service for change in case.changes} | symptoms.services.keys()
        own = frozenset().union(*(words_of(name) for name in names)) if names else frozenset()
        return cls(
            case=case,
            symptoms=symptoms,
            half_lives=half_lives,
            rarity=Rarity(words_of(_prose(c)) | words_of(_code(c)) for c in case.changes),
            query_words=(symptoms.words | words_of(patterns)) - own,
            query_families=symptoms.families | families_of(patterns),
        )


def features_of(change: ChangeEvent, scene: Scene) -> tuple[Feature, ...]:
    """Return everything measured about *change* in *scene*; what is not known gives no feature."""
    return tuple(_measure(change, scene))


def _measure(change: ChangeEvent, scene: Scene) -> Iterator[Feature]:
    yield from _time(change, scene)
    yield from _place(change, scene)
    yield from _text(change, scene)
    yield from _kind(change)
    yield from _undoing(change, scene)
    yield from _environment(change, scene)
    yield from _exposure(change, scene)
    yield from _patterns(change, scene)
    yield from _history(change, scene.case.evidence)
    yield from _instances(change, scene.symptoms)


def _time(change: ChangeEvent, scene: Scene) -> Iterator[Feature]:
    onset = scene.symptoms.onset
    if change.live_at >= onset or (change.finished_at is None and change.started_at is not None):
        yield Feature(WeightName.ROLLING_OUT, 1.0, "was rolling out at the first symptom")
        return
    gap = onset - change.live_at
    half_life = (
        scene.half_lives.slow_min if scene.symptoms.pace is SymptomClass.SLOW else scene.half_lives.fast_min
    )
    halvings = log2(1.0 + gap / timedelta(minutes=half_life))
    yield Feature(WeightName.ELAPSED, halvings, f"finished {spoken(gap)} before the first symptom")


def _place(change: ChangeEvent, scene: Scene) -> Iterator[Feature]:
    symptoms, topology = scene.symptoms, scene.case.topology
    reached = _touched(change)
    distances = {service: _distance(service, reached, topology) for service in symptoms.services}
    near = min((hops for hops in distances.values() if hops is not None), default=None)
    yield from _nearest(change, scene, distances, near)
    explained = {s for s, hops in distances.items() if hops is not None}
    starved = {s for s in symptoms.quiet - explained if _calls(reached, s, topology)}
    total = len(symptoms.services)
    if total > 1:
        share = (
            len(explained) + len(starved) + _CALLER_SHARE * _called(reached, explained | starved, scene)
        ) / total
        yield Feature(
            WeightName.EXPLAINED,
            share,
            f"explains {len(explained) + len(starved)} of {total} alerting services",
        )
        if len(explained) == total and near is not None and reached.isdisjoint(symptoms.services):
            yield Feature(WeightName.SHARED_DEPENDENCY, 1.0, f"all {total} alerting services depend on it")
    loud_below = {
        below
        for service in reached & symptoms.services.keys()
        for below in topology.dependencies_of(service, hops=MAX_HOPS)
        if below in symptoms.services and below not in symptoms.quiet and below not in reached
    }
    if loud_below:
        deeper = min(loud_below)
        yield Feature(WeightName.DEEPER_ALERT, 1.0, f"{deeper}, which it calls, alerts as well")


def _nearest(
    change: ChangeEvent, scene: Scene, distances: dict[ServiceName, int | None], near: int | None
) -> Iterator[Feature]:
    symptoms, topology = scene.symptoms, scene.case.topology
    if near == 0:
        yield Feature(WeightName.SAME_SERVICE, 1.0, f"changed {change.service}, which alerts")
    elif near is not None:
        caller = min(service for service, hops in distances.items() if hops == near)
        name = (WeightName.DEPENDENCY_1, WeightName.DEPENDENCY_2, WeightName.DEPENDENCY_3)[near - 1]
        calls = "1 hop" if near == 1 else f"{near} hops"
        yield Feature(name, 1.0, f"{caller} calls {change.service} ({calls}), which changed")
    elif any(_calls(_touched(change), service, topology) for service in symptoms.services):
        yield Feature(WeightName.DEPENDENT, 1.0, f"{change.service} calls what alerts, not the other way")
    elif symptoms.services:
        known = change.service in topology.callees or change.service in topology.callers
        sentence = "no call path to what alerts" if known else "nothing known ties it to what alerts"
        yield Feature(WeightName.NO_PATH, 1.0, sentence)


def _touched(change: ChangeEvent) -> frozenset[ServiceName]:
    return frozenset({change.service, *change.also_touches})


def _distance(service: ServiceName, reached: frozenset[ServiceName], topology: Topology) -> int | None:
    """Return how many calls lead from *service* to what changed, None for no path of three calls or fewer."""
    if service in reached:
        return 0
    below = topology.dependencies_of(service, hops=MAX_HOPS)
    return min((below[name] for name in reached if name in below), default=None)


def _calls(reached: frozenset[ServiceName], service: ServiceName, topology: Topology) -> bool:
    return any(service in topology.dependencies_of(name, hops=MAX_HOPS) for name in reached)


def _called(reached: frozenset[ServiceName], explained: set[ServiceName], scene: Scene) -> int:
    rest = scene.symptoms.services.keys() - explained
    return sum(1 for service in rest if _calls(reached, service, scene.case.topology))


def _text(change: ChangeEvent, scene: Scene) -> Iterator[Feature]:
    if change.service not in scene.symptoms.services and names_in(change.service, scene.symptoms.text):
        yield Feature(WeightName.NAMED, 1.0, f"the alerts name {change.service}")
    prose, code = words_of(_prose(change)), words_of(_code(change))
    amount, shared = scene.rarity.overlap(scene.query_words, prose)
    if shared:
        yield Feature(WeightName.WORDS, amount, f"its description shares {_listed(shared)} with the symptoms")
    amount, shared = scene.rarity.overlap(scene.query_words, code - prose)
    if shared:
        yield Feature(WeightName.CODE, amount, f"its files or diff share {_listed(shared)} with the symptoms")
    families = scene.query_families & families_of(f"{_prose(change)}\n{_code(change)}")
    if families:
        yield Feature(
            WeightName.FAMILIES, min(2.0, len(families)) / 2.0, f"both are about {_listed(sorted(families))}"
        )


def _prose(change: ChangeEvent) -> str:
    return f"{change.title}\n{change.body}"


def _code(change: ChangeEvent) -> str:
    return " ".join(change.files) + "\n" + change.diff


def _listed(words: Iterable[str]) -> str:
    return ", ".join(f"“{word}”" for word in list(words)[:3])


def _kind(change: ChangeEvent) -> Iterator[Feature]:
    words = frozenset(change.title.lower().replace(":", " ").replace("(", " ").replace(")", " ").split())
    if change.kind in (ChangeKind.CONFIG, ChangeKind.FLAG) or words & CONFIG_WORDS:
        yield Feature(WeightName.CONFIG, 1.0, "changes configuration, which takes effect at once")
    if change.kind is ChangeKind.MIGRATION or "migration" in words:
        yield Feature(WeightName.MIGRATION, 1.0, "changes a database schema")
    if _is_inert(change, words):
        yield Feature(WeightName.INERT, 1.0, "by its description changes nothing at run time")
    if change.files or change.diff:
        size = log2(1.0 + len(change.files) + change.diff.count("\n")) / 4.0
        yield Feature(WeightName.SIZE, size, f"touches {len(change.files)} files")


def _is_inert(change: ChangeEvent, words: frozenset[str]) -> bool:
    if change.files:
        return all(any(part in f"/{path.lower()}" for part in INERT_PATHS) for path in change.files)
    return bool(words & INERT_WORDS)


def _undoing(change: ChangeEvent, scene: Scene) -> Iterator[Feature]:
    if is_rollback(change):
        yield Feature(WeightName.ROLLBACK, 1.0, "is itself a rollback")
    elif is_lower_version(change, scene.case.changes):
        yield Feature(WeightName.LOWER_VERSION, 1.0, "goes back to a lower version")
    undoing = undone_by(change, scene.case.changes, before=scene.symptoms.onset)
    if undoing is not None:
        gap = spoken(scene.symptoms.onset - undoing.live_at)
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


def _exposure(change: ChangeEvent, scene: Scene) -> Iterator[Feature]:
    touched = _touched(change)
    rows = [row for row in scene.case.evidence.versions if row.observed_at in touched]
    new = [row for row in rows if row.version == change.version]
    old = [row for row in rows if row.version != change.version]
    if not new:
        return
    worst = max(new, key=harm)
    before = max((row for row in old), key=harm, default=None)
    excess = harm(worst) - (harm(before) if before is not None else 0.0)
    if harm(worst) < _NOTICEABLE:
        yield Feature(
            WeightName.VERSION_HEALTHY, 1.0, f"its version {worst.version} serves well ({_shown(worst)})"
        )
    elif excess >= _NOTICEABLE:
        against = f", {before.version} {_shown(before)}" if before is not None else ""
        value = min(1.0, 0.5 + excess)
        yield Feature(
            WeightName.VERSION_WORSE, value, f"version {worst.version} shows {_shown(worst)}{against}"
        )
    elif before is not None:
        yield Feature(
            WeightName.VERSIONS_ALIKE, 1.0, f"versions {worst.version} and {before.version} fail alike"
        )


_NOTICEABLE = 0.1  # Our choice: ten per cent of failed calls, or latency up by about a quarter.


def harm(row: VersionEvidence) -> float:
    """Return how badly a version does: 0 well, 1 and more very badly."""
    failed = (100.0 - row.success_rate) / 100.0 * 3.0
    slower = 0.0
    if row.latency_ms and row.baseline_latency_ms:
        slower = max(0.0, log2(row.latency_ms / row.baseline_latency_ms) - 0.3) / 3.0
    trust = min(1.0, row.samples / 10.0) if row.samples else 0.5
    return min(2.0, failed + slower) * trust


def _shown(row: VersionEvidence) -> str:
    latency = f", {row.latency_ms:.0f} ms" if row.latency_ms is not None else ""
    return f"{row.success_rate:.1f} % success{latency}"


def _patterns(change: ChangeEvent, scene: Scene) -> Iterator[Feature]:
    touched = _touched(change)
    here = [p for p in scene.case.evidence.patterns if p.service in touched and p.count]
    total = sum(p.count for p in scene.case.evidence.patterns if p.service is not None)
    if here and total:
        newest = max(here, key=lambda p: (p.novelty * p.count, p.signature))
        share = sum(p.novelty * p.count for p in here) / total
        if share > 0:
            yield Feature(
                WeightName.NOVEL_ERRORS, share, f"new errors in {newest.service}: {newest.signature[:80]}"
            )


def _history(change: ChangeEvent, evidence: Evidence) -> Iterator[Feature]:
    record = next((r for r in evidence.history if r.service == change.service), None)
    if record is not None and record.changes:
        rate = (record.failures + 0.5) / (record.changes + 5.0)
        yield Feature(
            WeightName.HISTORY,
            max(-2.0, min(2.0, log2(rate / 0.1))),
            f"{record.failures} of the last {record.changes} changes of {change.service} caused trouble",
        )


def _instances(change: ChangeEvent, symptoms: Symptoms) -> Iterator[Feature]:
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


def spoken(gap: timedelta | float) -> str:
    """Return a length of time as people say it: `40 s`, `12 min`, `5 h 20 min`."""
    seconds = int(gap.total_seconds() if isinstance(gap, timedelta) else gap)
    if seconds < 90:
        return f"{seconds} s"
    minutes = round(seconds / 60)
    if minutes < 90:
        return f"{minutes} min"
    hours, rest = divmod(minutes, 60)
    return f"{hours} h {rest} min" if rest else f"{hours} h"


def began_before(change: ChangeEvent, onset: datetime) -> bool:
    """Return whether *change* could have had an effect by *onset*."""
    return change.began_at <= onset
