"""What an app may post, edit and read in the sandbox Slack, driven by Slack's own client."""

from typing import Any

import pytest
from slack_sdk.errors import SlackApiError

from adapters.sandbox.slack import SandboxSlack
from tests.contracts.sandbox_slack_builders import (
    ALICE,
    BOT,
    CLOSED_ROOM,
    INCIDENTS,
    OTHERS,
    ManualClock,
    a_card,
    a_client,
    a_section,
)


async def refusal(call: object) -> str:
    """The error code with which Slack refused *call*."""
    with pytest.raises(SlackApiError) as caught:
        await call  # type: ignore[misc]
    return str(caught.value.response["error"])


async def test_a_posted_card_stands_in_the_channel_as_the_app_wrote_it(slack: SandboxSlack) -> None:
    answer = await a_client(slack).chat_postMessage(channel=INCIDENTS, text="fallback", blocks=a_card())

    (message,) = slack.messages(INCIDENTS)
    assert (answer["ts"], BOT, "fallback", True) == (message.ts, message.user, message.text, message.by_app)
    assert "*checkout* is failing\nApprove\nDeny" == message.shown_text
    assert ["approve", "deny"] == [button["action_id"] for button in message.buttons]
    assert message.blocks == tuple(answer["message"]["blocks"])
    assert all(block["block_id"] for block in message.blocks)


async def test_message_ids_are_unique_and_grow_while_the_clock_stands(slack: SandboxSlack) -> None:
    client = a_client(slack)
    ids = [(await client.chat_postMessage(channel=INCIDENTS, text=f"{n}"))["ts"] for n in range(3)]

    assert ["1800000000.000000", "1800000000.000001", "1800000000.000002"] == ids


async def test_an_edit_with_text_alone_removes_the_blocks_and_shows_as_edited(slack: SandboxSlack) -> None:
    client = a_client(slack)
    posted = await client.chat_postMessage(channel=INCIDENTS, text="fallback", blocks=a_card())

    await client.chat_update(channel=INCIDENTS, ts=posted["ts"], text="done")

    (message,) = slack.messages(INCIDENTS)
    assert ("done", (), False) == (message.text, message.blocks, message.edited_at is None)


async def test_an_edit_with_blocks_leaves_no_mark_and_keeps_the_metadata(slack: SandboxSlack) -> None:
    client = a_client(slack)
    key = {"event_type": "card", "event_payload": {"incident": "Q1"}}
    posted = await client.chat_postMessage(channel=INCIDENTS, text="a", blocks=a_card(), metadata=key)

    await client.chat_update(channel=INCIDENTS, ts=posted["ts"], text="b", blocks=[a_section("b")])

    (message,) = slack.messages(INCIDENTS)
    assert ("b", None, key, 1) == (message.shown_text, message.edited_at, message.metadata, message.revision)


async def test_history_is_newest_first_with_metadata_only_on_request(slack: SandboxSlack) -> None:
    client = a_client(slack)
    key = {"event_type": "card", "event_payload": {"incident": "Q1"}}
    first = await client.chat_postMessage(channel=INCIDENTS, text="first", metadata=key)
    await client.chat_postMessage(channel=INCIDENTS, text="reply", thread_ts=first["ts"])
    await client.chat_postMessage(channel=INCIDENTS, text="second")

    plain = await client.conversations_history(channel=INCIDENTS)
    full = await client.conversations_history(channel=INCIDENTS, include_all_metadata=True)

    assert ["second", "first"] == [message["text"] for message in plain["messages"]]
    assert [None, None] == [message.get("metadata") for message in plain["messages"]]
    assert [None, key] == [message.get("metadata") for message in full["messages"]]
    assert [None, 1] == [message.get("reply_count") for message in full["messages"]]


async def test_history_pages_by_cursor_and_by_time(slack: SandboxSlack, clock: ManualClock) -> None:
    client = a_client(slack)
    stamps = []
    for text in ("one", "two", "three"):
        stamps.append((await client.chat_postMessage(channel=INCIDENTS, text=text))["ts"])
        clock.advance(1)

    page = await client.conversations_history(channel=INCIDENTS, limit=2)
    cursor = page["response_metadata"]["next_cursor"]
    rest = await client.conversations_history(channel=INCIDENTS, limit=2, cursor=cursor)
    after_first = await client.conversations_history(channel=INCIDENTS, oldest=stamps[0])

    assert (["three", "two"], True) == ([m["text"] for m in page["messages"]], page["has_more"])
    assert (["one"], False) == ([m["text"] for m in rest["messages"]], rest["has_more"])
    assert ["three", "two"] == [m["text"] for m in after_first["messages"]]


async def test_a_thread_is_read_oldest_first_under_its_root(slack: SandboxSlack) -> None:
    client = a_client(slack)
    root = (await client.chat_postMessage(channel=INCIDENTS, text="root"))["ts"]
    await client.chat_postMessage(channel=INCIDENTS, text="reply", thread_ts=root)

    answer = await client.conversations_replies(channel=INCIDENTS, ts=root)

    assert ["root", "reply"] == [m["text"] for m in answer["messages"]]
    assert ["root", "reply"] == [m.text for m in slack.thread(INCIDENTS, root)]
    assert "thread_not_found" == await refusal(client.conversations_replies(channel=INCIDENTS, ts="1.000001"))


async def test_a_person_s_message_cannot_be_edited_or_deleted_by_the_app(slack: SandboxSlack) -> None:
    said = await slack.say(ALICE, INCIDENTS, "hello")
    client = a_client(slack)

    assert "cant_update_message" == await refusal(client.chat_update(channel=INCIDENTS, ts=said.ts, text="x"))
    assert "cant_delete_message" == await refusal(client.chat_delete(channel=INCIDENTS, ts=said.ts))


async def test_places_the_app_cannot_write_to_have_their_own_codes(slack: SandboxSlack) -> None:
    client = a_client(slack)

    assert "channel_not_found" == await refusal(client.chat_postMessage(channel="C0NONE", text="x"))
    assert "channel_not_found" == await refusal(client.chat_postMessage(channel=CLOSED_ROOM, text="x"))
    assert "not_in_channel" == await refusal(client.chat_postMessage(channel=OTHERS, text="x"))
    assert "message_not_found" == await refusal(
        client.chat_update(channel=INCIDENTS, ts="1.000001", text="x")
    )
    assert () == slack.messages(OTHERS)


async def test_a_public_channel_takes_posts_once_the_app_joined(slack: SandboxSlack) -> None:
    client = a_client(slack)
    await client.conversations_join(channel=OTHERS)
    await client.chat_postMessage(channel=OTHERS, text="hello")

    assert ["hello"] == [message.text for message in slack.messages(OTHERS)]


async def test_an_ephemeral_message_is_seen_by_one_person_only(slack: SandboxSlack) -> None:
    client = a_client(slack)
    await client.chat_postEphemeral(channel=INCIDENTS, user=ALICE, text="not allowed")

    assert ["not allowed"] == [message.text for message in slack.ephemerals(ALICE)]
    assert () == slack.messages(INCIDENTS)
    missing = client.chat_postEphemeral(channel=INCIDENTS, user="U0NOBODY", text="x")
    assert "user_not_found" == await refusal(missing)


async def test_long_text_is_cut_when_posted_and_refused_when_edited(slack: SandboxSlack) -> None:
    client = a_client(slack)
    posted = await client.chat_postMessage(channel=INCIDENTS, text="x" * 40_001)

    assert 40_000 == len(slack.messages(INCIDENTS)[0].text)
    edit = client.chat_update(channel=INCIDENTS, ts=posted["ts"], text="x" * 4_001)
    assert "msg_too_long" == await refusal(edit)
    assert "no_text" == await refusal(client.api_call("chat.postMessage", json={"channel": INCIDENTS}))


async def test_an_uploaded_picture_stands_in_the_thread_and_can_be_fetched(slack: SandboxSlack) -> None:
    client = a_client(slack)
    root = (await client.chat_postMessage(channel=INCIDENTS, text="root"))["ts"]

    await client.files_upload_v2(
        filename="rate.png", content=b"\x89PNG", channel=INCIDENTS, thread_ts=root, initial_comment="Errors"
    )

    reply = slack.thread(INCIDENTS, root)[1]
    assert ("Errors", "rate.png", 4) == (reply.text, reply.files[0]["name"], reply.files[0]["size"])


async def test_reactions_pins_topics_and_bookmarks_are_kept_once(slack: SandboxSlack) -> None:
    client = a_client(slack)
    ts = (await client.chat_postMessage(channel=INCIDENTS, text="card"))["ts"]

    await client.reactions_add(channel=INCIDENTS, timestamp=ts, name="eyes")
    await client.pins_add(channel=INCIDENTS, timestamp=ts)
    await client.conversations_setTopic(channel=INCIDENTS, topic="sev2: investigating")
    await client.bookmarks_add(channel_id=INCIDENTS, title="Graph", type="link", link="https://example.com")

    again = client.reactions_add(channel=INCIDENTS, timestamp=ts, name="eyes")
    assert "already_reacted" == await refusal(again)
    assert "already_pinned" == await refusal(client.pins_add(channel=INCIDENTS, timestamp=ts))
    info = await client.conversations_info(channel=INCIDENTS)
    assert "sev2: investigating" == info["channel"]["topic"]["value"]
    assert (("eyes", BOT),) == slack.messages(INCIDENTS)[0].reactions


async def test_a_stream_stands_in_a_thread_and_grows_until_it_is_stopped(slack: SandboxSlack) -> None:
    client = a_client(slack)
    root = (await client.chat_postMessage(channel=INCIDENTS, text="root"))["ts"]
    where: dict[str, Any] = {"channel": INCIDENTS, "thread_ts": root}
    reader: dict[str, Any] = {"recipient_team_id": slack.config.team_id, "recipient_user_id": ALICE}

    assert "missing_recipient_team_id" == await refusal(client.chat_startStream(**where))
    assert "missing_recipient_user_id" == await refusal(
        client.chat_startStream(**where, recipient_team_id=slack.config.team_id)
    )
    assert "thread_not_found" == await refusal(
        client.chat_startStream(channel=INCIDENTS, thread_ts="1.000001", **reader)
    )
    ts = (await client.chat_startStream(**where, **reader, markdown_text="One. "))["ts"]
    at = {"channel": INCIDENTS, "ts": ts}
    await client.chat_appendStream(**at, markdown_text="Two. ")
    assert "no_text" == await refusal(client.chat_appendStream(**at))
    assert "msg_too_long" == await refusal(client.chat_appendStream(**at, markdown_text="x" * 12_001))
    assert "streaming_state_conflict" == await refusal(client.chat_update(**at, text="no"))
    assert "cant_delete_message" == await refusal(client.chat_delete(**at))

    key = {"event_type": "answer", "event_payload": {"key": "1"}}
    await client.chat_stopStream(**at, markdown_text="Three.", blocks=[a_section("foot")], metadata=key)

    message = slack.messages(INCIDENTS)[-1]
    assert (root, "One. Two. Three.", key) == (message.thread_ts, message.text, message.metadata)
    assert "message_not_in_streaming_state" == await refusal(client.chat_stopStream(**at))
    assert "message_not_in_streaming_state" == await refusal(
        client.chat_appendStream(**at, markdown_text="Four.")
    )
    assert "message_not_owned_by_app" == await refusal(
        client.chat_stopStream(channel=INCIDENTS, ts=(await slack.say(ALICE, INCIDENTS, "mine")).ts)
    )
    await client.chat_update(**at, text="edited")
    assert "edited" == slack.messages(INCIDENTS)[-2].text


async def test_a_stream_that_is_not_stopped_ends_by_itself(slack: SandboxSlack, clock: ManualClock) -> None:
    client = a_client(slack)
    root = (await client.chat_postMessage(channel=INCIDENTS, text="root"))["ts"]
    ts = (
        await client.chat_startStream(
            channel=INCIDENTS,
            thread_ts=root,
            recipient_team_id=slack.config.team_id,
            recipient_user_id=ALICE,
            markdown_text="One.",
        )
    )["ts"]
    clock.now += 301

    late = client.chat_appendStream(channel=INCIDENTS, ts=ts, markdown_text="Two.")
    assert "message_not_in_streaming_state" == await refusal(late)
    await client.chat_update(channel=INCIDENTS, ts=ts, text="edited")
