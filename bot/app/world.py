"""What the application's functions are handed: the ports and the team's own data."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta

from bot.domain.catalogue import Catalogue
from bot.domain.ids import PlaybookId
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
    Gate,
    IncidentBook,
    Incidents,
    Logs,
    Metrics,
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
    workflows: Workflows
    telemetry: Telemetry
    catalogue: Catalogue
    playbooks: Mapping[PlaybookId, LoadedPlaybook]
    weights: Weights
    redactor: Redactor
    manners: Manners
    sources: Sources = Sources()
