"""The whole application over memory twins, and a hand that plays the engine's part."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path

from adapters.files.playbooks import read_playbooks
from adapters.pagerduty.memory import MemoryIncidents
from adapters.slack.memory import MemoryChat, MemoryDirectory, MemoryRooms
from adapters.store.memory_ledger import MemoryChangeLedger
from adapters.store.memory_looks import MemoryLooks
from adapters.store.opening import Store, open_memory_store
from bot.app.approve import handle_click
from bot.app.commands.answering import answer
from bot.app.commands.asked import Answer, Asked, Way
from bot.app.enclose import enclose
from bot.app.inform import inform
from bot.app.intake import handle_change, handle_event
from bot.app.investigate import investigate
from bot.app.label import label_outcome
from bot.app.pager_fields import prioritise, tell_fields
from bot.app.pass_on import pass_on
from bot.app.remediate import run_step
from bot.app.report import resolve_if_recovered, summarise
from bot.app.show import show
from bot.app.undoing import propose_undo
from bot.app.verifying import verify
from bot.app.world import Manners, World
from bot.domain.approval import Action, Click, Ruling
from bot.domain.audit import Entry
from bot.domain.card import Card, CardRef
from bot.domain.catalogue import Approvers, Catalogue, Endpoint, HttpSignal, Service, Signal
from bot.domain.change import ChangeEvent
from bot.domain.course import (
    Await,
    Execute,
    Expire,
    Finish,
    Move,
    Settle,
    Show,
    Verify,
    Withdraw,
    next_move,
)
from bot.domain.document import Document
from bot.domain.errors import Unavailable, Unclear
from bot.domain.execution import ApprovedStep, Preview, Result, StartedStep, StepOutcome
from bot.domain.ids import IncidentId, PagerDutyUserId, PlaybookId, ServiceName, SlackUserId
from bot.domain.incident import Incident, IncidentEvent, IncidentEventKind, IncidentStatus
from bot.domain.person import OnCall, Person
from bot.domain.plan import PlannedAction
from bot.domain.playbook import LoadedPlaybook
from bot.domain.proposal import ProposalRecord, ProposalState
from bot.domain.redaction import Redactor
from bot.domain.weights import load_weights
from bot.ports import Reading, Runner
from tests.builders import INCIDENT, NOW, ManualTime, a_change, a_click, an_incident

SHIPPED = read_playbooks(Path(__file__).parents[2] / "playbooks")
CHANNEL = "C0INCIDENTS"
DEPLOY_TOKEN = "s3cr3t-deploy-token"
DANA = Person(id=SlackUserId("U0DANA"), team_id="T0HANDRAIL", name="Dana", email="dana@example.com")
OMAR = Person(id=SlackUserId("U0OMAR"), team_id="T0HANDRAIL", name="Omar", email="omar@example.com")
EVE = Person(id=SlackUserId("U0EVE"), team_id="T0HANDRAIL", name="Dana (on call)", email="eve@example.com")
DONE = StepOutcome(result=Result.DONE, detail="POST answered 200")


def a_service(**changed: object) -> Service:
    """Return `checkout` as the catalogue has it."""
    usual = Service(
        pagerduty=("PCHECKOUT",),
        names=("checkout-api",),
        endpoints={
            "deploy": Endpoint(
                url="http://127.0.0.1:8041", headers={"Authorization": "Bearer secret:DEPLOY_TOKEN"}
            )
        },
        signals={"error_ratio": HttpSignal(kind="http", url="http://127.0.0.1:8041/healthz")},
        playbooks=("rollback-deploy", "disable-flag", "restart-service"),
        approvers=Approvers(users=(DANA.id,), on_call=True),
    )
    return usual.model_copy(update=changed)


class Pager(MemoryIncidents):
    """A pager that can be down, and that can lose the answers to notes it has taken."""

    def __init__(self, incidents: Sequence[Incident], on_call: Mapping[str, Sequence[OnCall]]) -> None:
        super().__init__(incidents, on_call=on_call)
        self.is_down = False
        self.hangs_on_call: Callable[[], object] | None = None
        self.loses_answers = 0
        self.loses_notes = 0
        self.loses_acknowledgements = False
        self.takes_no_priority = False
        self.loses_priorities = 0
        self.priorities_asked = 0

    def forget(self, incident: IncidentId) -> None:
        del self._incidents[incident]

    async def read(self, incident: IncidentId) -> Incident:
        self._answer()
        return await super().read(incident)

    async def opened_since(self, start: object) -> Sequence[Incident]:
        self._answer()
        return await super().opened_since(start)  # type: ignore[arg-type]

    async def on_call(self, incident: Incident) -> Sequence[OnCall]:
        self._answer()
        return await super().on_call(incident)

    async def acknowledge(self, incident: IncidentId) -> None:
        self._answer()
        if self.loses_acknowledgements:
            raise Unclear("the answer was lost")
        await super().acknowledge(incident)

    async def prioritise(self, incident: IncidentId, priority: str) -> None:
        self._answer()
        self.priorities_asked += 1
        if self.takes_no_priority:
            raise Unavailable("PagerDuty did not answer")
        await super().prioritise(incident, priority)
        if self.loses_priorities:
            self.loses_priorities -= 1
            raise Unclear("the priority was set, the answer was lost")

    async def notes(self, incident: IncidentId) -> Sequence[str]:
        self._answer()
        return await super().notes(incident)

    async def add_note(self, incident: IncidentId, text: str) -> None:
        self._answer()
        if self.loses_notes:
            self.loses_notes -= 1
            raise Unclear("the answer was lost, and the note too")
        await super().add_note(incident, text)
        if self.loses_answers:
            self.loses_answers -= 1
            raise Unclear("the note was taken, the answer was lost")

    async def add_update(self, incident: IncidentId, text: str) -> None:
        self._answer()
        await super().add_update(incident, text)
        if self.loses_answers:
            self.loses_answers -= 1
            raise Unclear("the update was taken, the answer was lost")

    def _answer(self) -> None:
        if self.is_down:
            raise Unavailable("PagerDuty did not answer")


@dataclass
class FakeChat(MemoryChat):
    """A chat that can be down, and that can lose the answer to a post it has taken."""

    is_down: bool = False
    loses_answers: int = 0

    async def post_card(self, channel: str, card: Card, *, key: str) -> CardRef:
        if self.is_down:
            raise Unavailable("Slack did not answer")
        ref = await super().post_card(channel, card, key=key)
        self._maybe_lose()
        return ref

    async def reply(self, ref: CardRef, document: Document, *, key: str) -> None:
        if self.is_down:
            raise Unavailable("Slack did not answer")
        await super().reply(ref, document, key=key)
        self._maybe_lose()

    async def update_card(self, ref: CardRef, card: Card) -> None:
        if self.is_down:
            raise Unavailable("Slack did not answer")
        await super().update_card(ref, card)

    def _maybe_lose(self) -> None:
        if self.loses_answers:
            self.loses_answers -= 1
            raise Unclear("Slack took it, the answer was lost")


@dataclass
class FakeSignals:
    """Gives the told values one after the other, the last one for ever; each may be unknown."""

    time: ManualTime
    values: list[float | None] = field(default_factory=lambda: [0.3])

    async def read(self, signal: Signal) -> Reading:
        value = self.values.pop(0) if len(self.values) > 1 else self.values[0]
        return Reading(value=value, at=self.time.at, why="" if value is not None else "no data")


@dataclass
class FakeRunner:
    """Keeps what it was asked to run, and ends it as told; the last way for ever.

    Its target says the same of every key, and shows the same beforehand.
    """

    ends: list[StepOutcome | Exception] = field(default_factory=lambda: [DONE])
    ran: list[ApprovedStep] = field(default_factory=list)
    says: StepOutcome | None = None
    shows: str = ""
    asked: list[str] = field(default_factory=list)
    cancelled: list[str] = field(default_factory=list)

    async def preview(self, action: PlannedAction) -> Preview | None:
        return Preview(step=action.name, text=self.shows) if self.shows else None

    async def status(self, step: StartedStep) -> StepOutcome | None:
        self.asked.append(step.key)
        return self.says

    async def cancel(self, step: StartedStep) -> None:
        self.cancelled.append(step.key)

    async def run(self, step: ApprovedStep) -> StepOutcome:
        self.ran.append(step)
        end = self.ends.pop(0) if len(self.ends) > 1 else self.ends[0]
        if isinstance(end, Exception):
            raise end
        return end

    @property
    def keys(self) -> list[str]:
        return [f"{step.effect_key}-{step.step.attempt}" for step in self.ran]


@dataclass
class FakeWorkflows:
    started: list[tuple[IncidentId, int]] = field(default_factory=list)
    woken: list[tuple[IncidentId, int]] = field(default_factory=list)

    async def start(self, incident: IncidentId, life: int) -> None:
        if (incident, life) not in self.started:
            self.started.append((incident, life))

    async def wake(self, incident: IncidentId, life: int) -> None:
        self.woken.append((incident, life))


@dataclass
class FakeTelemetry:
    """Keeps what was counted, as words."""

    said: list[str] = field(default_factory=list)

    def card_shown(self, after: timedelta) -> None:
        self.said.append("card")

    def click_answered(self, after: timedelta, reason: str) -> None:
        self.said.append(f"click {reason}")

    def first_step_started(self, after: timedelta) -> None:
        self.said.append(f"first step after {after.total_seconds():g} s")

    def outcome(self, state: str) -> None:
        self.said.append(f"outcome {state}")

    def tampered(self) -> None:
        self.said.append("tampered")

    def degraded(self, what: str) -> None:
        self.said.append(f"degraded {what}")

    def model_called(self, *_: object, **__: object) -> None:
        self.said.append("model")


@dataclass
class Bot:
    """A world with the parts that a test turns or looks at."""

    world: World
    time: ManualTime
    store: Store
    pager: Pager
    chat: FakeChat
    directory: MemoryDirectory
    rooms: MemoryRooms
    ledger: MemoryChangeLedger
    signals: FakeSignals
    runner: FakeRunner
    workflows: FakeWorkflows
    telemetry: FakeTelemetry
    presses: int = 0

    async def sleep(self, seconds: float) -> None:
        self.time.advance(timedelta(seconds=seconds))

    async def hear(
        self, kind: IncidentEventKind = IncidentEventKind.TRIGGERED, incident: str = INCIDENT, **told: object
    ) -> None:
        """Handle one webhook."""
        known = {
            "event_id": f"E{incident}{kind}",
            "kind": kind,
            "event_type": f"incident.{kind}",
            "incident_id": incident,
            "occurred_at": self.time.at,
            "title": "Error rate is 12 %",
            "pagerduty_service_id": "PCHECKOUT",
            "escalation_policy_id": "PESCALATE",
        }
        await handle_event(self.world, IncidentEvent.model_validate({**known, **told}))

    async def tell(self, change: ChangeEvent) -> None:
        await handle_change(self.world, change)

    async def begin(self, incident: str = INCIDENT) -> ProposalRecord | None:
        """Hear of the incident, and play its course until somebody must decide."""
        await self.hear(incident=incident)
        await self.course(incident)
        return await self.last(incident)

    async def course(self, incident: str = INCIDENT) -> list[Move]:
        """Play the engine's part from the beginning until there is nothing to do; return the moves."""
        if await investigate(self.world, IncidentId(incident)):
            await show(self.world, IncidentId(incident))
            await prioritise(self.world, IncidentId(incident), sleep=self.sleep)
            await inform(self.world, IncidentId(incident), sleep=self.sleep)
        return await self.follow(incident)

    async def follow(self, incident: str = INCIDENT) -> list[Move]:
        """Play on from what the record says."""
        made: list[Move] = []
        for _ in range(50):
            move = await self.next_move(incident)
            made.append(move)
            if isinstance(move, Await):
                return made
            if isinstance(move, Finish):
                await self.wind_up(incident)
                return made
            await self.make(IncidentId(incident), move)
            await show(self.world, IncidentId(incident))
        raise AssertionError(f"the course of {incident} never comes to rest: {made[-3:]}")

    async def next_move(self, incident: str = INCIDENT) -> Move:
        return next_move((await self.world.gate.on_record(IncidentId(incident))).situation())

    async def make(self, incident: IncidentId, move: Move) -> None:
        gate = self.world.gate
        match move:
            case Expire():
                await gate.withdraw(move.proposal, ProposalState.EXPIRED, "nobody decided in time")
            case Withdraw():
                await gate.withdraw(move.proposal, ProposalState.CANCELLED, move.reason)
            case Settle():
                await gate.conclude(move.proposal, move.state, move.detail)
                if move.state is ProposalState.FAILED:
                    await propose_undo(self.world, move.proposal)
            case Execute():
                await run_step(self.world, move.proposal, move.step_index)
            case Verify():
                await verify(self.world, move.proposal, sleep=self.sleep)
                await self.wind_up(incident)
            case Show() | Await() | Finish():
                pass

    async def wind_up(self, incident: str = INCIDENT) -> None:
        await label_outcome(self.world, IncidentId(incident))
        await inform(self.world, IncidentId(incident), sleep=self.sleep)
        await summarise(self.world, IncidentId(incident), sleep=self.sleep)
        await pass_on(self.world, IncidentId(incident), sleep=self.sleep)
        await tell_fields(self.world, IncidentId(incident), sleep=self.sleep)
        await resolve_if_recovered(self.world, IncidentId(incident))
        await enclose(self.world, IncidentId(incident), sleep=self.sleep)

    async def last(self, incident: str = INCIDENT) -> ProposalRecord | None:
        found = await self.world.gate.proposals(IncidentId(incident))
        return found[-1] if found else None

    async def the_last(self, incident: str = INCIDENT) -> ProposalRecord:
        found = await self.last(incident)
        assert found is not None
        return found

    def a_press(self, action: Action, on: ProposalRecord, *, by: Person = DANA) -> Click:
        """Return a new press of a button of the card that shows *on*."""
        self.presses += 1
        ref = CardRef(channel=on.channel or CHANNEL, ts=on.message_ts or "0")
        click = a_click(action, by=by, card=ref, at=self.time.at, digest=on.digest, nonce=str(self.presses))
        return click.model_copy(update={"proposal_id": on.id})

    async def press(
        self, action: Action, *, by: Person = DANA, incident: str = INCIDENT, follow: bool = True
    ) -> Ruling:
        """Press a button of the newest proposal, and play on when it was accepted."""
        ruling = await handle_click(self.world, self.a_press(action, await self.the_last(incident), by=by))
        if follow and ruling.is_accepted:
            await self.follow(incident)
        return ruling

    async def ask(
        self,
        text: str,
        *,
        by: Person = DANA,
        channel: str = CHANNEL,
        thread_ts: str | None = None,
        way: Way = Way.SLASH,
        key: str = "",
    ) -> Answer:
        """Ask what people ask with `/incident`; each asking is one of its own unless *key* names it."""
        self.presses += 1
        asked = Asked(text, channel, by.id, key or f"asking-{self.presses}", thread_ts, way)
        return await answer(self.world, asked, sleep=self.sleep)

    async def state(self, incident: str = INCIDENT) -> ProposalState | None:
        found = await self.last(incident)
        return found.state if found else None

    @property
    def card(self) -> Card:
        """The one card there is."""
        (card,) = self.chat.cards.values()
        return card

    async def entries(self, incident: str | None = None) -> Sequence[Entry]:
        return await self.world.audit.entries(IncidentId(incident) if incident else None)

    async def acts(self) -> list[str]:
        return [entry.act for entry in await self.entries()]

    def told(self, person: Person) -> list[str]:
        """Return what *person* alone was told."""
        return [
            whisper.said
            for whisper in self.chat.told
            if whisper.user == person.id and isinstance(whisper.said, str)
        ]


def a_bot(
    *,
    incidents: Sequence[Incident] | None = None,
    changes: Sequence[ChangeEvent] | None = None,
    services: Mapping[str, Service] | None = None,
    playbooks: Mapping[PlaybookId, LoadedPlaybook] = SHIPPED,
    runners: Mapping[str, Runner] | None = None,
    manners: Manners | None = None,
    kill_file: Path | None = None,
) -> Bot:
    """Return a bot that knows of the deploy of checkout 42, two minutes before the incident."""
    time = ManualTime(NOW + timedelta(seconds=5))
    redactor = Redactor(b"key", known_secrets=[DEPLOY_TOKEN])
    store = open_memory_store(
        redact=lambda text: redactor.redact(text).text, kill_file=kill_file, store_time=time
    )
    on_call = OnCall(user_id=PagerDutyUserId("POMAR"), name="Omar", email="Omar@Example.com")
    pager = Pager(incidents if incidents is not None else [an_incident()], on_call={"PESCALATE": [on_call]})
    chat, directory = FakeChat(), MemoryDirectory([DANA, OMAR, EVE])
    rooms = MemoryRooms({CHANNEL: [DANA.id, OMAR.id, EVE.id]})
    ledger = MemoryChangeLedger(changes if changes is not None else [a_change()])
    signals, runner, workflows, telemetry = (
        FakeSignals(time),
        FakeRunner(),
        FakeWorkflows(),
        FakeTelemetry(),
    )
    world = World(
        clock=time,
        incidents=pager,
        ledger=ledger,
        chat=chat,
        directory=directory,
        rooms=rooms,
        book=store.incidents,
        looks=MemoryLooks(),
        gate=store.gate,
        outbox=store.outbox,
        audit=store.audit,
        diagnoses=store.diagnoses,
        labels=store.labels,
        groups=store.groups,
        signals=signals,
        runners=runners if runners is not None else {"http": runner, "command": runner, "wait": runner},
        workflows=workflows,
        telemetry=telemetry,
        catalogue=Catalogue(
            services={ServiceName(n): s for n, s in (services or {"checkout": a_service()}).items()}
        ),
        playbooks=playbooks,
        weights=load_weights(),
        redactor=redactor,
        manners=manners or Manners(default_channel=CHANNEL, approval_ttl=timedelta(minutes=15)),
    )
    return Bot(
        world=world,
        time=time,
        store=store,
        pager=pager,
        chat=chat,
        directory=directory,
        rooms=rooms,
        ledger=ledger,
        signals=signals,
        runner=runner,
        workflows=workflows,
        telemetry=telemetry,
    )


def with_world(bot: Bot, **changed: object) -> Bot:
    """Return the same bot with parts of its world replaced."""
    return replace(bot, world=replace(bot.world, **changed))  # type: ignore[arg-type]


def a_resolved(incident: Incident | None = None) -> Incident:
    return (incident or an_incident()).model_copy(update={"status": IncidentStatus.RESOLVED})
