"""What `handrail check` has Slack judge before anybody needs it."""

from collections.abc import AsyncIterator

import pytest

from adapters.finding import Fails
from adapters.sandbox.slack import SandboxSlack
from adapters.slack.api import SlackApi, slack_api
from adapters.slack.samples import judged, refused_views
from bot.domain.errors import Invalid


@pytest.fixture
async def api(slack: SandboxSlack) -> AsyncIterator[SlackApi]:
    async with slack_api(slack.config.bot_token, base_url=slack.api_url) as api:
        yield api


async def test_slack_takes_our_views_and_posts_nothing(api: SlackApi, slack: SandboxSlack) -> None:
    assert () == await refused_views(api)
    assert {"blocks.validate"} == {call.method for call in slack.calls}
    assert 3 == len(slack.calls)


async def test_a_view_that_slack_refuses_is_named(api: SlackApi, slack: SandboxSlack) -> None:
    slack.fail("blocks.validate", error="invalid_blocks")

    (said,) = await refused_views(api)
    assert said.startswith("the card: Slack refused blocks.validate (invalid_blocks)")


async def test_a_workspace_without_that_method_is_told_apart(api: SlackApi, slack: SandboxSlack) -> None:
    slack.fail("blocks.validate", error="unknown_method")

    with pytest.raises(Invalid, match="unknown_method"):
        await refused_views(api)


@pytest.mark.parametrize("error", ["unknown_method", "missing_scope", "not_allowed_token_type"])
async def test_without_that_judgement_nothing_fails_and_it_is_said(
    error: str, api: SlackApi, slack: SandboxSlack
) -> None:
    slack.fail("blocks.validate", error=error, times=99)

    assert (await judged(api)).startswith("our cards were not judged: Slack refused blocks.validate")


async def test_a_silent_slack_judges_nothing(api: SlackApi, slack: SandboxSlack) -> None:
    slack.fail("blocks.validate", status=503, times=99)

    assert (await judged(api)).startswith("our cards were not judged")


async def test_a_view_that_would_be_refused_fails_with_its_remedy(api: SlackApi, slack: SandboxSlack) -> None:
    slack.fail("blocks.validate", error="invalid_blocks", times=99)

    with pytest.raises(Fails, match="the card: Slack refused"):
        await judged(api)
