"""Compare how the versions of a service do side by side: the strongest evidence there is."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from math import log2

from bot.domain.evidence import VersionEvidence
from bot.domain.ids import ServiceName

NOTICEABLE = 0.1
"""Our choice: three per cent of failed calls, or latency up by half."""
_FAILURE_SCALE = 3.0
_LATENCY_NOISE = 0.3  # Powers of two: latency that moves by less than a quarter is noise.
_ENOUGH_SAMPLES = 10.0
_UNKNOWN_SAMPLES = 0.5


class Standing(StrEnum):
    """How one version does beside the others."""

    WORSE = "worse"
    HEALTHY = "healthy"
    ALIKE = "alike"


@dataclass(frozen=True)
class Contrast:
    """The edge on which one version of a service differs most from the others."""

    service: ServiceName
    standing: Standing
    excess: float
    """How much worse it does, 0 to 2; 0 unless WORSE."""
    new: VersionEvidence
    old: VersionEvidence | None


def contrast(
    rows: Iterable[VersionEvidence], services: frozenset[ServiceName], version: str | None
) -> Contrast | None:
    """Return how *version* of *services* does, None when no row shows it."""
    if version is None:
        return None
    found: list[Contrast] = []
    for edge in _edges(row for row in rows if row.observed_at in services).values():
        new = [row for row in edge if same_version(row.version, version)]
        old = [row for row in edge if not same_version(row.version, version)]
        found += [_compare(row, old, edge) for row in new]
    order = {Standing.WORSE: 2, Standing.ALIKE: 1, Standing.HEALTHY: 0}
    return max(found, key=lambda c: (order[c.standing], c.excess, c.new.caller, c.new.callee), default=None)


def _edges(
    rows: Iterable[VersionEvidence],
) -> Mapping[tuple[ServiceName, ServiceName, ServiceName], list[VersionEvidence]]:
    edges: dict[tuple[ServiceName, ServiceName, ServiceName], list[VersionEvidence]] = {}
    for row in rows:
        edges.setdefault((row.observed_at, row.caller, row.callee), []).append(row)
    return edges


def _compare(new: VersionEvidence, old: list[VersionEvidence], edge: list[VersionEvidence]) -> Contrast:
    usual = _usual_latency(new, old, edge)
    mine = harm(new, usual)
    # The mildest of the others is what callers would see without the new version.
    other = min(old, key=lambda row: (harm(row, usual), row.version), default=None)
    excess = mine - (harm(other, usual) if other is not None else 0.0)
    if mine < NOTICEABLE:
        return Contrast(new.observed_at, Standing.HEALTHY, 0.0, new, other)
    if excess >= NOTICEABLE and excess >= mine / 3:
        return Contrast(new.observed_at, Standing.WORSE, excess, new, other)
    return Contrast(new.observed_at, Standing.ALIKE, 0.0, new, other)


def _usual_latency(
    new: VersionEvidence, old: list[VersionEvidence], edge: list[VersionEvidence]
) -> float | None:
    """Return the baseline of the edge, or what the other versions take when nobody recorded one."""
    known = [row.baseline_latency_ms for row in (new, *edge) if row.baseline_latency_ms]
    return known[0] if known else min((row.latency_ms for row in old if row.latency_ms), default=None)


def harm(row: VersionEvidence, usual_latency_ms: float | None) -> float:
    """Return how badly a version does: 0 well, 2 as badly as can be; few samples count less."""
    failed = (100.0 - row.success_rate) / 100.0 * _FAILURE_SCALE
    slower = 0.0
    if row.latency_ms and usual_latency_ms:
        slower = max(0.0, log2(row.latency_ms / usual_latency_ms) - _LATENCY_NOISE) / 2.0
    trust = min(1.0, row.samples / _ENOUGH_SAMPLES) if row.samples else _UNKNOWN_SAMPLES
    return min(2.0, failed + slower) * trust


def all_versions_fail(rows: Iterable[VersionEvidence]) -> ServiceName | None:
    """Return a service of which every one of two or more versions does badly alike, None when none does."""
    for (service, _, _), edge in sorted(_edges(rows).items()):
        usual = _usual_latency(edge[0], edge[1:], edge)
        harms = [harm(row, usual) for row in edge]
        if (
            len({row.version for row in edge}) > 1
            and min(harms) >= NOTICEABLE
            and min(harms) > max(harms) / 2
        ):
            return service
    return None


def same_version(left: str, right: str) -> bool:
    """Return whether two spellings (`v2.1`, `2.1`) are of one version."""
    return left.strip().lower().removeprefix("v") == right.strip().lower().removeprefix("v")
