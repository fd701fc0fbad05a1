"""Control routes: what a person or a monitor does, by HTTP, for this machine's own pages and scripts."""

from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import TypeVar
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from adapters.sandbox.pagerduty.account import Account
from adapters.sandbox.pagerduty.bodies import Bodies, Body, precise_timestamp
from adapters.sandbox.pagerduty.deliveries import Deliverer
from adapters.sandbox.pagerduty.events_api import urgency_of
from adapters.sandbox.pagerduty.faults import Fault, FaultPlan
from adapters.sandbox.pagerduty.lifecycle import Lifecycle
from adapters.sandbox.pagerduty.models import AlertSpec, Incident, Severity
from adapters.sandbox.pagerduty.problems import Forbidden, Problem
from adapters.sandbox.pagerduty.rest_incidents import parsed

LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})

_Command = TypeVar("_Command", bound="_Arguments")


class _Arguments(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class _Trigger(_Arguments):
    service_id: str
    title: str
    severity: Severity = "critical"
    details: str = ""
    user_id: str | None = None


class _OnIncident(_Arguments):
    incident_id: str
    user_id: str | None = None


class _Annotate(_OnIncident):
    content: str


class _Reassign(_OnIncident):
    to: tuple[str, ...]


class _SetPriority(_OnIncident):
    priority_id: str | None


class _Redeliver(_Arguments):
    event_id: str


class _DropWebhooks(_Arguments):
    count: int = 0
    ratio: float = 0.0
    seed: int = 0


class _Fail(_Arguments):
    prefix: str
    method: str | None = None
    status: int | None = None
    times: int = 1
    drop_answer: bool = False
    delay: timedelta = timedelta()
    ratelimit_reset: int | None = None


class ControlRoutes:
    """POST /sandbox/ACTION with JSON arguments; GET /sandbox/state."""

    def __init__(
        self,
        account: Account,
        bodies: Bodies,
        lifecycle: Lifecycle,
        deliverer: Deliverer,
        faults: FaultPlan,
    ) -> None:
        self._account = account
        self._bodies = bodies
        self._lifecycle = lifecycle
        self._deliverer = deliverer
        self._faults = faults

    def routes(self) -> list[Route]:
        """Return the control routes, each behind the check of Host and Origin."""
        life = self._lifecycle
        return [
            Route("/sandbox/state", _local(self._state), methods=["GET"]),
            self._action("trigger", _Trigger, self._trigger),
            self._action(
                "acknowledge",
                _OnIncident,
                lambda c: self._shown(life.acknowledge(c.incident_id, by=c.user_id)),
            ),
            self._action(
                "resolve", _OnIncident, lambda c: self._shown(life.resolve(c.incident_id, by=c.user_id))
            ),
            self._action(
                "reopen", _OnIncident, lambda c: self._shown(life.reopen(c.incident_id, by=c.user_id))
            ),
            self._action(
                "escalate", _OnIncident, lambda c: self._shown(life.escalate(c.incident_id, by=c.user_id))
            ),
            self._action(
                "reassign", _Reassign, lambda c: self._shown(life.reassign(c.incident_id, c.to, by=c.user_id))
            ),
            self._action(
                "set_priority",
                _SetPriority,
                lambda c: self._shown(life.set_priority(c.incident_id, c.priority_id, by=c.user_id)),
            ),
            self._action("annotate", _Annotate, self._annotate),
            self._action("redeliver", _Redeliver, self._redeliver),
            self._action("drop_webhooks", _DropWebhooks, self._drop_webhooks),
            self._action("fail", _Fail, self._fail),
            self._action("heal", _Arguments, self._heal),
        ]

    def _action(self, name: str, arguments: type[_Command], act: Callable[[_Command], Body]) -> Route:
        async def endpoint(request: Request) -> Response:
            return JSONResponse(act(parsed(arguments, await request.body() or b"{}")))

        return Route(f"/sandbox/{name}", _local(endpoint), methods=["POST"])

    async def _state(self, _: Request) -> Response:
        body: Body = {
            "incidents": [self._bodies.incident(one) for one in self._account.incidents.values()],
            "webhook_subscriptions": [
                self._bodies.subscription(one) for one in self._deliverer.subscriptions.values()
            ],
            "deliveries": [
                {
                    "event_id": one.event_id,
                    "event_type": one.event_type,
                    "subscription_id": one.subscription_id,
                    "attempt": one.attempt,
                    "status": one.status,
                    "outcome": one.outcome,
                    "at": precise_timestamp(one.at),
                }
                for one in self._deliverer.deliveries
            ],
        }
        return JSONResponse(body)

    def _shown(self, incident: Incident) -> Body:
        return {"incident": self._bodies.incident(incident)}

    def _trigger(self, command: _Trigger) -> Body:
        incident = self._lifecycle.open(
            command.service_id,
            command.title,
            urgency=urgency_of(command.severity),
            alerts=(AlertSpec(summary=command.title, severity=command.severity),),
            details=command.details,
            by=command.user_id,
        )
        return self._shown(incident)

    def _annotate(self, command: _Annotate) -> Body:
        note = self._lifecycle.annotate(command.incident_id, command.content, by=command.user_id)
        return {"note": self._bodies.note(note)}

    def _redeliver(self, command: _Redeliver) -> Body:
        self._deliverer.redeliver(command.event_id)
        return {"redelivered": command.event_id}

    def _drop_webhooks(self, command: _DropWebhooks) -> Body:
        self._deliverer.lose(command.count, ratio=command.ratio, seed=command.seed)
        return {"dropping": command.model_dump()}

    def _fail(self, command: _Fail) -> Body:
        self._faults.add(Fault(**dict(command)))
        return {"failing": command.model_dump(mode="json")}

    def _heal(self, _: _Arguments) -> Body:
        self._faults.clear()
        self._deliverer.lose()
        return {"healed": True}


def _local(handler: Callable[[Request], Awaitable[Response]]) -> Callable[[Request], Awaitable[Response]]:
    """Return the handler for loopback callers: no page of another site, and no rebound name, may use it."""

    async def endpoint(request: Request) -> Response:
        try:
            _check_local(request)
            return await handler(request)
        except Problem as problem:
            return problem.response()

    return endpoint


def _check_local(request: Request) -> None:
    if urlsplit(f"//{request.headers.get('host', '')}").hostname not in LOOPBACK:
        raise Forbidden("The control routes answer to a loopback Host only")
    origin = request.headers.get("origin")
    if origin is not None and urlsplit(origin).hostname not in LOOPBACK:
        raise Forbidden("The control routes refuse a foreign Origin")
