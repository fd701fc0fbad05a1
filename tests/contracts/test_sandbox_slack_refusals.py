"""Tokens, scopes, rate limits, ordered failures and Block Kit's limits of the sandbox Slack."""

from typing import Any

import httpx
import pytest
from slack_sdk.errors import SlackApiError
from slack_sdk.http_retry.builtin_async_handlers import AsyncRateLimitErrorRetryHandler

from adapters.sandbox.slack import SandboxSlack, running_slack
from adapters.sandbox.slack.blocks import problems_of_blocks
from tests.contracts.sandbox_slack_builders import (
    ALICE,
    INCIDENTS,
    ManualClock,
    a_button,
    a_card,
    a_client,
    a_section,
    a_workspace,
    actions,
)


def plain(text: str) -> dict[str, Any]:
    return {"type": "plain_text", "text": text}


def mrkdwn(text: str) -> dict[str, Any]:
    return {"type": "mrkdwn", "text": text}


OPTION = {"text": plain("One"), "value": "1"}
CONFIRM = {
    "title": plain("Sure?"),
    "text": mrkdwn("Rolls back"),
    "confirm": plain("Yes"),
    "deny": plain("No"),
}

GOOD_BLOCKS = {
    "everything at its limit": [
        {"type": "header", "text": plain("h" * 150), "block_id": "b" * 255},
        {"type": "section", "text": mrkdwn("s" * 3000)},
        {"type": "section", "fields": [mrkdwn("f")] * 10},
        {"type": "context", "elements": [mrkdwn("c")] * 10},
        {"type": "actions", "elements": [a_button(f"a{n}", "t" * 75) for n in range(25)]},
        {"type": "divider"},
    ],
    "a confirmation": [actions(a_button(confirm=CONFIRM, style="danger"))],
    "the same action in two blocks": [actions(a_button(), block_id="1"), actions(a_button(), block_id="2")],
    "a select": [actions({"type": "static_select", "action_id": "s", "options": [OPTION] * 100})],
}

BAD_BLOCKS = {
    "no array": ("x", "must provide an array [json-pointer:/blocks]"),
    "too many blocks": ([a_section()] * 51, "no more than 50 items allowed [json-pointer:/blocks]"),
    "unknown block": ([{"type": "marquee"}], "unsupported type: marquee [json-pointer:/blocks/0/type]"),
    "section without text": (
        [{"type": "section"}],
        "missing required field: text [json-pointer:/blocks/0/text]",
    ),
    "empty text": ([a_section("")], "must be more than 0 characters [json-pointer:/blocks/0/text/text]"),
    "long section": (
        [a_section("x" * 3001)],
        "must be less than 3001 characters [json-pointer:/blocks/0/text/text]",
    ),
    "long field": (
        [{"type": "section", "fields": [mrkdwn("x" * 2001)]}],
        "must be less than 2001 characters [json-pointer:/blocks/0/fields/0/text]",
    ),
    "eleven fields": (
        [{"type": "section", "fields": [mrkdwn("x")] * 11}],
        "no more than 10 items allowed [json-pointer:/blocks/0/fields]",
    ),
    "long header": (
        [{"type": "header", "text": plain("x" * 151)}],
        "must be less than 151 characters [json-pointer:/blocks/0/text/text]",
    ),
    "header with mrkdwn": (
        [{"type": "header", "text": mrkdwn("x")}],
        "must be a valid enum value: plain_text [json-pointer:/blocks/0/text/type]",
    ),
    "eleven context elements": (
        [{"type": "context", "elements": [mrkdwn("x")] * 11}],
        "no more than 10 items allowed [json-pointer:/blocks/0/elements]",
    ),
    "no actions": ([actions()], "no fewer than 1 items allowed [json-pointer:/blocks/0/elements]"),
    "26 actions": (
        [actions(*(a_button(f"a{n}") for n in range(26)))],
        "no more than 25 items allowed [json-pointer:/blocks/0/elements]",
    ),
    "long label": (
        [actions(a_button(label="x" * 76))],
        "must be less than 76 characters [json-pointer:/blocks/0/elements/0/text/text]",
    ),
    "long value": (
        [actions(a_button(value="x" * 2001))],
        "must be less than 2001 characters [json-pointer:/blocks/0/elements/0/value]",
    ),
    "long action id": (
        [actions(a_button("x" * 256, value="1"))],
        "must be less than 256 characters [json-pointer:/blocks/0/elements/0/action_id]",
    ),
    "bad style": (
        [actions(a_button(style="green"))],
        "must be a valid enum value: danger, primary [json-pointer:/blocks/0/elements/0/style]",
    ),
    "unknown property": (
        [actions(a_button(colour="red"))],
        "invalid additional property: colour [json-pointer:/blocks/0/elements/0]",
    ),
    "same action twice": (
        [actions(a_button(), a_button())],
        "action_id `approve` already exists in this block [json-pointer:/blocks/0/elements/1/action_id]",
    ),
    "same block id twice": (
        [{"type": "divider", "block_id": "x"}, {"type": "divider", "block_id": "x"}],
        "block_id `x` already exists [json-pointer:/blocks/1/block_id]",
    ),
    "long confirmation": (
        [actions(a_button(confirm=CONFIRM | {"text": plain("x" * 301)}))],
        "must be less than 301 characters [json-pointer:/blocks/0/elements/0/confirm/text/text]",
    ),
    "too many options": (
        [actions({"type": "static_select", "action_id": "s", "options": [OPTION] * 101})],
        "no more than 100 items allowed [json-pointer:/blocks/0/elements/0/options]",
    ),
    "input of a button": (
        [{"type": "input", "label": plain("Why"), "element": a_button()}],
        "unsupported type: button [json-pointer:/blocks/0/element/type]",
    ),
    "image without alternative text": (
        [{"type": "image", "image_url": "https://example.com/a.png"}],
        "missing required field: alt_text [json-pointer:/blocks/0/alt_text]",
    ),
}


@pytest.mark.parametrize("name", GOOD_BLOCKS)
def test_blocks_within_the_limits_pass(name: str) -> None:
    assert () == problems_of_blocks(GOOD_BLOCKS[name])


@pytest.mark.parametrize("name", BAD_BLOCKS)
def test_blocks_beyond_a_limit_are_named_with_their_place(name: str) -> None:
    blocks, message = BAD_BLOCKS[name]

    assert (message,) == tuple(str(problem) for problem in problems_of_blocks(blocks))


async def refused(call: Any) -> Any:
    with pytest.raises(SlackApiError) as caught:
        await call
    return caught.value.response


async def test_invalid_blocks_are_refused_and_nothing_is_posted(slack: SandboxSlack) -> None:
    call = a_client(slack).chat_postMessage(channel=INCIDENTS, text="x", blocks=[a_section("x" * 3001)])

    answer = await refused(call)

    message = "[ERROR] must be less than 3001 characters [json-pointer:/blocks/0/text/text]"
    assert ("invalid_blocks", [message]) == (answer["error"], answer["response_metadata"]["messages"])
    assert () == slack.messages(INCIDENTS)


async def test_blocks_of_good_parts_may_be_too_long_together(slack: SandboxSlack) -> None:
    blocks = [a_section("x" * 3000) for _ in range(4)]
    client = a_client(slack)

    await client.chat_postMessage(channel=INCIDENTS, text="x", blocks=blocks)
    answer = await refused(
        client.chat_postMessage(channel=INCIDENTS, text="x", blocks=[*blocks, a_section("y")])
    )

    assert "msg_blocks_too_long" == answer["error"]


async def test_blocks_validate_judges_without_posting(slack: SandboxSlack) -> None:
    client = a_client(slack)

    assert (await client.blocks_validate(blocks=a_card()))["ok"]
    answer = await refused(client.blocks_validate(message={"blocks": [{"type": "section"}]}))

    assert ("invalid_message", ["/blocks/0/text"]) == (
        answer["error"],
        [e["pointer"] for e in answer["errors"]],
    )
    assert () == slack.messages(INCIDENTS)


async def test_tokens_are_checked_and_never_journalled(slack: SandboxSlack) -> None:
    wrong = await refused(a_client(slack, "xoxb-other").auth_test())
    app_token = await refused(a_client(slack, slack.config.app_token).auth_test())
    bot_token = await refused(a_client(slack).apps_connections_open(app_token=slack.config.bot_token))
    async with httpx.AsyncClient() as http:
        missing = (await http.post(f"{slack.api_url}auth.test")).json()
        in_form = (
            await http.post(f"{slack.api_url}auth.test", data={"token": slack.config.bot_token})
        ).json()

    assert ["invalid_auth", "not_allowed_token_type"] == [wrong["error"], app_token["error"]]
    assert ("not_allowed_token_type", "not_authed") == (bot_token["error"], missing["error"])
    assert ("T0SANDBOX", "U0BOT", "B0BOT") == (in_form["team_id"], in_form["user_id"], in_form["bot_id"])
    assert slack.config.bot_token not in repr(slack.calls)


async def test_a_scope_that_was_not_granted_is_named() -> None:
    async with running_slack(a_workspace(scopes=("users:read",))) as slack:
        answer = await refused(a_client(slack).chat_postMessage(channel=INCIDENTS, text="x"))
        people = await a_client(slack).users_info(user=ALICE)

    assert ("missing_scope", "chat:write") == (answer["error"], answer["needed"])
    assert "users:read" == answer["provided"] == people.headers["X-OAuth-Scopes"]
    assert "email" not in people["user"]["profile"]


async def test_an_unknown_method_or_body_is_refused(slack: SandboxSlack) -> None:
    async with httpx.AsyncClient() as http:
        unknown = await http.post(f"{slack.api_url}chat.shout")
        broken = await http.post(
            f"{slack.api_url}auth.test", content=b"{", headers={"Content-Type": "application/json"}
        )
        xml = await http.post(
            f"{slack.api_url}auth.test", content=b"<a/>", headers={"Content-Type": "text/xml"}
        )

    errors = [answer.json()["error"] for answer in (unknown, broken, xml)]
    assert ["unknown_method", "invalid_json", "invalid_post_type"] == errors


async def test_posts_beyond_one_a_second_are_limited_in_their_channel(
    slack: SandboxSlack, clock: ManualClock
) -> None:
    client = a_client(slack)
    for text in "abc":
        await client.chat_postMessage(channel=INCIDENTS, text=text)

    answer = await refused(client.chat_postMessage(channel=INCIDENTS, text="d"))
    await client.chat_postMessage(channel=ALICE, text="elsewhere")
    clock.advance(1)
    await client.chat_postMessage(channel=INCIDENTS, text="e")

    assert (429, "ratelimited", "1") == (answer.status_code, answer["error"], answer.headers["Retry-After"])
    assert ["a", "b", "c", "e"] == [message.text for message in slack.messages(INCIDENTS)]


async def test_edits_have_their_own_budget_of_fifty_a_minute(slack: SandboxSlack, clock: ManualClock) -> None:
    client = a_client(slack)
    ts = (await client.chat_postMessage(channel=INCIDENTS, text="0"))["ts"]
    for number in range(50):
        await client.chat_update(channel=INCIDENTS, ts=ts, text=str(number))

    answer = await refused(client.chat_update(channel=INCIDENTS, ts=ts, text="51"))
    clock.advance(2)
    await client.chat_update(channel=INCIDENTS, ts=ts, text="52")

    assert (429, "2") == (answer.status_code, answer.headers["Retry-After"])
    assert "52" == slack.messages(INCIDENTS)[0].text


async def test_an_ordered_rate_limit_passes_after_its_times(slack: SandboxSlack) -> None:
    slack.fail("chat.postMessage", error="ratelimited", retry_after=0, times=1)
    client = a_client(slack)
    client.retry_handlers.append(AsyncRateLimitErrorRetryHandler(max_retry_count=1))

    await client.chat_postMessage(channel=INCIDENTS, text="x")

    assert ["ratelimited", None] == [call.error for call in slack.calls]
    assert 1 == len(slack.messages(INCIDENTS))


async def test_ordered_failures_do_no_work_but_a_dropped_answer_does(slack: SandboxSlack) -> None:
    client = a_client(slack)
    slack.fail("chat.postMessage", status=503)
    slack.fail("chat.postMessage", error="fatal_error")
    slack.fail("chat.postMessage", drop_answer=True)

    assert 503 == (await refused(client.chat_postMessage(channel=INCIDENTS, text="1"))).status_code
    assert "fatal_error" == (await refused(client.chat_postMessage(channel=INCIDENTS, text="2")))["error"]
    assert 504 == (await refused(client.chat_postMessage(channel=INCIDENTS, text="3"))).status_code

    assert ["3"] == [message.text for message in slack.messages(INCIDENTS)]


async def test_people_groups_and_members_are_found_as_slack_finds_them(slack: SandboxSlack) -> None:
    client = a_client(slack)

    found = await client.users_lookupByEmail(email="Alice@Example.com")
    group = await client.usergroups_users_list(usergroup="S0ONCALL")
    members = await client.conversations_members(channel=INCIDENTS)

    assert ALICE == found["user"]["id"]
    assert [ALICE, "U0BOB"] == group["users"]
    assert [ALICE, "U0BOB", "U0GUEST", "U0BOT"] == members["members"]
    assert "users_not_found" == (await refused(client.users_lookupByEmail(email="gone@example.com")))["error"]
    assert "user_not_found" == (await refused(client.users_info(user="U0NOBODY")))["error"]
    guest = (await client.users_info(user="U0GUEST"))["user"]
    assert (True, False) == (guest["is_restricted"], guest["deleted"])


@pytest.mark.parametrize(
    ("metadata", "error"),
    [
        ("x", "invalid_metadata_format"),
        ({"event_type": "card"}, "invalid_metadata_schema"),
        ({"event_type": "card", "event_payload": {"x": "y" * 17_000}}, "metadata_too_large"),
    ],
)
async def test_bad_metadata_is_refused(slack: SandboxSlack, metadata: Any, error: str) -> None:
    body = {"channel": INCIDENTS, "text": "x", "metadata": metadata}

    assert error == (await refused(a_client(slack).api_call("chat.postMessage", json=body)))["error"]


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 200),
        ({"Host": "evil.example"}, 403),
        ({"Host": "evil.example:80"}, 403),
        ({"Origin": "https://evil.example"}, 403),
        ({"Origin": "null"}, 403),
    ],
)
async def test_the_page_s_routes_answer_loopback_and_their_own_site_only(
    slack: SandboxSlack, headers: dict[str, str], status: int
) -> None:
    async with httpx.AsyncClient(base_url=slack.url, headers=headers) as http:
        answers = [
            await http.get("/"),
            await http.get("/page/main.js"),
            await http.get("/sandbox/state", params={"user": ALICE}),
            await http.post(
                "/sandbox/message", json={"user": ALICE, "channel": INCIDENTS, "text": "hi <b> @Bob Baum"}
            ),
        ]

    assert [status] * 4 == [answer.status_code for answer in answers]
    expected = ["hi &lt;b&gt; <@U0BOB>"] if status == 200 else []
    assert expected == [message.text for message in slack.messages(INCIDENTS)]


async def test_control_routes_take_json_only_and_say_what_is_impossible(slack: SandboxSlack) -> None:
    async with httpx.AsyncClient(base_url=slack.url) as http:
        form = await http.post("/sandbox/press", data={"user": ALICE})
        missing = await http.post("/sandbox/press", json={"user": ALICE})
        nobody = await http.post("/sandbox/message", json={"user": "U0X", "channel": INCIDENTS, "text": "x"})

    assert (415, 400, 400) == (form.status_code, missing.status_code, nobody.status_code)
    assert "Missing: channel" == missing.json()["error"]
    assert "Nobody in this workspace has the id 'U0X'." == nobody.json()["error"]
