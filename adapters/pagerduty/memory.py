"""`Incidents` in memory, for tests and for trying things out."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime

from bot.domain.errors import Invalid, NotFound
from bot.domain.ids import IncidentId, PagerDutyUserId
from bot.domain.incident import Incident, IncidentStatus
from bot.domain.person import Duty, OnCall


class MemoryIncidents:
    """A pager with the given incidents and people: *on_call* by escalation policy, *users* with addresses."""

    def __init__(
        self,
        incidents: Iterable[Incident] = (),
        *,
        on_call: Mapping[str, Sequence[OnCall]] | None = None,
        users: Mapping[PagerDutyUserId, str] | None = None,
        priorities: Iterable[str] = ("P1", "P2"),
        fields: Iterable[str] = ("probable_cause", "recovery"),
    ) -> None:
        self._priorities = frozenset(priorities)
        self._fields = frozenset(fields)
        self._values: dict[IncidentId, dict[str, str]] = {}
        self._incidents = {incident.id: incident for incident in incidents}
        self._on_call = dict(on_call or {})
        self._users = dict(users or {})
        self._notes: dict[IncidentId, list[str]] = {}
        self._updates: dict[IncidentId, list[str]] = {}
        self._levels: dict[IncidentId, int] = {}

    def put(self, incident: Incident) -> None:
        """Open *incident*, or set it as it stands now."""
        self._incidents[incident.id] = incident

    def add_user(self, user: PagerDutyUserId, email: str) -> None:
        """Know *user* by this address."""
        self._users[user] = email

    async def read(self, incident: IncidentId) -> Incident:
        """Return the incident with its alerts. Raises `NotFound`."""
        return self._known(incident)

    async def opened_since(self, start: datetime) -> Sequence[Incident]:
        """Return the open incidents opened since the second of *start*, oldest first, without alerts."""
        since = start.replace(microsecond=0)
        found = [one for one in self._incidents.values() if one.is_open and one.opened_at >= since]
        found.sort(key=lambda incident: incident.opened_at)
        return tuple(incident.model_copy(update={"alerts": ()}) for incident in found)

    async def on_call(self, incident: Incident) -> Sequence[OnCall]:
        """Return who is on call for the incident's escalation policy, lowest level first."""
        people = self._on_call.get(incident.escalation_policy_id or "", ())
        return tuple(sorted(people, key=lambda person: (person.level, person.name)))

    async def duties(self, user: PagerDutyUserId) -> Sequence[Duty]:
        """Return for what *user* is on call, lowest level first; here nobody is ever relieved."""
        found = {
            Duty(policy=policy, level=person.level)
            for policy, people in self._on_call.items()
            for person in people
            if person.user_id == user
        }
        return tuple(sorted(found, key=lambda duty: (duty.level, duty.policy)))

    async def users_by_email(self, email: str) -> Sequence[PagerDutyUserId]:
        """Return the users who have exactly this address, whatever its case."""
        return tuple(id_ for id_, address in self._users.items() if address.casefold() == email.casefold())

    async def prioritise(self, incident: IncidentId, priority: str) -> None:
        """Set the priority of this name. Raises `Invalid` for one that the account does not have."""
        if priority not in self._priorities:
            raise Invalid(f"PagerDuty has no priority {priority!r}: see `priorities` in services.yaml")
        self._incidents[incident] = self._known(incident).model_copy(update={"priority": priority})

    async def fields(self, incident: IncidentId) -> Mapping[str, str]:
        """Return the custom fields that hold text, by name."""
        return dict(self._values.get(self._known(incident).id, {}))

    async def set_fields(self, incident: IncidentId, values: Mapping[str, str]) -> None:
        """Set custom fields by name. Raises `Invalid` when the account lacks one."""
        if unknown := sorted(set(values) - self._fields):
            raise Invalid(f"PagerDuty has no custom field {unknown[0]!r}.")
        self._values.setdefault(self._known(incident).id, {}).update(values)

    async def notes(self, incident: IncidentId) -> Sequence[str]:
        """Return the notes' texts, oldest first."""
        return tuple(self._notes.get(self._known(incident).id, ()))

    async def add_note(self, incident: IncidentId, text: str) -> None:
        """Add a note; one without text is refused as `Invalid`."""
        if not text:
            raise Invalid("A note needs a text.")
        self._notes.setdefault(self._known(incident).id, []).append(text)

    async def updates(self, incident: IncidentId) -> Sequence[str]:
        """Return what those who follow the incident were told, oldest first."""
        return tuple(self._updates.get(self._known(incident).id, ()))

    async def add_update(self, incident: IncidentId, text: str) -> None:
        """Tell those who follow the incident; without text it is refused as `Invalid`."""
        if not text:
            raise Invalid("An update needs a text.")
        self._updates.setdefault(self._known(incident).id, []).append(text)

    async def acknowledge(self, incident: IncidentId) -> None:
        """Acknowledge the incident. Raises `Invalid` when it is resolved."""
        if not self._known(incident).is_open:
            raise Invalid(f"Incident {incident} is resolved.")
        self._set_status(incident, IncidentStatus.ACKNOWLEDGED)

    async def resolve(self, incident: IncidentId) -> None:
        """Resolve the incident. Raises `Invalid` when it is resolved."""
        if not self._known(incident).is_open:
            raise Invalid(f"Incident {incident} is resolved.")
        self._set_status(incident, IncidentStatus.RESOLVED)

    async def assigned(self, incident: IncidentId) -> Sequence[PagerDutyUserId]:
        """Return who is on call at the incident's level, which is 1 until it is escalated."""
        level = self._levels.get(self._known(incident).id, 1)
        people = await self.on_call(self._known(incident))
        return tuple(person.user_id for person in people if person.level == level)

    async def escalate(self, incident: IncidentId, level: int) -> None:
        """Assign the incident to whoever is on call at *level*. Raises `Invalid` when nobody is."""
        if not any(person.level == level for person in await self.on_call(self._known(incident))):
            raise Invalid(f"Nobody is on call at level {level}.")
        self._levels[incident] = level

    def _known(self, incident: IncidentId) -> Incident:
        found = self._incidents.get(incident)
        if found is None:
            raise NotFound(f"There is no incident {incident}.")
        return found

    def _set_status(self, incident: IncidentId, status: IncidentStatus) -> None:
        self._incidents[incident] = self._known(incident).model_copy(update={"status": status})
