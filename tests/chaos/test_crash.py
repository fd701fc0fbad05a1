"""kill -9 of the bot at every point between the click and the proof: nothing is lost, nothing runs twice."""

from collections.abc import AsyncIterator

import httpx
import pytest
import pytest_asyncio

from adapters.sandbox.stage import ALICE
from tests.scenarios.running import Rig, running

pytestmark = [
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.xdist_group("crash"),
    pytest.mark.timeout(300),
]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def rig(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Rig]:
    """A bot that each test kills and starts again; a deploy of checkout takes two seconds."""
    async with running(tmp_path_factory.mktemp("crash"), roll_seconds=2.0) as running_rig:
        yield running_rig


async def faults(rig: Rig, **ordered: int) -> None:
    """Let checkout misbehave."""
    async with httpx.AsyncClient(trust_env=False, timeout=60) as client:
        answer = await client.post(
            f"{rig.stage.checkout.base_url}/faults",
            json=ordered,
            headers={"Authorization": f"Bearer {rig.stage.secrets.deploy_token}"},
        )
        answer.raise_for_status()


@pytest.mark.parametrize(
    "at",
    [
        "running",
        pytest.param("answer lost", marks=pytest.mark.heavy),
        pytest.param("acknowledged", marks=pytest.mark.heavy),
        pytest.param("verifying", marks=pytest.mark.heavy),
    ],
)
async def test_a_killed_bot_finishes_what_was_approved_exactly_once(rig: Rig, at: str) -> None:
    incident, card = await rig.offered()
    effects = len(await rig.stage.effects())
    if at == "answer lost":
        await faults(rig, lose_answers=1)

    await rig.press(ALICE.id, card)
    match at:
        case "running":
            await rig.card(incident.id, "Running")
        case "answer lost" | "verifying":
            await rig.card(incident.id, "watching whether it helped")
        case _:
            pass  # The answer to the click is all that came back.
    await rig.kill()
    await rig.start()
    done = await rig.card(incident.id, "Recovered")

    assert done.ts == card.ts
    assert [effect["after"] for effect in (await rig.stage.effects())[effects:]] == ["41"]
    assert len(rig.cards(incident.id)) == 1


async def test_a_bot_that_is_told_to_stop_while_it_runs_a_step_ends_well_and_goes_on_later(rig: Rig) -> None:
    incident, card = await rig.offered()
    effects = len(await rig.stage.effects())
    await rig.press(ALICE.id, card)
    await rig.card(incident.id, "Running")

    code = await rig.stop()
    await rig.start()
    await rig.card(incident.id, "Recovered")

    assert code == 0
    assert [effect["after"] for effect in (await rig.stage.effects())[effects:]] == ["41"]
