"""What speaks for "nothing changed": infrastructure, providers, traffic, certificates."""

import re
from collections.abc import Iterator

from bot.domain.correlation_case import Case, Feature
from bot.domain.exposure import Standing, all_versions_fail, contrast, same_version
from bot.domain.lexicon import (
    CERTIFICATE_PHRASES,
    INFRASTRUCTURE_PHRASES,
    MAINTENANCE_PHRASES,
    PROVIDER_PHRASES,
    TRAFFIC_PHRASES,
)
from bot.domain.names import names_in
from bot.domain.scene import Scene, touched_by
from bot.domain.symptoms import Symptoms
from bot.domain.weights import WeightName

_OUTSIDE_HOST = re.compile(
    r"https?://([a-z0-9-]+(?:\.[a-z0-9-]+)+)(?<!\.local)(?<!\.internal)(?<!\.svc)\b[^\s]*[\s:]+"
    r"(?:.{0,30}?)(?:5\d\d|timeout|timed out|refused|unavailable)"
)
"""A public host in the text, followed by how it failed."""
_OUTSIDE_PHRASES = PROVIDER_PHRASES + TRAFFIC_PHRASES + CERTIFICATE_PHRASES + MAINTENANCE_PHRASES


def nothing_features(case: Case, scene: Scene) -> tuple[Feature, ...]:
    """Return everything measured that speaks for a cause other than a change."""
    return (*_measure(case, scene.symptoms), *_unchanged(case, scene))


def _unchanged(case: Case, scene: Scene) -> Iterator[Feature]:
    """Say when new errors start at services that nobody changed before the onset."""
    if not scene.blame:
        return
    changed = {
        service
        for change in case.changes
        if change.began_at <= scene.symptoms.onset
        for service in touched_by(change)
    }
    counts = scene.new_errors
    elsewhere = [pattern for pattern in counts if scene.blame[pattern].isdisjoint(changed)]
    if elsewhere:
        most = max(elsewhere, key=lambda pattern: (counts[pattern], pattern.signature))
        value = sum(counts[pattern] for pattern in elsewhere) / sum(counts.values())
        where = min(scene.blame[most])
        yield Feature(WeightName.NOTHING_UNCHANGED, value, f"new errors at {where}, which nobody changed")


def _measure(case: Case, symptoms: Symptoms) -> Iterator[Feature]:
    yield Feature(WeightName.NOTHING, 1.0, "most alerts are not caused by a recorded change")
    texts = [f"{a.service or ''} {a.title} {a.details}".lower() for a in case.alerts]
    texts += [p.signature.lower() for p in case.evidence.patterns]
    infra = [text for text in texts if any(phrase in text for phrase in INFRASTRUCTURE_PHRASES)]
    if infra:
        value = min(1.0, 0.5 + len(infra) / len(texts))
        yield Feature(WeightName.NOTHING_INFRASTRUCTURE, value, f"{len(infra)} signals name infrastructure")
    outside = next((p for p in _OUTSIDE_PHRASES if any(p in text for text in texts)), None)
    if outside is not None:
        yield Feature(WeightName.NOTHING_RIVAL, 1.0, f"the alerts speak of “{outside}”")
    host = next((host for text in texts for host in _OUTSIDE_HOST.findall(text)), None)
    if host is not None:
        yield Feature(WeightName.NOTHING_OUTSIDE_HOST, 1.0, f"{host} is not ours and fails")
    for rival in case.evidence.rivals:
        sentence = f"{rival.kind.value.replace('_', ' ')} reported: {rival.summary[:80]}"
        yield Feature(WeightName.NOTHING_RIVAL, 1.0, sentence)
    if symptoms.host_alerts:
        share = min(1.0, 0.5 + symptoms.host_alerts / symptoms.count)
        yield Feature(WeightName.NOTHING_HOSTS, share, f"{symptoms.host_alerts} alerts are of hosts")
    yield from _partial(case, symptoms)
    yield from _failed_host(case, symptoms)
    yield from _one_host(symptoms)
    yield from _versions(case)


def _partial(case: Case, symptoms: Symptoms) -> Iterator[Feature]:
    """Say when alerts single out instances: a finished change reaches all of them."""
    if case.evidence.versions or any(change.rollout for change in case.changes):
        return
    known = {
        s: all_ for s, all_ in symptoms.known_instances.items() if len(all_) > 1 and s in symptoms.services
    }
    partial = [
        s for s in known if s not in symptoms.whole and len(symptoms.instances.get(s, ())) < len(known[s])
    ]
    if partial:
        share = len(partial) / len(symptoms.services)
        yield Feature(
            WeightName.NOTHING_PARTIAL,
            share,
            f"only some instances of {len(partial)} services alert, not all",
        )


def _failed_host(case: Case, symptoms: Symptoms) -> Iterator[Feature]:
    """Say when a host reported broken runs instances of what alerts."""
    signals = [f"{a.title} {a.details}" for a in case.alerts] + [p.signature for p in case.evidence.patterns]
    broken = [text for text in signals if any(phrase in text.lower() for phrase in INFRASTRUCTURE_PHRASES)]
    for host, services in sorted(symptoms.services_on.items()):
        if services and any(names_in(host, text) for text in broken):
            hurt = ", ".join(sorted(services))
            yield Feature(WeightName.NOTHING_FAILED_HOST, 1.0, f"{host} is reported broken and runs {hurt}")
            return


def _one_host(symptoms: Symptoms) -> Iterator[Feature]:
    hurt = frozenset().union(*symptoms.hosts.values()) if symptoms.hosts else frozenset()
    hurt_services = {s for s, found in symptoms.instances.items() if found & hurt}
    host = next((h for h, here in sorted(symptoms.hosts.items()) if here == hurt), None)
    if host is not None and len(hurt_services) > 1 and len(symptoms.hosts) == 1:
        yield Feature(
            WeightName.NOTHING_ONE_HOST,
            1.0,
            f"instances of {len(hurt_services)} services alert, all on {host}",
        )


def _versions(case: Case) -> Iterator[Feature]:
    """Say when every version of a service fails, or when the one that fails is of no change we know."""
    rows = case.evidence.versions
    alike = all_versions_fail(rows)
    if alike is not None:
        yield Feature(WeightName.NOTHING_VERSIONS_ALIKE, 1.0, f"all versions of {alike} fail alike")
    recorded = {(service, c.version) for c in case.changes for service in (c.service, *c.also_touches)}
    for service, version in sorted({(row.observed_at, row.version) for row in rows}):
        if any(s == service and v is not None and same_version(v, version) for s, v in recorded):
            continue
        found = contrast(rows, frozenset({service}), version)
        if found is not None and found.standing is Standing.WORSE and found.old is not None:
            sentence = f"{service} {version} does worse than {found.old.version}, brought by no known change"
            yield Feature(WeightName.NOTHING_UNLISTED_VERSION, 1.0, sentence)
            return
