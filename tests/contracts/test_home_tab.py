"""The home tab on the sandbox Slack, the event that opens it, and where the last look is kept."""

import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from datetime import timedelta

import pytest

from adapters.sandbox.slack import SandboxSlack
from adapters.slack.actions import HomeOpened
from adapters.slack.manifest import bot_scopes, manifest
from adapters.slack.memory import MemoryChat
from adapters.store.memory_looks import MemoryLooks
from adapters.store.redis.client import open_redis
from adapters.store.redis.looks import KEPT_S, RedisLooks
from bot.domain.card import CardRef
from bot.domain.errors import NotFound, Unavailable
from bot.domain.home import Home, Look
from bot.domain.ids import SlackUserId
from bot.ports import Looks
from tests.contracts.sandbox_slack_builders import ALICE, BOB, INCIDENTS
from tests.contracts.test_slack_app import Bot, bot, idle_bot, slack  # noqa: F401 - Fixtures.
from tests.redis_server import redis_server
from tests.slack_builders import NOW, a_home

A_LOOK = Look(since=NOW - timedelta(hours=8), at=NOW)


@pytest.fixture(params=["redis", "memory"])
async def looks(request: pytest.FixtureRequest) -> AsyncIterator[Looks]:
    async with AsyncExitStack() as stack:
        if request.param == "memory":
            yield MemoryLooks()
            return
        client = open_redis(stack.enter_context(redis_server()).url)
        stack.push_async_callback(client.aclose)
        yield RedisLooks(client)


async def test_a_look_is_kept_for_its_person_alone(looks: Looks) -> None:
    alice, bob = SlackUserId(ALICE), SlackUserId(BOB)
    assert await looks.last(alice) is None
    await looks.keep(alice, Look(at=NOW - timedelta(hours=8)))
    await looks.keep(alice, A_LOOK)

    assert (A_LOOK, None) == (await looks.last(alice), await looks.last(bob))


async def test_a_look_is_forgotten_in_time_and_one_of_another_version_counts_as_none() -> None:
    with redis_server() as server:
        client = open_redis(server.url)
        looks, alice = RedisLooks(client), SlackUserId(ALICE)
        await looks.keep(alice, A_LOOK)
        assert 0 < await client.ttl(f"{{looks}}:{ALICE}") <= KEPT_S
        await client.set(f"{{looks}}:{ALICE}", b'{"seen": 1}')

        assert await looks.last(alice) is None

        server.kill()
        with pytest.raises(Unavailable):
            await looks.last(alice)
        await client.aclose()


async def test_a_home_stands_for_its_person_until_the_next_replaces_it(idle_bot: Bot) -> None:  # noqa: F811
    alice, memory = SlackUserId(ALICE), MemoryChat()
    for chat in (idle_bot.chat, memory):
        await chat.show_home(alice, Home(made_at=NOW))
        await chat.show_home(alice, a_home())

    (shown,) = idle_bot.slack.homes.values()
    assert (ALICE, "home") == (shown.user, shown.payload["type"])
    assert "Roll checkout back to 41" in shown.shown_text
    assert "No approval waits for you." not in shown.shown_text
    assert {alice: a_home()} == memory.homes


async def test_a_line_leads_to_its_card_and_no_element_of_a_home_acts(idle_bot: Bot) -> None:  # noqa: F811
    ref = CardRef(channel=INCIDENTS, ts="1700000000.000100")
    await idle_bot.chat.show_home(SlackUserId(ALICE), a_home(card=ref))
    shown = idle_bot.slack.homes[ALICE]

    assert f"<{idle_bot.slack.url}/archives/{INCIDENTS}/p1700000000000100|Card>" in shown.shown_text
    assert () == shown.buttons


async def test_a_home_for_somebody_whom_slack_does_not_know_is_refused(idle_bot: Bot) -> None:  # noqa: F811
    with pytest.raises(NotFound):
        await idle_bot.chat.show_home(SlackUserId("U0NOBODY"), a_home())


async def test_opening_the_home_tab_is_stored_once_with_its_person(bot: Bot) -> None:  # noqa: F811
    delivery = await bot.slack.open_home(ALICE)
    again = json.loads(delivery.body)
    await bot.slack.deliver("event", again.get("payload", again))

    assert delivery.ok
    (opened,) = bot.stored
    assert isinstance(opened, HomeOpened)
    assert ALICE == opened.user_id


async def test_an_opening_that_cannot_be_stored_comes_again(bot: Bot) -> None:  # noqa: F811
    bot.breaks()
    delivery = await bot.slack.open_home(ALICE)

    assert (False, []) == (delivery.ok, bot.stored)


@pytest.mark.parametrize("changed", [{"tab": "messages"}, {"user": ""}, {"user": None}])
async def test_the_tab_of_messages_and_a_broken_event_are_answered_and_not_stored(
    bot: Bot,  # noqa: F811
    slack: SandboxSlack,  # noqa: F811
    changed: dict[str, object],
) -> None:
    body = json.loads((await slack.open_home(ALICE)).body)
    body = body.get("payload", body)
    delivery = await slack.deliver(
        "event", body | {"event_id": "Ev0CHANGED", "event": body["event"] | changed}
    )

    assert (True, 1) == (delivery.ok, len(bot.stored))


def test_the_manifest_asks_for_the_tab_and_its_event_and_no_scope_more() -> None:
    made = json.loads(json.dumps(manifest()))

    assert made["features"]["app_home"]["home_tab_enabled"] is True
    assert ["app_home_opened", "app_mention"] == made["settings"]["event_subscriptions"]["bot_events"]
    assert "users.profile:read" not in bot_scopes()
