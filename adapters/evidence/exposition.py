"""Error ratios from a service's own counters in Prometheus text form."""

import math
import re
import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

import httpx
from prometheus_client.parser import text_string_to_metric_families

from adapters.evidence.fetching import ANSWER_S, NoAnswer, fetch
from bot.domain.catalogue import ExpositionSignal
from bot.domain.errors import Unavailable
from bot.domain.sources import VersionShare

MAX_BYTES = 5 * 1024 * 1024
_NEAR = (
    1.5  # Windows: the samples stand a second or more apart, so one rarely lies just at the window's start.
)
KEPT = 1200  # Samples kept for each signal: 20 minutes at one a second.


@dataclass(frozen=True)
class Sample:
    """Two counters at one time, in seconds of a clock that only goes forward."""

    at_s: float
    errors: float
    total: float
    versions: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    """Both counters of each value of the label `version`; empty when the total does not have it."""


@dataclass
class Counters:
    """Remembers the counters of each signal, so that a ratio over a window can be told at once."""

    client: httpx.AsyncClient
    monotonic: Callable[[], float] = time.monotonic
    within_s: float = ANSWER_S
    _seen: dict[str, deque[Sample]] = field(default_factory=dict)
    _told: dict[str, deque[tuple[float, float]]] = field(default_factory=dict)
    """When which ratio was told. It outlives a restart of the service, which the counters do not."""

    async def ratio(self, signal: ExpositionSignal) -> tuple[float | None, str]:
        """Return the share of failed requests over the signal's window, or None and why there is none."""
        try:
            await self.sample(signal)
        except (NoAnswer, ValueError) as exc:
            return None, f"{signal.url} gave no counters ({exc})"
        seen = self._seen[_key(signal)]
        value, why = _ratio(seen, signal.window_s)
        if value is not None:
            told = self._told.setdefault(_key(signal), deque(maxlen=KEPT))
            told.append((seen[-1].at_s, value))
        return value, why

    def told(self, signal: ExpositionSignal) -> tuple[tuple[float, float], ...]:
        """Return the age in seconds and the value of each ratio that was told lately, oldest first."""
        now_s = self.monotonic()
        return tuple((now_s - at_s, value) for at_s, value in self._told.get(_key(signal), ()))

    async def by_version(self, signal: ExpositionSignal) -> tuple[VersionShare, ...]:
        """Return how the requests to each version went over the signal's window.

        A version without requests is left out. Raises `Unavailable`.
        """
        try:
            await self.sample(signal)
        except (NoAnswer, ValueError) as exc:
            raise Unavailable(f"{signal.url} gave no counters ({exc})") from exc
        oldest, newest = _ends(self._seen[_key(signal)], signal.window_s)
        shares = []
        for version, (errors, total) in sorted(newest.versions.items()):
            errors_before, total_before = oldest.versions.get(version, (0.0, 0.0))
            requests, failed = total - total_before, errors - errors_before
            if requests >= 1 and 0 <= failed <= requests:
                shares.append(VersionShare(version=version, failed=failed / requests, requests=int(requests)))
        return tuple(shares)

    async def sample(self, signal: ExpositionSignal) -> None:
        """Read the counters once and remember them. Raises `NoAnswer` or `ValueError`."""
        raw = await fetch(self.client, signal.url, within_s=self.within_s, most=MAX_BYTES)
        errors, total, versions = _counters(raw.decode(errors="replace"), signal)
        seen = self._seen.setdefault(_key(signal), deque(maxlen=KEPT))
        if seen and (total < seen[-1].total or errors < seen[-1].errors):
            seen.clear()  # The service was restarted: its counters began again.
        seen.append(Sample(at_s=self.monotonic(), errors=errors, total=total, versions=versions))


def _key(signal: ExpositionSignal) -> str:
    return signal.model_dump_json()


def _ends(seen: deque[Sample], window_s: int) -> tuple[Sample, Sample]:
    """Return the samples at the start and at the end of the window; one and the same when there is one."""
    newest = seen[-1]
    # What was seen long before a silence would tell of another time, not of this window.
    near = [sample for sample in seen if newest.at_s - sample.at_s <= _NEAR * window_s]
    before = [sample for sample in near if newest.at_s - sample.at_s >= window_s]
    return (before[-1] if before else near[0]), newest


def _ratio(seen: deque[Sample], window_s: int) -> tuple[float | None, str]:
    oldest, newest = _ends(seen, window_s)
    # Half a window tells something; less would be a guess from a handful of requests.
    if newest.at_s - oldest.at_s < window_s / 2:
        return None, f"not yet watched for {window_s / 2:g} s"
    requests = newest.total - oldest.total
    if requests <= 0:
        return None, f"no requests in the last {window_s} s"
    return (newest.errors - oldest.errors) / requests, ""


def _counters(text: str, signal: ExpositionSignal) -> tuple[float, float, Mapping[str, tuple[float, float]]]:
    """Return failed and all requests, and the two of each version."""
    wanted = {signal.errors: 0.0, signal.total: 0.0}
    versions: dict[str, dict[str, float]] = {}
    missing = set(wanted)
    for name, labels, value in _samples(_lines_about(wanted, text)):
        if name in wanted and signal.labels.items() <= labels.items():
            if not math.isfinite(value) or value < 0:
                raise ValueError(f"{name} is {value}")
            wanted[name] += value
            missing.discard(name)
            if version := labels.get("version"):
                counted = versions.setdefault(version, dict.fromkeys(wanted, 0.0))
                counted[name] += value
    # A counter with labels has no line before its first error, only its type; a name misspelt has neither.
    if signal.total in missing or (missing and not _is_declared(signal.errors, text)):
        raise ValueError(f"there is no counter {' or '.join(sorted(missing))}")
    by_version = {name: (counted[signal.errors], counted[signal.total]) for name, counted in versions.items()}
    return wanted[signal.errors], wanted[signal.total], by_version


def _lines_about(names: Iterable[str], text: str) -> str:
    """Return only the lines that may hold *names*: a service serves thousands that do not matter here."""
    starts = tuple(names)
    return "".join(f"{line}\n" for line in text.split("\n") if line.startswith(starts))


def _is_declared(name: str, text: str) -> bool:
    bare = re.escape(name.removesuffix("_total"))
    return re.search(rf"^# TYPE {bare}(?:_total)? ", text, re.MULTILINE) is not None


def _samples(text: str) -> Iterable[tuple[str, Mapping[str, str], float]]:
    try:
        for family in text_string_to_metric_families(text):
            for sample in family.samples:
                yield sample.name, sample.labels, sample.value
    except (ValueError, LookupError, TypeError) as exc:  # What the parser raises depends on the line.
        raise ValueError("a line of them cannot be read") from exc
