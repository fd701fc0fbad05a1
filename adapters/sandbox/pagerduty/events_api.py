"""The Events API v2: alerts and change events come in by routing key."""

from datetime import UTC, datetime
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from adapters.sandbox.pagerduty.account import Account
from adapters.sandbox.pagerduty.changes import Changes
from adapters.sandbox.pagerduty.lifecycle import Lifecycle
from adapters.sandbox.pagerduty.models import AlertSpec, ChangeRecord, Service, Severity, Urgency

MAX_BODY_BYTES = 512 * 1024  # PagerDuty's limit for one event.


class _Body(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")


class _Payload(_Body):
    summary: str = Field(min_length=1, max_length=1024)
    source: str = Field(min_length=1)
    severity: Severity
    timestamp: datetime | None = None
    component: str | None = None
    group: str | None = None
    class_: str | None = Field(default=None, alias="class")
    custom_details: dict[str, object] = Field(default_factory=dict)


class _Event(_Body):
    routing_key: str = Field(min_length=1)
    event_action: Literal["trigger", "acknowledge", "resolve"]
    dedup_key: str | None = Field(default=None, max_length=255)
    payload: _Payload | None = None
    client: str | None = None
    client_url: str | None = None
    links: tuple[dict[str, object], ...] = ()


class _ChangePayload(_Body):
    summary: str = Field(min_length=1, max_length=1024)
    source: str | None = None
    timestamp: datetime | None = None
    custom_details: dict[str, object] = Field(default_factory=dict)


class _Change(_Body):
    routing_key: str = Field(min_length=1)
    payload: _ChangePayload
    links: tuple[dict[str, object], ...] = ()


def urgency_of(severity: Severity) -> Urgency:
    """Return the urgency of a severity-based service."""
    return "high" if severity in ("critical", "error") else "low"


class EventsApi:
    """Handlers of /v2/enqueue and /v2/change/enqueue."""

    def __init__(self, account: Account, lifecycle: Lifecycle, *, changes: Changes) -> None:
        self._account = account
        self._lifecycle = lifecycle
        self._changes = changes

    def routes(self) -> list[Route]:
        """Return both routes; they take no token but the routing key in the body."""
        return [
            Route("/v2/enqueue", self.enqueue, methods=["POST"]),
            Route("/v2/change/enqueue", self.enqueue_change, methods=["POST"]),
        ]

    async def enqueue(self, request: Request) -> Response:
        """Take a trigger, acknowledge or resolve event."""
        body = await request.body()
        try:
            event = _Event.model_validate_json(body)
        except ValidationError as exc:
            return _refused(*_reasons(exc))
        service = self._account.service_by_key(event.routing_key)
        if service is None:
            return _refused("Invalid routing key")
        if len(body) > MAX_BODY_BYTES:
            return _refused("Event exceeds the size limit of 512 KB", status=413)
        if event.event_action == "trigger" and event.payload is None:
            return _refused("'payload' is missing or blank")
        if event.event_action != "trigger" and event.dedup_key is None:
            return _refused("'dedup_key' is missing or blank")
        dedup_key = event.dedup_key or self._account.new_id("", 32).lower()
        if event.payload is not None and event.event_action == "trigger":
            self._trigger(service, _spec(event, event.payload, dedup_key))
        else:
            self._update(service, event.event_action, dedup_key)
        self._changes.announce()
        return _accepted("Event processed", dedup_key=dedup_key)

    async def enqueue_change(self, request: Request) -> Response:
        """Take a change event."""
        try:
            change = _Change.model_validate_json(await request.body())
        except ValidationError as exc:
            return _refused(*_reasons(exc))
        service = self._account.service_by_key(change.routing_key)
        if service is None:
            return _refused("Invalid routing key")
        payload = change.payload
        self._account.change_records.append(
            ChangeRecord(
                id=self._account.new_id("01", 26),
                service_id=service.id,
                summary=payload.summary,
                source=payload.source or "",
                at=_zoned(payload.timestamp) or self._account.clock(),
                custom_details=payload.custom_details,
                links=change.links,
            )
        )
        self._changes.announce()
        return _accepted("Change event processed")

    def _trigger(self, service: Service, spec: AlertSpec) -> None:
        same = self._account.open_alert(service.id, spec.dedup_key or "")
        if same is not None:
            channel = {"type": "api", "summary": spec.summary, "details": dict(spec.custom_details)}
            self._account.log(same.incident_id, "trigger", "Triggered again", by=None, channel=channel)
            return
        open_incident = self._account.open_incident_of(service.id) if service.grouping else None
        if open_incident is not None:
            self._lifecycle.add_alert(open_incident, spec)
            return
        urgency = urgency_of(spec.severity)
        self._lifecycle.open(service.id, spec.summary, urgency=urgency, alerts=(spec,))

    def _update(self, service: Service, action: str, dedup_key: str) -> None:
        alert = self._account.open_alert(service.id, dedup_key)
        if alert is None:
            # PagerDuty accepts and ignores it.
            return
        if action == "resolve":
            self._lifecycle.resolve_alert(alert)
        else:
            self._lifecycle.acknowledge(alert.incident_id, by=None)


def _spec(event: _Event, payload: _Payload, dedup_key: str) -> AlertSpec:
    return AlertSpec(
        summary=payload.summary,
        severity=payload.severity,
        source=payload.source,
        dedup_key=dedup_key,
        component=payload.component,
        group=payload.group,
        class_=payload.class_,
        custom_details=payload.custom_details,
        client=event.client,
        client_url=event.client_url,
        links=event.links,
        detected_at=_zoned(payload.timestamp),
    )


def _zoned(at: datetime | None) -> datetime | None:
    return at.replace(tzinfo=UTC) if at is not None and at.tzinfo is None else at


def _reasons(exc: ValidationError) -> tuple[str, ...]:
    return tuple(f"'{'.'.join(str(part) for part in e['loc']) or 'body'}' {e['msg']}" for e in exc.errors())


def _accepted(message: str, **further: str) -> Response:
    return JSONResponse({"status": "success", "message": message, **further}, status_code=202)


def _refused(*errors: str, status: int = 400) -> Response:
    body = {"status": "invalid event", "message": "Event object is invalid", "errors": list(errors)}
    return JSONResponse(body, status_code=status)
