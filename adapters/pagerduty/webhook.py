"""Read PagerDuty's V3 webhooks: check the signature, then take from the same bytes what we use."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, overload

from pydantic import AwareDatetime, ConfigDict, StringConstraints, ValidationError

from adapters.intake.loose import Loose, LooseBody
from adapters.intake.signatures import SigningSecrets, digests_in
from adapters.intake.strict_json import parse_object
from bot.domain.ids import IncidentId
from bot.domain.incident import IncidentEvent, IncidentEventKind, IncidentStatus

SIGNATURE_HEADER = "x-pagerduty-signature"

_KINDS = {
    "incident.triggered": IncidentEventKind.TRIGGERED,
    "incident.acknowledged": IncidentEventKind.ACKNOWLEDGED,
    "incident.unacknowledged": IncidentEventKind.UNACKNOWLEDGED,
    "incident.resolved": IncidentEventKind.RESOLVED,
    "incident.reopened": IncidentEventKind.REOPENED,
    "incident.escalated": IncidentEventKind.UPDATED,
    "incident.reassigned": IncidentEventKind.UPDATED,
    "incident.delegated": IncidentEventKind.UPDATED,
    "incident.priority_updated": IncidentEventKind.UPDATED,
    "incident.service_updated": IncidentEventKind.UPDATED,
    "incident.incident_type.changed": IncidentEventKind.UPDATED,
}
# Ids become parts of REST addresses, so nothing else passes.
_INCIDENT_ID = re.compile(r"[A-Za-z0-9]{1,40}")


@dataclass(frozen=True)
class Ping:
    """The test event of PagerDuty's web page."""

    event_id: str


@dataclass(frozen=True)
class Ignored:
    """A genuine delivery that says nothing about an incident."""

    event_id: str | None
    event_type: str | None
    why: str


@dataclass(frozen=True)
class Mention:
    """A delivery that is about an incident."""

    event_id: str
    event_type: str
    incident_id: IncidentId


def is_signed(values: Sequence[str], body: bytes, secrets: SigningSecrets) -> bool:
    """Return whether the signature headers' *values* prove that PagerDuty sent *body*."""
    return secrets.match(body, digests_in(values, prefix="v1="))


def glance(body: bytes) -> Mention | Ping | Ignored:
    """Return what *body* is about, in a fifth of the time of `parse_webhook`: enough to store it.

    A key named twice inside the event or deep nesting may pass here. `parse_webhook` refuses them, and every
    stored body goes through it before anything is done about it.

    Raises:
        MalformedBody: the body is not JSON, or seems to hold two events.
    """
    # Python's own reader takes NaN and Infinity for numbers; JSON knows neither.
    is_plain = body.count(b'"event"') == 1 and b"NaN" not in body and b"Infinity" not in body
    return _about((_quickly(body) if is_plain else None) or _strictly(body))


def parse_webhook(body: bytes, *, received_at: datetime) -> IncidentEvent | Ping | Ignored:
    """Return what *body* tells; *received_at* stands in for a missing time.

    Every field but the event's id and type may be missing, null or of an unknown shape, and event types that
    we do not know are of kind `OTHER`: PagerDuty adds both without notice.

    Raises:
        MalformedBody: the body is not strict JSON.
    """
    event = _strictly(body)
    about = _about(event)
    incident = _incident_of(event) if event else None
    if isinstance(about, Mention) and event is not None and incident is not None:
        return _told(event, incident, about, received_at)
    return Ignored(None, None, "names no incident") if isinstance(about, Mention) else about


_ShortText = Annotated[str, StringConstraints(min_length=1, max_length=200)]


class _Reference(LooseBody):
    id: Loose[str] = None


class _Incident(_Reference):
    type: Loose[str] = None
    title: Loose[str] = None
    summary: Loose[str] = None
    status: Loose[IncidentStatus] = None
    service: Loose[_Reference] = None
    escalation_policy: Loose[_Reference] = None
    created_at: Loose[AwareDatetime] = None


class _Data(_Incident):
    incident: Loose[_Incident] = None
    """The incident's reference, in events about its notes, responders, updates, tasks and workflows."""


class _Event(LooseBody):
    model_config = ConfigDict(frozen=True, extra="ignore", coerce_numbers_to_str=True)

    id: _ShortText
    event_type: _ShortText
    occurred_at: Loose[AwareDatetime] = None
    data: Loose[_Data] = None


class _Envelope(LooseBody):
    event: _Event


class _GlimpsedData(_Reference):
    type: Loose[str] = None
    incident: Loose[_Reference] = None


class _Glimpse(LooseBody):
    """As much of an event as says what it is about."""

    model_config = ConfigDict(frozen=True, extra="ignore", coerce_numbers_to_str=True)

    id: _ShortText
    event_type: _ShortText
    data: Loose[_GlimpsedData] = None


class _GlimpsedEnvelope(LooseBody):
    event: _Glimpse


def _quickly(body: bytes) -> _Glimpse | None:
    """Return the event, or None when `_strictly` must say what is wrong with *body*."""
    try:
        return _GlimpsedEnvelope.model_validate_json(body).event
    except ValidationError:
        return None


def _strictly(body: bytes) -> _Event | None:
    found = parse_object(body)
    try:
        return _Envelope.model_validate(found).event
    except ValidationError:
        return None


def _told(event: _Event, incident: _Incident, about: Mention, received_at: datetime) -> IncidentEvent:
    return IncidentEvent(
        event_id=event.id,
        kind=_KINDS.get(event.event_type, IncidentEventKind.OTHER),
        event_type=event.event_type,
        incident_id=about.incident_id,
        occurred_at=event.occurred_at or received_at,
        title=incident.title or incident.summary,
        status=incident.status,
        pagerduty_service_id=incident.service.id if incident.service else None,
        escalation_policy_id=incident.escalation_policy.id if incident.escalation_policy else None,
        opened_at=incident.created_at,
    )


def _about(event: _Event | _Glimpse | None) -> Mention | Ping | Ignored:
    if event is None:
        return Ignored(None, None, "no event with an id and a type")
    if event.event_type == "pagey.ping":
        return Ping(event.id)
    incident = _incident_of(event)
    if incident is None or incident.id is None or not _INCIDENT_ID.fullmatch(incident.id):
        return Ignored(event.id, event.event_type, "names no incident")
    return Mention(event.id, event.event_type, IncidentId(incident.id))


@overload
def _incident_of(event: _Event) -> _Incident | None: ...
@overload
def _incident_of(event: _Glimpse) -> _Reference | None: ...
def _incident_of(event: _Event | _Glimpse) -> _Incident | _Reference | None:
    """Return the incident that *event* is about, whole or as a reference."""
    data = event.data
    if data is None or data.incident is not None:
        return data.incident if data else None
    untyped_state = data.type is None and event.event_type in _KINDS
    return data if data.type in ("incident", "incident_reference") or untyped_state else None
