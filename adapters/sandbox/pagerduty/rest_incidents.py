"""REST routes under /incidents."""

from typing import TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from adapters.sandbox.pagerduty.account import Account
from adapters.sandbox.pagerduty.bodies import Bodies, Body
from adapters.sandbox.pagerduty.guard import Caller, guarded
from adapters.sandbox.pagerduty.lifecycle import Lifecycle
from adapters.sandbox.pagerduty.models import Incident, Status
from adapters.sandbox.pagerduty.paging import page, wanted, within
from adapters.sandbox.pagerduty.problems import InvalidInput
from adapters.sandbox.pagerduty.told_bodies import field_bodies, status_update_body

_Parsed = TypeVar("_Parsed", bound=BaseModel)


class _Body(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")


class _Ref(_Body):
    id: str


class _Assignment(_Body):
    assignee: _Ref


class IncidentUpdate(_Body):
    """What PUT may change; in a bulk update *id* says whose."""

    id: str | None = None
    status: Status | None = None
    title: str | None = None
    resolution: str | None = None
    escalation_level: int | None = None
    assignments: tuple[_Assignment, ...] | None = None
    priority: _Ref | None = None


class _OneUpdate(_Body):
    incident: IncidentUpdate


class _BulkUpdate(_Body):
    incidents: tuple[IncidentUpdate, ...] = Field(min_length=1, max_length=250)


class _NewValue(_Body):
    name: str
    value: str | None


class _NewValues(_Body):
    custom_fields: tuple[_NewValue, ...] = Field(min_length=1)


class _NoteContent(_Body):
    content: str = Field(min_length=1)


class _NewNote(_Body):
    note: _NoteContent


class _NewStatusUpdate(_Body):
    message: str = Field(min_length=1)
    subject: str | None = None
    html_message: str | None = None


class IncidentRoutes:
    """Handlers over one account."""

    def __init__(self, account: Account, bodies: Bodies, lifecycle: Lifecycle) -> None:
        self._account = account
        self._bodies = bodies
        self._lifecycle = lifecycle

    def routes(self) -> list[Route]:
        """Return the routes, each behind the guard."""
        table = (
            ("/incidents", "GET", self.list_incidents),
            ("/incidents", "PUT", self.update_many),
            ("/incidents/{id}", "GET", self.get_incident),
            ("/incidents/{id}", "PUT", self.update_one),
            ("/incidents/{id}/alerts", "GET", self.list_alerts),
            ("/incidents/{id}/log_entries", "GET", self.list_log_entries),
            ("/incidents/{id}/notes", "GET", self.list_notes),
            ("/incidents/{id}/notes", "POST", self.create_note),
            ("/incidents/{id}/status_updates", "POST", self.tell_subscribers),
            ("/incidents/{id}/custom_fields/values", "GET", self.list_fields),
            ("/incidents/{id}/custom_fields/values", "PUT", self.set_fields),
        )
        return [Route(path, guarded(self._account, handler), methods=[verb]) for path, verb, handler in table]

    async def list_incidents(self, request: Request, _: Caller) -> Response:
        """Incidents, oldest first unless sort_by says :desc."""
        statuses, services = wanted(request, "statuses"), wanted(request, "service_ids")
        urgencies, in_time = wanted(request, "urgencies"), within(request)
        key = request.query_params.get("incident_key")
        found = [
            incident
            for incident in self._account.incidents.values()
            if statuses(incident.status)
            and services(incident.service_id)
            and urgencies(incident.urgency)
            and in_time(incident.created_at)
            and key in (None, incident.incident_key)
        ]
        descending = request.query_params.get("sort_by", "").endswith(":desc")
        found.sort(key=lambda incident: incident.number, reverse=descending)
        return page(request, "incidents", found, self._bodies.incident)

    async def get_incident(self, request: Request, _: Caller) -> Response:
        """One incident, by id or number."""
        return JSONResponse({"incident": self._bodies.incident(self._asked(request))})

    async def update_one(self, request: Request, caller: Caller) -> Response:
        """Acknowledge, resolve, escalate, reassign, retitle or prioritise."""
        incident = self._asked(request)
        update = parsed(_OneUpdate, await request.body()).incident
        return JSONResponse({"incident": self._bodies.incident(self._apply(incident.id, update, caller))})

    async def update_many(self, request: Request, caller: Caller) -> Response:
        """The same for several; an unknown id refuses all."""
        updates = parsed(_BulkUpdate, await request.body()).incidents
        if any(update.id is None for update in updates):
            raise InvalidInput("Each incident needs an id")
        ids = [self._account.incident(update.id or "").id for update in updates]
        changed = [
            self._apply(incident_id, update, caller) for incident_id, update in zip(ids, updates, strict=True)
        ]
        return JSONResponse({"incidents": [self._bodies.incident(incident) for incident in changed]})

    async def list_alerts(self, request: Request, _: Caller) -> Response:
        """The incident's alerts, oldest first."""
        statuses = wanted(request, "statuses")
        alerts = [one for one in self._account.alerts_of(self._asked(request).id) if statuses(one.status)]
        return page(request, "alerts", alerts, self._bodies.alert)

    async def list_log_entries(self, request: Request, _: Caller) -> Response:
        """The incident's timeline, newest first."""
        incident, in_time = self._asked(request), within(request)
        entries = [
            entry
            for entry in reversed(self._account.log_entries)
            if entry.incident_id == incident.id and in_time(entry.at)
        ]
        return page(request, "log_entries", entries, self._bodies.log_entry)

    async def list_notes(self, request: Request, _: Caller) -> Response:
        """All notes, newest first; PagerDuty does not page them."""
        incident = self._asked(request)
        notes = [note for note in reversed(self._account.notes) if note.incident_id == incident.id]
        return JSONResponse({"notes": [self._bodies.note(note) for note in notes]})

    async def create_note(self, request: Request, caller: Caller) -> Response:
        """Add a note in the name of the token's or From header's user."""
        incident = self._asked(request)
        content = parsed(_NewNote, await request.body()).note.content
        note = self._lifecycle.annotate(incident.id, content, by=caller.user_id)
        return JSONResponse({"note": self._bodies.note(note)}, status_code=201)

    async def list_fields(self, request: Request, _: Caller) -> Response:
        """The value of every custom field, null where none was set."""
        return JSONResponse({"custom_fields": self._fields_of(self._asked(request))})

    async def set_fields(self, request: Request, caller: Caller) -> Response:
        """Set values by the fields' names; an unknown one refuses all."""
        incident = self._asked(request)
        values = parsed(_NewValues, await request.body()).custom_fields
        self._lifecycle.set_fields(incident.id, {one.name: one.value for one in values}, by=caller.user_id)
        return JSONResponse({"custom_fields": self._fields_of(incident)})

    async def tell_subscribers(self, request: Request, caller: Caller) -> Response:
        """Publish a status update; what was published can be read in the timeline alone."""
        incident = self._asked(request)
        told = parsed(_NewStatusUpdate, await request.body())
        if (told.subject is None) is not (told.html_message is None):
            raise InvalidInput("subject and html_message go together")
        update = self._lifecycle.tell_subscribers(incident.id, told.message, by=caller.user_id)
        return JSONResponse({"status_update": status_update_body(update, self._bodies)})

    def _fields_of(self, incident: Incident) -> list[Body]:
        return field_bodies(
            self._account.config.custom_fields, self._account.field_values.get(incident.id, {})
        )

    def _asked(self, request: Request) -> Incident:
        return self._account.incident(str(request.path_params["id"]))

    def _apply(self, incident_id: str, update: IncidentUpdate, caller: Caller) -> Incident:
        by = caller.user_id
        if update.status == "triggered":
            raise InvalidInput("Status must be acknowledged or resolved")
        if update.title is not None:
            self._lifecycle.retitle(incident_id, update.title)
        if update.priority is not None:
            self._lifecycle.set_priority(incident_id, update.priority.id, by=by)
        if update.escalation_level is not None:
            self._lifecycle.escalate(incident_id, level=update.escalation_level, by=by)
        if update.assignments is not None:
            assignees = tuple(one.assignee.id for one in update.assignments)
            self._lifecycle.reassign(incident_id, assignees, by=by)
        if update.status == "acknowledged":
            self._lifecycle.acknowledge(incident_id, by=by)
        if update.status == "resolved":
            self._lifecycle.resolve(incident_id, by=by)
            if update.resolution:
                self._lifecycle.annotate(incident_id, update.resolution, by=by)
        return self._account.incident(incident_id)


def parsed(model: type[_Parsed], body: bytes) -> _Parsed:
    """Return the request body as *model*.

    Raises:
        InvalidInput: it is not; each error names its place.
    """
    try:
        return model.model_validate_json(body)
    except ValidationError as exc:
        places = (".".join(str(part) for part in error["loc"]) or "body" for error in exc.errors())
        raise InvalidInput(
            *(f"{place}: {error['msg']}" for place, error in zip(places, exc.errors(), strict=True))
        ) from exc
