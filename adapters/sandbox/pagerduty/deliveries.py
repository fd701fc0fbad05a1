"""Deliver V3 webhooks as PagerDuty does: signed, in order per incident, retried, dropped on a 4xx."""

import asyncio
import hashlib
import hmac
import random
from collections import deque
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Literal, assert_never

import httpx
import structlog

from adapters.sandbox.pagerduty.changes import Changes
from adapters.sandbox.pagerduty.models import Subscription, WebhookEvent, WebhookTiming
from adapters.sandbox.pagerduty.problems import NotFound

log = structlog.get_logger()

DeliveryOutcome = Literal["delivered", "retrying", "dropped", "expired", "lost", "discarded"]
"""lost: withheld on request of the test. discarded: in the queue of a subscription that was disabled."""


@dataclass(frozen=True, kw_only=True)
class Delivery:
    """One attempt; *status* is None when no answer came."""

    event_id: str
    event_type: str
    subscription_id: str
    webhook_id: str
    attempt: int
    status: int | None
    outcome: DeliveryOutcome
    at: datetime


@dataclass(frozen=True)
class _Queued:
    event: WebhookEvent
    webhook_id: str
    since: datetime


def signature(secrets: tuple[str, ...], body: bytes) -> str:
    """Return X-PagerDuty-Signature: one "v1=<hex>" for each live secret, comma-separated."""
    return ",".join(f"v1={hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()}" for secret in secrets)


class Deliverer:
    """Sends events to the subscriptions while `running`; events published before wait for it."""

    def __init__(
        self,
        subscriptions: tuple[Subscription, ...],
        timing: WebhookTiming,
        *,
        clock: Callable[[], datetime],
        changes: Changes,
        new_id: Callable[[str, int], str],
    ) -> None:
        self.subscriptions = {subscription.id: subscription for subscription in subscriptions}
        self.deliveries: list[Delivery] = []
        self.events: dict[str, WebhookEvent] = {}
        self._timing = timing
        self._clock = clock
        self._changes = changes
        self._new_id = new_id
        self._queues: dict[tuple[str, str], deque[_Queued]] = {}
        self._drops_in_a_row: dict[str, int] = {}
        self._workers: dict[tuple[str, str], asyncio.Task[None]] = {}
        self._client: httpx.AsyncClient | None = None
        self._to_lose = 0
        self._loss_ratio = 0.0
        self._loss_random = random.Random(0)  # nosec B311 # Losses that can be played again.

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Deliver until the block ends; what is queued then is forgotten."""
        async with httpx.AsyncClient(timeout=self._timing.timeout.total_seconds(), trust_env=False) as client:
            self._client = client
            for key in self._queues:
                self._work_on(key)
            try:
                yield
            finally:
                self._client = None
                workers = tuple(self._workers.values())
                for worker in workers:
                    worker.cancel()
                await asyncio.gather(*workers, return_exceptions=True)

    def lose(self, count: int = 0, *, ratio: float = 0.0, seed: int = 0) -> None:
        """Never send the next *count* events, and after them each with probability *ratio*."""
        self._to_lose = count
        self._loss_ratio = ratio
        self._loss_random = random.Random(seed)  # nosec B311 # Losses that can be played again.

    def publish(self, event: WebhookEvent) -> None:
        """Queue the event for every active subscription that wants it."""
        self.events[event.id] = event
        is_lost = self._is_lost()
        for subscription in self.subscriptions.values():
            if not self._is_for(subscription, event):
                continue
            queued = _Queued(event, self._new_id("W", 26), self._clock())
            if is_lost:
                self._record(queued, subscription.id, 0, None, "lost")
            else:
                self._enqueue(subscription.id, queued)
        self._changes.announce()

    def redeliver(self, event_id: str) -> None:
        """Queue an event again with the same event id, as at-least-once delivery may.

        Raises:
            NotFound: no event has this id.
        """
        event = self.events.get(event_id)
        if event is None:
            raise NotFound
        for subscription in self.subscriptions.values():
            if self._is_for(subscription, event):
                self._enqueue(subscription.id, _Queued(event, self._new_id("W", 26), self._clock()))

    def enable(self, subscription_id: str) -> Subscription:
        """Switch a disabled subscription on again; what its queue held is gone."""
        if subscription_id not in self.subscriptions:
            raise NotFound
        self._drops_in_a_row[subscription_id] = 0
        return self._set(replace(self.subscriptions[subscription_id], active=True))

    def subscribe(self, subscription: Subscription) -> None:
        """Add a subscription, or replace the one with its id (new secrets, another address)."""
        self._set(subscription)

    def _set(self, subscription: Subscription) -> Subscription:
        self.subscriptions[subscription.id] = subscription
        self._changes.announce()
        return subscription

    def _is_for(self, subscription: Subscription, event: WebhookEvent) -> bool:
        if event.only_subscription is not None:
            return event.only_subscription == subscription.id
        return subscription.active and subscription.wants(event.event_type, event.service_id)

    def _is_lost(self) -> bool:
        if self._to_lose > 0:
            self._to_lose -= 1
            return True
        return self._loss_random.random() < self._loss_ratio

    def _enqueue(self, subscription_id: str, queued: _Queued) -> None:
        key = (subscription_id, queued.event.queue)
        self._queues.setdefault(key, deque()).append(queued)
        self._work_on(key)

    def _work_on(self, key: tuple[str, str]) -> None:
        if self._client is None or key in self._workers or not self._queues[key]:
            return
        worker = asyncio.create_task(self._drain(self._client, key), name=f"webhooks-{key[0]}-{key[1]}")
        self._workers[key] = worker

    async def _drain(self, client: httpx.AsyncClient, key: tuple[str, str]) -> None:
        queue = self._queues[key]
        try:
            while queue:
                head = queue[0]
                await self._deliver(client, key[0], head)
                # A subscription that was disabled meanwhile has emptied its queues.
                if queue and queue[0] is head:
                    queue.popleft()
        finally:
            del self._workers[key]

    async def _deliver(self, client: httpx.AsyncClient, subscription_id: str, queued: _Queued) -> None:
        attempt = 0
        while True:
            attempt += 1
            subscription = self.subscriptions[subscription_id]
            if attempt > 1 and not subscription.active:
                self._record(queued, subscription_id, attempt, None, "discarded")
                return
            status = await self._post(client, subscription, queued)
            outcome = self._judge(status, queued)
            self._record(queued, subscription_id, attempt, status, outcome)
            match outcome:
                case "delivered":
                    self._drops_in_a_row[subscription_id] = 0
                    return
                case "dropped":
                    self._count_drop(subscription_id)
                    return
                case "expired" | "lost" | "discarded":
                    return
                case "retrying":
                    await asyncio.sleep(self._timing.backoff(attempt).total_seconds())
                case _:
                    assert_never(outcome)

    async def _post(
        self, client: httpx.AsyncClient, subscription: Subscription, queued: _Queued
    ) -> int | None:
        headers = dict(subscription.headers) | {
            "Content-Type": "application/json",
            "User-Agent": "PagerDuty-Webhook/V3.0",
            "X-PagerDuty-Signature": signature(subscription.secrets, queued.event.body),
            "X-Webhook-Id": queued.webhook_id,
            "X-Webhook-Subscription": subscription.id,
        }
        try:
            # httpx limits each read; PagerDuty limits the whole exchange.
            async with asyncio.timeout(self._timing.timeout.total_seconds()):
                response = await client.post(subscription.url, content=queued.event.body, headers=headers)
        except (httpx.HTTPError, TimeoutError) as exc:
            log.info("webhook_unanswered", event_id=queued.event.id, cause=type(exc).__name__)
            return None
        return response.status_code

    def _judge(self, status: int | None, queued: _Queued) -> DeliveryOutcome:
        if status is not None and 200 <= status < 300:
            return "delivered"
        if status is not None and status != 429 and status < 500:
            return "dropped"
        return "expired" if self._clock() - queued.since >= self._timing.horizon else "retrying"

    def _count_drop(self, subscription_id: str) -> None:
        drops = self._drops_in_a_row.get(subscription_id, 0) + 1
        self._drops_in_a_row[subscription_id] = drops
        if drops < self._timing.drops_before_disabled:
            return
        self._set(replace(self.subscriptions[subscription_id], active=False))
        for (owner, _), queue in self._queues.items():
            if owner == subscription_id:
                for queued in list(queue)[1:]:
                    self._record(queued, subscription_id, 0, None, "discarded")
                queue.clear()

    def _record(
        self,
        queued: _Queued,
        subscription_id: str,
        attempt: int,
        status: int | None,
        outcome: DeliveryOutcome,
    ) -> None:
        self.deliveries.append(
            Delivery(
                event_id=queued.event.id,
                event_type=queued.event.event_type,
                subscription_id=subscription_id,
                webhook_id=queued.webhook_id,
                attempt=attempt,
                status=status,
                outcome=outcome,
                at=self._clock(),
            )
        )
        self._changes.announce()
