"""What Prometheus can scrape of how we do. Labels are from closed sets: no ids, no text from outside."""

from collections.abc import AsyncIterator, Callable
from datetime import timedelta
from decimal import Decimal

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from bot.ports import Inbox, Message, Stream

_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0)


class PrometheusTelemetry:
    """Implements `Telemetry`, and renders what was measured."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._stored = Histogram(
            "handrail_webhook_stored_seconds",
            "From receiving a webhook to its durable place in the queue.",
            ["stream"],
            buckets=_BUCKETS,
            registry=self.registry,
        )
        # Looking up a label's child costs more than counting; streams are few.
        self._stored_in: dict[str, Histogram] = {}
        self._card = Histogram(
            "handrail_card_seconds",
            "From first hearing of an incident to its card.",
            buckets=_BUCKETS,
            registry=self.registry,
        )
        self._click = Histogram(
            "handrail_click_seconds",
            "From storing a click to its answer.",
            ["reason"],
            buckets=_BUCKETS,
            registry=self.registry,
        )
        self._start = Histogram(
            "handrail_start_seconds",
            "From the approval to the first claimed step.",
            buckets=_BUCKETS,
            registry=self.registry,
        )
        self._outcomes = Counter(
            "handrail_outcomes_total",
            "Proposals by the state they reached.",
            ["state"],
            registry=self.registry,
        )
        self._degraded = Counter(
            "handrail_degraded_total",
            "Times something was done with less than it should have.",
            ["what"],
            registry=self.registry,
        )
        self._tampered = Counter(
            "handrail_tampered_total",
            "Times the record contradicted itself. Anything but 0 is for a person to look at.",
            registry=self.registry,
        )
        self._calls = Counter(
            "handrail_model_calls_total", "Calls of a model.", ["outcome"], registry=self.registry
        )
        self._tokens = Counter(
            "handrail_model_tokens_total", "Tokens of model calls.", ["direction"], registry=self.registry
        )
        self._cost = Counter(
            "handrail_model_cost_usd_total",
            "Cost of model calls, where prices are set.",
            registry=self.registry,
        )
        self._policy = Counter(
            "handrail_policy_files_total",
            "New contents of the policy file, by whether they were taken.",
            ["result"],
            registry=self.registry,
        )
        self._restarts = Gauge(
            "handrail_child_restarts", "Restarts of an embedded server.", ["child"], registry=self.registry
        )

    def stored(self, stream: str, after: timedelta) -> None:
        child = self._stored_in.get(stream)
        if child is None:
            child = self._stored_in[stream] = self._stored.labels(stream)
        child.observe(after.total_seconds())

    def card_shown(self, after: timedelta) -> None:
        self._card.observe(after.total_seconds())

    def click_answered(self, after: timedelta, reason: str) -> None:
        self._click.labels(reason).observe(after.total_seconds())

    def first_step_started(self, after: timedelta) -> None:
        self._start.observe(after.total_seconds())

    def outcome(self, state: str) -> None:
        self._outcomes.labels(state).inc()

    def tampered(self) -> None:
        self._tampered.inc()

    def degraded(self, what: str) -> None:
        self._degraded.labels(what).inc()

    def model_called(
        self, outcome: str, *, tokens_in: int, tokens_out: int, cost_usd: Decimal | None
    ) -> None:
        self._calls.labels(outcome).inc()
        self._tokens.labels("in").inc(tokens_in)
        self._tokens.labels("out").inc(tokens_out)
        if cost_usd is not None:
            self._cost.inc(float(cost_usd))

    def policy_file(self, result: str) -> None:
        """Count a new content of the policy file: `changed` or `refused`."""
        self._policy.labels(result).inc()

    def child_restarted(self, child: str, restarts: int) -> None:
        self._restarts.labels(child).set(restarts)

    def render(self) -> bytes:
        """Return everything in Prometheus text form."""
        return generate_latest(self.registry)


class TimedInbox:
    """Implements `Inbox` over another, and measures how long storing takes."""

    def __init__(self, inbox: Inbox, telemetry: PrometheusTelemetry, monotonic: Callable[[], float]) -> None:
        self._inbox = inbox
        self._telemetry = telemetry
        self._monotonic = monotonic

    async def put(self, stream: Stream, key: str, payload: bytes) -> bool:
        begun = self._monotonic()
        is_new = await self._inbox.put(stream, key, payload)
        self._telemetry.stored(stream, timedelta(seconds=self._monotonic() - begun))
        return is_new

    def messages(self, stream: Stream) -> AsyncIterator[Message]:
        return self._inbox.messages(stream)

    async def done(self, message: Message) -> None:
        await self._inbox.done(message)

    async def postpone(self, message: Message) -> None:
        await self._inbox.postpone(message)

    async def ping(self) -> None:
        await self._inbox.ping()
