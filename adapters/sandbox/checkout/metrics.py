"""The service's Prometheus metrics."""

from collections.abc import Iterable
from datetime import datetime

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from adapters.sandbox.checkout.releases import SERVICE

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


class Metrics:
    """Counts this process's requests; the counters begin at zero again when it is started again."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        labels = ("service", "version")
        self._requests = Counter(
            "http_requests", "Requests answered.", (*labels, "code"), registry=self._registry
        )
        self._errors = Counter(
            "http_request_errors",
            "Requests failed, by what failed.",
            (*labels, "signature"),
            registry=self._registry,
        )
        self._duration = Histogram(
            "http_request_duration_seconds", "Time to answer.", labels, registry=self._registry
        )
        self._start = Gauge(
            "process_start_time_seconds", "Start of what serves, Unix time.", registry=self._registry
        )
        self._build = Gauge("build_info", "1 for each version that serves.", labels, registry=self._registry)

    def observe(self, version: str, code: int, duration_s: float, signature: str | None) -> None:
        """Count one request."""
        self._requests.labels(SERVICE, version, str(code)).inc()
        self._duration.labels(SERVICE, version).observe(duration_s)
        if signature is not None:
            self._errors.labels(SERVICE, version, signature).inc()

    def exposition(self, *, serving: Iterable[str], started_at: datetime) -> bytes:
        """Return everything in Prometheus's text form."""
        self._start.set(started_at.timestamp())
        self._build.clear()
        for version in serving:
            self._build.labels(SERVICE, version).set(1)
        return generate_latest(self._registry)
