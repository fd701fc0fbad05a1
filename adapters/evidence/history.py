"""How the signals went: from the counters that are sampled anyway, or from a Prometheus server."""

from collections.abc import Sequence
from datetime import timedelta
from typing import assert_never

from adapters.evidence import prometheus_range
from adapters.evidence.exposition import Counters
from adapters.evidence.source_http import Asking
from bot.domain.catalogue import ExpositionSignal, HttpSignal, Metric, PrometheusSignal, Signal
from bot.domain.diagnosis import Window
from bot.domain.sources import Point
from bot.ports import Clock


class SignalHistories:
    """Implements `Histories`. *counters* are the signals' own: the last 20 minutes, in memory."""

    def __init__(self, asking: Asking, counters: Counters, clock: Clock) -> None:
        self._asking = asking
        self._counters = counters
        self._clock = clock

    async def points(self, signal: Signal, window: Window) -> Sequence[Point]:
        match signal:
            case ExpositionSignal():
                return self._kept(signal, window)
            case PrometheusSignal():
                metric = Metric(url=signal.url, query=signal.query)
                return await prometheus_range.series(self._asking, metric, window)
            case HttpSignal():
                return ()  # Whether an address answers is looked up when it matters, and not kept.
            case _:
                assert_never(signal)

    def _kept(self, signal: ExpositionSignal, window: Window) -> Sequence[Point]:
        now = self._clock.now()
        kept = [
            Point(at=now - timedelta(seconds=age_s), value=ratio)
            for age_s, ratio in self._counters.told(signal)
        ]
        return tuple(point for point in kept if window.start <= point.at <= window.end)
