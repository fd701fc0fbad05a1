"""Turn the REST API's bodies into incidents, alerts and people on call."""

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime

from pydantic import AwareDatetime, JsonValue, ValidationError

from adapters.intake.loose import Loose, LooseBody, web_address
from adapters.intake.strict_json import JsonObject
from bot.domain.alert import Alert, Severity
from bot.domain.catalogue import Catalogue
from bot.domain.errors import Unavailable
from bot.domain.ids import AlertId, IncidentId, PagerDutyUserId
from bot.domain.incident import Incident, IncidentStatus
from bot.domain.person import Duty, OnCall

MOST_DETAILS = 4_000  # Characters an alert; our choice: what a person reads and a model is shown.
_SOURCE_FIELDS = ("source_origin", "source_component", "service_group", "event_class")


class _Reference(LooseBody):
    id: Loose[str] = None
    summary: Loose[str] = None


class _Incident(LooseBody):
    id: str
    created_at: AwareDatetime
    incident_number: Loose[int] = None
    title: Loose[str] = None
    summary: Loose[str] = None
    status: Loose[IncidentStatus] = None
    urgency: Loose[str] = None
    priority: Loose[_Reference] = None
    service: Loose[_Reference] = None
    escalation_policy: Loose[_Reference] = None
    html_url: Loose[str] = None


class _AlertBody(LooseBody):
    details: JsonValue = None
    cef_details: Loose[JsonObject] = None


class _Alert(LooseBody):
    id: str
    summary: Loose[str] = None
    severity: Loose[Severity] = None
    created_at: Loose[AwareDatetime] = None
    service: Loose[_Reference] = None
    html_url: Loose[str] = None
    body: Loose[_AlertBody] = None


class _User(LooseBody):
    id: str
    name: Loose[str] = None
    summary: Loose[str] = None
    email: Loose[str] = None


class _Assignment(LooseBody):
    assignee: _User


class _Assigned(LooseBody):
    assignments: tuple[_Assignment, ...] = ()


class _OnCall(LooseBody):
    user: _User
    escalation_level: Loose[int] = None
    escalation_policy: Loose[_Reference] = None
    end: Loose[AwareDatetime] = None


def incident_from(body: JsonValue, catalogue: Catalogue, *, alerts: Iterable[JsonValue] = ()) -> Incident:
    """Return the incident in *body* with *alerts*, oldest first.

    Raises:
        Unavailable: it has no id or no time, so that nothing can be done with it.
    """
    try:
        found = _Incident.model_validate(body)
        opened_at = found.created_at
        of_incident = [_alert_from(alert, catalogue, opened_at) for alert in alerts]
    except ValidationError as exc:
        raise Unavailable("PagerDuty's answer has an incident or alert without an id or time.") from exc
    service_id = found.service.id if found.service else None
    return Incident(
        id=IncidentId(found.id),
        number=found.incident_number,
        title=found.title or found.summary or "",
        status=found.status or IncidentStatus.TRIGGERED,
        urgency=found.urgency or "high",
        priority=found.priority.summary if found.priority else None,
        pagerduty_service_id=service_id,
        pagerduty_service_name=found.service.summary if found.service else None,
        escalation_policy_id=found.escalation_policy.id if found.escalation_policy else None,
        service=catalogue.by_pagerduty_id(service_id) if service_id else None,
        opened_at=opened_at,
        url=web_address(found.html_url),
        alerts=tuple(sorted(of_incident, key=lambda alert: (alert.at, alert.id))),
    )


def on_call_from(bodies: Iterable[JsonValue]) -> tuple[OnCall, ...]:
    """Return who is on call, lowest level first, each person once."""
    found: dict[str, OnCall] = {}
    for body in bodies:
        try:
            entry = _OnCall.model_validate(body)
        except ValidationError as exc:
            raise Unavailable("PagerDuty's answer has an on-call entry without a user.") from exc
        user, level = entry.user, entry.escalation_level or 1
        if user.id not in found or level < found[user.id].level:
            name = user.name or user.summary or user.id
            found[user.id] = OnCall(
                user_id=PagerDutyUserId(user.id), name=name, email=user.email, level=level
            )
    return tuple(sorted(found.values(), key=lambda person: (person.level, person.name)))


def duties_from(bodies: Iterable[JsonValue]) -> tuple[Duty, ...]:
    """Return one person's turns on call, lowest level first, those of one policy and level as one."""
    found: dict[tuple[int, str], datetime | None] = {}
    for body in bodies:
        try:
            entry = _OnCall.model_validate(body)
        except ValidationError as exc:
            raise Unavailable("PagerDuty's answer has an on-call entry without a user.") from exc
        policy = entry.escalation_policy
        key = (entry.escalation_level or 1, (policy.summary or policy.id or "") if policy else "")
        ends = (found[key], entry.end) if key in found else (entry.end,)
        # Schedules overlap; the turn lasts as long as the longest of them, and one without an end for ever.
        known = [end for end in ends if end is not None]
        found[key] = max(known) if len(known) == len(ends) else None
    return tuple(
        Duty(policy=name, level=level, until=end)
        for (level, name), end in sorted(found.items(), key=lambda item: item[0])
    )


def assigned_from(body: JsonValue) -> tuple[PagerDutyUserId, ...]:
    """Return the ids of the users to whom the incident in *body* is assigned."""
    try:
        found = _Assigned.model_validate(body)
    except ValidationError as exc:
        raise Unavailable("PagerDuty's answer has an incident whose assignments cannot be read.") from exc
    return tuple(PagerDutyUserId(one.assignee.id) for one in found.assignments)


def users_with(email: str, bodies: Iterable[JsonValue]) -> tuple[PagerDutyUserId, ...]:
    """Return the ids of the users in *bodies* whose address is *email*, whatever its case."""
    try:
        found = [_User.model_validate(body) for body in bodies]
    except ValidationError as exc:
        raise Unavailable("PagerDuty's answer has a user that cannot be read.") from exc
    return tuple(PagerDutyUserId(u.id) for u in found if (u.email or "").casefold() == email.casefold())


def notes_from(body: JsonObject) -> tuple[str, ...]:
    """Return the texts of the notes, oldest first (PagerDuty sends the newest first)."""
    notes = body.get("notes")
    if not isinstance(notes, list):
        raise Unavailable("PagerDuty's answer has no list of notes.")
    texts = [note.get("content") for note in notes if isinstance(note, dict)]
    return tuple(text for text in reversed(texts) if isinstance(text, str))


def updates_from(entries: Iterable[JsonObject]) -> tuple[str, ...]:
    """Return the messages of the status updates in a timeline, which comes newest first, oldest first."""
    found = [one.get("message") for one in entries if one.get("type") == "status_update_log_entry"]
    return tuple(text for text in reversed(found) if isinstance(text, str))


def _alert_from(body: JsonValue, catalogue: Catalogue, opened_at: datetime) -> Alert:
    found = _Alert.model_validate(body)
    event = found.body.cef_details if found.body else None
    service_id = found.service.id if found.service else None
    return Alert(
        id=AlertId(found.id),
        service=catalogue.by_pagerduty_id(service_id) if service_id else None,
        title=found.summary or "",
        severity=found.severity or _severity_in(event or {}),
        at=found.created_at or opened_at,
        details=_bounded("\n".join(_detail_lines(found.body.details if found.body else None, event or {}))),
        url=web_address(found.html_url),
    )


def _severity_in(event: JsonObject) -> Severity:
    value = event.get("severity")
    return Severity(value) if isinstance(value, str) and value in set(Severity) else Severity.UNKNOWN


def _detail_lines(details: JsonValue, event: JsonObject) -> Iterator[str]:
    """Yield `name: value` lines: where the event came from, then what its sender put in."""
    for name in _SOURCE_FIELDS:
        if event.get(name):
            yield f"{name}: {event[name]}"
    yield from _flattened(details if details not in (None, {}, "") else event.get("details"))


def _flattened(value: JsonValue, path: str = "") -> Iterator[str]:
    if isinstance(value, dict):
        for name, inner in value.items():
            yield from _flattened(inner, f"{path}.{name}" if path else name)
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            yield from _flattened(inner, f"{path}[{index}]")
    elif value is not None:
        yield f"{path}: {value}" if path else str(value)


def _bounded(text: str) -> str:
    if len(text) <= MOST_DETAILS:
        return text
    return f"{text[:MOST_DETAILS]}\n… [{len(text) - MOST_DETAILS} more characters are in PagerDuty]"


class _FieldValue(LooseBody):
    name: Loose[str] = None
    value: Loose[str] = None


def fields_from(body: JsonObject) -> Mapping[str, str]:
    """Return the custom fields that hold text, by name; those of other types are left out."""
    found = body.get("custom_fields")
    read = [_FieldValue.model_validate(one) for one in (found if isinstance(found, list) else [])]
    return {one.name: one.value for one in read if one.name is not None and one.value is not None}
