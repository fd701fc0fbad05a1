"""The sandbox PagerDuty: one account, its app, and what a person or a test does with it."""

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from datetime import datetime, timedelta

from starlette.applications import Starlette
from starlette.types import ASGIApp

from adapters.sandbox.pagerduty.account import Account
from adapters.sandbox.pagerduty.bodies import Bodies
from adapters.sandbox.pagerduty.changes import Changes
from adapters.sandbox.pagerduty.control import ControlRoutes
from adapters.sandbox.pagerduty.deliveries import Deliverer, Delivery
from adapters.sandbox.pagerduty.events_api import EventsApi, urgency_of
from adapters.sandbox.pagerduty.faults import Fault, FaultLayer, FaultPlan, RecordedRequest
from adapters.sandbox.pagerduty.lifecycle import Lifecycle
from adapters.sandbox.pagerduty.models import (
    Alert,
    AlertSpec,
    ChangeRecord,
    Incident,
    JsonObject,
    Note,
    PagerDutyConfig,
    Severity,
    StatusUpdate,
    Subscription,
)
from adapters.sandbox.pagerduty.problems import NotFound
from adapters.sandbox.pagerduty.rest_account import AccountRoutes, ping
from adapters.sandbox.pagerduty.rest_incidents import IncidentRoutes


class SandboxPagerDuty:
    """Serve `app`; the methods act as a person, a monitor or a fault would, inside the same event loop.

    *clock* returns the present time with a zone. Methods that act on an incident raise NotFound for an
    unknown id and InvalidInput for what cannot happen to it now.
    """

    def __init__(self, config: PagerDutyConfig, *, clock: Callable[[], datetime]) -> None:
        self._changes = Changes()
        self._account = Account(config, clock=clock)
        self._bodies = Bodies(self._account)
        self._deliverer = Deliverer(
            config.subscriptions,
            config.timing,
            clock=clock,
            changes=self._changes,
            new_id=self._account.new_id,
        )
        self._lifecycle = Lifecycle(self._account, self._bodies, publish=self._deliverer.publish)
        self._faults = FaultPlan()
        self._layer = FaultLayer(
            self._build_app(), self._faults, clock=clock, changes=self._changes, rate_limit=config.rate_limit
        )

    @property
    def app(self) -> ASGIApp:
        """The ASGI app; webhooks go out while it is served."""
        return self._layer

    def trigger(
        self,
        service_id: str,
        title: str,
        *,
        severity: Severity = "critical",
        details: str = "",
        at: datetime | None = None,
        alerts: tuple[AlertSpec, ...] | None = None,
        by: str | None = None,
    ) -> Incident:
        """Open an incident; without *alerts* it has one, made from title and severity. *at* backdates it."""
        specs = (AlertSpec(summary=title, severity=severity),) if alerts is None else alerts
        urgency = urgency_of(severity)
        return self._lifecycle.open(
            service_id, title, urgency=urgency, alerts=specs, details=details, at=at, by=by
        )

    def acknowledge(self, incident_id: str, user_id: str) -> Incident:
        """Acknowledge as this user."""
        return self._lifecycle.acknowledge(incident_id, by=user_id)

    def unacknowledge(self, incident_id: str) -> Incident:
        """Let the acknowledgement time out."""
        return self._lifecycle.unacknowledge(incident_id)

    def resolve(self, incident_id: str, user_id: str) -> Incident:
        """Resolve as this user."""
        return self._lifecycle.resolve(incident_id, by=user_id)

    def reopen(self, incident_id: str, user_id: str | None = None) -> Incident:
        """Reopen a resolved incident."""
        return self._lifecycle.reopen(incident_id, by=user_id)

    def annotate(self, incident_id: str, content: str, user_id: str) -> Note:
        """Add a note as this user."""
        return self._lifecycle.annotate(incident_id, content, by=user_id)

    def tell_subscribers(self, incident_id: str, message: str, user_id: str) -> StatusUpdate:
        """Publish a status update as this user."""
        return self._lifecycle.tell_subscribers(incident_id, message, by=user_id)

    def set_fields(self, incident_id: str, values: Mapping[str, str | None], user_id: str) -> None:
        """Set custom fields by name as this user."""
        self._lifecycle.set_fields(incident_id, values, by=user_id)

    def escalate(self, incident_id: str, user_id: str | None = None) -> Incident:
        """Escalate to the next level."""
        return self._lifecycle.escalate(incident_id, by=user_id)

    def reassign(self, incident_id: str, to: tuple[str, ...], user_id: str | None = None) -> Incident:
        """Assign to the users *to*."""
        return self._lifecycle.reassign(incident_id, to, by=user_id)

    def set_priority(self, incident_id: str, priority_id: str | None, user_id: str | None = None) -> Incident:
        """Set or remove the priority."""
        return self._lifecycle.set_priority(incident_id, priority_id, by=user_id)

    def move(self, incident_id: str, service_id: str, user_id: str | None = None) -> Incident:
        """Move the incident to another service."""
        return self._lifecycle.move(incident_id, service_id, by=user_id)

    def add_responder(
        self, incident_id: str, responder_id: str, *, message: str = "", user_id: str | None = None
    ) -> None:
        """Ask a user to respond."""
        self._lifecycle.add_responder(incident_id, responder_id, message=message, by=user_id)

    def ping(self, subscription_id: str) -> str:
        """Send pagey.ping and return its event id."""
        subscription = self._deliverer.subscriptions.get(subscription_id)
        if subscription is None:
            raise NotFound
        return ping(self._lifecycle, subscription)

    def publish(self, event_type: str, incident_id: str, data: JsonObject, user_id: str | None = None) -> str:
        """Send any V3 event in the incident's queue, known to PagerDuty or not, and return its event id."""
        incident = self._account.incident(incident_id)
        return self._lifecycle.publish(
            event_type, dict(data), queue=incident.id, service_id=incident.service_id, by=user_id
        )

    def subscribe(self, subscription: Subscription) -> None:
        """Add a subscription, or replace the one with its id: rotate secrets, change the address."""
        self._deliverer.subscribe(subscription)

    def redeliver(self, event_id: str) -> None:
        """Deliver an event once more, with the same event id."""
        self._deliverer.redeliver(event_id)

    def drop_webhooks(self, count: int = 0, *, ratio: float = 0.0, seed: int = 0) -> None:
        """Never send the next *count* events; after them lose each with probability *ratio*."""
        self._deliverer.lose(count, ratio=ratio, seed=seed)

    def fail(
        self,
        prefix: str,
        *,
        method: str | None = None,
        status: int | None = None,
        times: int = 1,
        drop_answer: bool = False,
        delay: timedelta = timedelta(),
        ratelimit_reset: int | None = None,
    ) -> None:
        """Let the next requests fail, as `Fault` says."""
        self._faults.add(
            Fault(
                prefix=prefix,
                method=method,
                status=status,
                times=times,
                drop_answer=drop_answer,
                delay=delay,
                ratelimit_reset=ratelimit_reset,
            )
        )

    def heal(self) -> None:
        """Forget every fault and lose no more webhooks."""
        self._faults.clear()
        self._deliverer.lose()

    @property
    def requests(self) -> tuple[RecordedRequest, ...]:
        """Every REST and Events API request so far."""
        return tuple(self._layer.requests)

    @property
    def deliveries(self) -> tuple[Delivery, ...]:
        """Every webhook attempt so far."""
        return tuple(self._deliverer.deliveries)

    @property
    def incidents(self) -> tuple[Incident, ...]:
        """All incidents, oldest first."""
        return tuple(self._account.incidents.values())

    @property
    def change_records(self) -> tuple[ChangeRecord, ...]:
        """All change events, in order of arrival."""
        return tuple(self._account.change_records)

    def incident(self, incident_id: str) -> Incident:
        """Return the incident as it stands."""
        return self._account.incident(incident_id)

    def alerts(self, incident_id: str) -> tuple[Alert, ...]:
        """Return the incident's alerts, oldest first."""
        return self._account.alerts_of(incident_id)

    def notes(self, incident_id: str) -> tuple[Note, ...]:
        """Return the incident's notes, oldest first."""
        return tuple(note for note in self._account.notes if note.incident_id == incident_id)

    def status_updates(self, incident_id: str) -> tuple[StatusUpdate, ...]:
        """Return what the incident's subscribers were told, oldest first."""
        return tuple(one for one in self._account.status_updates if one.incident_id == incident_id)

    def subscription(self, subscription_id: str) -> Subscription:
        """Return a webhook subscription as it stands."""
        return self._deliverer.subscriptions[subscription_id]

    async def wait_for(self, predicate: Callable[[], bool], timeout: float = 60.0) -> None:
        """Return as soon as *predicate* holds, looked at after every change, request and delivery.

        Raises:
            TimeoutError: it did not hold within *timeout* seconds.
        """
        await self._changes.wait_for(predicate, timeout)

    def _build_app(self) -> Starlette:
        @asynccontextmanager
        async def lifespan(_: Starlette) -> AsyncIterator[None]:
            async with self._deliverer.running():
                yield

        incidents = IncidentRoutes(self._account, self._bodies, self._lifecycle)
        around = AccountRoutes(self._account, self._bodies, self._lifecycle, self._deliverer)
        events = EventsApi(self._account, self._lifecycle, changes=self._changes)
        control = ControlRoutes(self._account, self._bodies, self._lifecycle, self._deliverer, self._faults)
        return Starlette(
            routes=[*incidents.routes(), *around.routes(), *events.routes(), *control.routes()],
            lifespan=lifespan,
        )
