"""The engine's file or the record is damaged, gone or older: a new epoch, and no earlier approval counts."""

import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from adapters.sandbox.stage import ALICE
from tests.scenarios.running import Rig, running

pytestmark = [
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.xdist_group("engine-lost"),
    pytest.mark.timeout(300),
]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def rig(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Rig]:
    async with running(tmp_path_factory.mktemp("engine-lost")) as running_rig:
        yield running_rig


def engine_files(rig: Rig) -> list[Path]:
    return sorted((rig.data / "temporal").glob("engine-*.db*"))


@pytest.mark.parametrize("loss", ["removed", pytest.param("damaged", marks=pytest.mark.heavy)])
async def test_e_rollback_a_lost_engine_voids_the_old_button_and_offers_a_new_one(
    rig: Rig, loss: str
) -> None:
    incident, card = await rig.offered()
    effects = await rig.stage.effects()
    await rig.stop()
    for file in engine_files(rig):
        if loss == "removed":
            file.unlink()
        else:
            file.write_bytes(b"this is no database " * 512)

    await rig.start()
    again = await rig.offer(incident.id, 2)
    refusal = await rig.press_and_hear(ALICE.id, card)
    untouched = await rig.stage.effects()
    await rig.press(ALICE.id, again)
    await rig.card(incident.id, "Recovered")

    assert again.ts == card.ts
    assert refusal.startswith("The proposal was withdrawn: it was made before a restart")
    assert untouched == effects
    assert [effect["after"] for effect in (await rig.stage.effects())[len(effects) :]] == ["41"]


@pytest.mark.heavy
async def test_e_rollback_an_older_record_that_is_put_back_voids_its_button(rig: Rig) -> None:
    """In the copy the button waits; in what the copy lacks somebody had denied it."""
    incident, card = await rig.offered()
    await rig.stop()
    record, copy = rig.data / "audit.db", rig.data.parent / "copy.db"
    shutil.copy(record, copy)
    await rig.start()
    await rig.press(ALICE.id, card, "handrail.deny")
    await rig.card(incident.id, "Denied")
    effects = await rig.stage.effects()
    await rig.stop()
    shutil.copy(copy, record)

    await rig.start()
    await rig.card(incident.id, "Approve")
    refusal = await rig.press_and_hear(ALICE.id, card)

    assert refusal.startswith("The proposal was withdrawn: it was made before a restart")
    assert await rig.stage.effects() == effects
