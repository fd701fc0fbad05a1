"""`handrail check` against neighbours that are there, that refuse, and settings that are wrong."""

import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from adapters.sandbox.slack import SlackChannel
from adapters.sandbox.stage import CHANNEL, Stage, running_stage
from adapters.slack.api import slack_api
from adapters.slack.samples import refused_views
from tests.scenarios.running import ROOT, Finished, handrail, quick_playbooks

pytestmark = [
    pytest.mark.heavy,
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.xdist_group("check"),
    pytest.mark.timeout(300),
]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def stage(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stage]:
    folder = tmp_path_factory.mktemp("checked")
    quick_playbooks(folder)
    channels = (
        SlackChannel("C0NOTINVITED", "somewhere", bot_is_member=False),
        SlackChannel("C0ARCHIVED", "was-once", is_archived=True),
    )
    async with running_stage(folder, rate=5, is_watched=False, more_channels=channels) as running:
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
    findings = json.loads(ended.out)["findings"]
    found = {f["what"]: (f["said"].partition(" ")[0], f["latency_ms"]) for f in findings}
    assert found["queue"] == found["engine"] == ("found", None)
    assert found["Slack"][1] > 0
    (slack,) = [f["said"] for f in findings if f["what"] == "Slack"]
    assert slack.endswith("; takes our cards, windows and home tabs")
    assert () == stage.slack.messages(CHANNEL)


async def test_a_neighbour_that_refuses_is_exit_code_1_and_named(stage: Stage) -> None:
    ended = await handrail(settings_of(stage, SLACK_BOT_TOKEN="xoxb-of-somebody-else"), "check", "--json")

    assert ended.code == 1
    assert [what for what, verdict in verdicts(ended).items() if verdict == "failed"] == ["Slack"]


@pytest.mark.parametrize(
    ("channel", "says"),
    [
        ("C0NOWHERE", "SLACK_CHANNEL: C0NOWHERE is no channel that the bot can see: correct the id"),
        ("C0NOTINVITED", "SLACK_CHANNEL: the bot is not in #somewhere (C0NOTINVITED): /invite @handrail in"),
        ("C0ARCHIVED", "SLACK_CHANNEL: #was-once (C0ARCHIVED) is archived: name another channel"),
    ],
)
async def test_a_channel_that_no_card_would_reach_fails_with_its_remedy(
    stage: Stage, channel: str, says: str
) -> None:
    ended = await handrail(settings_of(stage, SLACK_CHANNEL=channel), "check", "--json")

    assert ended.code == 1
    [slack] = [f for f in json.loads(ended.out)["findings"] if f["what"] == "Slack"]
    assert slack["verdict"] == "failed"
    assert slack["said"].startswith(says)
    assert slack["remedy"]


async def test_a_channel_problem_is_told_also_where_our_cards_are_refused(stage: Stage) -> None:
    stage.slack.fail("blocks.validate", error="invalid_blocks")
    try:
        ended = await handrail(settings_of(stage, SLACK_CHANNEL="C0NOWHERE"), "check", "--json")
    finally:
        async with slack_api(stage.slack.config.bot_token, base_url=stage.slack.api_url) as api:
            await refused_views(api)  # Uses up what is left to fail.

    [slack] = [f for f in json.loads(ended.out)["findings"] if f["what"] == "Slack"]
    assert slack["said"].startswith("SLACK_CHANNEL: C0NOWHERE is no channel")


async def test_the_channel_of_a_service_is_looked_at_too(stage: Stage, tmp_path: Path) -> None:
    services = tmp_path / "ours.yaml"
    text = (stage.folder / "services.yaml").read_text()
    services.write_text(text.replace(f"channel: {CHANNEL}", "channel: C0NOWHERE"))

    ended = await handrail(settings_of(stage, HANDRAIL_SERVICES=str(services)), "check", "--json")

    [slack] = [f for f in json.loads(ended.out)["findings"] if f["what"] == "Slack"]
    assert slack["said"].startswith(f"{services} (checkout): C0NOWHERE is no channel")


async def test_the_channel_of_the_checkpoints_is_looked_at_too(stage: Stage) -> None:
    ended = await handrail(settings_of(stage, HANDRAIL_AUDIT_CHANNEL="C0NOTINVITED"), "check", "--json")

    [slack] = [f for f in json.loads(ended.out)["findings"] if f["what"] == "Slack"]
    assert slack["said"].startswith("HANDRAIL_AUDIT_CHANNEL: the bot is not in #somewhere")


async def test_a_channel_by_its_name_is_refused_before_anything_is_asked(stage: Stage) -> None:
    ended = await handrail(settings_of(stage, SLACK_CHANNEL="#incidents"), "check")

    assert ended.code == 2
    assert "SLACK_CHANNEL: must be a channel's id (`C…`)" in ended.out


async def test_playbooks_are_linted_where_the_settings_say(stage: Stage, tmp_path: Path) -> None:
    (tmp_path / "broken.yaml").write_text("id: broken\n")

    ended = await handrail({"HANDRAIL_PLAYBOOKS": str(tmp_path)}, "playbooks", "lint")

    assert ended.code == 2
    assert f"{tmp_path}/broken.yaml:1:" in ended.err


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
