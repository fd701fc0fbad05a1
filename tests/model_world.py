"""A world on memory twins with one assessed incident, for tests of what a model may do to it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Final

from adapters.files.playbooks import read_playbooks
from adapters.pagerduty.memory import MemoryIncidents
from adapters.slack.memory import MemoryChat, MemoryDirectory
from adapters.store.memory_ledger import MemoryChangeLedger
from adapters.store.opening import open_memory_store
from bot.app.investigate import investigate
from bot.app.world import Manners, World
from bot.domain.catalogue import Approvers, Catalogue, Endpoint, HttpSignal, Service, Signal
from bot.domain.change import ChangeEvent
from bot.domain.ids import IncidentId, PlaybookId, ServiceName, SlackUserId
from bot.domain.incident import Incident
from bot.domain.playbook import LoadedPlaybook
from bot.domain.record import Assessment
from bot.domain.redaction import Redactor
from bot.domain.weights import Weights, load_weights
from bot.ports import Reading
from tests.builders import INCIDENT, NOW, ManualTime, a_change, an_incident

PLAYBOOKS: Final = Path(__file__).parents[1] / "playbooks"
SECRET: Final = "correct-horse-battery-staple"


class SteadySignals:
    """Implements `Signals`: every signal reads the same."""

    def __init__(self, time: ManualTime) -> None:
        self._time = time

    async def read(self, signal: Signal) -> Reading:
        return Reading(value=0.12, at=self._time.now())


class IdleWorkflows:
    """Implements `Workflows`: nothing runs by itself."""

    async def start(self, incident: IncidentId, life: int) -> None:
        return

    async def wake(self, incident: IncidentId, life: int) -> None:
        return


@dataclass
class NotedTelemetry:
    """Implements `Telemetry`: keeps what was said to be degraded."""

    degradations: list[str] = field(default_factory=list)

    def card_shown(self, after: timedelta) -> None:
        return

    def click_answered(self, after: timedelta, reason: str) -> None:
        return

    def first_step_started(self, after: timedelta) -> None:
        return

    def outcome(self, state: str) -> None:
        return

    def model_called(
        self, outcome: str, *, tokens_in: int, tokens_out: int, cost_usd: Decimal | None
    ) -> None:
        return

    def tampered(self) -> None:
        return

    def degraded(self, what: str) -> None:
        self.degradations.append(what)


def a_service(*, pagerduty: str, dependencies: Sequence[str] = ()) -> Service:
    return Service(
        pagerduty=(pagerduty,),
        endpoints={"deploy": Endpoint(url="http://127.0.0.1:8041")},
        signals={"error_ratio": HttpSignal(kind="http", url="http://127.0.0.1:8041/healthz")},
        playbooks=("rollback-deploy", "restart-service"),
        approvers=Approvers(users=(SlackUserId("U0ONCALL"),)),
        dependencies=tuple(ServiceName(name) for name in dependencies),
    )


def a_world(*, changes: Sequence[ChangeEvent], incidents: Sequence[Incident]) -> World:
    """Return a world with the services checkout and, called by it, payments."""
    time = ManualTime()
    redactor = Redactor(b"a key of this deployment", known_secrets=[SECRET])
    store = open_memory_store(redact=lambda text: redactor.redact(text).text, store_time=time)
    return World(
        clock=time,
        incidents=MemoryIncidents(incidents),
        ledger=MemoryChangeLedger(changes),
        chat=MemoryChat(),
        directory=MemoryDirectory(),
        book=store.incidents,
        gate=store.gate,
        outbox=store.outbox,
        audit=store.audit,
        diagnoses=store.diagnoses,
        labels=store.labels,
        groups=store.groups,
        signals=SteadySignals(time),
        runners={},
        workflows=IdleWorkflows(),
        telemetry=NotedTelemetry(),
        catalogue=Catalogue(
            {
                ServiceName("checkout"): a_service(pagerduty="PCHECKOUT", dependencies=["payments"]),
                ServiceName("payments"): a_service(pagerduty="PPAYMENTS"),
            }
        ),
        playbooks=_playbooks(),
        weights=_weights(),
        redactor=redactor,
        manners=Manners(default_channel="C0INCIDENTS", approval_ttl=timedelta(minutes=15)),
    )


@cache
def _playbooks() -> Mapping[PlaybookId, LoadedPlaybook]:
    return read_playbooks(PLAYBOOKS)


@cache
def _weights() -> Weights:
    return load_weights()


def usual_changes() -> tuple[ChangeEvent, ...]:
    return (
        a_change(),
        a_change(
            service="payments",
            version="7",
            previous_version="6",
            finished_at=NOW - timedelta(minutes=20),
            title="Bump a library",
        ),
    )


async def an_assessed_world(
    *, changes: Sequence[ChangeEvent] | None = None, incident: Incident | None = None
) -> World:
    """Return the world after the rules have spoken about the incident."""
    found = incident or an_incident()
    world = a_world(changes=changes if changes is not None else usual_changes(), incidents=[found])
    await world.book.see(found)
    assert await investigate(world, found.id)
    return world


async def assessment_of(world: World) -> Assessment:
    record = await world.book.get(IncidentId(INCIDENT))
    assert record is not None
    assert record.assessment is not None
    return record.assessment
