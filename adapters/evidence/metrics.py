"""Metrics of an investigation: Prometheus queries, and the counters that are sampled anyway."""

from collections.abc import Sequence
from typing import assert_never

from adapters.evidence import prometheus_range
from adapters.evidence.exposition import Counters
from adapters.evidence.source_http import Asking
from bot.domain.catalogue import ExpositionSignal, Metric
from bot.domain.diagnosis import Window
from bot.domain.sources import Point, VersionShare


class HttpMetrics:
    """Implements `Metrics`. *counters* are those that the signals keep."""

    def __init__(self, asking: Asking, counters: Counters) -> None:
        self._asking = asking
        self._counters = counters

    async def series(self, metric: Metric, window: Window) -> Sequence[Point]:
        return await prometheus_range.series(self._asking, metric, window)

    async def by_version(self, source: ExpositionSignal | Metric) -> Sequence[VersionShare]:
        match source:
            case ExpositionSignal():
                return await self._counters.by_version(source)
            case Metric():
                return await prometheus_range.by_version(self._asking, source)
            case _:
                assert_never(source)
