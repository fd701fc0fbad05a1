"""The sources of an investigation in memory, for tests and for trying things out."""

from collections.abc import Mapping, Sequence

from bot.domain.catalogue import ExpositionSignal, HttpVersion, LogStore, Metric, Signal
from bot.domain.diagnosis import Window
from bot.domain.errors import NotFound, Unavailable
from bot.domain.ids import ServiceName
from bot.domain.sources import AddedAnswer, ChangeDiff, Inquiry, LogLine, LogLines, Point, VersionShare


class MemoryLogs:
    """Logs with the given error lines; services in *silent* do not answer."""

    def __init__(
        self, lines: Mapping[ServiceName, Sequence[LogLine]], *, silent: frozenset[ServiceName] = frozenset()
    ) -> None:
        self._lines = lines
        self._silent = silent

    async def errors(self, service: ServiceName, store: LogStore, window: Window) -> LogLines:
        if service in self._silent:
            raise Unavailable(f"{store.url} gave nothing (ConnectError)")
        found = [line for line in self._lines.get(service, ()) if window.start <= line.at <= window.end]
        return LogLines(lines=tuple(sorted(found, key=lambda line: line.at)))


class MemoryMetrics:
    """Metrics by query; a query that is not known is `Unavailable`."""

    def __init__(
        self,
        series: Mapping[str, Sequence[Point]] | None = None,
        versions: Mapping[str, Sequence[VersionShare]] | None = None,
    ) -> None:
        self._series = series or {}
        self._versions = versions or {}

    async def series(self, metric: Metric, window: Window) -> Sequence[Point]:
        if metric.query not in self._series:
            raise Unavailable(f"{metric.url} gave nothing (ConnectError)")
        found = [point for point in self._series[metric.query] if window.start <= point.at <= window.end]
        return tuple(sorted(found, key=lambda point: point.at))

    async def by_version(self, source: ExpositionSignal | Metric) -> Sequence[VersionShare]:
        """Return what was given for the metric's query, or for the signal's address."""
        known = source.query if isinstance(source, Metric) else source.url
        if isinstance(source, Metric) and known not in self._versions:
            raise Unavailable(f"{source.url} gave nothing (ConnectError)")
        return self._versions.get(known, ())


class MemoryHistories:
    """Histories by the address of the signal; one that is not known has no points."""

    def __init__(self, points: Mapping[str, Sequence[Point]] | None = None) -> None:
        self._points = points or {}

    async def points(self, signal: Signal, window: Window) -> Sequence[Point]:
        found = [one for one in self._points.get(signal.url, ()) if window.start <= one.at <= window.end]
        return tuple(sorted(found, key=lambda point: point.at))


class MemoryDiffs:
    """Repositories with the given differences, by repository, base and head."""

    def __init__(self, diffs: Mapping[tuple[str, str, str], ChangeDiff]) -> None:
        self._diffs = diffs

    async def diff(self, repository: str, base: str, head: str) -> ChangeDiff:
        found = self._diffs.get((repository, base, head))
        if found is None:
            raise NotFound(f"{repository} knows nothing of {base} or {head}")
        return found


class MemoryTools:
    """Added tools that always say the same."""

    def __init__(self, answers: Sequence[AddedAnswer]) -> None:
        self._answers = answers
        self.asked: list[Inquiry] = []

    async def ask(self, inquiry: Inquiry) -> Sequence[AddedAnswer]:
        self.asked.append(inquiry)
        return self._answers


class MemoryVersions:
    """Versions by the address that says them; an address that is not known is `Unavailable`."""

    def __init__(self, serving: Mapping[str, str] | None = None) -> None:
        self.by_url = dict(serving or {})

    async def serving(self, source: HttpVersion) -> str:
        if source.url not in self.by_url:
            raise Unavailable(f"{source.url} gave nothing (ConnectError)")
        return self.by_url[source.url]
