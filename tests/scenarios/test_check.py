"""`handrail check` against neighbours that are there, that refuse, and settings that are wrong."""

import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from adapters.sandbox.stage import Stage, running_stage
from tests.scenarios.running import ROOT, Finished, handrail, quick_playbooks

pytestmark = [
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.xdist_group("check"),
    pytest.mark.timeout(300),
]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def stage(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stage]:
    folder = tmp_path_factory.mktemp("checked")
    quick_playbooks(folder)
    async with running_stage(folder, rate=5, is_watched=False) as running:
        yield running


def settings_of(stage: Stage, **changed: str) -> dict[str, str]:
    return {
        **stage.environment(),
        "HANDRAIL_PLAYBOOKS": str(stage.folder / "playbooks"),
        "HANDRAIL_PROMPTS": str(ROOT / "prompts"),
        **changed,
    }


def verdicts(ended: Finished) -> dict[str, str]:
    return {finding["what"]: finding["verdict"] for finding in json.loads(ended.out)["findings"]}


async def test_all_well_is_exit_code_0(stage: Stage) -> None:
    ended = await handrail(settings_of(stage), "check", "--json")

    assert ended.code == 0, ended.out
    assert "failed" not in verdicts(ended).values()
    assert verdicts(ended)["Slack"] == "ok"
    assert verdicts(ended)["PagerDuty"] == "ok"


async def test_a_neighbour_that_refuses_is_exit_code_1_and_named(stage: Stage) -> None:
    ended = await handrail(settings_of(stage, SLACK_BOT_TOKEN="xoxb-of-somebody-else"), "check", "--json")

    assert ended.code == 1
    assert [what for what, verdict in verdicts(ended).items() if verdict == "failed"] == ["Slack"]


async def test_wrong_settings_are_exit_code_2_and_each_is_named(stage: Stage) -> None:
    settings = settings_of(stage, HANDRAIL_PORT="many")
    del settings["PAGERDUTY_API_TOKEN"]

    ended = await handrail(settings, "check", "--json")
    for_people = await handrail(settings, "check")

    assert (ended.code, for_people.code) == (2, 2)
    assert "PAGERDUTY_API_TOKEN" in for_people.out
    said = " ".join(finding["said"] for finding in json.loads(ended.out)["findings"])
    assert "PAGERDUTY_API_TOKEN" in said
    assert "HANDRAIL_PORT" in said


async def test_checking_makes_nothing(stage: Stage, tmp_path: Path) -> None:
    """It may be run beside a bot, and before the first start."""
    await handrail(settings_of(stage, HANDRAIL_DATA_DIR=str(tmp_path / "data")), "check", "--json")

    assert not (tmp_path / "data").exists()
    assert stage.slack.messages("C0INCIDENTS") == ()
