"""An incident as PagerDuty knows it, and what has been observed of it."""

from enum import StrEnum

from pydantic import AwareDatetime

from bot.domain.alert import Alert, Severity
from bot.domain.frozen import Frozen
from bot.domain.ids import IncidentId, ServiceName

_WORST_FIRST = tuple(Severity)


class IncidentStatus(StrEnum):
    """PagerDuty's three states."""

    TRIGGERED = "triggered"
    ACKNOWLEDGED = "acknowledged"
    RESOLVED = "resolved"


class Incident(Frozen):
    """An incident with its alerts; every text is from outside."""

    id: IncidentId
    number: int | None = None
    title: str = ""
    status: IncidentStatus = IncidentStatus.TRIGGERED
    urgency: str = "high"
    priority: str | None = None
    pagerduty_service_id: str | None = None
    pagerduty_service_name: str | None = None
    escalation_policy_id: str | None = None
    service: ServiceName | None = None
    """The catalogue's name for the service; None when no entry maps it."""
    opened_at: AwareDatetime
    url: str | None = None
    alerts: tuple[Alert, ...] = ()
    is_unknown: bool = False
    """PagerDuty was asked for it and says that there is no such incident."""

    @property
    def is_open(self) -> bool:
        return self.status is not IncidentStatus.RESOLVED

    @property
    def severity(self) -> Severity:
        """The worst of its alerts; unknown while none is."""
        return min(
            (alert.severity for alert in self.alerts), key=_WORST_FIRST.index, default=Severity.UNKNOWN
        )


class IncidentEventKind(StrEnum):
    """What a webhook said happened; `OTHER` is recorded and changes nothing."""

    TRIGGERED = "triggered"
    ACKNOWLEDGED = "acknowledged"
    UNACKNOWLEDGED = "unacknowledged"
    RESOLVED = "resolved"
    REOPENED = "reopened"
    UPDATED = "updated"
    OTHER = "other"


class IncidentEvent(Frozen):
    """One webhook about one incident, as far as we read it."""

    event_id: str
    kind: IncidentEventKind
    event_type: str
    incident_id: IncidentId
    occurred_at: AwareDatetime
    title: str | None = None
    status: IncidentStatus | None = None
    pagerduty_service_id: str | None = None
    escalation_policy_id: str | None = None
    opened_at: AwareDatetime | None = None
