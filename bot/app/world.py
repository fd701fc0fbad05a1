"""What the application's functions are handed: the ports and the team's own data."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from weakref import WeakValueDictionary

from bot.app.drafts import Drafts
from bot.domain.catalogue import Catalogue
from bot.domain.ids import IncidentId, PlaybookId
from bot.domain.playbook import LoadedPlaybook
from bot.domain.redaction import Redactor
from bot.domain.weights import Weights
from bot.ports import (
    AddedTools,
    AuditLog,
    ChangeLedger,
    Chat,
    Clock,
    Diffs,
    Directory,
    Diagnoses,
    Gate,
    IncidentBook,
    Incidents,
    Logs,
    Metrics,
    Labels,
    Outbox,
    Runner,
    Signals,
    Telemetry,
    Workflows,
)


@dataclass(frozen=True)
class Manners:
    """Choices of the team that the application follows."""

    default_channel: str
    approval_ttl: timedelta
    lookback: timedelta = timedelta(hours=24)  # Our choice: a change older than a day is rarely the cause.
    look_up: timedelta = timedelta(
        seconds=2
    )  # A click is answered within 3 s, so who pressed must be known by then.
    acknowledge_on_approval: bool = False
    resolve_when_recovered: bool = False


@dataclass(frozen=True)
class Sources:
    """Where an investigation looks beside the ledger and the signals; None: not configured."""

    logs: Logs | None = None
    metrics: Metrics | None = None
    diffs: Diffs | None = None
    added: AddedTools | None = None


class Turns:
    """One at a time for each incident: an older drawing of a card must not overtake a newer one."""

    def __init__(self) -> None:
        self._locks: WeakValueDictionary[IncidentId, asyncio.Lock] = WeakValueDictionary()

    def of(self, incident: IncidentId) -> asyncio.Lock:
        """Return the incident's lock; it is gone when nobody holds or awaits it."""
        return self._locks.setdefault(incident, asyncio.Lock())


@dataclass(frozen=True)
class World:
    """Everything outside, by port, with the catalogue, the playbooks and the weights."""

    clock: Clock
    incidents: Incidents
    ledger: ChangeLedger
    chat: Chat
    directory: Directory
    book: IncidentBook
    gate: Gate
    outbox: Outbox
    audit: AuditLog
    signals: Signals
    runners: Mapping[str, Runner]
    """By the `type` of a planned action."""
    diagnoses: Diagnoses
    labels: Labels
    workflows: Workflows
    telemetry: Telemetry
    catalogue: Catalogue
    playbooks: Mapping[PlaybookId, LoadedPlaybook]
    weights: Weights
    redactor: Redactor
    manners: Manners
    turns: Turns = field(default_factory=Turns)
    sources: Sources = Sources()
    drafts: Drafts = field(default_factory=Drafts)
