"""The switch that stops everything, and the record that can be checked afterwards."""

import json
import os
import signal
import sqlite3
from collections.abc import AsyncIterator
from contextlib import closing
from pathlib import Path

import pytest
import pytest_asyncio

from adapters.sandbox.stage import ALICE
from tests.scenarios.running import DENY, OFFERED, PROPOSE_AGAIN, Rig, handrail, running

pytestmark = [
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.xdist_group("kill-switch"),
    pytest.mark.timeout(300),
]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def rig(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Rig]:
    async with running(tmp_path_factory.mktemp("killed")) as running_rig:
        yield running_rig


async def test_c_kill_offline_a_stopped_bot_starts_nothing_until_it_is_revived(rig: Rig) -> None:
    incident, card = await rig.offered()

    killed = await rig.handrail("kill", "--reason", "wrong playbook")
    refusal = await rig.press_and_hear(ALICE.id, card)
    effects = [effect["after"] for effect in await rig.stage.effects()]
    revived = await rig.handrail("revive")
    await rig.press_as_shown(ALICE.id, card, DENY)
    denied = await rig.card(incident.id, "Propose again")
    await rig.press(ALICE.id, denied, PROPOSE_AGAIN)
    await rig.press(ALICE.id, await rig.card(incident.id, OFFERED))
    await rig.card(incident.id, "Recovered")

    assert (killed.code, revived.code) == (0, 0)
    assert refusal == "Handrail is stopped (`handrail kill`): nothing starts."
    assert effects == ["42"]
    assert [effect["after"] for effect in await rig.stage.effects()] == ["42", "41"]


async def test_a_kill_between_the_approval_and_the_start_stops_the_start(rig: Rig) -> None:
    """The engine stands still meanwhile, so that the kill surely comes in between."""
    incident, card = await rig.offered()
    effects = await rig.stage.effects()
    engine = rig.child("temporal")
    os.kill(engine, signal.SIGSTOP)
    await rig.press(ALICE.id, card)
    await rig.card(incident.id, "Approved")

    await rig.handrail("kill")
    os.kill(engine, signal.SIGCONT)
    withdrawn = await rig.card(incident.id, "Propose again")
    await rig.handrail("revive")

    assert "not started: Handrail is stopped" in withdrawn.shown_text
    assert await rig.stage.effects() == effects


async def test_the_record_is_intact_and_names_the_first_entry_that_was_changed(
    rig: Rig, tmp_path: Path
) -> None:
    incident, card = await rig.offered()
    await rig.press(ALICE.id, card, DENY)
    await rig.card(incident.id, "Denied by")

    intact = await rig.handrail("audit", "verify", "--json")
    shown = await rig.handrail("audit", "show", incident.id)
    entries = [json.loads(line) for line in shown.out.splitlines()]
    changed = next(entry["seq"] for entry in entries if entry["act"] == "offered")
    tampered_copy(rig.data / "audit.db", tmp_path / "audit.db", changed)
    settings = {**rig.environment, "HANDRAIL_DATA_DIR": str(tmp_path)}
    broken = await handrail(settings, "audit", "verify", "--json")

    assert intact.code == 0
    assert json.loads(intact.out)["first_bad"] is None
    assert {entry["incident"] for entry in entries} == {incident.id}
    assert broken.code == 1
    assert json.loads(broken.out)["first_bad"] == changed


def tampered_copy(database: Path, copy: Path, seq: int) -> None:
    """Copy the record and change who did something, as somebody with the file would: the guards go first."""
    with closing(sqlite3.connect(database)) as source, closing(sqlite3.connect(copy)) as target:
        source.backup(target)
        guards = target.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall()
        for (name,) in guards:
            target.execute(f'DROP TRIGGER "{name}"')
        target.execute("UPDATE audit SET actor = 'somebody else' WHERE seq = ?", (seq,))
        target.commit()
