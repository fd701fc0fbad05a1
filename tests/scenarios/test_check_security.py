"""`handrail check --security` at a running bot: its doors are closed, and it leaves everything as it was."""

import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from adapters.sandbox.stage import CHANNEL
from tests.scenarios.running import Finished, Rig, running

pytestmark = [
    pytest.mark.heavy,
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.xdist_group("check-security"),
    pytest.mark.timeout(300),
]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def rig(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Rig]:
    async with running(tmp_path_factory.mktemp("check-security")) as running_rig:
        yield running_rig


async def checked(rig: Rig, *more: str) -> tuple[Finished, dict[str, tuple[str, str]]]:
    """Return how it ended, and each finding's verdict and words."""
    ended = await rig.handrail("check", "--security", "--json", *more)
    found = {f["what"]: (f["verdict"], f["said"]) for f in json.loads(ended.out)["findings"]}
    return ended, found


async def acts(rig: Rig) -> list[str]:
    exported = await rig.handrail("audit", "export")
    return [json.loads(line)["act"] for line in exported.out.splitlines()]


DOORS = ("bot", "PagerDuty's webhook", "change webhooks", "Slack's events", "health and metrics")
GROUND = ("data folder", "configuration", "policy", "who may approve", "kill switch", "listening", "queue")


async def test_a_whole_deployment_is_well_and_left_as_it_was(rig: Rig) -> None:
    incident, _ = await rig.offered()
    before, posts = await acts(rig), len(rig.slack.messages(CHANNEL))

    ended, found = await checked(rig)

    assert 0 == ended.code, ended.out
    assert dict.fromkeys((*DOORS, "other addresses", *GROUND), "ok") == {
        what: verdict for what, (verdict, _) in found.items() if what in (*DOORS, "other addresses", *GROUND)
    }
    assert "another workspace" in found["Slack's events"][1]
    assert [*before, "foreign_refused"] == await acts(rig)
    assert posts == len(rig.slack.messages(CHANNEL))
    assert len(rig.cards(incident.id)) == 1
    for secret in (rig.environment["SLACK_BOT_TOKEN"], rig.environment["SLACK_SIGNING_SECRET"]):
        assert secret not in ended.out


async def test_what_is_open_is_exit_code_1_by_name(rig: Rig) -> None:
    key = rig.data / "key"
    key.chmod(0o644)
    try:
        ended, found = await checked(rig)
    finally:
        key.chmod(0o600)

    assert 1 == ended.code
    assert ("failed", f"not for the bot's user alone: {key}") == found["data folder"]


async def test_a_record_that_lacks_its_end_fails_against_a_checkpoint(rig: Rig, tmp_path: Path) -> None:
    newer = tmp_path / "checkpoints"
    taken = await rig.handrail("audit", "verify")
    ended, found = await checked(rig)

    assert taken.code == 0
    assert found["record"][0] == "warning"
    assert "held against no checkpoint" in found["record"][1]
    newer.write_text(
        "handrail-checkpoint.1.999999.20261122T030000Z." + ".".join(("0" * 64, "A" * 43, "B" * 86))
    )
    ended, found = await checked(rig, "--checkpoint", str(newer))
    assert (1, "failed") == (ended.code, found["record"][0])
