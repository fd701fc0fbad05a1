"""The account's tables: look-ups by id, new ids, and the timeline."""

import random
import string
from collections.abc import Callable, Iterable
from datetime import datetime
from typing import Protocol, TypeVar

from adapters.sandbox.pagerduty.models import (
    Alert,
    ChangeRecord,
    EscalationPolicy,
    Incident,
    JsonObject,
    LogEntry,
    Note,
    PagerDutyConfig,
    Priority,
    Service,
    StatusUpdate,
    User,
)
from adapters.sandbox.pagerduty.problems import NotFound

_ALPHABET = string.digits + string.ascii_uppercase


class _Identified(Protocol):
    @property
    def id(self) -> str: ...


_Entry = TypeVar("_Entry", bound=_Identified)


class Account:
    """What the account holds now. Only `Lifecycle` and the Events API change it."""

    def __init__(self, config: PagerDutyConfig, *, clock: Callable[[], datetime]) -> None:
        self.config = config
        self.clock = clock
        self.incidents: dict[str, Incident] = {}
        self.alerts: dict[str, Alert] = {}
        self.notes: list[Note] = []
        self.status_updates: list[StatusUpdate] = []
        self.field_values: dict[str, dict[str, str | None]] = {}
        """By incident and name of the custom field."""
        self.log_entries: list[LogEntry] = []
        self.change_records: list[ChangeRecord] = []
        self._random = random.Random(config.seed)  # nosec B311 # Chance that can be played again.
        self._incident_ids_given = 0

    def new_id(self, prefix: str, length: int) -> str:
        """Return a fresh id of *length* characters."""
        return prefix + "".join(self._random.choices(_ALPHABET, k=length - len(prefix)))

    def new_incident_id(self) -> str:
        """Return a fresh incident id; the lengths of the configuration take turns."""
        lengths = self.config.incident_id_lengths
        length = lengths[self._incident_ids_given % len(lengths)]
        self._incident_ids_given += 1
        return self.new_id("Q" if length > 7 else "P", length)

    def next_number(self) -> int:
        """Return the number of the next incident, from 1."""
        return len(self.incidents) + 1

    def incident(self, incident_id: str) -> Incident:
        """Return the incident, by its id or its number.

        Raises:
            NotFound: there is none.
        """
        if incident_id in self.incidents:
            return self.incidents[incident_id]
        for incident in self.incidents.values():
            if str(incident.number) == incident_id:
                return incident
        raise NotFound

    def user(self, user_id: str) -> User:
        """Return the user or raise NotFound."""
        return _find(self.config.users, user_id)

    def user_by_email(self, email: str) -> User | None:
        """Return the user with this address, whatever its case."""
        return next((user for user in self.config.users if user.email.lower() == email.lower()), None)

    def service(self, service_id: str) -> Service:
        """Return the service or raise NotFound."""
        return _find(self.config.services, service_id)

    def service_by_key(self, routing_key: str) -> Service | None:
        """Return the service that this integration key belongs to."""
        return next((s for s in self.config.services if s.integration_key == routing_key), None)

    def escalation_policy(self, policy_id: str) -> EscalationPolicy:
        """Return the escalation policy or raise NotFound."""
        return _find(self.config.escalation_policies, policy_id)

    def priority(self, priority_id: str) -> Priority:
        """Return the priority or raise NotFound."""
        return _find(self.config.priorities, priority_id)

    def on_call_user_ids(self, policy_id: str, level: int) -> tuple[str, ...]:
        """Return who is on call now at this level of the policy."""
        now = self.clock()
        return tuple(
            entry.user_id
            for entry in self.config.on_calls
            if entry.escalation_policy_id == policy_id and entry.level == level and entry.covers(now, now)
        )

    def alerts_of(self, incident_id: str) -> tuple[Alert, ...]:
        """Return the incident's alerts, oldest first."""
        return tuple(alert for alert in self.alerts.values() if alert.incident_id == incident_id)

    def open_alert(self, service_id: str, alert_key: str) -> Alert | None:
        """Return the service's alert with this key that is not resolved."""
        for alert in self.alerts.values():
            if (alert.service_id, alert.alert_key, alert.status) == (service_id, alert_key, "triggered"):
                return alert
        return None

    def open_incident_of(self, service_id: str) -> Incident | None:
        """Return the service's newest open incident."""
        open_ones = [i for i in self.incidents.values() if i.service_id == service_id and i.is_open]
        return open_ones[-1] if open_ones else None

    def log(
        self,
        incident_id: str,
        kind: str,
        summary: str,
        *,
        by: str | None,
        channel: JsonObject,
        message: str | None = None,
    ) -> None:
        """Add an entry to the incident's timeline."""
        self.log_entries.append(
            LogEntry(
                id=self.new_id("R", 26),
                incident_id=incident_id,
                kind=kind,
                at=self.clock(),
                by=by,
                summary=summary,
                channel=channel,
                message=message,
            )
        )


def _find(entries: Iterable[_Entry], entry_id: str) -> _Entry:
    for entry in entries:
        if entry.id == entry_id:
            return entry
    raise NotFound
