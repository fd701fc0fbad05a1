"""The rows that a store keeps, as one transaction sees them: no rules here, only what is where."""

from collections.abc import Sequence, Set
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from adapters.store.group_rows import GroupRows
from bot.domain.approval import Click, Permission, Ruling
from bot.domain.audit import Entry
from bot.domain.diagnosed import Diagnosed, DiagnosisId, Opined
from bot.domain.execution import Claim, TargetUse
from bot.domain.ids import ClickId, EffectKey, IncidentId, ProposalId, SlackUserId
from bot.domain.label import Feedback, FeedbackRuling, Label
from bot.domain.proposal import ProposalRecord, ProposalState
from bot.domain.record import IncidentRecord


@dataclass(frozen=True)
class Decision:
    """A click with the answer it got, accepted or refused; the same click gets the same answer for ever."""

    click: Click
    permission: Permission
    ruling: Ruling
    at: datetime


@dataclass(frozen=True)
class Decided:
    """What a stored decision says, in short."""

    click: ClickId
    proposal: ProposalId
    user: SlackUserId
    is_accepted: bool


@dataclass(frozen=True)
class Post:
    """A note or post, from the claim on it to its end."""

    key: str
    incident: IncidentId
    is_sent: bool = False
    possibly_double: bool = False


class IncidentRows(Protocol):
    def get(self, incident: IncidentId) -> IncidentRecord | None: ...

    def put(self, record: IncidentRecord, *, is_sighting: bool = False) -> None:
        """Store the record; a sighting makes it the most recent one."""
        ...

    def open(self) -> Sequence[IncidentRecord]:
        """Return those without `resolved_at`, the oldest incident first."""
        ...

    def recent(self, limit: int) -> Sequence[IncidentRecord]: ...


class ProposalRows(Protocol):
    def get(self, proposal: ProposalId) -> ProposalRecord | None: ...

    def put(self, record: ProposalRecord) -> None:
        """Store a new record, or a known one's state, card and approvals; its plan never changes."""
        ...

    def of_incident(self, incident: IncidentId) -> Sequence[ProposalRecord]:
        """Return them by number."""
        ...

    def live(self) -> Sequence[ProposalRecord]:
        """Return those that have not started and can still start."""
        ...

    def latest(self, states: Set[ProposalState], limit: int) -> Sequence[ProposalRecord]:
        """Return the last *limit* that came to one of *states*, newest first."""
        ...

    def all(self) -> Sequence[ProposalRecord]: ...


class DecisionRows(Protocol):
    def answer(self, click: ClickId) -> Ruling | None: ...

    def add(self, decision: Decision) -> None: ...

    def all(self) -> Sequence[Decided]: ...


class ClaimRows(Protocol):
    def get(self, effect: EffectKey, attempt: int) -> Claim | None: ...

    def last_attempt(self, effect: EffectKey) -> int:
        """Return the highest attempt claimed, 0 for none."""
        ...

    def of_incident(self, incident: IncidentId) -> Sequence[Claim]:
        """Return them in order of claiming."""
        ...

    def of_proposal(self, proposal: ProposalId) -> Sequence[Claim]: ...

    def since(self, start: datetime) -> Sequence[Claim]:
        """Return those claimed from *start* on, in order of claiming."""
        ...

    def add(self, claim: Claim, *, incident: IncidentId, entry: int) -> None:
        """Store a new claim with the sequence number of its audit entry."""
        ...

    def finish(self, claim: Claim) -> None: ...

    def all(self) -> Sequence[tuple[int, Claim]]:
        """Return them with the sequence numbers of their entries."""
        ...


class TargetRows(Protocol):
    def holder(self, target: str) -> ProposalId | None: ...

    def take(self, target: str, use: TargetUse) -> None:
        """Lock the target, and remember who took it last."""
        ...

    def free(self, proposal: ProposalId) -> None: ...

    def holders(self) -> Sequence[ProposalId]:
        """Return the proposals that hold a target."""
        ...

    def last_use(self, target: str) -> TargetUse | None: ...


class PostRows(Protocol):
    def get(self, key: str) -> Post | None: ...

    def put(self, post: Post) -> None: ...

    def all(self) -> Sequence[Post]: ...


class SwitchRows(Protocol):
    def is_killed(self) -> bool: ...

    def set_killed(self, is_killed: bool) -> None: ...

    def epoch(self) -> int: ...

    def set_epoch(self, epoch: int) -> None: ...


class LogRows(Protocol):
    def last(self) -> Entry | None: ...

    def last_signed(self) -> Entry | None: ...

    def get(self, seq: int) -> Entry | None: ...

    def add(self, entry: Entry) -> None: ...

    def drop_until(self, seq: int) -> None:
        """Remove the entries up to *seq*, which stand in a segment file."""
        ...

    def after(self, seq: int, limit: int) -> Sequence[Entry]:
        """Return up to *limit* entries that follow *seq*, in order."""
        ...

    def latest(self, incident: IncidentId | None, limit: int) -> Sequence[Entry]:
        """Return the last *limit* entries, of one incident or of all, in order."""
        ...


@dataclass(frozen=True)
class Answered:
    """A press about a diagnosis with the answer it got; the same press gets the same answer for ever."""

    press: Feedback
    ruling: FeedbackRuling
    at: datetime


class LabelRows(Protocol):
    def answer(self, click: ClickId) -> FeedbackRuling | None: ...

    def add_answer(self, answered: Answered) -> None: ...

    def has(self, label: str) -> bool: ...

    def add(self, label: Label) -> None: ...

    def of_incident(self, incident: IncidentId) -> Sequence[Label]:
        """Return them in order of time."""
        ...

    def since(self, start: datetime) -> Sequence[Label]: ...


class DiagnosisRows(Protocol):
    def get(self, diagnosis: DiagnosisId) -> Diagnosed | None: ...

    def add(self, diagnosis: Diagnosed, snapshot: bytes) -> None: ...

    def add_opinion(self, opinion: Opined, dossier: bytes | None) -> None:
        """Store a new opinion; one with a known id is left as it is."""
        ...

    def between(self, incident: IncidentId | None, start: datetime | None) -> Sequence[Diagnosed]:
        """Return them in order of time, of one incident or of all, from *start* on."""
        ...

    def opinions(self, incident: IncidentId | None, start: datetime | None) -> Sequence[Opined]: ...

    def snapshot(self, diagnosis: DiagnosisId) -> bytes | None: ...

    def dossier(self, opinion: str) -> bytes | None: ...


@dataclass(frozen=True)
class Rows:
    """All rows of a store, within one transaction."""

    incidents: IncidentRows
    proposals: ProposalRows
    decisions: DecisionRows
    claims: ClaimRows
    targets: TargetRows
    posts: PostRows
    switches: SwitchRows
    log: LogRows
    labels: LabelRows
    diagnoses: DiagnosisRows
    groups: GroupRows
