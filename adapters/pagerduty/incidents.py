"""Incidents, people on call and notes in a PagerDuty account."""

import asyncio
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

from adapters.intake.strict_json import JsonObject
from adapters.pagerduty.bodies import (
    assigned_from,
    duties_from,
    fields_from,
    incident_from,
    notes_from,
    on_call_from,
    updates_from,
    users_with,
)
from adapters.pagerduty.rest import RestApi, path_of
from bot.domain.catalogue import Catalogue
from bot.domain.errors import Invalid
from bot.domain.ids import IncidentId, PagerDutyUserId
from bot.domain.incident import Incident, IncidentStatus
from bot.domain.person import Duty, OnCall

_OPEN = ("triggered", "acknowledged")


class PagerDutyIncidents:
    """`Incidents` over the REST API; *catalogue* names our services."""

    def __init__(self, api: RestApi, catalogue: Catalogue) -> None:
        self._api = api
        self._catalogue = catalogue

    async def read(self, incident: IncidentId) -> Incident:
        """Return the incident with its alerts. Raises `NotFound`."""
        whole, alerts = await asyncio.gather(
            self._api.get(path_of("incidents", incident)),
            self._api.list(path_of("incidents", incident, "alerts")),
        )
        return incident_from(whole.get("incident"), self._catalogue, alerts=alerts)

    async def opened_since(self, start: datetime) -> Sequence[Incident]:
        """Return the open incidents opened since the second of *start*, oldest first, without alerts."""
        since = start.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        params = {"statuses[]": list(_OPEN), "since": since, "sort_by": "created_at:asc"}
        bodies = await self._api.list("incidents", params=params)
        return tuple(incident_from(body, self._catalogue) for body in bodies)

    async def on_call(self, incident: Incident) -> Sequence[OnCall]:
        """Return who is on call now for the incident's escalation policy, lowest level first."""
        if incident.escalation_policy_id is None:
            return ()
        params = {
            "escalation_policy_ids[]": [incident.escalation_policy_id],
            "include[]": ["users"],
            "earliest": "true",
        }
        return on_call_from(await self._api.list("oncalls", params=params))

    async def duties(self, user: PagerDutyUserId) -> Sequence[Duty]:
        """Return for what *user* is on call now, lowest level first."""
        return duties_from(await self._api.list("oncalls", params={"user_ids[]": [user]}))

    async def users_by_email(self, email: str) -> Sequence[PagerDutyUserId]:
        """Return the users who have exactly this address, whatever its case."""
        # PagerDuty looks for the text anywhere in names and addresses.
        return users_with(email, await self._api.list("users", params={"query": email}))

    async def notes(self, incident: IncidentId) -> Sequence[str]:
        """Return the notes' texts, oldest first."""
        return notes_from(await self._api.get(path_of("incidents", incident, "notes")))

    async def add_note(self, incident: IncidentId, text: str) -> None:
        """Add a note. Raises `Unclear` when it may have been added."""
        await self._api.write("POST", path_of("incidents", incident, "notes"), {"note": {"content": text}})

    async def updates(self, incident: IncidentId) -> Sequence[str]:
        """Return the status updates' messages, oldest first; PagerDuty has them in the timeline alone."""
        return updates_from(await self._api.list(path_of("incidents", incident, "log_entries")))

    async def add_update(self, incident: IncidentId, text: str) -> None:
        """Publish a status update. Raises `Unclear` when it may have been published."""
        await self._api.write("POST", path_of("incidents", incident, "status_updates"), {"message": text})

    async def acknowledge(self, incident: IncidentId) -> None:
        """Acknowledge the incident."""
        await self._set_status(incident, IncidentStatus.ACKNOWLEDGED)

    async def resolve(self, incident: IncidentId) -> None:
        """Resolve the incident."""
        await self._set_status(incident, IncidentStatus.RESOLVED)

    async def prioritise(self, incident: IncidentId, priority: str) -> None:
        """Set the priority of this name. Raises `Invalid` for one that the account does not have."""
        found = [one for one in await self._api.list("priorities") if one.get("name") == priority]
        if not found:
            raise Invalid(f"PagerDuty has no priority {priority!r}: see `priorities` in services.yaml")
        reference: JsonObject = {"id": found[0].get("id"), "type": "priority_reference"}
        body: JsonObject = {"incident": {"type": "incident_reference", "priority": reference}}
        await self._api.write("PUT", path_of("incidents", incident), body)

    async def fields(self, incident: IncidentId) -> Mapping[str, str]:
        """Return the custom fields that hold text, by name."""
        return fields_from(await self._api.get(path_of("incidents", incident, "custom_fields", "values")))

    async def set_fields(self, incident: IncidentId, values: Mapping[str, str]) -> None:
        """Set custom fields by name. Raises `Invalid` when the account lacks one."""
        body: JsonObject = {"custom_fields": [{"name": name, "value": text} for name, text in values.items()]}
        await self._api.write("PUT", path_of("incidents", incident, "custom_fields", "values"), body)

    async def assigned(self, incident: IncidentId) -> Sequence[PagerDutyUserId]:
        """Return to whom the incident is assigned now. Raises `NotFound`."""
        whole = await self._api.get(path_of("incidents", incident))
        return assigned_from(whole.get("incident"))

    async def escalate(self, incident: IncidentId, level: int) -> None:
        """Assign the incident to whoever is on call at *level*; sent twice it says the same."""
        body: JsonObject = {"incident": {"type": "incident_reference", "escalation_level": level}}
        await self._api.write("PUT", path_of("incidents", incident), body)

    async def aclose(self) -> None:
        """Close the connections."""
        await self._api.aclose()

    async def _set_status(self, incident: IncidentId, status: IncidentStatus) -> None:
        body: JsonObject = {"incident": {"type": "incident_reference", "status": status.value}}
        await self._api.write("PUT", path_of("incidents", incident), body)
