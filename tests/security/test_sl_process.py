"""A whole bot from outside: what its port answers, and a card that is older than the bot."""

from collections.abc import AsyncIterator

import httpx
import pytest
import pytest_asyncio

from adapters.sandbox.stage import ALICE
from adapters.settings import Settings
from tests.scenarios.running import Rig, running

pytestmark = [
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.xdist_group("security-process"),
    pytest.mark.timeout(300),
]

HEALTH = ("/healthz", "/readyz", "/metrics")
SIGNED = ("/webhooks/pagerduty", "/webhooks/changes/generic", "/slack/events")
NOWHERE = ("/", "/approve", "/webhooks/changes/github", "/webhooks/changes", "/admin", "/debug", "/docs")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def rig(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Rig]:
    async with running(tmp_path_factory.mktemp("security-process")) as running_rig:
        yield running_rig


async def status(rig: Rig, method: str, path: str) -> int:
    async with httpx.AsyncClient(trust_env=False, timeout=60) as client:
        answer = await client.request(method, f"{rig.stage.bot_url}{path}", content=b"{}")
        return answer.status_code


async def test_sl_all_routes_nothing_is_taken_without_a_signature(rig: Rig) -> None:
    """A source without a secret has no address at all."""
    assert {path: await status(rig, "POST", path) for path in SIGNED} == dict.fromkeys(SIGNED, 401)
    assert {path: await status(rig, "POST", path) for path in HEALTH} == dict.fromkeys(HEALTH, 405)
    assert {path: await status(rig, "POST", path) for path in NOWHERE} == dict.fromkeys(NOWHERE, 404)


async def test_h_bind_health_is_read_only_and_there_is_nothing_to_debug(rig: Rig) -> None:
    assert {path: await status(rig, "GET", path) for path in HEALTH} == dict.fromkeys(HEALTH, 200)
    for method in ("OPTIONS", "TRACE", "PUT", "DELETE"):
        assert {await status(rig, method, path) for path in HEALTH} == {405}
    assert {await status(rig, "GET", path) for path in NOWHERE} == {404}
    assert "127.0.0.1" == Settings.model_fields["handrail_host"].default


async def test_sl_after_restart_the_first_press_on_an_older_card_works(rig: Rig) -> None:
    incident, card = await rig.offered()
    await rig.stop()
    await rig.start()

    await rig.press(ALICE.id, card)

    done = await rig.card(incident.id, "Recovered")
    assert done.ts == card.ts


async def test_h_labels_no_id_of_an_incident_or_person_is_a_metric(rig: Rig) -> None:
    incident = rig.page()
    await rig.card(incident.id)

    told = (await rig.get("/metrics")).text

    series = [line for line in told.splitlines() if line and not line.startswith("#")]
    assert "handrail_" in told
    assert len(series) < 400
    for word in (incident.id, ALICE.id, ALICE.email, "checkout: a third"):
        assert word not in told
