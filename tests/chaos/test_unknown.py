"""A step that may run only once is interrupted: people say what happened, and nothing else may start."""

from pathlib import Path

import pytest

from adapters.sandbox.stage import ALICE
from tests.scenarios.running import Rig, quick_playbooks, running

pytestmark = pytest.mark.timeout(300)

IT_RAN = "handrail.it_ran"
IT_DID_NOT = "handrail.it_did_not"
CHECK_AGAIN = "handrail.check_again"


def once_only(folder: Path) -> Path:
    """Return playbooks whose rollback may not be sent twice."""
    playbooks = quick_playbooks(folder)
    rollback = playbooks / "rollback-deploy.yaml"
    rollback.write_text(rollback.read_text().replace("idempotent: true", "idempotent: false"))
    return playbooks


async def interrupted(rig: Rig) -> str:
    """Approve a rollback and kill the bot while it rolls; return the incident once the bot is back."""
    incident, card = await rig.offered()
    await rig.press(ALICE.id, card)
    await rig.card(incident.id, "Running")
    await rig.kill()
    await rig.start()
    return incident.id


async def test_an_interrupted_step_waits_for_a_person_and_holds_its_target(tmp_path: Path) -> None:
    async with running(tmp_path, roll_seconds=3.0, playbooks=once_only(tmp_path)) as rig:
        incident = await interrupted(rig)
        doubtful = await rig.card(incident, "It did not")

        actions = [b["action_id"] for b in doubtful.buttons]
        assert actions[:3] == [IT_RAN, IT_DID_NOT, CHECK_AGAIN]
        assert [effect["after"] for effect in await rig.stage.effects()] == ["42", "41"]

        other = rig.page()
        await rig.press(ALICE.id, await rig.offer(other.id, 1))
        held = await rig.card(other.id, "belongs to the running execution")
        assert f"{incident}-1" in held.shown_text
        assert "Propose again" in held.shown_text

        await rig.press(ALICE.id, doubtful, CHECK_AGAIN)
        checked = await rig.card(incident, "whether the step ran is for a person to say")
        await rig.press(ALICE.id, checked, IT_RAN)
        await rig.card(incident, "Recovered")

        assert [effect["after"] for effect in await rig.stage.effects()] == ["42", "41"]


async def test_a_step_that_did_not_run_may_be_proposed_again(tmp_path: Path) -> None:
    async with running(tmp_path, roll_seconds=3.0, playbooks=once_only(tmp_path)) as rig:
        incident = await interrupted(rig)
        doubtful = await rig.card(incident, "It did not")

        await rig.press(ALICE.id, doubtful, IT_DID_NOT)
        failed = await rig.card(incident, "Propose again")

        assert "the playbook failed" in failed.shown_text
        assert [effect["after"] for effect in await rig.stage.effects()] == ["42", "41"]
