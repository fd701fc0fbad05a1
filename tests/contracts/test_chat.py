"""The port `Chat`, on the sandbox Slack and in memory, and what only a real Slack can do to it."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from typing import TypeVar

import pytest

from adapters.sandbox.slack import Message, SandboxSlack, running_slack
from adapters.slack.api import Installation, Method, SlackApi, read_installation, slack_api
from adapters.slack.chat import SlackChat
from adapters.slack.memory import MemoryChat
from adapters.slack.pace import Pace
from bot.domain.card import CardRef
from bot.domain.errors import HandrailError, Invalid, NotFound, RateLimited, Refused, Unavailable, Unclear
from bot.ports import Chat
from tests.contracts.sandbox_slack_builders import ALICE, CLOSED_ROOM, INCIDENTS, OTHERS, a_workspace
from tests.slack_builders import ONCALL, a_card, a_document, an_offer, labels

T = TypeVar("T")


class FastTime:
    """Time that passes only by sleeping, for Slack and for us alike."""

    def __init__(self) -> None:
        self.now = 1_800_000_000.0
        self.naps: list[float] = []

    def __call__(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        self.naps.append(seconds)
        self.now += seconds
        await asyncio.sleep(0)

    def pace(self) -> Pace:
        return Pace(monotonic=self, sleep=self.sleep)


@dataclass
class Bench:
    """A chat under test, and the card that stands at a ref."""

    chat: Chat
    status_of: Callable[[CardRef], str]


@pytest.fixture
def time() -> FastTime:
    return FastTime()


@pytest.fixture
async def slack(time: FastTime) -> AsyncIterator[SandboxSlack]:
    async with running_slack(a_workspace(), clock=time) as slack:
        yield slack


@pytest.fixture
async def api(slack: SandboxSlack) -> AsyncIterator[SlackApi]:
    async with slack_api(slack.config.bot_token, base_url=slack.api_url, timeout_s=60) as api:
        yield api


@pytest.fixture
async def us(api: SlackApi, slack: SandboxSlack) -> Installation:
    return await read_installation(api, app_id=slack.config.app_id)


@pytest.fixture
async def chat(api: SlackApi, us: Installation, time: FastTime) -> AsyncIterator[SlackChat]:
    chat = SlackChat(api, us, pace=time.pace(), sleep=time.sleep)
    yield chat
    await chat.aclose()


@pytest.fixture(params=["memory", "slack"])
def bench(request: pytest.FixtureRequest) -> Bench:
    if request.param == "memory":
        memory = MemoryChat()
        return Bench(memory, lambda ref: memory.cards[ref].status_line)
    slack: SandboxSlack = request.getfixturevalue("slack")
    return Bench(request.getfixturevalue("chat"), lambda ref: str(_at(slack, ref).blocks[0]["text"]["text"]))


def _at(slack: SandboxSlack, ref: CardRef) -> Message:
    return next(message for message in slack.messages(ref.channel) if message.ts == ref.ts)


async def test_a_document_for_all_is_found_again_and_edited_in_place(bench: Bench) -> None:
    posted = await bench.chat.post_document(INCIDENTS, a_document(), key="storm:1")
    listed = await bench.chat.post_document(INCIDENTS, a_document(), key="list:1", thread_ts=posted.ts)

    await bench.chat.update_document(posted, a_document(title="The storm is over"))

    assert posted == await bench.chat.find_document(INCIDENTS, key="storm:1")
    assert listed == await bench.chat.find_document(INCIDENTS, key="list:1", thread_ts=posted.ts)
    assert await bench.chat.find_document(INCIDENTS, key="storm:2") is None
    assert await bench.chat.find_document(INCIDENTS, key="list:2", thread_ts=posted.ts) is None


async def test_an_edited_document_stands_where_it_was_posted(chat: SlackChat, slack: SandboxSlack) -> None:
    posted = await chat.post_document(INCIDENTS, a_document(), key="storm:1")
    await chat.update_document(posted, a_document(title="The storm is over"))

    (message,) = slack.messages(INCIDENTS)
    assert (posted.ts, True) == (message.ts, "The storm is over" in message.shown_text)


async def test_a_message_grows_takes_no_edit_before_its_end_and_is_found_by_its_key_then(
    bench: Bench,
) -> None:
    thread = await bench.chat.post_document(INCIDENTS, a_document(), key="card:1")
    ref = await bench.chat.begin_stream(thread, ("You asked: why?", "Looking…"), reader=ONCALL)
    assert ref == await bench.chat.find_stream(thread, "You asked: why?")
    assert await bench.chat.find_stream(thread, "You asked: when?") is None
    await bench.chat.grow(ref, ["Looking at the changes of checkout…"])
    with pytest.raises(Invalid):
        await bench.chat.update_document(ref, a_document())
    assert await bench.chat.find_document(INCIDENTS, key="asked:1", thread_ts=thread.ts) is None

    for _ in range(2):
        await bench.chat.end_stream(ref, ["It was 42."], key="asked:1")

    assert ref == await bench.chat.find_document(INCIDENTS, key="asked:1", thread_ts=thread.ts)
    assert await bench.chat.find_stream(thread, "You asked: why?") is None
    with pytest.raises(NotFound):
        await bench.chat.grow(ref, ["And more."])
    await bench.chat.update_document(ref, a_document())


async def test_what_grew_says_each_line_once_and_nothing_in_it_is_markup(
    chat: SlackChat, slack: SandboxSlack
) -> None:
    thread = await chat.post_document(INCIDENTS, a_document(), key="card:1")
    ref = await chat.begin_stream(thread, ("You asked: <!channel> *why*?",), reader=ONCALL)
    await chat.grow(ref, ["[here](https://evil.example)"])
    slack.fail("chat.stopStream", drop_answer=True)
    await chat.end_stream(ref, ["It was 42."], key="asked:1")

    said = _at(slack, ref).text.split("\n\n")
    assert ["You asked: &lt;!channel&gt; ∗why∗?", "[here] (https://evil.example)", "It was 42.", ""] == said
    (begun,) = [call.args for call in slack.calls if call.method == "chat.startStream"]
    assert ("T0SANDBOX", ONCALL, thread.ts) == (
        begun["recipient_team_id"],
        begun["recipient_user_id"],
        begun["thread_ts"],
    )


async def test_a_message_whose_beginning_was_lost_is_looked_for_and_not_begun_again(
    chat: SlackChat, slack: SandboxSlack
) -> None:
    thread = await chat.post_document(INCIDENTS, a_document(), key="card:1")
    slack.fail("chat.startStream", drop_answer=True)

    ref = await chat.begin_stream(thread, ("You asked: why & when?",), reader=ONCALL)

    assert [ref.ts] == [message.ts for message in slack.thread(INCIDENTS, thread.ts)][1:]


@pytest.mark.parametrize("error", ["unknown_method", "channel_type_not_supported", "restricted_action"])
async def test_a_workspace_where_no_message_grows_says_so_at_once(
    error: str, chat: SlackChat, slack: SandboxSlack
) -> None:
    thread = await chat.post_document(INCIDENTS, a_document(), key="card:1")
    slack.fail("chat.startStream", error=error)

    with pytest.raises(HandrailError, match=error):
        await chat.begin_stream(thread, ("You asked: why?",), reader=ONCALL)
    assert 1 == len(slack.thread(INCIDENTS, thread.ts))


async def test_what_slack_ended_by_itself_is_ended_and_may_be_edited(
    chat: SlackChat, slack: SandboxSlack, time: FastTime
) -> None:
    thread = await chat.post_document(INCIDENTS, a_document(), key="card:1")
    ref = await chat.begin_stream(thread, ("You asked: why?",), reader=ONCALL)
    time.now += 301

    await chat.end_stream(ref, ["It was 42."], key="asked:1")
    await chat.update_document(ref, a_document(title="It was 42."))

    assert "It was 42." in _at(slack, ref).shown_text


async def test_a_posted_card_is_found_by_its_key(bench: Bench) -> None:
    ref = await bench.chat.post_card(INCIDENTS, a_card(), key="card-Q1-1")

    assert ref == await bench.chat.find_card(INCIDENTS, key="card-Q1-1")
    assert await bench.chat.find_card(INCIDENTS, key="card-Q2-1") is None


async def test_an_edit_changes_the_card_in_place_and_keeps_its_key(bench: Bench) -> None:
    ref = await bench.chat.post_card(INCIDENTS, a_card(), key="k")

    await bench.chat.update_card(ref, a_card(status_line="Resolved: checkout"))

    assert "Resolved: checkout" == bench.status_of(ref)
    assert ref == await bench.chat.find_card(INCIDENTS, key="k")


async def test_a_card_that_does_not_exist_cannot_be_edited(bench: Bench) -> None:
    with pytest.raises(NotFound):
        await bench.chat.update_card(CardRef(channel=INCIDENTS, ts="1.000001"), a_card())


async def test_a_reply_is_found_in_its_thread_only(bench: Bench) -> None:
    ref = await bench.chat.post_card(INCIDENTS, a_card(), key="k1")
    other = await bench.chat.post_card(INCIDENTS, a_card(), key="k2")

    await bench.chat.reply(ref, a_document(), key="summary")

    assert await bench.chat.has_reply(ref, key="summary")
    assert not await bench.chat.has_reply(ref, key="another")
    assert not await bench.chat.has_reply(other, key="summary")


async def test_a_plan_that_fits_may_be_offered(bench: Bench) -> None:
    assert bench.chat.shows_whole(a_card(an_offer()))


async def test_sl_link_spoof_the_card_arrives_with_its_buttons_and_without_unfurling(
    chat: SlackChat, slack: SandboxSlack
) -> None:
    ref = await chat.post_card(INCIDENTS, a_card(an_offer()), key="k")

    assert ["Approve rollback to 41", "Deny", "Details"] == labels(_at(slack, ref).blocks)
    posted = next(call for call in slack.calls if call.method == "chat.postMessage")
    assert (False, False) == (posted.args["unfurl_links"], posted.args["unfurl_media"])


async def test_a_person_is_told_alone_with_mentions_of_people_but_nothing_else(
    chat: SlackChat, slack: SandboxSlack
) -> None:
    await chat.tell(INCIDENTS, ONCALL, "only <@U0BOB> may decide this, not <!channel>")

    assert ["only <@U0BOB> may decide this, not &lt;!channel&gt;"] == [
        m.text for m in slack.ephemerals(ALICE)
    ]
    assert () == slack.messages(INCIDENTS)


async def test_a_document_is_shown_to_one_person(chat: SlackChat, slack: SandboxSlack) -> None:
    await chat.tell_document(INCIDENTS, ONCALL, a_document())

    assert ["What happened\n*Cause*\n• The deploy of checkout 42"] == [
        m.shown_text for m in slack.ephemerals(ALICE)
    ]


async def test_an_old_trigger_opens_nothing_and_says_to_press_again(chat: SlackChat) -> None:
    with pytest.raises(Unavailable, match="press again"):
        await chat.show_details("1.2.stale", a_document())


@pytest.mark.parametrize(
    ("channel", "remedy"), [(OTHERS, "invite the bot with /invite"), ("C0NOWHERE", "set the channel's id")]
)
async def test_a_channel_we_cannot_write_to_is_named_with_its_remedy(
    channel: str, remedy: str, chat: SlackChat
) -> None:
    with pytest.raises(Unavailable, match=remedy):
        await chat.post_card(channel, a_card(), key="k")


async def test_a_person_outside_the_channel_is_refused(chat: SlackChat) -> None:
    with pytest.raises((Refused, NotFound)):
        await chat.tell(INCIDENTS, type(ONCALL)("U0NOBODY"), "hello")


async def test_a_post_waits_as_long_as_slack_asks(
    chat: SlackChat, slack: SandboxSlack, time: FastTime
) -> None:
    slack.fail("chat.postMessage", status=429, retry_after=7, times=2)

    ref = await chat.post_card(INCIDENTS, a_card(), key="k")

    assert [7.0, 7.0] == time.naps
    assert [ref.ts] == [message.ts for message in slack.messages(INCIDENTS)]


async def test_a_limit_beyond_patience_is_told_with_nothing_posted(
    chat: SlackChat, slack: SandboxSlack
) -> None:
    slack.fail("chat.postMessage", status=429, retry_after=3_600)

    with pytest.raises(RateLimited):
        await chat.post_card(INCIDENTS, a_card(), key="k")
    assert () == slack.messages(INCIDENTS)


async def test_a_card_whose_answer_was_lost_is_looked_for_and_never_sent_again(
    chat: SlackChat, slack: SandboxSlack
) -> None:
    slack.fail("chat.postMessage", drop_answer=True)

    ref = await chat.post_card(INCIDENTS, a_card(), key="k")

    assert [ref.ts] == [message.ts for message in slack.messages(INCIDENTS)]
    assert 1 == len([call for call in slack.calls if call.method == "chat.postMessage"])


@pytest.mark.parametrize("status", [500, 502, 503])
async def test_a_card_that_slack_fails_to_take_is_sent_again_once_it_is_known_not_to_stand(
    status: int, chat: SlackChat, slack: SandboxSlack
) -> None:
    slack.fail("chat.postMessage", status=status)

    ref = await chat.post_card(INCIDENTS, a_card(), key="k")

    assert [ref.ts] == [message.ts for message in slack.messages(INCIDENTS)]
    methods = [call.method for call in slack.calls if call.method.startswith(("chat.", "conversations."))]
    assert ["chat.postMessage", "conversations.history", "chat.postMessage"] == methods


async def test_a_lost_answer_to_a_reply_is_unclear_and_never_sent_again(
    chat: SlackChat, slack: SandboxSlack
) -> None:
    ref = await chat.post_card(INCIDENTS, a_card(), key="k")
    slack.fail("chat.postMessage", drop_answer=True)

    with pytest.raises(Unclear):
        await chat.reply(ref, a_document(), key="summary")

    assert await chat.has_reply(ref, key="summary")
    assert 2 == len([call for call in slack.calls if call.method == "chat.postMessage"])


@pytest.mark.parametrize("status", [500, 502, 503])
async def test_a_server_error_to_a_reply_is_unclear(
    status: int, chat: SlackChat, slack: SandboxSlack
) -> None:
    ref = await chat.post_card(INCIDENTS, a_card(), key="k")
    slack.fail("chat.postMessage", status=status)

    with pytest.raises(Unclear):
        await chat.reply(ref, a_document(), key="summary")
    assert 2 == len([call for call in slack.calls if call.method == "chat.postMessage"])


async def test_cards_keep_their_order_while_slack_fails_and_their_callers_leave(
    chat: SlackChat, slack: SandboxSlack
) -> None:
    slack.fail("chat.postMessage", status=503, times=4)
    left = [asyncio.create_task(chat.post_card(INCIDENTS, a_card(), key=f"k{n}")) for n in range(3)]
    await slack.wait_for(lambda s: any(call.method == "chat.postMessage" for call in s.calls) or None)
    for task in left:
        task.cancel()

    refs = await _in_order(
        *(chat.post_card(INCIDENTS, a_card(status_line=f"N{n}"), key=f"k{n}") for n in (2, 0, 1))
    )

    stand = slack.messages(INCIDENTS)
    assert ["N0", "N1", "N2"] == [m.blocks[0]["text"]["text"] for m in stand]
    assert [refs[1], refs[2], refs[0]] == [CardRef(channel=INCIDENTS, ts=m.ts) for m in stand]


async def test_a_reply_that_hangs_is_unclear(us: Installation, slack: SandboxSlack, time: FastTime) -> None:
    slack.fail("chat.postMessage", delay=10.0)
    card = CardRef(channel=INCIDENTS, ts="1.000001")

    async with slack_api(slack.config.bot_token, base_url=slack.api_url, timeout_s=1) as api:
        chat = SlackChat(api, us, pace=time.pace())
        with pytest.raises(Unclear):
            await chat.reply(card, a_document(), key="k")


async def test_a_slack_that_cannot_be_reached_is_unavailable(us: Installation, time: FastTime) -> None:
    async with slack_api("xoxb-x", base_url="http://127.0.0.1:1/api/") as api:
        chat = SlackChat(api, us, pace=time.pace(), sleep=time.sleep)
        with pytest.raises(Unavailable):
            await chat.post_card(INCIDENTS, a_card(), key="k")


async def test_an_edit_is_repeated_when_its_answer_is_lost(chat: SlackChat, slack: SandboxSlack) -> None:
    ref = await chat.post_card(INCIDENTS, a_card(), key="k")
    slack.fail("chat.update", status=502, times=2)

    await chat.update_card(ref, a_card(status_line="Second"))

    assert "Second" in _at(slack, ref).shown_text


async def test_an_edit_that_never_arrives_ends_as_unavailable(chat: SlackChat, slack: SandboxSlack) -> None:
    ref = await chat.post_card(INCIDENTS, a_card(), key="k")
    slack.fail("chat.update", status=502, times=20)

    with pytest.raises(Unavailable):
        await chat.update_card(ref, a_card(status_line="Second"))
    assert 4 == len([call for call in slack.calls if call.method == "chat.update"])


async def test_the_newest_of_waiting_edits_is_the_only_one_sent(chat: SlackChat, slack: SandboxSlack) -> None:
    ref = await chat.post_card(INCIDENTS, a_card(), key="k")
    slack.fail("chat.update", delay=0.1)

    await _in_order(*(_edit(chat, ref, f"State {n}") for n in range(10)))

    assert "State 9" in _at(slack, ref).shown_text
    assert 2 >= len([call for call in slack.calls if call.method == "chat.update"])


async def test_an_edit_goes_out_though_its_caller_left(chat: SlackChat, slack: SandboxSlack) -> None:
    ref = await chat.post_card(INCIDENTS, a_card(), key="k")
    slack.fail("chat.update", delay=0.05)
    leaving = asyncio.create_task(chat.update_card(ref, a_card(status_line="Left behind")))
    await asyncio.sleep(0)
    leaving.cancel()

    await slack.wait_for(lambda s: "Left behind" in _at(s, ref).shown_text or None)
    assert leaving.cancelled()
    assert 1 == len([call for call in slack.calls if call.method == "chat.update"])


async def test_messages_of_one_channel_go_out_in_order_and_at_the_pace(
    chat: SlackChat, slack: SandboxSlack, time: FastTime
) -> None:
    await _in_order(*(chat.post_card(INCIDENTS, a_card(status_line=f"N{n}"), key=f"k{n}") for n in range(5)))

    assert [f"N{n}" for n in range(5)] == [m.blocks[0]["text"]["text"] for m in slack.messages(INCIDENTS)]
    assert [1.0] * 4 == time.naps
    assert {None} == {call.error for call in slack.calls}


async def test_blocks_that_slack_refuses_are_a_defect_with_slacks_words(api: SlackApi) -> None:
    with pytest.raises(Invalid, match="invalid_blocks"):
        await api.write(Method.POST, {"channel": INCIDENTS, "text": "x", "blocks": [{"type": "nonsense"}]})


async def test_a_missing_scope_is_named() -> None:
    async with (
        running_slack(a_workspace(scopes=("chat:write",))) as slack,
        slack_api(slack.config.bot_token, base_url=slack.api_url) as api,
    ):
        us = await read_installation(api, app_id="A0APP")
        chat = SlackChat(api, us, pace=FastTime().pace())
        with pytest.raises(Unavailable, match="the scope channels:history is missing"):
            await chat.find_card(INCIDENTS, key="k")


async def test_a_wrong_token_names_the_remedy(slack: SandboxSlack) -> None:
    async with slack_api("xoxb-wrong", base_url=slack.api_url) as api:
        with pytest.raises(Unavailable, match="set the bot token"):
            await read_installation(api, app_id="A0APP")


async def test_a_blank_token_is_refused_at_the_start() -> None:
    with pytest.raises(Invalid, match="SLACK_BOT_TOKEN is empty"):
        async with slack_api("  "):
            pass


async def test_the_installation_is_read_from_slack(us: Installation, slack: SandboxSlack) -> None:
    config = slack.config

    assert us == Installation(
        team_id=config.team_id,
        app_id=config.app_id,
        bot_user_id=config.bot_user_id,
        bot_id=config.bot_id,
        scopes=config.scopes,
        url=f"{slack.url}/",
    )


async def test_a_message_of_another_author_with_our_key_is_not_ours(
    chat: SlackChat, slack: SandboxSlack
) -> None:
    await slack.say(ALICE, INCIDENTS, "card-Q1-1")

    assert await chat.find_card(INCIDENTS, key="card-Q1-1") is None


async def test_a_private_channel_without_us_is_not_found(chat: SlackChat) -> None:
    with pytest.raises(Unavailable):
        await chat.find_card(CLOSED_ROOM, key="k")


async def _edit(chat: SlackChat, ref: CardRef, status: str) -> None:
    await chat.update_card(ref, a_card(status_line=status))


async def _in_order(*calls: Awaitable[T]) -> list[T]:
    """Begin the calls one after the other, then return what they all returned."""
    tasks = [asyncio.ensure_future(call) for call in calls]
    return await asyncio.gather(*tasks)
