"""The account's configuration and the values that it holds, all frozen."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Literal

Severity = Literal["critical", "error", "warning", "info"]
Status = Literal["triggered", "acknowledged", "resolved"]
Urgency = Literal["high", "low"]
JsonObject = Mapping[str, object]


@dataclass(frozen=True, kw_only=True)
class User:
    """A person of the account."""

    id: str
    name: str
    email: str
    role: str = "user"
    time_zone: str = "Etc/UTC"


@dataclass(frozen=True, kw_only=True)
class EscalationPolicy:
    """Who is told, level by level; the levels are the on-call entries that name it."""

    id: str
    name: str


@dataclass(frozen=True, kw_only=True)
class Schedule:
    """A rota that on-call entries may come from."""

    id: str
    name: str


@dataclass(frozen=True, kw_only=True)
class OnCall:
    """One person on call at one level; without *start* and *end* always."""

    user_id: str
    escalation_policy_id: str
    level: int = 1
    schedule_id: str | None = None
    start: datetime | None = None
    end: datetime | None = None

    def covers(self, since: datetime, until: datetime) -> bool:
        """Return whether the shift overlaps [since, until]."""
        return (self.start is None or self.start <= until) and (self.end is None or self.end > since)


@dataclass(frozen=True, kw_only=True)
class Service:
    """A technical service; *grouping* puts a second alert into the incident that is open."""

    id: str
    name: str
    escalation_policy_id: str
    integration_key: str
    integration_id: str = "PINTEG1"
    description: str = ""
    grouping: bool = False


@dataclass(frozen=True, kw_only=True)
class Dependency:
    """*dependent_id* uses *supporting_id*."""

    id: str
    supporting_id: str
    dependent_id: str


@dataclass(frozen=True, kw_only=True)
class Priority:
    """One of the account's incident priorities."""

    id: str
    name: str


@dataclass(frozen=True, kw_only=True)
class RestToken:
    """An API key: a person's with *user_id*, else the account's, which needs a From header to write."""

    token: str
    user_id: str | None = None
    read_only: bool = False


@dataclass(frozen=True, kw_only=True)
class Subscription:
    """A V3 webhook subscription. No *events* means all; no *service_id* means the whole account."""

    id: str
    url: str
    secrets: tuple[str, ...]
    events: tuple[str, ...] = ()
    service_id: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    active: bool = True

    def wants(self, event_type: str, service_id: str | None) -> bool:
        """Return whether an event of this type about this service is sent here."""
        return (not self.events or event_type in self.events) and self.service_id in (None, service_id)


@dataclass(frozen=True, kw_only=True)
class WebhookTiming:
    """How long a delivery may take and how it is retried (PagerDuty: 5 s, for up to 48 h)."""

    timeout: timedelta = timedelta(seconds=5)
    first_backoff: timedelta = timedelta(milliseconds=200)
    longest_backoff: timedelta = timedelta(seconds=2)
    horizon: timedelta = timedelta(minutes=5)
    drops_before_disabled: int = 3

    def backoff(self, attempt: int) -> timedelta:
        """Return the wait after the *attempt*-th attempt (from 1): doubling up to the longest."""
        return min(self.first_backoff * (1 << min(attempt - 1, 20)), self.longest_backoff)


@dataclass(frozen=True, kw_only=True)
class PagerDutyConfig:
    """Everything that the account has when the sandbox starts."""

    users: tuple[User, ...] = ()
    escalation_policies: tuple[EscalationPolicy, ...] = ()
    schedules: tuple[Schedule, ...] = ()
    on_calls: tuple[OnCall, ...] = ()
    services: tuple[Service, ...] = ()
    dependencies: tuple[Dependency, ...] = ()
    priorities: tuple[Priority, ...] = ()
    custom_fields: tuple[str, ...] = ()
    """Names of the incidents' custom fields; all hold text."""
    tokens: tuple[RestToken, ...] = ()
    subscriptions: tuple[Subscription, ...] = ()
    timing: WebhookTiming = WebhookTiming()
    api_url: str = "https://api.pagerduty.com"
    web_url: str = "https://sandbox.pagerduty.com"
    incident_id_lengths: tuple[int, ...] = (14, 7)
    """Lengths of incident ids, taken in turn."""
    rate_limit: int = 960
    """Requests a minute that the ratelimit headers speak of; only a fault makes a 429."""
    seed: int | None = None
    """Seeds the ids; None makes new ones at every start."""


@dataclass(frozen=True, kw_only=True)
class AlertSpec:
    """An alert to trigger by hand or by the Events API."""

    summary: str
    severity: Severity = "critical"
    source: str = "monitoring"
    dedup_key: str | None = None
    component: str | None = None
    group: str | None = None
    class_: str | None = None
    custom_details: JsonObject = field(default_factory=dict)
    client: str | None = None
    client_url: str | None = None
    links: tuple[JsonObject, ...] = ()
    detected_at: datetime | None = None
    """When the monitor says that it began (payload.timestamp); the alert's own time is its arrival."""


@dataclass(frozen=True, kw_only=True)
class Alert:
    """One alert of an incident; *spec.dedup_key* is its alert key."""

    id: str
    incident_id: str
    service_id: str
    alert_key: str
    spec: AlertSpec
    created_at: datetime
    status: Literal["triggered", "resolved"] = "triggered"


@dataclass(frozen=True, kw_only=True)
class Acknowledgement:
    """Who acknowledged an incident; None when the Events API did."""

    user_id: str | None
    at: datetime


@dataclass(frozen=True, kw_only=True)
class Incident:
    """An incident as it stands."""

    id: str
    number: int
    title: str
    service_id: str
    escalation_policy_id: str
    urgency: Urgency
    incident_key: str
    created_at: datetime
    updated_at: datetime
    status_changed_at: datetime
    status_changed_by: str | None = None
    status: Status = "triggered"
    details: str = ""
    assignee_ids: tuple[str, ...] = ()
    acknowledgements: tuple[Acknowledgement, ...] = ()
    escalation_level: int = 1
    priority_id: str | None = None
    resolved_at: datetime | None = None
    reopened_at: datetime | None = None

    @property
    def is_open(self) -> bool:
        """Whether it is triggered or acknowledged."""
        return self.status != "resolved"


@dataclass(frozen=True, kw_only=True)
class Note:
    """A note on an incident."""

    id: str
    incident_id: str
    user_id: str | None
    content: str
    created_at: datetime


@dataclass(frozen=True, kw_only=True)
class StatusUpdate:
    """What an incident's subscribers were told."""

    id: str
    incident_id: str
    user_id: str | None
    message: str
    created_at: datetime


@dataclass(frozen=True, kw_only=True)
class LogEntry:
    """One entry of an incident's timeline; *kind* is PagerDuty's type without "_log_entry"."""

    id: str
    incident_id: str
    kind: str
    at: datetime
    by: str | None
    summary: str
    channel: JsonObject
    message: str | None = None
    """Of a status update."""


@dataclass(frozen=True, kw_only=True)
class ChangeRecord:
    """A change event sent to the Events API."""

    id: str
    service_id: str
    summary: str
    source: str
    at: datetime
    custom_details: JsonObject = field(default_factory=dict)
    links: tuple[JsonObject, ...] = ()


@dataclass(frozen=True, kw_only=True)
class WebhookEvent:
    """One V3 event. *queue* is the resource whose events are delivered in order."""

    id: str
    event_type: str
    queue: str
    service_id: str | None
    body: bytes
    only_subscription: str | None = None
