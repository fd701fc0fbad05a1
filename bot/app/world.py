"""What the application's functions are handed: the ports and the team's own data."""

import asyncio
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from weakref import WeakValueDictionary

from bot.app.drafts import Drafts
from bot.app.latecomers import Latecomers
from bot.app.stories import Stories
from bot.app.summaries import Summaries
from bot.app.topics import Topics
from bot.domain.catalogue import Catalogue
from bot.domain.home import Look
from bot.domain.ids import IncidentId, PlaybookId, SlackUserId
from bot.domain.merging import MergingRules
from bot.domain.playbook import LoadedPlaybook
from bot.domain.policy import FLOOR, Policy
from bot.domain.redaction import Redactor
from bot.domain.topology import Topology
from bot.domain.weights import Weights
from bot.ports import (
    AddedTools,
    AuditLog,
    CallGraph,
    ChangeLedger,
    Chat,
    Clock,
    Diagnoses,
    Diffs,
    Directory,
    Gate,
    Groups,
    Histories,
    IncidentBook,
    Incidents,
    Labels,
    Logs,
    Looks,
    Metrics,
    Outbox,
    OwnChannels,
    Pictures,
    Policies,
    Referee,
    Respondent,
    Rooms,
    Runner,
    Signals,
    Telemetry,
    Versions,
    Workflows,
)

QUESTIONS_AT_ONCE = 4  # Our choice: a model takes seconds, and the places of the queue are for clicks too.


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
    merging: MergingRules | None = None
    """When incidents share a card; None: each has one of its own."""


@dataclass(frozen=True)
class OnePolicy:
    """Implements `Policies` by a policy that never changes."""

    policy: Policy = FLOOR

    def current(self) -> Policy:
        return self.policy


@dataclass(frozen=True)
class NoRooms:
    """Implements `Rooms` where nothing tells who is in a channel: then nobody is."""

    async def has(self, channel: str, user: SlackUserId) -> bool:
        return False


@dataclass(frozen=True)
class NoLooks:
    """Implements `Looks` where nothing remembers them: each is the first."""

    async def last(self, user: SlackUserId) -> Look | None:
        return None

    async def keep(self, user: SlackUserId, look: Look) -> None:
        return None


@dataclass(frozen=True)
class Sources:
    """Where an investigation looks beside the ledger and the signals; None: not configured."""

    logs: Logs | None = None
    metrics: Metrics | None = None
    diffs: Diffs | None = None
    added: AddedTools | None = None
    graph: CallGraph | None = None
    versions: Versions | None = None
    history: Histories | None = None


class Turns:
    """One at a time for each incident: an older drawing of a card must not overtake a newer one."""

    def __init__(self) -> None:
        self._locks: WeakValueDictionary[IncidentId, asyncio.Lock] = WeakValueDictionary()

    def of(self, incident: IncidentId) -> asyncio.Lock:
        """Return the incident's lock; it is gone when nobody holds or awaits it."""
        return self._locks.setdefault(incident, asyncio.Lock())


class Places:
    """So many at once: whoever comes when all are taken is turned away and does not wait."""

    def __init__(self, most: int) -> None:
        self._free = most

    @contextmanager
    def one(self) -> Iterator[bool]:
        """Take a place for the length of the block; False when there is none."""
        if not self._free:
            yield False
            return
        self._free -= 1
        try:
            yield True
        finally:
            self._free += 1


class Bell:
    """Tells this bot's painter that there may be something to draw. It carries nothing: the record does."""

    def __init__(self) -> None:
        self._rung = asyncio.Event()
        self._rung.set()  # What was left undone before the start is looked for at once.

    def ring(self) -> None:
        self._rung.set()

    async def heard(self) -> None:
        """Return once it was rung since the last time."""
        await self._rung.wait()
        self._rung.clear()


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
    diagnoses: Diagnoses
    labels: Labels
    groups: Groups
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
    turns: Turns = field(default_factory=Turns)
    bell: Bell = field(default_factory=Bell)
    questions: Places = field(default_factory=lambda: Places(QUESTIONS_AT_ONCE))
    drafts: Drafts = field(default_factory=Drafts)
    latecomers: Latecomers = field(default_factory=Latecomers)
    stories: Stories = field(default_factory=Stories)
    summaries: Summaries = field(default_factory=Summaries)
    topics: Topics = field(default_factory=Topics)
    overdue: set[IncidentId] = field(default_factory=set)
    """Incidents whose cards Slack was not told of the newest state."""
    prioritised: set[tuple[IncidentId, str]] = field(default_factory=set)
    """Priorities that the pager took or refused in this run: none is asked for again."""
    sources: Sources = Sources()
    policies: Policies = OnePolicy()
    rooms: Rooms = NoRooms()
    looks: Looks = NoLooks()
    referee: Referee | None = None
    respondent: Respondent | None = None
    """A model that answers questions in words; None: the nearest command does."""
    own_channels: OwnChannels | None = None
    """Who makes channels; None: no incident gets one of its own."""
    pictures: Pictures | None = None
    """Who draws; None: no pictures are shared."""

    def topology(self) -> Topology:
        """Return who calls whom: as the catalogue declares it, and as other sources have seen it."""
        return self.sources.graph.topology() if self.sources.graph else self.catalogue.topology()
