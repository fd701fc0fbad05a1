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


@dataclass
class Counters:
    """Remembers the counters of each signal, so that a ratio over a window can be told at once."""

    client: httpx.AsyncClient
    monotonic: Callable[[], float] = time.monotonic
    within_s: float = ANSWER_S
    _seen: dict[str, deque[Sample]] = field(default_factory=dict)

    async def ratio(self, signal: ExpositionSignal) -> tuple[float | None, str]:
        """Return the share of failed requests over the signal's window, or None and why there is none."""
        try:
            await self.sample(signal)
        except (NoAnswer, ValueError) as exc:
            return None, f"{signal.url} gave no counters ({exc})"
        return _ratio(self._seen[_key(signal)], signal.window_s)

    async def sample(self, signal: ExpositionSignal) -> None:
        """Read the counters once and remember them. Raises `NoAnswer` or `ValueError`."""
        raw = await fetch(self.client, signal.url, within_s=self.within_s, most=MAX_BYTES)
        errors, total = _counters(raw.decode(errors="replace"), signal)
        seen = self._seen.setdefault(_key(signal), deque(maxlen=KEPT))
        if seen and (total < seen[-1].total or errors < seen[-1].errors):
            seen.clear()  # The service was restarted: its counters began again.
        seen.append(Sample(at_s=self.monotonic(), errors=errors, total=total))


def _key(signal: ExpositionSignal) -> str:
    return signal.model_dump_json()


def _ratio(seen: deque[Sample], window_s: int) -> tuple[float | None, str]:
    newest = seen[-1]
    # What was seen long before a silence would tell of another time, not of this window.
    near = [sample for sample in seen if newest.at_s - sample.at_s <= _NEAR * window_s]
    before = [sample for sample in near if newest.at_s - sample.at_s >= window_s]
    oldest = before[-1] if before else near[0]
    # Half a window tells something; less would be a guess from a handful of requests.
    if newest.at_s - oldest.at_s < window_s / 2:
        return None, f"not yet watched for {window_s / 2:g} s"
    requests = newest.total - oldest.total
    if requests <= 0:
        return None, f"no requests in the last {window_s} s"
    return (newest.errors - oldest.errors) / requests, ""


def _counters(text: str, signal: ExpositionSignal) -> tuple[float, float]:
    wanted = {signal.errors: 0.0, signal.total: 0.0}
    missing = set(wanted)
    for name, labels, value in _samples(_lines_about(wanted, text)):
        if name in wanted and signal.labels.items() <= labels.items():
            if not math.isfinite(value) or value < 0:
                raise ValueError(f"{name} is {value}")
            wanted[name] += value
            missing.discard(name)
    # A counter with labels has no line before its first error, only its type; a name misspelt has neither.
    if signal.total in missing or (missing and not _is_declared(signal.errors, text)):
        raise ValueError(f"there is no counter {' or '.join(sorted(missing))}")
    return wanted[signal.errors], wanted[signal.total]


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
