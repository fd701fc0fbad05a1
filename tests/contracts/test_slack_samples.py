"""What `handrail check` has Slack judge before anybody needs it."""

from collections.abc import AsyncIterator

import pytest

from adapters.sandbox.slack import SandboxSlack
from adapters.slack.api import SlackApi, slack_api
from adapters.slack.samples import refused_views
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
