"""An update on the wire: as Slack and PagerDuty have it, once although both lose their answers."""

import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import timedelta

import pytest
from pydantic import SecretStr

from adapters.pagerduty.incidents import PagerDutyIncidents
from adapters.pagerduty.rest import RestApi
from adapters.sandbox import pagerduty as sandbox
from adapters.sandbox.serving import serving
from adapters.sandbox.slack import SandboxSlack, running_slack
from adapters.slack.api import read_installation, slack_api
from adapters.slack.chat import SlackChat
from adapters.slack.pace import Pace
from bot.domain.catalogue import Catalogue
from bot.domain.ids import ServiceName
from bot.domain.updates import Updates
from tests.app.world import Bot, a_bot, a_service, with_world
from tests.builders import NOW, an_incident
from tests.contracts.sandbox_slack_builders import INCIDENTS, a_workspace

PATIENTLY = timedelta(seconds=30)
ANNA = sandbox.User(id="PANNA01", name="Anna Onda", email="anna@shop.example")
ACCOUNT = sandbox.PagerDutyConfig(
    users=(ANNA,),
    escalation_policies=(sandbox.EscalationPolicy(id="PPOLIC1", name="Shop"),),
    services=(
        sandbox.Service(
            id="PCHECK1", name="Checkout", escalation_policy_id="PPOLIC1", integration_key="c" * 32
        ),
    ),
    tokens=(sandbox.RestToken(token="account-key"),),
    seed=7,
)


@dataclass
class Wired:
    """A bot in memory whose stakeholders are reached over the wire."""

    bot: Bot
    slack: SandboxSlack
    pagerduty: sandbox.SandboxPagerDuty
    incident: str

    def told(self) -> list[str]:
        return [update.message for update in self.pagerduty.status_updates(self.incident)]

    def posted(self) -> list[str]:
        return [message.text for message in self.slack.messages(INCIDENTS)]


@pytest.fixture
async def wired() -> AsyncIterator[Wired]:
    async with AsyncExitStack() as stack:
        slack = await stack.enter_async_context(running_slack(a_workspace()))
        api = await stack.enter_async_context(slack_api(slack.config.bot_token, base_url=slack.api_url))
        chat = SlackChat(
            api, await read_installation(api, app_id=slack.config.app_id), pace=Pace(monotonic=time.monotonic)
        )
        stack.push_async_callback(chat.aclose)
        pagerduty = sandbox.SandboxPagerDuty(ACCOUNT, clock=lambda: NOW)
        url = await stack.enter_async_context(serving(pagerduty.app))
        rest = RestApi(
            SecretStr("account-key"),
            base_url=url,
            from_email=ANNA.email,
            answer_within=PATIENTLY,
            read_within=PATIENTLY,
        )
        pager = PagerDutyIncidents(rest, Catalogue(services={}))
        stack.push_async_callback(pager.aclose)
        incident = pagerduty.trigger("PCHECK1", "Errors rise").id
        updates = Updates(service=(ServiceName("checkout"),), channel=INCIDENTS, pagerduty=True)
        catalogue = Catalogue(services={ServiceName("checkout"): a_service()}, updates=(updates,))
        bot = a_bot(incidents=[an_incident(incident)])
        await bot.begin(incident)
        yield Wired(
            with_world(bot, catalogue=catalogue, chat=chat, incidents=pager), slack, pagerduty, incident
        )


async def test_an_update_reaches_the_channel_and_the_subscribers(wired: Wired) -> None:
    said = await wired.bot.ask(f"update --post {wired.incident} Cards are refused & <!channel> more.")

    assert [": posted", ": posted"] == [line.text[-8:] for line in said.document.sections[0].lines]
    (posted,), (told,) = wired.posted(), wired.told()
    assert "Cards are refused &amp; &lt;!channel&gt; more." in posted
    words, _, marker = told.partition("\n\n")
    assert (
        """checkout: being worked on.
checkout has had a problem since 03:00 UTC.
Cards are refused & <!channel> more.
It was most likely caused by a recent change of ours.
A fix is prepared and waits for approval."""
        == words
    )
    assert marker.startswith(f"[handrail update:{wired.incident}:1:")


async def test_an_update_stands_once_although_every_answer_is_lost(wired: Wired) -> None:
    wired.slack.fail("chat.postMessage", drop_answer=True)
    wired.pagerduty.fail("/incidents", method="POST", drop_answer=True)
    for _ in range(2):
        await wired.bot.ask(f"update --post {wired.incident}")

    assert (1, 1) == (len(wired.posted()), len(wired.told()))
