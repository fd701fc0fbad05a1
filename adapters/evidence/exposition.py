"""Error ratios from a service's own counters in Prometheus text form."""

import asyncio
import math
import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

import httpx
from prometheus_client.parser import text_string_to_metric_families

from bot.domain.catalogue import ExpositionSignal

MAX_BYTES = 5 * 1024 * 1024
FETCH_S = 2.0
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
    _seen: dict[str, deque[Sample]] = field(default_factory=dict)

    async def ratio(self, signal: ExpositionSignal) -> tuple[float | None, str]:
        """Return the share of failed requests over the signal's window, or None and why there is none."""
        try:
            await self.sample(signal)
        except (httpx.HTTPError, ValueError, TimeoutError) as exc:
            return None, f"{signal.url} gave no counters ({type(exc).__name__})"
        return _ratio(self._seen[_key(signal)], signal.window_s)

    async def sample(self, signal: ExpositionSignal) -> None:
        """Read the counters once and remember them."""
        async with asyncio.timeout(FETCH_S):
            text = await self._fetch(signal.url)
        errors, total = _counters(text, signal)
        seen = self._seen.setdefault(_key(signal), deque(maxlen=KEPT))
        if seen and (total < seen[-1].total or errors < seen[-1].errors):
            seen.clear()  # The service was restarted: its counters began again.
        seen.append(Sample(at_s=self.monotonic(), errors=errors, total=total))

    async def _fetch(self, url: str) -> str:
        read = bytearray()
        async with self.client.stream("GET", url, timeout=FETCH_S, follow_redirects=False) as answer:
            answer.raise_for_status()
            async for part in answer.aiter_bytes():
                read += part
                if len(read) > MAX_BYTES:
                    raise ValueError(f"more than {MAX_BYTES} bytes")
        return read.decode()


def _key(signal: ExpositionSignal) -> str:
    return signal.model_dump_json()


def _ratio(seen: deque[Sample], window_s: int) -> tuple[float | None, str]:
    newest = seen[-1]
    before = [sample for sample in seen if newest.at_s - sample.at_s >= window_s]
    oldest = before[-1] if before else seen[0]
    # Half a window tells something; less would be a guess from a handful of requests.
    if newest.at_s - oldest.at_s < window_s / 2:
        return None, f"not yet watched for {window_s / 2:g} s"
    requests = newest.total - oldest.total
    if requests <= 0:
        return None, f"no requests in the last {window_s} s"
    return (newest.errors - oldest.errors) / requests, ""


def _counters(text: str, signal: ExpositionSignal) -> tuple[float, float]:
    wanted = {signal.errors: 0.0, signal.total: 0.0}
    found = set[str]()
    for name, labels, value in _samples(text):
        if name in wanted and signal.labels.items() <= labels.items():
            if not math.isfinite(value):
                raise ValueError(f"{name} is {value}")
            wanted[name] += value
            found.add(name)
    if signal.total not in found:
        raise ValueError(f"there is no counter {signal.total}")
    return wanted[signal.errors], wanted[signal.total]


def _samples(text: str) -> Iterable[tuple[str, Mapping[str, str], float]]:
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            yield sample.name, sample.labels, sample.value
