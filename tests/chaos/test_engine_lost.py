"""The engine's file is damaged or gone: a new epoch, open incidents go on, and no earlier approval counts."""

from pathlib import Path

import pytest

from adapters.sandbox.stage import ALICE
from tests.scenarios.running import Rig, running

pytestmark = pytest.mark.timeout(300)


def engine_files(rig: Rig) -> list[Path]:
    return sorted((rig.data / "temporal").glob("engine-*.db*"))


@pytest.mark.parametrize("loss", ["damaged", "removed"])
async def test_a_lost_engine_voids_the_old_button_and_offers_a_new_one(tmp_path: Path, loss: str) -> None:
    async with running(tmp_path) as rig:
        incident, card = await rig.offered()
        await rig.stop()
        for file in engine_files(rig):
            if loss == "removed":
                file.unlink()
            else:
                file.write_bytes(b"this is no database " * 512)

        await rig.start()
        again = await rig.offer(incident.id, 2)
        refusal = await rig.press_and_hear(ALICE.id, card)
        effects = [effect["after"] for effect in await rig.stage.effects()]
        await rig.press(ALICE.id, again)
        await rig.card(incident.id, "Recovered")

        assert again.ts == card.ts
        assert refusal.startswith("The proposal was withdrawn: it was made before a restart")
        assert effects == ["42"]
        assert [effect["after"] for effect in await rig.stage.effects()] == ["42", "41"]
