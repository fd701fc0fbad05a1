"""What the store remembers of an incident between two messages."""

from pydantic import AwareDatetime

from bot.domain.card import CardRef, Cause
from bot.domain.correlation import Ranking
from bot.domain.frozen import Frozen
from bot.domain.ids import ChangeId, Digest, IncidentId, SlackUserId
from bot.domain.incident import Incident


class Assessment(Frozen):
    """What was thought of an incident at one time: the basis of a proposal."""

    cause: Cause
    ranking: Ranking | None = None
    """The deterministic ranking, its best suspects only: what a model may re-rank within bounds."""
    suspect: ChangeId | None
    """The change named as the cause; None when none is, or two cannot be separated."""
    evidence_digest: Digest
    notes: tuple[str, ...] = ()
    assessed_at: AwareDatetime


class OnCallTold(Frozen):
    """Who is on call for an incident, as the card tells it."""

    users: tuple[SlackUserId, ...]
    names: tuple[str, ...]


class IncidentRecord(Frozen):
    """An incident with its life here."""

    incident: Incident
    life: int = 1
    """Rises when the incident is reopened; the workflow's id ends with it."""
    card: CardRef | None = None
    assessment: Assessment | None = None
    on_call: tuple[SlackUserId, ...] = ()
    on_call_names: tuple[str, ...] = ()
    resolved_at: AwareDatetime | None = None
    seen_at: AwareDatetime
    """When we first heard of it."""
    heard_as: str = ""
    """The key of the delivery that told of it first; empty when a look at the pager found it."""

    @property
    def correlation_id(self) -> str:
        """Return what stands on every log line of its story, from the webhook that told of it on."""
        return self.heard_as or f"incident-{self.id}"

    @property
    def id(self) -> IncidentId:
        return self.incident.id
