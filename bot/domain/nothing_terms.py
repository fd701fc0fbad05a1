"""What speaks for "nothing changed": infrastructure, providers, traffic, certificates."""

from collections.abc import Iterator

from bot.domain.correlation_case import Case, Feature
from bot.domain.correlation_terms import harm
from bot.domain.lexicon import (
    CERTIFICATE_PHRASES,
    INFRASTRUCTURE_PHRASES,
    MAINTENANCE_PHRASES,
    PROVIDER_PHRASES,
    TRAFFIC_PHRASES,
)
from bot.domain.symptoms import Symptoms
from bot.domain.weights import WeightName

_OUTSIDE_PHRASES = PROVIDER_PHRASES + TRAFFIC_PHRASES + CERTIFICATE_PHRASES + MAINTENANCE_PHRASES


def nothing_features(case: Case, symptoms: Symptoms) -> tuple[Feature, ...]:
    """Return everything measured that speaks for a cause other than a change."""
    return tuple(_measure(case, symptoms))


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
    for rival in case.evidence.rivals:
        sentence = f"{rival.kind.value.replace('_', ' ')} reported: {rival.summary[:80]}"
        yield Feature(WeightName.NOTHING_RIVAL, 1.0, sentence)
    if symptoms.host_alerts:
        share = min(1.0, 0.5 + symptoms.host_alerts / symptoms.count)
        yield Feature(WeightName.NOTHING_HOSTS, share, f"{symptoms.host_alerts} alerts are of hosts")
    yield from _one_host(symptoms)
    yield from _versions(case)


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
    """Say when every version of a service fails: then no version is to blame."""
    by_service: dict[str, dict[str, float]] = {}
    for row in case.evidence.versions:
        worst = by_service.setdefault(row.observed_at, {})
        worst[row.version] = max(worst.get(row.version, 0.0), harm(row))
    for service, versions in sorted(by_service.items()):
        if len(versions) > 1 and min(versions.values()) >= 0.3:
            yield Feature(WeightName.NOTHING_VERSIONS_ALIKE, 1.0, f"all versions of {service} fail alike")
            return
