"""Watch the error rate, and page through the Events API as an alert manager would."""

import asyncio
from collections import Counter, deque
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import httpx
import structlog
from prometheus_client.parser import text_string_to_metric_families

log = structlog.get_logger()

TIMEOUT_S = 3.0


@dataclass(frozen=True, kw_only=True)
class AlertRule:
    """When the monitor pages: errors / requests over *window* above *threshold* for *pending_for*.

    Windows of fewer than *min_requests* say nothing. It resolves below half of the threshold, so that a
    rate at the border does not flap.
    """

    service: str = "checkout"
    threshold: float = 0.05
    window: timedelta = timedelta(seconds=5)
    pending_for: timedelta = timedelta(seconds=1)
    min_requests: int = 20
    resolves: bool = True
    dashboard_url: str = "https://grafana.shop.example/d/checkout"

    @property
    def dedup_key(self) -> str:
        """The alert's key, the same for every firing."""
        return f"{self.service}-error-rate"


@dataclass(frozen=True, kw_only=True)
class Totals:
    """The counters at one time."""

    at: datetime
    requests: int
    errors: Counter[tuple[str, str]] = field(default_factory=Counter)
    """By (version, signature)."""


@dataclass(frozen=True, kw_only=True)
class Reading:
    """What happened within the window."""

    requests: int
    errors: Counter[tuple[str, str]]

    @property
    def ratio(self) -> float:
        """Errors divided by requests; 0.0 without requests."""
        return self.errors.total() / self.requests if self.requests else 0.0


def parse_totals(exposition: str, *, at: datetime) -> Totals:
    """Return the counters of a /metrics body.

    Raises:
        ValueError: it is not Prometheus text.
    """
    requests = 0.0
    errors: Counter[tuple[str, str]] = Counter()
    for family in text_string_to_metric_families(exposition):
        for sample in family.samples:
            if sample.name == "http_requests_total":
                requests += sample.value
            if sample.name == "http_request_errors_total":
                errors[sample.labels["version"], sample.labels["signature"]] += int(sample.value)
    return Totals(at=at, requests=int(requests), errors=errors)


class ErrorWindow:
    """Keeps the totals of a window and reads what grew."""

    def __init__(self, window: timedelta) -> None:
        self._window = window
        self._totals: deque[Totals] = deque()

    def add(self, totals: Totals) -> Reading:
        """Return what happened between the oldest totals in the window and these."""
        if self._totals and totals.requests < self._totals[-1].requests:
            # Counters fell: the service was restarted, and earlier totals compare with nothing.
            self._totals.clear()
        self._totals.append(totals)
        while totals.at - self._totals[0].at > self._window:
            self._totals.popleft()
        oldest = self._totals[0]
        return Reading(requests=totals.requests - oldest.requests, errors=totals.errors - oldest.errors)


class ErrorRateMonitor:
    """Looks at /metrics and sends trigger and resolve events; one that fails is sent at the next look."""

    def __init__(
        self,
        *,
        service_url: str,
        events_url: str,
        routing_key: str,
        rule: AlertRule,
        interval: timedelta = timedelta(milliseconds=500),
        clock: Callable[[], datetime],
    ) -> None:
        self._metrics_url = f"{service_url.rstrip('/')}/metrics"
        self._enqueue_url = f"{events_url.rstrip('/')}/v2/enqueue"
        self._routing_key = routing_key
        self._rule = rule
        self._interval = interval
        self._clock = clock
        self._window = ErrorWindow(rule.window)
        self._bad_since: datetime | None = None
        self.is_firing = False

    @asynccontextmanager
    async def watching(self) -> AsyncIterator[None]:
        """Look at each interval in the background until the block ends."""
        watch = asyncio.create_task(self.run(), name="monitor")
        try:
            yield
        finally:
            watch.cancel()
            await asyncio.gather(watch, return_exceptions=True)

    async def run(self) -> None:
        """Look at each interval until cancelled."""
        async with httpx.AsyncClient(timeout=TIMEOUT_S, trust_env=False) as client:
            while True:
                await self.look(client)
                await asyncio.sleep(self._interval.total_seconds())

    async def look(self, client: httpx.AsyncClient) -> None:
        """Read once, and send what follows from it."""
        try:
            response = await client.get(self._metrics_url)
            response.raise_for_status()
            reading = self._window.add(parse_totals(response.text, at=self._clock()))
            await self._decide(client, reading)
        except (httpx.HTTPError, ValueError) as exc:
            log.warning("monitor_look_failed", cause=str(exc))

    async def _decide(self, client: httpx.AsyncClient, reading: Reading) -> None:
        if reading.requests < self._rule.min_requests:
            return
        now = self._clock()
        since = (self._bad_since or now) if reading.ratio > self._rule.threshold else None
        self._bad_since = since
        if not self.is_firing and since is not None and now - since >= self._rule.pending_for:
            await self._send(client, {"event_action": "trigger", **self._trigger(reading, since)})
            self.is_firing = True
        elif self.is_firing and reading.ratio < self._rule.threshold / 2:
            if self._rule.resolves:
                await self._send(client, {"event_action": "resolve"})
            self.is_firing = False  # Without a resolve too: the next time that it fails is told again.

    async def _send(self, client: httpx.AsyncClient, event: dict[str, object]) -> None:
        keys = {"routing_key": self._routing_key, "dedup_key": self._rule.dedup_key}
        response = await client.post(self._enqueue_url, json=keys | event)
        response.raise_for_status()
        log.info("monitor_event_sent", action=event["event_action"])

    def _trigger(self, reading: Reading, since: datetime) -> dict[str, object]:
        rule = self._rule
        (version, signature), _ = reading.errors.most_common(1)[0]
        return {
            "client": "monitor",
            "client_url": rule.dashboard_url,
            "links": [{"href": rule.dashboard_url, "text": "Dashboard"}],
            "payload": {
                "summary": f"{rule.service}: {reading.ratio:.0%} of requests fail",
                "source": rule.service,
                "severity": "critical",
                "timestamp": since.astimezone(UTC).isoformat(timespec="milliseconds"),
                "component": rule.service,
                "class": "error_rate",
                "custom_details": {
                    "alertname": "ErrorRateHigh",
                    "error_ratio": f"{reading.ratio:.3f}",
                    "threshold": f"{rule.threshold:.3f}",
                    "window": f"{rule.window.total_seconds():.0f}s",
                    "requests": str(reading.requests),
                    "errors": str(reading.errors.total()),
                    "version": version,
                    "top_error": signature,
                    "dashboard": rule.dashboard_url,
                },
            },
        }
