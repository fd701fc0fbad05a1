"""Write the account's values as the JSON of PagerDuty's REST API and webhooks."""

from datetime import UTC, datetime

from adapters.sandbox.pagerduty.account import Account
from adapters.sandbox.pagerduty.models import (
    Alert,
    ChangeRecord,
    EscalationPolicy,
    Incident,
    LogEntry,
    Note,
    OnCall,
    Service,
    Subscription,
    User,
)

Body = dict[str, object]

_PLURALS = {
    "escalation_policy": "escalation_policies",
    "priority": "priorities",
    "incident": "incidents",
    "service": "services",
    "user": "users",
    "schedule": "schedules",
}


def timestamp(at: datetime) -> str:
    """Return the REST API's form: seconds, Z."""
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def precise_timestamp(at: datetime) -> str:
    """Return the webhooks' form: milliseconds, Z."""
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


class Bodies:
    """Renders values of one account, with its addresses."""

    def __init__(self, account: Account) -> None:
        self._account = account
        self._api_url = account.config.api_url.rstrip("/")
        self._web_url = account.config.web_url.rstrip("/")

    def reference(self, kind: str, entry_id: str, summary: str) -> Body:
        """Return a reference as webhooks and REST bodies carry it."""
        return self._resource(kind, entry_id, summary) | {"type": f"{kind}_reference"}

    def _resource(self, kind: str, entry_id: str, summary: str) -> Body:
        return self._address(kind, entry_id) | {"summary": summary}

    def _address(self, kind: str, entry_id: str) -> Body:
        path = f"{_PLURALS[kind]}/{entry_id}"
        return {
            "id": entry_id,
            "type": kind,
            "self": f"{self._api_url}/{path}",
            "html_url": f"{self._web_url}/{path}",
        }

    def user_reference(self, user_id: str) -> Body:
        """Return a reference to the user."""
        return self.reference("user", user_id, self._account.user(user_id).name)

    def service_reference(self, service_id: str) -> Body:
        """Return a reference to the service."""
        return self.reference("service", service_id, self._account.service(service_id).name)

    def policy_reference(self, policy_id: str) -> Body:
        """Return a reference to the escalation policy."""
        name = self._account.escalation_policy(policy_id).name
        return self.reference("escalation_policy", policy_id, name)

    def incident_reference(self, incident: Incident) -> Body:
        """Return the reference that note and responder webhooks carry under data.incident."""
        return self.reference("incident", incident.id, incident.title)

    def priority_or_none(self, priority_id: str | None) -> Body | None:
        """Return the priority's reference, or None."""
        if priority_id is None:
            return None
        return self.reference("priority", priority_id, self._account.priority(priority_id).name)

    def agent(self, user_id: str | None) -> Body | None:
        """Return who did it, or None when the Events API did."""
        return None if user_id is None else self.user_reference(user_id)

    def webhook_incident(self, incident: Incident) -> Body:
        """Return an incident as V3 webhooks carry it."""
        return self._address("incident", incident.id) | {
            "number": incident.number,
            "status": incident.status,
            "incident_key": incident.incident_key,
            "created_at": timestamp(incident.created_at),
            "reopened_at": timestamp(incident.reopened_at) if incident.reopened_at else None,
            "title": incident.title,
            "service": self.service_reference(incident.service_id),
            "assignees": [self.user_reference(user_id) for user_id in incident.assignee_ids],
            "escalation_policy": self.policy_reference(incident.escalation_policy_id),
            "teams": [],
            "priority": self.priority_or_none(incident.priority_id),
            "urgency": incident.urgency,
            "conference_bridge": None,
            "resolve_reason": None,
            "incident_type": {"name": "incident_default"},
        }

    def incident(self, incident: Incident) -> Body:
        """Return an incident as the REST API answers it."""
        alerts = self._account.alerts_of(incident.id)
        firing = sum(alert.status == "triggered" for alert in alerts)
        changed_by = (
            self.user_reference(incident.status_changed_by)
            if incident.status_changed_by
            else self.service_reference(incident.service_id)
        )
        title = f"[#{incident.number}] {incident.title}"
        return self._resource("incident", incident.id, title) | {
            "incident_number": incident.number,
            "title": incident.title,
            "description": incident.title,
            "created_at": timestamp(incident.created_at),
            "updated_at": timestamp(incident.updated_at),
            "status": incident.status,
            "incident_key": incident.incident_key,
            "service": self.service_reference(incident.service_id),
            "assignments": [
                {"at": timestamp(incident.created_at), "assignee": self.user_reference(user_id)}
                for user_id in incident.assignee_ids
            ],
            "assigned_via": "escalation_policy",
            "last_status_change_at": timestamp(incident.status_changed_at),
            "last_status_change_by": changed_by,
            "resolved_at": timestamp(incident.resolved_at) if incident.resolved_at else None,
            "alert_counts": {"all": len(alerts), "triggered": firing, "resolved": len(alerts) - firing},
            "is_mergeable": True,
            "incident_type": {"name": "incident_default"},
            "escalation_policy": self.policy_reference(incident.escalation_policy_id),
            "teams": [],
            "pending_actions": [],
            "acknowledgements": [
                {
                    "at": timestamp(one.at),
                    "acknowledger": self.agent(one.user_id) or self.service_reference(incident.service_id),
                }
                for one in incident.acknowledgements
            ],
            "basic_alert_grouping": None,
            "alert_grouping": None,
            "priority": self.priority_or_none(incident.priority_id),
            "resolve_reason": None,
            "incidents_responders": [],
            "responder_requests": [],
            "subscriber_requests": [],
            "urgency": incident.urgency,
            "body": {"type": "incident_body", "details": incident.details},
        }

    def alert(self, alert: Alert) -> Body:
        """Return an alert with its event's fields under body.cef_details, as the REST API answers it."""
        spec = alert.spec
        service = self._account.service(alert.service_id)
        path = f"incidents/{alert.incident_id}/alerts/{alert.id}"
        return {
            "id": alert.id,
            "type": "alert",
            "summary": spec.summary,
            "self": f"{self._api_url}/{path}",
            "html_url": f"{self._web_url}/alerts/{alert.id}",
            "created_at": timestamp(alert.created_at),
            "status": alert.status,
            "alert_key": alert.alert_key,
            "service": self.service_reference(alert.service_id),
            "incident": {"id": alert.incident_id, "type": "incident_reference"},
            "suppressed": False,
            "severity": spec.severity,
            "integration": {
                "id": service.integration_id,
                "type": "events_api_v2_inbound_integration_reference",
            },
            "body": {
                "type": "alert_body",
                "contexts": [dict(link) | {"type": "link"} for link in spec.links],
                "details": dict(spec.custom_details),
                "cef_details": {
                    "version": "1.0",
                    "client": spec.client,
                    "client_url": spec.client_url,
                    "message": spec.summary,
                    "description": spec.summary,
                    "dedup_key": alert.alert_key,
                    "severity": spec.severity,
                    "source_origin": spec.source,
                    "source_component": spec.component,
                    "service_group": spec.group,
                    "event_class": spec.class_,
                    "creation_time": timestamp(spec.detected_at or alert.created_at),
                    "details": dict(spec.custom_details),
                },
            },
        }

    def note(self, note: Note) -> Body:
        """Return a note as the REST API answers it."""
        return {
            "id": note.id,
            "user": self.agent(note.user_id),
            "content": note.content,
            "created_at": timestamp(note.created_at),
            "channel": {"summary": "The PagerDuty website or APIs", "id": note.id, "type": "web"},
        }

    def log_entry(self, entry: LogEntry) -> Body:
        """Return a log entry with its channel, as with include[]=channels."""
        incident = self._account.incident(entry.incident_id)
        told: Body = {} if entry.message is None else {"message": entry.message}
        return told | {
            "id": entry.id,
            "type": f"{entry.kind}_log_entry",
            "summary": entry.summary,
            "self": f"{self._api_url}/log_entries/{entry.id}",
            "html_url": None,
            "created_at": timestamp(entry.at),
            "agent": self.agent(entry.by) or self.service_reference(incident.service_id),
            "channel": dict(entry.channel),
            "service": self.service_reference(incident.service_id),
            "incident": self.incident_reference(incident),
            "teams": [],
            "contexts": [],
        }

    def user(self, user: User) -> Body:
        """Return a whole user."""
        return self._resource("user", user.id, user.name) | {
            "name": user.name,
            "email": user.email,
            "time_zone": user.time_zone,
            "role": user.role,
            "job_title": None,
            "teams": [],
            "contact_methods": [],
            "notification_rules": [],
        }

    def service(self, service: Service) -> Body:
        """Return a whole service."""
        return self._resource("service", service.id, service.name) | {
            "name": service.name,
            "description": service.description,
            "status": "critical" if self._account.open_incident_of(service.id) else "active",
            "escalation_policy": self.policy_reference(service.escalation_policy_id),
            "incident_urgency_rule": {"type": "constant", "urgency": "severity_based"},
            "alert_creation": "create_alerts_and_incidents",
            "alert_grouping_parameters": {"type": "time" if service.grouping else None},
            "integrations": [
                {"id": service.integration_id, "type": "events_api_v2_inbound_integration_reference"}
            ],
            "teams": [],
        }

    def policy(self, policy: EscalationPolicy) -> Body:
        """Return a whole escalation policy's head."""
        return self._resource("escalation_policy", policy.id, policy.name) | {"name": policy.name}

    def on_call(self, entry: OnCall, *, with_user: bool) -> Body:
        """Return an on-call entry; *with_user* puts the whole user in (include[]=users)."""
        schedules = {schedule.id: schedule.name for schedule in self._account.config.schedules}
        user = self._account.user(entry.user_id)
        return {
            "escalation_policy": self.policy_reference(entry.escalation_policy_id),
            "escalation_level": entry.level,
            "schedule": (
                self.reference("schedule", entry.schedule_id, schedules[entry.schedule_id])
                if entry.schedule_id
                else None
            ),
            "user": self.user(user) if with_user else self.user_reference(user.id),
            "start": timestamp(entry.start) if entry.start else None,
            "end": timestamp(entry.end) if entry.end else None,
        }

    def change(self, record: ChangeRecord) -> Body:
        """Return a change event as the REST API answers it."""
        service = self._account.service(record.service_id)
        return {
            "id": record.id,
            "type": "change_event",
            "summary": record.summary,
            "timestamp": timestamp(record.at),
            "source": record.source,
            "custom_details": dict(record.custom_details),
            "links": [dict(link) for link in record.links],
            "services": [self.service_reference(record.service_id)],
            "integration": {"id": service.integration_id, "type": "inbound_integration_reference"},
        }

    def subscription(self, subscription: Subscription) -> Body:
        """Return a webhook subscription; its secrets are never shown again, as in PagerDuty."""
        scope: Body = {"type": "account_reference"}
        if subscription.service_id is not None:
            scope = {"type": "service_reference", "id": subscription.service_id}
        return {
            "id": subscription.id,
            "type": "webhook_subscription",
            "active": subscription.active,
            "delivery_method": {
                "type": "http_delivery_method",
                "url": subscription.url,
                "temporarily_disabled": not subscription.active,
                "secret": None,
                "custom_headers": [{"name": name, "value": "redacted"} for name in subscription.headers],
            },
            "description": None,
            "events": list(subscription.events),
            "filter": scope,
        }
