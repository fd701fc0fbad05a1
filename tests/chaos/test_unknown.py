"""A step that may run only once is interrupted: people say what happened, and nothing else may start."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from adapters.sandbox.stage import ALICE
from tests.scenarios.running import OFFERED, Rig, quick_playbooks, running

pytestmark = [
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.xdist_group("unknown"),
    pytest.mark.timeout(300),
]

IT_RAN = "handrail.it_ran"
IT_DID_NOT = "handrail.it_did_not"
CHECK_AGAIN = "handrail.check_again"


def once_only(folder: Path) -> Path:
    """Return playbooks whose rollback may not be sent twice."""
    playbooks = quick_playbooks(folder)
    rollback = playbooks / "rollback-deploy.yaml"
    rollback.write_text(rollback.read_text().replace("idempotent: true", "idempotent: false"))
    return playbooks


@pytest_asyncio.fixture(loop_scope="module")
async def rig(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Rig]:
    """A bot for each test: the deploys and rollbacks of one would be suspects in the other."""
    folder = tmp_path_factory.mktemp("unknown")
    async with running(folder, roll_seconds=3.0, playbooks=once_only(folder)) as running_rig:
        yield running_rig


async def interrupted(rig: Rig) -> str:
    """Approve a rollback and kill the bot while it rolls; return the incident once the bot is back."""
    incident, card = await rig.offered()
    await rig.press(ALICE.id, card)
    await rig.card(incident.id, "Running")
    await rig.kill()
    await rig.start()
    return incident.id


async def test_an_interrupted_step_waits_for_a_person_and_holds_its_target(rig: Rig) -> None:
    incident = await interrupted(rig)
    doubtful = await rig.card(incident, "It did not")
    effects = await rig.stage.effects()

    actions = [b["action_id"] for b in doubtful.buttons]
    assert actions[:3] == [IT_RAN, IT_DID_NOT, CHECK_AGAIN]
    assert effects[-1]["after"] == "41"

    other = rig.page()  # Its rollback would change nothing now: 41 serves.
    assert OFFERED not in (await rig.card(other.id)).shown_text

    await rig.press(ALICE.id, doubtful, CHECK_AGAIN)
    checked = await rig.card(incident, "whether the step ran is for a person to say")
    await rig.press(ALICE.id, checked, IT_RAN)
    await rig.card(incident, "Recovered")

    assert await rig.stage.effects() == effects


@pytest.mark.heavy
async def test_a_step_of_which_people_say_that_it_did_not_run_may_be_proposed_again(rig: Rig) -> None:
    incident = await interrupted(rig)
    doubtful = await rig.card(incident, "It did not")
    effects = await rig.stage.effects()

    await rig.press(ALICE.id, doubtful, IT_DID_NOT)
    failed = await rig.card(incident, "Propose again")

    assert "the playbook failed" in failed.shown_text
    assert await rig.stage.effects() == effects
