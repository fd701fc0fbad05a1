"""Read PagerDuty's V3 webhooks: check the signature, then take from the same bytes what we use."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated

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


def is_signed(values: Sequence[str], body: bytes, secrets: SigningSecrets) -> bool:
    """Return whether the signature headers' *values* prove that PagerDuty sent *body*."""
    return secrets.match(body, digests_in(values, prefix="v1="))


def parse_webhook(body: bytes, *, received_at: datetime) -> IncidentEvent | Ping | Ignored:
    """Return what *body* tells; *received_at* stands in for a missing time.

    Every field but the event's id and type may be missing, null or of an unknown shape, and event types that
    we do not know are of kind `OTHER`: PagerDuty adds both without notice.

    Raises:
        MalformedBody: the body is not strict JSON.
    """
    try:
        event = _Envelope.model_validate(parse_object(body)).event
    except ValidationError:
        return Ignored(None, None, "no event with an id and a type")
    if event.event_type == "pagey.ping":
        return Ping(event.id)
    incident = _incident_of(event)
    if incident is None or incident.id is None or not _INCIDENT_ID.fullmatch(incident.id):
        return Ignored(event.id, event.event_type, "names no incident")
    return IncidentEvent(
        event_id=event.id,
        kind=_KINDS.get(event.event_type, IncidentEventKind.OTHER),
        event_type=event.event_type,
        incident_id=IncidentId(incident.id),
        occurred_at=event.occurred_at or received_at,
        title=incident.title or incident.summary,
        status=incident.status,
        pagerduty_service_id=incident.service.id if incident.service else None,
        escalation_policy_id=incident.escalation_policy.id if incident.escalation_policy else None,
        opened_at=incident.created_at,
    )


_ShortText = Annotated[str, StringConstraints(min_length=1, max_length=200)]


class _Reference(LooseBody):
    id: Loose[str] = None


class _Incident(LooseBody):
    id: Loose[str] = None
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
    resource_type: Loose[str] = None
    occurred_at: Loose[AwareDatetime] = None
    data: Loose[_Data] = None


class _Envelope(LooseBody):
    event: _Event


def _incident_of(event: _Event) -> _Incident | None:
    """Return the incident that *event* is about, whole or as a reference."""
    data = event.data
    if data is None or data.incident is not None:
        return data.incident if data else None
    untyped_state = data.type is None and event.event_type in _KINDS
    return data if data.type in ("incident", "incident_reference") or untyped_state else None
