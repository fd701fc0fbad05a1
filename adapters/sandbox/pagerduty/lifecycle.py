"""What can happen to an incident, and the webhook that PagerDuty sends for it."""

import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime

from adapters.sandbox.pagerduty.account import Account
from adapters.sandbox.pagerduty.bodies import Bodies, Body, precise_timestamp
from adapters.sandbox.pagerduty.models import (
    Acknowledgement,
    Alert,
    AlertSpec,
    Incident,
    Note,
    Status,
    StatusUpdate,
    Urgency,
    WebhookEvent,
)
from adapters.sandbox.pagerduty.problems import InvalidInput
from adapters.sandbox.pagerduty.told_bodies import field_bodies, fields_updated_body, published_body

_CHANNEL = {"type": "api"}


class Lifecycle:
    """Changes incidents, keeps their timeline and publishes each change as a V3 event.

    Every *by* is a user's id, or None when the Events API acted.
    """

    def __init__(self, account: Account, bodies: Bodies, *, publish: Callable[[WebhookEvent], None]) -> None:
        self._account = account
        self._bodies = bodies
        self._publish = publish

    def open(
        self,
        service_id: str,
        title: str,
        *,
        urgency: Urgency,
        alerts: tuple[AlertSpec, ...] = (),
        details: str = "",
        at: datetime | None = None,
        by: str | None = None,
    ) -> Incident:
        """Open an incident with these alerts, assigned to who is on call at level 1."""
        account = self._account
        policy_id = account.service(service_id).escalation_policy_id
        began = at or account.clock()
        incident = Incident(
            id=account.new_incident_id(),
            number=account.next_number(),
            title=title,
            service_id=service_id,
            escalation_policy_id=policy_id,
            urgency=urgency,
            incident_key=(alerts[0].dedup_key if alerts else None) or account.new_id("", 32).lower(),
            created_at=began,
            updated_at=began,
            status_changed_at=began,
            status_changed_by=by,
            details=details,
            assignee_ids=account.on_call_user_ids(policy_id, 1),
        )
        account.incidents[incident.id] = incident
        for spec in alerts:
            self.add_alert(incident, spec, at=began)
        channel = {
            "type": "api",
            "summary": title,
            "details": dict(alerts[0].custom_details) if alerts else details,
        }
        account.log(incident.id, "trigger", "Triggered", by=by, channel=channel)
        self._publish_state("incident.triggered", incident, by)
        return incident

    def add_alert(self, incident: Incident, spec: AlertSpec, *, at: datetime | None = None) -> Alert:
        """Add an alert to an open incident; PagerDuty sends no webhook for it."""
        alert = Alert(
            id=self._account.new_id("Q", 14),
            incident_id=incident.id,
            service_id=incident.service_id,
            alert_key=spec.dedup_key or self._account.new_id("", 32).lower(),
            spec=spec,
            created_at=at or self._account.clock(),
        )
        self._account.alerts[alert.id] = alert
        return alert

    def resolve_alert(self, alert: Alert) -> None:
        """Resolve one alert; the last one of an incident resolves the incident."""
        self._account.alerts[alert.id] = replace(alert, status="resolved")
        others = self._account.alerts_of(alert.incident_id)
        if (
            all(one.status == "resolved" for one in others)
            and self._account.incident(alert.incident_id).is_open
        ):
            self.resolve(alert.incident_id, by=None)

    def acknowledge(self, incident_id: str, *, by: str | None) -> Incident:
        """Acknowledge; a second time by the same person changes nothing."""
        incident = self._open_incident(incident_id)
        if incident.status == "acknowledged" and any(one.user_id == by for one in incident.acknowledgements):
            return incident
        acknowledged = Acknowledgement(user_id=by, at=self._account.clock())
        return self._change(
            replace(incident, acknowledgements=(*incident.acknowledgements, acknowledged)),
            "acknowledge",
            "incident.acknowledged",
            by,
            status="acknowledged",
        )

    def unacknowledge(self, incident_id: str, *, by: str | None = None) -> Incident:
        """Put an acknowledged incident back to triggered, as a timeout does."""
        incident = replace(self._open_incident(incident_id), acknowledgements=())
        return self._change(incident, "unacknowledge", "incident.unacknowledged", by, status="triggered")

    def resolve(self, incident_id: str, *, by: str | None) -> Incident:
        """Resolve the incident with all its alerts."""
        incident = self._open_incident(incident_id)
        for alert in self._account.alerts_of(incident.id):
            self._account.alerts[alert.id] = replace(alert, status="resolved")
        resolved = replace(incident, resolved_at=self._account.clock(), assignee_ids=())
        return self._change(resolved, "resolve", "incident.resolved", by, status="resolved")

    def reopen(self, incident_id: str, *, by: str | None = None) -> Incident:
        """Reopen a resolved incident.

        Raises:
            InvalidInput: it is open.
        """
        incident = self._account.incident(incident_id)
        if incident.is_open:
            raise InvalidInput("Incident is not resolved")
        reopened = replace(
            incident,
            resolved_at=None,
            reopened_at=self._account.clock(),
            acknowledgements=(),
            assignee_ids=self._account.on_call_user_ids(incident.escalation_policy_id, 1),
        )
        return self._change(reopened, "reopen", "incident.reopened", by, status="triggered")

    def escalate(self, incident_id: str, *, level: int | None = None, by: str | None = None) -> Incident:
        """Assign to who is on call at *level*, the next one unless told."""
        incident = self._open_incident(incident_id)
        wanted = level or incident.escalation_level + 1
        assignees = self._account.on_call_user_ids(incident.escalation_policy_id, wanted)
        if not assignees:
            raise InvalidInput(f"Nobody is on call at escalation level {wanted}")
        escalated = replace(incident, escalation_level=wanted, assignee_ids=assignees)
        return self._change(escalated, "escalate", "incident.escalated", by)

    def reassign(self, incident_id: str, user_ids: tuple[str, ...], *, by: str | None = None) -> Incident:
        """Assign to these users."""
        for user_id in user_ids:
            self._account.user(user_id)
        incident = replace(self._open_incident(incident_id), assignee_ids=user_ids)
        return self._change(incident, "assign", "incident.reassigned", by)

    def set_priority(self, incident_id: str, priority_id: str | None, *, by: str | None = None) -> Incident:
        """Set or remove the priority."""
        if priority_id is not None:
            self._account.priority(priority_id)
        incident = replace(self._account.incident(incident_id), priority_id=priority_id)
        return self._change(incident, "priority_change", "incident.priority_updated", by)

    def move(self, incident_id: str, service_id: str, *, by: str | None = None) -> Incident:
        """Move the incident to another service."""
        self._account.service(service_id)
        incident = replace(self._open_incident(incident_id), service_id=service_id)
        return self._change(incident, "service_change", "incident.service_updated", by)

    def retitle(self, incident_id: str, title: str) -> Incident:
        """Change the title, for which PagerDuty sends no webhook."""
        incident = replace(self._account.incident(incident_id), title=title, updated_at=self._account.clock())
        self._account.incidents[incident.id] = incident
        return incident

    def annotate(self, incident_id: str, content: str, *, by: str | None) -> Note:
        """Add a note."""
        incident = self._account.incident(incident_id)
        note = Note(
            id=self._account.new_id("P", 7),
            incident_id=incident.id,
            user_id=by,
            content=content,
            created_at=self._account.clock(),
        )
        self._account.notes.append(note)
        channel = {"type": "note", "summary": content}
        self._account.log(incident.id, "annotate", "Note added", by=by, channel=channel)
        data: Body = {"id": note.id, "content": content, "trimmed": False, "type": "incident_note"}
        self._publish_about("incident.annotated", incident, by, data)
        return note

    def tell_subscribers(self, incident_id: str, message: str, *, by: str | None) -> StatusUpdate:
        """Publish a status update. PagerDuty lists it nowhere but in the incident's timeline."""
        incident = self._account.incident(incident_id)
        update = StatusUpdate(
            id=self._account.new_id("P", 7),
            incident_id=incident.id,
            user_id=by,
            message=message,
            created_at=self._account.clock(),
        )
        self._account.status_updates.append(update)
        self._account.log(
            incident.id, "status_update", "Status update added", by=by, channel=_CHANNEL, message=message
        )
        self._publish_about("incident.status_update_published", incident, by, published_body(update))
        return update

    def set_fields(self, incident_id: str, values: Mapping[str, str | None], *, by: str | None) -> None:
        """Set custom fields by name; what is as it was before is no event."""
        incident, names = self._account.incident(incident_id), self._account.config.custom_fields
        if unknown := [name for name in values if name not in names]:
            raise InvalidInput(f"Custom field {unknown[0]} does not exist")
        kept = self._account.field_values.setdefault(incident.id, {})
        changed = [name for name, value in values.items() if kept.get(name) != value]
        kept.update(values)
        if changed:
            data = fields_updated_body(field_bodies(names, kept), changed)
            self._publish_about("incident.custom_field_values.updated", incident, by, data)

    def add_responder(self, incident_id: str, user_id: str, *, message: str, by: str | None = None) -> None:
        """Ask a user to respond."""
        incident = self._account.incident(incident_id)
        data: Body = {
            "user": self._bodies.user_reference(user_id),
            "escalation_policy": None,
            "message": message,
            "state": "pending",
            "type": "incident_responder",
        }
        self._account.log(incident.id, "responder_request", "Responder requested", by=by, channel=_CHANNEL)
        self._publish_about("incident.responder.added", incident, by, data)

    def publish(
        self,
        event_type: str,
        data: Body,
        *,
        queue: str,
        service_id: str | None = None,
        by: str | None = None,
        only_subscription: str | None = None,
    ) -> str:
        """Publish any V3 event with this data and return its id."""
        event_id = self._account.new_id("01", 26)
        body: Body = {
            "id": event_id,
            "event_type": event_type,
            "resource_type": event_type.partition(".")[0],
            "occurred_at": precise_timestamp(self._account.clock()),
            "agent": self._bodies.agent(by),
            "client": None,
            "data": data,
        }
        self._publish(
            WebhookEvent(
                id=event_id,
                event_type=event_type,
                queue=queue,
                service_id=service_id,
                body=json.dumps({"event": body}, separators=(",", ":")).encode(),
                only_subscription=only_subscription,
            )
        )
        return event_id

    def _open_incident(self, incident_id: str) -> Incident:
        incident = self._account.incident(incident_id)
        if not incident.is_open:
            raise InvalidInput("Incident Already Resolved")
        return incident

    def _change(
        self, incident: Incident, kind: str, event_type: str, by: str | None, *, status: Status | None = None
    ) -> Incident:
        now = self._account.clock()
        changed = replace(incident, updated_at=now)
        if status is not None:
            changed = replace(changed, status=status, status_changed_at=now, status_changed_by=by)
        self._account.incidents[changed.id] = changed
        self._account.log(changed.id, kind, kind.replace("_", " ").capitalize(), by=by, channel=_CHANNEL)
        self._publish_state(event_type, changed, by)
        return changed

    def _publish_state(self, event_type: str, incident: Incident, by: str | None) -> None:
        data = self._bodies.webhook_incident(incident)
        self.publish(event_type, data, queue=incident.id, service_id=incident.service_id, by=by)

    def _publish_about(self, event_type: str, incident: Incident, by: str | None, data: Body) -> None:
        about = {"incident": self._bodies.incident_reference(incident)} | data
        self.publish(event_type, about, queue=incident.id, service_id=incident.service_id, by=by)
