"""Everything the application asks of the world, on one page.

Each port is in domain terms and has a memory twin under the same contract test. Every method may raise
`Unavailable` (nothing was changed by the attempt); methods that write to a neighbour may raise `Unclear`
(it may have happened: never repeat without asking).
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence, Set
from datetime import datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from typing import Protocol

from pydantic import AwareDatetime, SecretStr

from bot.domain.approval import Click, Permission, Question, Ruling
from bot.domain.attachment import Attachment
from bot.domain.audit import Entry
from bot.domain.card import Card, CardRef
from bot.domain.catalogue import ExpositionSignal, HttpVersion, LogStore, Metric, Signal
from bot.domain.chain_check import ChainReport
from bot.domain.change import ChangeEvent
from bot.domain.checkpoint import Checkpoint
from bot.domain.diagnosed import Diagnosed, DiagnosisId, Opined
from bot.domain.diagnosis import Diagnosis, Dossier, NoDiagnosis, ToolResult, Window
from bot.domain.document import Document
from bot.domain.execution import ApprovedStep, Claim, NotAdmitted, Preview, StartedStep, StepOutcome
from bot.domain.freshness import Freshness
from bot.domain.frozen import Frozen
from bot.domain.home import Home, Look
from bot.domain.ids import (
    ChangeId,
    Digest,
    EffectKey,
    IncidentId,
    PagerDutyUserId,
    PlaybookId,
    ProposalId,
    ServiceName,
    SlackUserId,
)
from bot.domain.incident import Incident
from bot.domain.label import Feedback, FeedbackRuling, Label, Permitted
from bot.domain.merging import Company, Member, MergeEntry, MergingRules, Placing, Standing, Storm, StormView
from bot.domain.on_record import OnRecord
from bot.domain.person import Duty, OnCall, Person
from bot.domain.plan import Plan, PlannedAction
from bot.domain.policy import Execution, Policy, Request
from bot.domain.proposal import ProposalRecord, ProposalState
from bot.domain.record import Assessment, IncidentRecord, OnCallTold
from bot.domain.reply import LookUp, Replied, WordsAsked
from bot.domain.sources import AddedAnswer, ChangeDiff, Inquiry, LogLines, Point, VersionShare
from bot.domain.timeline import Timeline
from bot.domain.topology import Topology


class Clock(Protocol):
    """Time for what people read, and for which hours are looked at. Deadlines are decided in the store."""

    def now(self) -> datetime: ...


class Stream(StrEnum):
    """The queues between receiving and handling."""

    EVENTS = "events"
    """PagerDuty webhooks."""
    ACTIONS = "actions"
    """Slack buttons, commands and modals."""
    CHANGES = "changes"
    """Change events, already parsed by their source's module."""


class Message(Frozen):
    """Something durable that waits to be handled."""

    id: str
    stream: Stream
    key: str
    payload: bytes
    received_at: AwareDatetime
    """By the queue's own clock; of what people pressed by the record's, as it was heard."""
    deliveries: int = 1
    """How often it was handed out; more than 1 after a crash."""


class Inbox(Protocol):
    """Durable queues: what `put` returned from survives kill -9."""

    async def put(self, stream: Stream, key: str, payload: bytes) -> bool:
        """Store *payload* durably; False when *key* was seen in the last 8 days and nothing was stored."""
        ...

    def messages(self, stream: Stream) -> AsyncIterator[Message]:
        """Yield messages for ever, first those that a dead consumer left behind. Each needs `done`."""
        ...

    async def done(self, message: Message) -> None:
        """Forget *message*: it has been handled."""
        ...

    async def postpone(self, message: Message) -> None:
        """Keep *message* for later without end: it failed by no fault of its own, so it is never given up."""
        ...

    async def ping(self) -> None:
        """Raise `Unavailable` unless writes are accepted."""
        ...


class Incidents(Protocol):
    """The pager: the truth about incidents, and where notes are written."""

    async def read(self, incident: IncidentId) -> Incident:
        """Return the incident with its alerts. Raises `NotFound`."""
        ...

    async def opened_since(self, start: datetime) -> Sequence[Incident]:
        """Return incidents that are open and were opened after *start*, without their alerts."""
        ...

    async def on_call(self, incident: Incident) -> Sequence[OnCall]:
        """Return who is on call now for the incident's escalation policy, lowest level first."""
        ...

    async def duties(self, user: PagerDutyUserId) -> Sequence[Duty]:
        """Return for what *user* is on call now, lowest level first."""
        ...

    async def users_by_email(self, email: str) -> Sequence[PagerDutyUserId]:
        """Return the users who have exactly this address, whatever its case."""
        ...

    async def notes(self, incident: IncidentId) -> Sequence[str]: ...

    async def add_note(self, incident: IncidentId, text: str) -> None: ...

    async def updates(self, incident: IncidentId) -> Sequence[str]:
        """Return what those who follow the incident were told, oldest first."""
        ...

    async def add_update(self, incident: IncidentId, text: str) -> None:
        """Tell *text* to those who follow the incident; sent twice they hear it twice."""
        ...

    async def acknowledge(self, incident: IncidentId) -> None: ...

    async def resolve(self, incident: IncidentId) -> None: ...

    async def prioritise(self, incident: IncidentId, priority: str) -> None:
        """Set the priority of this name; sent twice it says the same. Raises `Invalid` for an unknown one."""
        ...

    async def fields(self, incident: IncidentId) -> Mapping[str, str]:
        """Return the custom fields that hold text, by name."""
        ...

    async def set_fields(self, incident: IncidentId, values: Mapping[str, str]) -> None:
        """Set custom fields by name; sent twice it says the same. Raises `Invalid` for an unknown one."""
        ...

    async def assigned(self, incident: IncidentId) -> Sequence[PagerDutyUserId]:
        """Return to whom the incident is assigned now. Raises `NotFound`."""
        ...

    async def escalate(self, incident: IncidentId, level: int) -> None:
        """Assign the incident to whoever is on call at *level* of its policy. Raises `Invalid` for nobody."""
        ...


class ChangeLedger(Protocol):
    """Every change we were told of, by service and time."""

    async def record(self, change: ChangeEvent) -> bool:
        """Store *change*; a later report of the same id replaces it. False when nothing differed."""
        ...

    async def get(self, change: ChangeId) -> ChangeEvent | None: ...

    async def between(
        self, services: Sequence[ServiceName], start: datetime, end: datetime
    ) -> Sequence[ChangeEvent]:
        """Return the changes of *services* that were live in `[start, end]`, newest first, at most 500."""
        ...

    async def near(
        self, around: Sequence[Set[ServiceName]], start: datetime, end: datetime
    ) -> Sequence[ChangeEvent]:
        """Return the changes live in `[start, end]` likeliest by time and distance, best first, at most 100.

        *around* holds what alerts, then what is one call away, and so on; what is in none is further still.
        """
        ...


class Chat(Protocol):
    """Where people read and press."""

    def shows_whole(self, card: Card) -> bool:
        """Say whether the card's plan can be shown to the last byte; a plan that cannot is not offered."""
        ...

    async def post_card(self, channel: str, card: Card, *, key: str) -> CardRef:
        """Post the card. *key* is stored with the message, so that `find_card` finds it again."""
        ...

    async def find_card(self, channel: str, *, key: str) -> CardRef | None: ...

    async def update_card(self, ref: CardRef, card: Card) -> None:
        """Edit the card in place; the newest state wins when edits queue up."""
        ...

    async def reply(self, ref: CardRef, document: Document, *, key: str) -> None:
        """Write *document* into the card's thread."""
        ...

    async def has_reply(self, ref: CardRef, *, key: str) -> bool: ...

    async def attach(self, ref: CardRef, attachment: Attachment, *, key: str) -> None:
        """Share a picture or a text file in the card's thread. *key* is told by the file's name."""
        ...

    async def has_attachment(self, ref: CardRef, *, key: str) -> bool: ...

    async def post_document(
        self, channel: str, document: Document, *, key: str, thread_ts: str | None = None
    ) -> CardRef:
        """Post *document* for all, in a thread if one is named. It may be edited."""
        ...

    async def find_document(
        self, channel: str, *, key: str, thread_ts: str | None = None
    ) -> CardRef | None: ...

    async def update_document(self, ref: CardRef, document: Document) -> None:
        """Edit a document in place."""
        ...

    async def begin_stream(self, thread: CardRef, lines: Sequence[str], *, reader: SlackUserId) -> CardRef:
        """Begin a message in *thread* that grows before *reader*'s eyes; before its end it takes no edit.

        Raises:
            HandrailError: a message cannot grow here, or not now; none was begun that anybody can find.
        """
        ...

    async def find_stream(self, thread: CardRef, title: str) -> CardRef | None:
        """Return the newest such message that begins with this line and was never given a key."""
        ...

    async def grow(self, ref: CardRef, lines: Sequence[str]) -> None:
        """Append lines to a message that was begun."""
        ...

    async def end_stream(self, ref: CardRef, lines: Sequence[str], *, key: str) -> None:
        """Append the last lines and end the message, which then is found by *key*. It may have ended."""
        ...

    async def tell(self, channel: str, user: SlackUserId, text: str, *, thread_ts: str | None = None) -> None:
        """Say *text* to one person only."""
        ...

    async def tell_document(
        self, channel: str, user: SlackUserId, document: Document, *, thread_ts: str | None = None
    ) -> None:
        """Show *document* to one person only."""
        ...

    async def show_home(self, user: SlackUserId, home: Home) -> None:
        """Show *home* to its person, in the place of what they had there before."""
        ...

    async def show_details(self, trigger_id: str, document: Document) -> None:
        """Open *document* as a modal; the trigger is good for 3 s."""
        ...

    async def ask_to_confirm(self, trigger_id: str, question: Question) -> None:
        """Open the window in which an approval is confirmed; the trigger is good for 3 s."""
        ...


class Directory(Protocol):
    """Who people are, looked up fresh at each decision."""

    async def person(self, user: SlackUserId) -> Person:
        """Raises `NotFound`."""
        ...

    async def by_email(self, email: str) -> SlackUserId | None: ...

    async def group_members(self, group: str) -> frozenset[SlackUserId]:
        """Return who is in the Slack user group with this id. Raises `NotFound`."""
        ...


class Rooms(Protocol):
    """Who is in which channel."""

    async def has(self, channel: str, user: SlackUserId) -> bool:
        """Say whether *user* is a member of *channel* now; False for a channel that we do not see."""
        ...


class FoundChannel(Frozen):
    """A channel of ours, and what stands above it."""

    id: str
    topic: str = ""


class OwnChannels(Protocol):
    """Channels that single incidents have for themselves. Everything may be done again without harm."""

    async def open(self, name: str, *, like: str) -> str:
        """Return the id of our channel of this name, as private as *like*; it is made if there is none.

        Raises:
            Refused: the name is another's, or we may not make channels; the message says why.
        """
        ...

    async def find(self, name: str) -> FoundChannel | None:
        """Return our channel of this name that people still write in; None when there is none."""
        ...

    async def describe(self, channel: str, topic: str) -> None:
        """Set the topic. Raises `Refused` when we may not, or the channel is archived."""
        ...

    async def link(self, channel: str, title: str, url: str) -> None:
        """Put a bookmark above the channel, unless one with this address stands there."""
        ...

    async def invite(self, channel: str, user: SlackUserId) -> None:
        """Let *user* join. Raises `Refused` for one who may not."""
        ...

    def address(self, channel: str, ts: str | None = None) -> str:
        """Return where people open the channel, or a message of it, in a browser."""
        ...


class Looks(Protocol):
    """When each person last opened the home tab. Losing it costs nobody more than one list of news."""

    async def last(self, user: SlackUserId) -> Look | None: ...

    async def keep(self, user: SlackUserId, look: Look) -> None: ...


class IncidentBook(Protocol):
    """What we remember of each incident."""

    async def see(self, incident: Incident, *, heard_as: str = "") -> IncidentRecord:
        """Remember the incident, or refresh it; its status follows, its life and card stay.

        *heard_as* is the key of the delivery that tells of it: the first one is kept.
        """
        ...

    async def get(self, incident: IncidentId) -> IncidentRecord | None: ...

    async def open(self) -> Sequence[IncidentRecord]:
        """Return the incidents that are not resolved, oldest first."""
        ...

    async def recent(self, limit: int) -> Sequence[IncidentRecord]:
        """Return the incidents last seen, newest first."""
        ...

    async def reopen(self, incident: IncidentId) -> IncidentRecord:
        """Begin the incident's next life."""
        ...

    async def assess(self, incident: IncidentId, assessment: Assessment) -> None: ...

    async def learn(
        self, incident: Incident, assessment: Assessment, on_call: OnCallTold | None
    ) -> IncidentRecord:
        """Keep at once how the incident is, what is thought of it, and who is on call (None: as before).

        One that was resolved meanwhile stays resolved.
        """
        ...

    async def set_card(self, incident: IncidentId, ref: CardRef) -> None: ...


class Gate(Protocol):
    """The record that decides. Each method is one transaction with the store's time read inside it, and
    each change is audited in that same transaction; the first to commit wins."""

    async def now(self) -> datetime: ...

    async def epoch(self) -> int: ...

    async def raise_epoch(self, minimum: int) -> int:
        """Raise the epoch to at least *minimum* and supersede proposals of older ones that did not start."""
        ...

    async def propose(self, plan: Plan) -> ProposalRecord:
        """Store the plan as `PENDING`, superseding an earlier live proposal of the incident."""
        ...

    async def offer(
        self, proposal: ProposalId, ref: CardRef, *, card_sha256: Digest | None = None
    ) -> ProposalRecord:
        """Register the card that shows the proposal, and what was on it: `PENDING` becomes `PROPOSED`."""
        ...

    async def proposal(self, proposal: ProposalId) -> ProposalRecord | None: ...

    async def proposals(self, incident: IncidentId) -> Sequence[ProposalRecord]:
        """Return the incident's proposals, first to last."""
        ...

    async def rule(self, click: Click, permission: Permission, person: Person) -> Ruling:
        """Decide a click by `bot.domain.approval.rule_on`. The same click id gets its first answer again."""
        ...

    async def withdraw(self, proposal: ProposalId, state: ProposalState, reason: str) -> bool:
        """Take a proposal that has not started off by a side exit. False when it started or has left."""
        ...

    async def claim(
        self,
        proposal: ProposalId,
        step_index: int,
        freshness: Freshness | None = None,
        *,
        policy: Policy,
    ) -> ApprovedStep | Claim | NotAdmitted:
        """Claim a step by `bot.domain.execution.admit`; a `Claim` means it was claimed before.

        The first step of a plan needs *freshness*, which is put on record with the claim, and must be allowed
        by *policy* as it is now; where that names a policy server, *freshness* says what the server said.
        """
        ...

    async def executions(self, since: datetime) -> Sequence[Execution]:
        """Return what was started from *since* on, and whatever holds a target still."""
        ...

    async def past_runs(self, service: ServiceName, playbook: PlaybookId) -> Sequence[ProposalRecord]:
        """Return the last 100 executions of the playbook for the service that ended, newest first."""
        ...

    async def resume(self, proposal: ProposalId, step_index: int) -> ApprovedStep | NotAdmitted:
        """Admit a step again that this proposal claimed and did not finish, by the same rules.

        For steps that may be asked for again under the same key; the claim stays as it is.
        """
        ...

    async def finish(self, effect: EffectKey, attempt: int, outcome: StepOutcome) -> None:
        """Record how a claimed step ended. A second, different end is refused as `Tampered`."""
        ...

    async def claims(self, incident: IncidentId) -> Sequence[Claim]:
        """Return the claims on effects of the incident, in order of claiming."""
        ...

    async def on_record(self, incident: IncidentId) -> OnRecord:
        """Return everything recorded of the incident, as it is at one moment."""
        ...

    async def conclude(self, proposal: ProposalId, state: ProposalState, detail: str) -> ProposalRecord:
        """Record what came of a started proposal; frees the target when the state no longer holds it.

        Raises:
            Tampered: *state* may not follow, or would free the target while it is not known of a step that
                was started whether it took effect.
        """
        ...

    async def begin_undo(self, proposal: ProposalId, detail: str) -> str:
        """Let the undo that was approved with a plan begin, by `bot.domain.execution.why_no_undo`.

        *detail* says why the plan did not help. Returns why the undo may not begin, "" when it has begun:
        that happens at most once for an execution.
        """
        ...

    async def stop(self, proposal: ProposalId, person: Person) -> ProposalState | None:
        """Withdraw what has not started, or let no further step of what runs start; None when it is over.

        What runs becomes `UNKNOWN` while a step of it has no certain end, which a person then tells, else
        `FAILED`, or `NOT_RECOVERED` if it was being undone.
        So does what is being watched, if its undo would follow by itself.
        """
        ...

    async def remark(self, proposal: ProposalId, text: str) -> None:
        """Replace the words beside the proposal's state; the state stays."""
        ...

    async def kill(self, by: str, reason: str) -> None: ...

    async def revive(self, by: str) -> None: ...

    async def is_killed(self) -> bool: ...


class Groups(Protocol):
    """Where each incident is shown: on a card of its own, on that of another, or on a storm's.

    Each decision is one transaction, with a line in the ledger and in the audit. The first one stands: asked
    again it is the same, whoever asks.
    """

    async def place(
        self, incident: Incident, topology: Topology, rules: MergingRules, *, channel: str
    ) -> Placing:
        """Decide where an open incident is shown. *channel* is where a storm's card would be."""
        ...

    async def close(self, incident: Incident, topology: Topology, rules: MergingRules) -> Placing:
        """Note that the incident was resolved, and let go of what its card has shown."""
        ...

    async def split(self, incident: IncidentId, by: SlackUserId, name: str) -> Placing:
        """Give the incident a life of its own for good. Raises `NotFound` or `Refused`."""
        ...

    async def get(self, incident: IncidentId) -> Member | None: ...

    async def company(self, incident: IncidentId) -> Company:
        """Return the incident with those that its card shows."""
        ...

    async def standings(self) -> Mapping[IncidentId, Standing]:
        """Return how each open incident stands; one that is missing was never placed."""
        ...

    async def untold(self) -> Sequence[Member]:
        """Return open merged ones whose detail is not in the thread yet."""
        ...

    async def tell(self, incident: IncidentId) -> None:
        """Note that the thread has the detail."""
        ...

    async def ledger(self, limit: int) -> Sequence[MergeEntry]:
        """Return the last *limit* lines, the newest first."""
        ...

    async def storms_to_show(self, most: int) -> Sequence[StormView]:
        """Return the storms whose cards do not say yet how many they hold, each with *most* incidents."""
        ...

    async def storm_shown(self, storm: Storm) -> None:
        """Keep where the storm's card stands and what it says."""
        ...


class PostState(StrEnum):
    """How far a note or post has come."""

    FIRST = "first"
    """Nobody sent it: the caller may, now."""
    IN_DOUBT = "in_doubt"
    """Somebody began to send it and did not say how that ended."""
    SENT = "sent"


class Policies(Protocol):
    """The policy in force."""

    def current(self) -> Policy:
        """Return the last policy that was read and found whole; it never waits."""
        ...


class Referee(Protocol):
    """Somebody else who must agree to an approval: they can refuse what the policy allows, not allow more."""

    async def objections(self, request: Request) -> Sequence[str]:
        """Return why not; empty when they agree. No answer, or any other than agreement, is an objection."""
        ...


class Outbox(Protocol):
    """Claims on notes and posts, so that none is sent twice."""

    async def claim(self, key: str, incident: IncidentId) -> PostState: ...

    async def sent(self, key: str, *, possibly_double: bool = False) -> None: ...


class AuditLog(Protocol):
    """The append-only record."""

    async def append(
        self,
        act: str,
        *,
        actor: str,
        incident: IncidentId | None,
        body: Mapping[str, str | int | bool | None],
    ) -> Entry:
        """Add one entry; it is on disk when this returns."""
        ...

    async def entries(self, incident: IncidentId | None = None, *, limit: int = 1000) -> Sequence[Entry]:
        """Return entries in order, of one incident or of all."""
        ...

    async def verify(self) -> ChainReport: ...

    async def checkpoint(self) -> Checkpoint | None:
        """Return the present end of the chain, signed; None when it is empty or cannot be signed."""
        ...

    async def news(self) -> Sequence[Entry]:
        """Return entries added since the last call, each checked; the first call begins at the end.

        Raises:
            Tampered: an entry does not fit, or the end of before is gone. The next call begins anew.
        """
        ...


class Diagnoses(Protocol):
    """What was thought of incidents, with everything needed to think again."""

    async def record(self, diagnosis: Diagnosed, snapshot: bytes) -> bool:
        """Keep a diagnosis with the bytes that its digest names; False when it was on record already."""
        ...

    async def record_opinion(self, opinion: Opined, dossier: bytes | None) -> None:
        """Keep what a model said, with the redacted dossier it was given."""
        ...

    async def get(self, diagnosis: DiagnosisId) -> Diagnosed | None: ...

    async def all(
        self, *, incident: IncidentId | None = None, since: datetime | None = None
    ) -> Sequence[Diagnosed]:
        """Return diagnoses in order of time."""
        ...

    async def opinions(
        self, *, incident: IncidentId | None = None, since: datetime | None = None
    ) -> Sequence[Opined]: ...

    async def snapshot(self, diagnosis: DiagnosisId) -> bytes | None:
        """Return the recorded case. Raises `Tampered` when it is not what the diagnosis rests on."""
        ...

    async def dossier(self, opinion: Opined) -> bytes | None:
        """Return what the model was given. Raises `Tampered` like `snapshot`."""
        ...


class Labels(Protocol):
    """What people and recoveries said of diagnoses: only added to, and audited in the same transaction."""

    async def say(self, press: Feedback, person: Person, permitted: Permitted) -> FeedbackRuling:
        """Decide a press by `bot.domain.label.rule_on_feedback`; the same press gets its first answer."""
        ...

    async def add(self, label: Label) -> bool:
        """Keep what happened by itself; False when it was kept before."""
        ...

    async def of(self, incident: IncidentId) -> Sequence[Label]:
        """Return every label of the incident, in order, replaced ones too."""
        ...

    async def since(self, start: datetime) -> Sequence[Label]: ...


class Reading(Frozen):
    """The value of a signal at a time; no value means unknown, never healthy."""

    value: float | None
    at: AwareDatetime
    why: str = ""
    """Why there is no value."""


class Signals(Protocol):
    """The services' own measures."""

    async def read(self, signal: Signal) -> Reading:
        """Return the signal's present value. Missing, stale and NaN data give no value; it never raises."""
        ...


class Versions(Protocol):
    """Which version of a service runs."""

    async def serving(self, source: HttpVersion) -> str:
        """Return the version that runs now. Raises `NotFound` or `Unavailable` when that is not said."""
        ...


class Histories(Protocol):
    """How the signals went lately. It informs people and never proves a recovery."""

    async def points(self, signal: Signal, window: Window) -> Sequence[Point]:
        """Return the signal's finite values in *window*, oldest first; none when nobody kept them.

        Raises:
            NotFound, Unavailable: whoever keeps them did not answer.
        """
        ...


class Pictures(Protocol):
    """Who draws."""

    async def timeline(self, timeline: Timeline) -> bytes:
        """Return *timeline* as a PNG. Raises `Unavailable` when it cannot be drawn, or not in time."""
        ...


class Logs(Protocol):
    """What services wrote."""

    async def errors(self, service: ServiceName, store: LogStore, window: Window) -> LogLines:
        """Return the errors that *service* wrote in *window*, oldest first, bounded in number and length."""
        ...


class Metrics(Protocol):
    """Measures beside the signals. They inform an investigation and never prove a recovery."""

    async def series(self, metric: Metric, window: Window) -> Sequence[Point]:
        """Return the metric's finite values in *window*, oldest first; several series are `Unavailable`."""
        ...

    async def by_version(self, source: ExpositionSignal | Metric) -> Sequence[VersionShare]:
        """Return how the requests to each version went lately; nothing when no `version` is told apart."""
        ...


class Diffs(Protocol):
    """Where the code is kept."""

    async def diff(self, repository: str, base: str, head: str) -> ChangeDiff:
        """Return what differs from *base* to *head*, of bounded size. Raises `NotFound`."""
        ...


class AddedTools(Protocol):
    """Read-only tools that the team added."""

    async def ask(self, inquiry: Inquiry) -> Sequence[AddedAnswer]:
        """Ask every tool once; one that does not answer, or is refused, says so. It never raises."""
        ...


class CallGraph(Protocol):
    """Who calls whom, as the sources beside the catalogue last told; nobody waits for them."""

    def topology(self) -> Topology:
        """Return the catalogue's edges and those that were seen, each with who told of it."""
        ...

    def answered(self) -> Sequence[str]:
        """Return the sources whose last answer is fresh."""
        ...

    def silent(self) -> Sequence[str]:
        """Return the sources that gave nothing lately; what they said before still counts as an edge."""
        ...


class Credential(Frozen):
    """Access for one step, never written down; its name is for people."""

    name: str
    value: SecretStr
    expires_at: AwareDatetime


class Credentials(Protocol):
    """Access that is made for a step after its start and void after its end, not kept in between."""

    async def mint(self, step: ApprovedStep) -> Credential:
        """Return access that lasts for the step's time-out and 60 s at most."""
        ...

    async def revoke(self, step: StartedStep) -> None:
        """Void what was made for the step, also by a worker that died; doing it again is harmless."""
        ...


class Runner(Protocol):
    """Carries out steps of one type. It is handed nothing to carry out that was not approved and claimed.

    What takes a step back is a step of its own, shown and approved like the rest, so there is no `undo`
    beside `run`.
    """

    async def preview(self, action: PlannedAction) -> Preview | None:
        """Return what *action* would change, without any effect; None when its target cannot tell."""
        ...

    async def run(self, step: ApprovedStep) -> StepOutcome:
        """Carry out the step under its key. An answer that was lost is `UNKNOWN`, never `FAILED`.

        Cancelled, it ends what it started on this machine within 6 s.
        """
        ...

    async def status(self, step: StartedStep) -> StepOutcome | None:
        """Ask the target by key what came of a step; None when it cannot say. It changes nothing."""
        ...

    async def cancel(self, step: StartedStep) -> None:
        """End what is left of a step that nobody waits for any more, within 6 s; the rest stays as it is."""
        ...


class Workflows(Protocol):
    """The engine: one durable course of events for each life of an incident."""

    async def start(self, incident: IncidentId, life: int) -> None:
        """Begin the course, or do nothing when it has begun."""
        ...

    async def wake(self, incident: IncidentId, life: int) -> None:
        """Tell the course that the record changed; begins it when it had not begun."""
        ...


class Telemetry(Protocol):
    """Measures of how we do; it carries no state and never raises."""

    def card_shown(self, after: timedelta) -> None:
        """A first card stands, so long after its webhook was stored."""
        ...

    def click_answered(self, after: timedelta, reason: str) -> None: ...

    def first_step_started(self, after: timedelta) -> None:
        """The first step of a plan was claimed, so long after its approval."""
        ...

    def outcome(self, state: str) -> None:
        """A proposal reached *state*."""
        ...

    def model_called(
        self, outcome: str, *, tokens_in: int, tokens_out: int, cost_usd: Decimal | None
    ) -> None:
        """A model was asked; *outcome* is `answered` or why it did not."""
        ...

    def tampered(self) -> None:
        """The record contradicts itself: somebody must look."""
        ...

    def degraded(self, what: str) -> None:
        """Something was done with less than it should have: a neighbour did not answer."""
        ...


class Analyst(Protocol):
    """A model that is asked for its opinion. All it reads is redacted; all it can do is choose."""

    async def diagnose(self, dossier: Dossier) -> Diagnosis | NoDiagnosis:
        """Return the model's choice among the dossier's candidates, or why there is none. It never raises.

        Whether the choice rests on the evidence is for the caller to check.
        """
        ...


LookingUp = Callable[[LookUp], Awaitable[Sequence[ToolResult]]]
"""Answers a look-up from our own tools: redacted, bounded, numbered. It never raises."""


class Respondent(Protocol):
    """A model that is asked a question in words. It reads through our tools and can do nothing else."""

    async def reply(self, asked: WordsAsked, look_up: LookingUp) -> Replied | NoDiagnosis:
        """Return the model's answer, or why there is none. It never raises.

        Whether the answer rests on what was looked up is for the caller to check.
        """
        ...
