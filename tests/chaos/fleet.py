"""Three replicas over one record and one target: who is told what, who was killed, what the target did."""

import asyncio
import contextlib
import json
import os
import signal
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

from adapters.store.opening import open_store
from adapters.store.signing import open_signer
from bot.domain.audit import Entry
from tests.builders import NOW
from tests.chaos.replica import GATE, Birth, Done, Order, Press
from tests.history import Effect, Violation, violations
from tests.scenarios.running import ROOT

AT_THE_TARGET = ("sent, the target has not acted", "the target acted, no answer")
BOUNDARIES = (*GATE, *AT_THE_TARGET)
NAMES = ("one", "two", "three")
BORN_WITHIN_S = 90  # Generous: the first one waits for the imports of all.
BETWEEN_ROUNDS = timedelta(hours=2)  # No cap on executions an hour is what these rounds are about.


@dataclass
class Target:
    """A deploy API that acts once for each key, and notes everything; it can have its caller killed."""

    url: str = ""
    acted: list[str] = field(default_factory=list)
    asked: int = 0
    kills: tuple[int, bool] | None = None
    """The process to kill at the next request, and whether after the effect."""

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
            headers = dict(line.split(": ", 1) for line in head.split("\r\n")[1:] if line)
            await reader.readexactly(int(headers.get("content-length", "0")))
            self._take(headers["idempotency-key"])
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}")
            await writer.drain()
        writer.close()

    def _take(self, key: str) -> None:
        self.asked += 1
        kills, self.kills = self.kills, None
        if kills is None or kills[1]:
            self._act(key)
        if kills is not None:
            os.kill(kills[0], signal.SIGKILL)

    def _act(self, key: str) -> None:
        if key not in self.acted:
            self.acted.append(key)


@dataclass
class Member:
    """One replica as it lives now."""

    name: str
    pid: int
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    async def ask(self, order: Order) -> Done | None:
        """Return what it did; None when it died of it."""
        with contextlib.suppress(ConnectionError):
            self.writer.write(order.model_dump_json().encode() + b"\n")
            await self.writer.drain()
            if line := await self.reader.readline():
                return Done.model_validate_json(line)
        self.writer.close()
        return None


class Fleet:
    """Plays the engine's and the queue's part: one replica has a course, and when it dies another."""

    def __init__(self, folder: Path, socket: Path, target: Target, *, is_idempotent: bool) -> None:
        self.target = target
        self._folder = folder
        self._socket = socket
        self._is_idempotent = is_idempotent
        self._nursery: asyncio.subprocess.Process | None = None
        self._born: dict[str, asyncio.Future[Member]] = {}
        self.members: dict[str, Member] = {}
        self.killed = 0
        self._played = 0

    async def begin(self) -> None:
        self._nursery = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "tests.chaos.replica", cwd=ROOT, stdin=asyncio.subprocess.PIPE
        )
        for name in NAMES:
            await self.raise_up(name)

    async def end(self) -> None:
        for member in self.members.values():
            member.writer.close()
        if self._nursery is not None:
            with contextlib.suppress(ProcessLookupError):  # It ended by itself, and said why.
                self._nursery.kill()
            await self._nursery.wait()

    async def welcome(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        hello = json.loads(await reader.readline())
        self._born[hello["name"]].set_result(Member(hello["name"], hello["pid"], reader, writer))

    async def raise_up(self, name: str) -> None:
        """Start a replica, again if it was killed."""
        assert self._nursery is not None
        assert self._nursery.stdin is not None
        self._born[name] = asyncio.get_running_loop().create_future()
        birth = Birth(
            name=name,
            folder=self._folder,
            socket=self._socket,
            target=self.target.url,
            is_idempotent=self._is_idempotent,
        )
        self._nursery.stdin.write(birth.model_dump_json().encode() + b"\n")
        async with asyncio.timeout(BORN_WITHIN_S):
            self.members[name] = await self._born[name]

    def next_incident(self) -> Order:
        """Return an order for an incident that nobody has heard of."""
        self._played += 1
        return Order(incident=f"QROUND{self._played}", at=NOW + self._played * BETWEEN_ROUNDS)

    async def course(self, order: Order) -> Done:
        """Let one replica play the course; where it dies another takes it up, as the engine has it."""
        return await self._until_done(order)

    async def press(self, order: Order, presses: Sequence[Press]) -> Done:
        """Let one replica decide; where it dies, the queue gives the presses to another."""
        return await self._until_done(order.model_copy(update={"presses": tuple(presses)}))

    async def _until_done(self, order: Order) -> Done:
        for turn in range(2 * len(NAMES)):
            name = NAMES[(self._played + turn) % len(NAMES)]
            member = self.members[name]
            if order.dies_at in AT_THE_TARGET:
                self.target.kills = (member.pid, order.dies_at == AT_THE_TARGET[1])
            done = await member.ask(order)
            self.target.kills = None
            if done is not None:
                return done
            self.killed += 1
            order = order.model_copy(update={"dies_at": None})
            await self.raise_up(name)
        raise AssertionError(f"every replica dies of {order}")

    async def everywhere(self, orders: Sequence[Order]) -> Sequence[Done]:
        """Give each replica its order at the same time; none of them may die of it."""
        asked = await asyncio.gather(
            *(self.members[name].ask(order) for name, order in zip(NAMES, orders, strict=True))
        )
        assert all(asked), "a replica died although nobody killed it"
        return [done for done in asked if done is not None]

    async def entries(self) -> Sequence[Entry]:
        store = open_store(
            f"sqlite:///{self._folder}/audit.db",
            redact=lambda text: text,
            kill_file=None,
            signer=open_signer(self._folder, None, may_create=True),
        )
        try:
            return await store.audit.entries(limit=1_000_000)
        finally:
            await store.close()

    async def judged(self) -> Sequence[Violation]:
        """Return what all rounds so far, and the target's own journal, say against the invariants."""
        effects = [Effect(key) for key in self.target.acted]
        return violations(await self.entries(), effects, is_over=True)


@asynccontextmanager
async def a_fleet(folder: Path, *, is_idempotent: bool = True) -> AsyncIterator[Fleet]:
    """Yield three replicas; nothing of them is left afterwards."""
    target = Target()
    # A socket's path may have about 100 characters, fewer than a test's own folder often has.
    with TemporaryDirectory(prefix="hr-") as short:
        fleet = Fleet(folder, Path(short) / "s", target, is_idempotent=is_idempotent)
        await fleet.entries()  # The record and its key are there before three want to make them.
        http = await asyncio.start_server(target.serve, "127.0.0.1", 0)
        target.url = f"http://127.0.0.1:{http.sockets[0].getsockname()[1]}"
        unix = await asyncio.start_unix_server(fleet.welcome, fleet._socket)
        try:
            await fleet.begin()
            yield fleet
        finally:
            await fleet.end()
            for server in (unix, http):
                server.close()
