"""The card: everything the one message of an incident shows, as values. Views choose the layout."""

from enum import StrEnum

from pydantic import AwareDatetime

from bot.domain.document import Ask, Line
from bot.domain.frozen import Frozen
from bot.domain.ids import ChangeId, IncidentId, ProposalId, SlackUserId
from bot.domain.incident import Incident
from bot.domain.plan import Plan
from bot.domain.proposal import Approval, ProposalState


class CardRef(Frozen):
    """Where the card stands in Slack."""

    channel: str
    ts: str


class SuspectLine(Frozen):
    """One suspect as people read it."""

    title: str
    """Such as `checkout 42 · deploy by dana`."""
    probability_percent: int
    reasons: tuple[str, ...]
    url: str | None = None
    change: ChangeId | None = None


class Cause(Frozen):
    """What the incident is put down to, and on whose word."""

    headline: str
    """Such as `Probably the deploy of checkout 42` or `No change is suspected`."""
    confidence_percent: int
    confidence_word: str
    suspects: tuple[SuspectLine, ...]
    """At most three, best first."""
    nothing_changed_percent: int
    nothing_reasons: tuple[str, ...] = ()
    evidence: tuple[Line, ...] = ()
    prose: str = ""
    """A model's explanation; empty without one."""
    speaker: str
    """Who spoke: `rules only`, or a model's name with what it may not do."""
    limits: tuple[str, ...] = ()
    """Sources that did not answer and what that does to the confidence."""
    named: ChangeId | None = None
    """The change that the headline names; None when it names none."""
    is_ranked: bool = True
    """False: the changes were not weighed at all, so that no percentage means anything."""


class ProgressKind(StrEnum):
    """How a step stands."""

    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    UNKNOWN = "unknown"
    SKIPPED = "skipped"


class Progress(Frozen):
    """One step of a running or finished execution."""

    kind: ProgressKind
    name: str
    detail: str = ""
    at: AwareDatetime


class Offer(Frozen):
    """A proposal as the card shows it: the plan word for word, and where it stands."""

    id: ProposalId
    digest: str
    plan: Plan
    state: ProposalState
    reason: str = ""
    approvals: tuple[Approval, ...] = ()
    denied_by: str | None = None
    progress: tuple[Progress, ...] = ()
    outcome: str = ""
    """One sentence about what came of it, once known."""
    may_propose_again: bool = False


class Card(Frozen):
    """The one message of an incident."""

    incident: Incident
    status_line: str
    """What stands first: state, where, since when."""
    mentions: tuple[SlackUserId, ...] = ()
    """On-call people; mentioned once, in the first post."""
    on_call: tuple[str, ...] = ()
    """Names of those on call, shown without a mention."""
    approvers: tuple[tuple[SlackUserId, str], ...] = ()
    """Names of named approvers: in the first post they are not mentioned, which would notify them."""
    cause: Cause | None = None
    offer: Offer | None = None
    notes: tuple[Line, ...] = ()
    """What people must know besides: a missing catalogue entry, a stopped bot, a late webhook."""
    ask: Ask | None = None
    """The named suspect."""
    said: tuple[str, ...] = ()
    """What people said of the suspects, such as `This was it: Dana, Omar`."""
    also: tuple[Line, ...] = ()
    """Other incidents that this card shows, each with why."""
    updated_at: AwareDatetime

    @property
    def incident_id(self) -> IncidentId:
        return self.incident.id
