"""`python -m tests.chaos.replica`: forks replicas: each has a store, a gate and a runner of its own.

Forking takes milliseconds where a start of Python takes seconds, and a forked process dies of kill -9 as any
other. Each line of the standard input is a `Birth`; the replica connects to its socket, says its process id
and does what it is told there, line by line, until it is killed or nobody is left to tell it anything.
"""

import asyncio
import functools
import json
import logging
import os
import signal
import sys
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, NoReturn, TypeVar

import httpx
import structlog
from pydantic import BaseModel, SecretStr

from adapters.runners.http import HttpRunner
from adapters.slack.memory import MemoryDirectory
from adapters.store.gate import StoredGate
from adapters.store.memory_ledger import MemoryChangeLedger
from adapters.store.opening import open_store
from adapters.store.signing import open_signer
from bot.app.approve import handle_click
from bot.app.world import Manners
from bot.domain.approval import Action
from bot.domain.card import Card, CardRef
from bot.domain.catalogue import Approvers, Endpoint
from bot.domain.document import Document
from bot.domain.errors import Unavailable
from bot.domain.ids import IncidentId
from bot.domain.incident import Incident
from bot.domain.person import Person
from bot.domain.proposal import ProposalState
from tests.app.test_remediating import a_playbook
from tests.app.world import CHANNEL, DEPLOY_TOKEN, Bot, FakeChat, Pager, a_bot, a_service, with_world
from tests.builders import ManualTime, a_change, a_click, a_person, an_incident

T = TypeVar("T")

PEOPLE = tuple(a_person(f"U0PERSON{number}", name=f"Person {number}") for number in range(5))


@dataclass(frozen=True)
class Boundary:
    """A call of the gate, before or after which a replica dies."""

    method: str
    is_after: bool
    state: ProposalState | None = None
    """Only a call that is given this state; None: any."""


GATE: Mapping[str, Boundary] = {
    "about to propose": Boundary("propose", is_after=False),
    "proposed, no card": Boundary("propose", is_after=True),
    "card posted, not offered": Boundary("offer", is_after=False),
    "offered, course not told": Boundary("offer", is_after=True),
    "press taken, not decided": Boundary("rule", is_after=False),
    "decided, not answered": Boundary("rule", is_after=True),
    "about to claim": Boundary("claim", is_after=False),
    "claimed, no effect": Boundary("claim", is_after=True),
    "answered, no end recorded": Boundary("finish", is_after=False),
    "end recorded, course not told": Boundary("finish", is_after=True),
    "ended, not concluded": Boundary("conclude", is_after=False, state=ProposalState.DONE),
    "concluded, not verified": Boundary("conclude", is_after=True, state=ProposalState.DONE),
    "recovered, not on record": Boundary("conclude", is_after=False, state=ProposalState.VERIFIED),
    "verified, not summarised": Boundary("conclude", is_after=True, state=ProposalState.VERIFIED),
}


class Birth(BaseModel):
    """What a replica is made of."""

    name: str
    folder: Path
    """Where the record and its key are, one for all replicas."""
    socket: Path
    target: str
    """The address of the deploy API."""
    is_idempotent: bool


class Press(BaseModel):
    person: int
    nonce: str
    action: Action = Action.APPROVE


class Order(BaseModel):
    """What a replica does next: play an incident's course as far as it goes, or decide presses."""

    incident: str
    at: datetime
    presses: tuple[Press, ...] = ()
    dies_at: str | None = None


class Done(BaseModel):
    """How it went: the proposal's state, and each press with the reason of its answer."""

    state: str | None
    answers: dict[str, str]


class _Anywhere(FakeChat):
    """A chat that all replicas share: it takes edits of cards that another one has posted."""

    def __init__(self) -> None:
        super().__init__()
        self._posted = 0

    async def post_card(self, channel: str, card: Card, *, key: str) -> CardRef:
        self._posted += 1
        ref = CardRef(channel=channel, ts=f"17{os.getpid():08d}.{self._posted:06d}")
        self.cards[ref], self.keys[ref] = card, key
        return ref

    async def update_card(self, ref: CardRef, card: Card) -> None:
        self.cards[ref] = card

    async def reply(self, ref: CardRef, document: Document, *, key: str) -> None:
        self.cards.setdefault(ref, next(iter(self.cards.values()), None))  # type: ignore[arg-type]
        await super().reply(ref, document, key=key)


class _AnyPager(Pager):
    """A pager in which every incident is open since *at*."""

    def __init__(self) -> None:
        super().__init__([], on_call={})
        self.at = datetime.now().astimezone()

    async def read(self, incident: IncidentId) -> Incident:
        return an_incident(incident, opened_at=self.at)


class Replica:
    """One process of the three."""

    def __init__(self, birth: Birth, client: httpx.AsyncClient) -> None:
        self._store_time = ManualTime()
        store = open_store(
            f"sqlite:///{birth.folder}/audit.db",
            redact=lambda text: text,
            kill_file=None,
            store_time=self._store_time,
            signer=open_signer(birth.folder, None, may_create=False),
        )
        endpoint = Endpoint(url=birth.target, headers={"Authorization": "Bearer secret:DEPLOY_TOKEN"})
        approvers = Approvers(users=tuple(person.id for person in PEOPLE))
        self._pager = _AnyPager()
        self._bot: Bot = with_world(
            a_bot(
                incidents=[],
                services={"checkout": a_service(endpoints={"deploy": endpoint}, approvers=approvers)},
                playbooks=a_playbook(idempotent=birth.is_idempotent),
                runners={"http": HttpRunner(client, {"DEPLOY_TOKEN": SecretStr(DEPLOY_TOKEN)})},
                manners=Manners(
                    default_channel=CHANNEL,
                    approval_ttl=timedelta(minutes=15),
                    look_up=timedelta(minutes=5),  # A busy machine must not make anybody a stranger.
                ),
            ),
            incidents=self._pager,
            directory=MemoryDirectory(PEOPLE),
            chat=_Anywhere(),
            book=store.incidents,
            gate=store.gate,
            outbox=store.outbox,
            audit=store.audit,
            diagnoses=store.diagnoses,
            labels=store.labels,
            groups=store.groups,
        )
        self._bot.signals.values = [0.0]

    async def do(self, order: Order) -> Done:
        self._bot.time.at = self._store_time.at = self._pager.at = order.at
        ledger = MemoryChangeLedger([a_change(finished_at=order.at - timedelta(minutes=2))])
        bot = with_world(self._bot, ledger=ledger)
        if order.presses:
            answers = await self._decide(bot, order)
        else:
            answers = {}
            await bot.hear(incident=order.incident, opened_at=order.at)
            # As the engine has it: what was investigated is not investigated again when the course goes on.
            begun = await bot.last(order.incident) is not None
            play = bot.follow if begun else bot.course
            await _again_until_heard(lambda: play(order.incident))
        state = await bot.state(order.incident)
        return Done(state=state.value if state else None, answers=answers)

    async def _decide(self, bot: Bot, order: Order) -> dict[str, str]:
        record = await bot.the_last(order.incident)
        card = CardRef(channel=record.channel or "", ts=record.message_ts or "")

        async def decided(press: Press) -> str:
            person: Person = PEOPLE[press.person]
            click = a_click(
                press.action, by=person, card=card, at=order.at, digest=record.digest, nonce=press.nonce
            ).model_copy(update={"proposal_id": record.id})
            return (await _again_until_heard(lambda: handle_click(bot.world, click))).reason.value

        reasons = await asyncio.gather(*(decided(press) for press in order.presses))
        return {press.nonce: reason for press, reason in zip(order.presses, reasons, strict=True)}


async def _again_until_heard(call: Callable[[], Awaitable[T]]) -> T:
    """Call again while the record is locked by others for too long, as the queue and the engine do."""
    while True:
        try:
            return await call()
        except Unavailable:
            await asyncio.sleep(0)  # The record has waited for its lock already.


_armed: list[str] = []
"""The one boundary at which this process dies next."""


def _doomed(call: Callable[..., Awaitable[Any]], method: str) -> Callable[..., Awaitable[Any]]:
    @functools.wraps(call)
    async def doomed(*args: Any, **more: Any) -> Any:
        boundary = GATE[_armed[0]] if _armed and GATE[_armed[0]].method == method else None
        if boundary is not None and boundary.state is not None and boundary.state not in args:
            boundary = None
        if boundary is not None and not boundary.is_after:
            _die()
        answer = await call(*args, **more)
        if boundary is not None:
            _die()
        return answer

    return doomed


def _die() -> NoReturn:
    os.kill(os.getpid(), signal.SIGKILL)
    raise AssertionError("a killed process does not come here")


async def live(birth: Birth) -> None:
    """Be a replica until the other side hangs up."""
    reader, writer = await asyncio.open_unix_connection(str(birth.socket))
    async with httpx.AsyncClient(trust_env=False) as client:
        replica = Replica(birth, client)
        writer.write(json.dumps({"name": birth.name, "pid": os.getpid()}).encode() + b"\n")
        while line := await reader.readline():
            order = Order.model_validate_json(line)
            _armed[:] = [boundary for boundary in GATE if boundary == order.dies_at]
            done = await replica.do(order)
            writer.write(done.model_dump_json().encode() + b"\n")
            await writer.drain()


def main() -> None:
    """Fork a replica for each line; the dead are nobody's to bury."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    for method in {boundary.method for boundary in GATE.values()}:
        setattr(StoredGate, method, _doomed(getattr(StoredGate, method), method))
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    for line in sys.stdin:
        birth = Birth.model_validate_json(line)
        if os.fork() == 0:
            asyncio.run(live(birth))
            os._exit(0)


if __name__ == "__main__":
    main()
