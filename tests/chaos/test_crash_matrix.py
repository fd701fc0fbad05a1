"""kill -9 at every boundary between a page and its summary: one effect, one card, nothing lost.

These are whole bots, of which a start takes seconds; test_replicas.py plays the gate's part 25 times each.
"""

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import pytest
import pytest_asyncio

from adapters.sandbox.bot_process import BotProcess
from adapters.sandbox.pagerduty.models import Incident
from adapters.sandbox.slack import Message
from adapters.sandbox.stage import ALICE
from adapters.store.opening import open_record
from bot.domain.audit import Act, Entry
from bot.domain.ids import IncidentId
from tests.chaos.doomed_bot import BOUNDARIES
from tests.conftest import Rounds
from tests.history import Effect, Violation, violations
from tests.scenarios.processes import descendants, ended
from tests.scenarios.running import OFFERED, ROOT, Rig, running

pytestmark = [
    pytest.mark.heavy,
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.xdist_group("crash-matrix"),
    pytest.mark.timeout(1800),
]

ROLLED_BACK = "41"


@dataclass(frozen=True)
class Doomed:
    """A bot that dies where it is told to."""

    rig: Rig
    file: Path

    def dies_at(self, boundary: str) -> asyncio.Task[None]:
        """Have the bot die there; the task ends when it has, and is up again."""
        self.file.write_text(boundary)
        return asyncio.create_task(self.rise())

    async def rise(self) -> None:
        """Wait for the bot's death and start it again."""
        family = descendants(self.rig.bot.pid) | {self.rig.bot.pid: "bot"}
        await ended(family, within_s=90)
        await self.rig.start()

    async def offered(self, incident: str) -> Message:
        """Wait until the proposal on the incident's card may be decided, asking as a person would."""
        card = await self.rig.card(incident, OFFERED)
        while Act.OFFERED not in [entry.act for entry in await self._entries(IncidentId(incident))]:
            await self.rig.ask("status")  # Each answer is an event of the bot's: nothing sleeps here.
        return card

    async def judged(self) -> Sequence[Violation]:
        """Return what the whole history so far, and checkout's own journal, say against the invariants."""
        entries = await self._entries()
        acted = [
            Effect(str(effect["key"]), datetime.fromisoformat(str(effect["at"])))
            for effect in await self.rig.stage.effects()
            if not str(effect["key"]).startswith("pipeline-")
        ]
        return violations(entries, acted, is_over=True)

    async def _entries(self, incident: IncidentId | None = None) -> Sequence[Entry]:
        record = open_record(f"sqlite:///{self.rig.data}/audit.db")
        try:
            return await record.audit.entries(incident, limit=100_000)
        finally:
            await record.close()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def doomed(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Doomed]:
    folder = tmp_path_factory.mktemp("crash-matrix")
    file = folder / "dies-at"
    file.write_text("")
    async with running(folder, roll_seconds=0.5) as rig:
        await rig.stop()
        rig.bot = BotProcess(
            rig.environment,
            log_file=folder / "bot.log",
            cwd=ROOT,
            command=("-m", "tests.chaos.doomed_bot", str(file)),
        )
        await rig.start()
        yield Doomed(rig, file)


async def play(doomed: Doomed, boundary: str) -> Incident:
    """Page, approve, recover and summarise, with one kill on the way; return once the note stands."""
    rig = doomed.rig
    await rig.break_checkout()
    if boundary in EARLY:
        dying = doomed.dies_at(boundary)
        incident = rig.page()
        await dying
        await rig.press(ALICE.id, await doomed.offered(incident.id))
    else:
        incident = rig.page()
        card = await doomed.offered(incident.id)  # What is asked meanwhile is no press, and kills nobody.
        dying = doomed.dies_at(boundary)
        await rig.press(ALICE.id, card)
        await dying
    await rig.card(incident.id, "Recovered")
    await rig.stage.pagerduty.wait_for(lambda: bool(rig.stage.pagerduty.notes(incident.id)), timeout=90)
    return incident


EARLY = frozenset(list(BOUNDARIES)[:6])
"""Boundaries before anybody presses."""
SHORT = frozenset(
    {
        "webhook stored, not answered",
        "claimed, no effect",
        "effect, no end recorded",
        "note posted, not noted down",
    }
)
"""What each change is tried with; a start of the bot takes seconds, so the rest is left to `make prove`."""


@pytest.mark.parametrize("boundary", BOUNDARIES)
async def test_e_crash_matrix_killed_at_a_boundary_it_acts_once_and_loses_nothing(
    doomed: Doomed, boundary: str, rounds: Rounds
) -> None:
    if not (times := rounds(1 if boundary in SHORT else 0, 2)):
        pytest.skip(f"killed when {boundary}: played by make prove")
    for _ in range(times):
        before = len(await doomed.rig.stage.effects())
        await doomed.rig.break_checkout()
        broken = len(await doomed.rig.stage.effects()) - before

        incident = await play(doomed, boundary)

        effects = (await doomed.rig.stage.effects())[before + broken :]
        assert [effect["after"] for effect in effects] == [ROLLED_BACK]
        assert len(doomed.rig.cards(incident.id)) == 1
        assert len(doomed.rig.stage.pagerduty.notes(incident.id)) == 1
        assert await doomed.judged() == []
