"""Mentions and the message shortcut take the way of the clicks: verified, stored once, then answered."""

import json
from collections.abc import Mapping

import pytest

from adapters.sandbox.slack import SandboxSlack
from adapters.slack.actions import Mentioned, ShortcutUsed, from_bytes, to_bytes
from adapters.slack.api import Installation, SlackApi
from adapters.slack.app import Intake
from adapters.slack.mentions import parse_mention
from adapters.slack.rooms import SlackRooms
from bot.domain.errors import Unavailable
from bot.domain.ids import SlackUserId
from tests.contracts.sandbox_slack_builders import ALICE, INCIDENTS
from tests.contracts.test_slack_app import Bot, bot, idle_bot, slack  # noqa: F401 - Fixtures.
from tests.recording_inbox import RecordingInbox


async def nothing(*_: object) -> None:
    """Tell nobody anything."""


async def test_a_mention_in_a_thread_is_stored_as_it_was_typed(bot: Bot) -> None:  # noqa: F811
    root = await bot.card()
    await bot.slack.mention(ALICE, INCIDENTS, "did a &amp; b change today?", thread_ts=root)

    (said,) = bot.stored
    assert isinstance(said, Mentioned)
    assert (
        Mentioned(
            event_id=said.event_id,
            text="did a & b change today?",
            user_id=SlackUserId(ALICE),
            channel=INCIDENTS,
            thread_ts=root,
        )
        == said
    )


async def test_sl_event_retry_one_event_is_one_message_however_often_it_comes(bot: Bot) -> None:  # noqa: F811
    delivery = await bot.slack.mention(ALICE, INCIDENTS, "status")
    again = json.loads(delivery.body)
    event = again.get("payload", again)  # In an envelope over a websocket.
    for _ in range(3):
        # Signed anew, as Slack signs each retry: the bytes differ in time, the event id does not.
        await bot.slack.deliver("event", event)

    assert 1 == len(bot.stored)


async def test_a_mention_that_cannot_be_stored_comes_again(bot: Bot) -> None:  # noqa: F811
    bot.breaks()
    delivery = await bot.slack.mention(ALICE, INCIDENTS, "status")

    assert not delivery.ok
    assert [] == bot.stored


@pytest.mark.parametrize(
    "changed",
    [{"bot_id": "B0OTHER"}, {"subtype": "message_changed"}, {"user": ""}, {"user_team": "T0OTHER"}],
)
async def test_what_no_person_of_ours_wrote_is_ignored(
    changed: Mapping[str, object],
    idle_bot: Bot,  # noqa: F811
) -> None:
    inbox = RecordingInbox()
    answered = await Intake(inbox, nothing).mention(an_event(idle_bot.us, **changed), bot_user="U0BOT")

    assert (200, []) == (answered.status, inbox.stored)


def an_event(us: Installation, **changed: object) -> dict[str, object]:
    event = {"type": "app_mention", "user": "U0A", "text": "<@U0BOT> status", "ts": "1.2", "channel": "C0X"}
    return {
        "type": "event_callback",
        "team_id": us.team_id,
        "event_id": "Ev1",
        "event": {**event, **changed},
    }


@pytest.mark.parametrize(
    ("sent", "typed"),
    [
        ("<@U0BOT> status", "status"),
        ("hey <@U0BOT|handrail>, who is on call?", "hey  , who is on call?"),
        (
            "<@U0BOT> note see <https://example.com/a|example.com/a> &lt;now&gt;",
            "note see example.com/a <now>",
        ),
        ("<@U0BOT> note <@U0A> and <#C0X|incidents> <!here>", "note U0A and incidents here"),
        ("<@U0BOT>", ""),
    ],
)
async def test_marks_of_slack_are_taken_off(sent: str, typed: str, idle_bot: Bot) -> None:  # noqa: F811
    said = parse_mention(an_event(idle_bot.us, text=sent), bot_user="U0BOT")

    assert said is not None
    assert typed == said.text


async def test_the_shortcut_is_stored_with_the_thread_of_its_message(bot: Bot) -> None:  # noqa: F811
    root = await bot.card()
    reply = await bot.slack.say(ALICE, INCIDENTS, "looks better", thread_ts=root)
    await bot.slack.shortcut(ALICE, INCIDENTS, reply.ts, "handrail.commands")

    (said,) = bot.stored
    assert isinstance(said, ShortcutUsed)
    assert (ALICE, INCIDENTS, root) == (said.user_id, said.channel, said.thread_ts)
    assert said == from_bytes(to_bytes(said))


async def test_a_person_is_told_when_a_shortcut_could_not_be_stored(bot: Bot) -> None:  # noqa: F811
    root = await bot.card()
    bot.breaks()
    await bot.slack.shortcut(ALICE, INCIDENTS, root, "handrail.commands")

    told = [one.shown_text for one in bot.slack.ephemerals(ALICE)]
    assert any("my queue does not answer" in one for one in told)


async def test_a_broken_event_is_answered_and_not_stored(idle_bot: Bot) -> None:  # noqa: F811
    inbox = RecordingInbox(failure=Unavailable("down"))
    body = {"type": "event_callback", "event": {"type": "app_mention", "user": "U0A", "text": "x"}}

    assert 200 == (await Intake(inbox, nothing).mention(body, bot_user="U0BOT")).status


async def test_slack_says_who_is_in_a_channel(slack: SandboxSlack, api: SlackApi) -> None:  # noqa: F811
    rooms = SlackRooms(api)

    assert await rooms.has(INCIDENTS, SlackUserId(ALICE))
    assert not await rooms.has(INCIDENTS, SlackUserId("U0NOBODY"))
    assert not await rooms.has("C0NOWHERE", SlackUserId(ALICE))
