"""What people do in the sandbox Slack reaches a real Bolt app, signed, over HTTP."""

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs

import pytest
from slack_bolt.adapter.starlette.async_handler import AsyncSlackRequestHandler
from slack_bolt.async_app import AsyncApp
from slack_sdk.errors import SlackApiError
from slack_sdk.webhook.async_client import AsyncWebhookClient
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from adapters.sandbox.serving import serving
from adapters.sandbox.slack import SandboxMisuseError, SandboxSlack, limits, running_slack
from tests.contracts.sandbox_slack_builders import (
    ALICE,
    BOB,
    BOT,
    GONE,
    INCIDENTS,
    ManualClock,
    a_button,
    a_card,
    a_client,
    a_modal,
    a_section,
    a_workspace,
    actions,
)


@dataclass
class App:
    """A Bolt app that keeps every body it was given."""

    bolt: AsyncApp
    bodies: list[dict[str, Any]] = field(default_factory=list)


def a_bolt_app(slack: SandboxSlack) -> App:
    app = App(
        AsyncApp(
            client=a_client(slack), signing_secret=slack.config.signing_secret, token=slack.config.bot_token
        )
    )

    async def keep(ack: Any, body: dict[str, Any]) -> None:
        app.bodies.append(body)
        await ack()

    async def answer(ack: Any, body: dict[str, Any]) -> None:
        app.bodies.append(body)
        await ack(f"You asked for {body['text']}.")

    async def check(ack: Any, body: dict[str, Any]) -> None:
        app.bodies.append(body)
        reason = body["view"]["state"]["values"]["reason"]["reason_text"]["value"]
        if len(reason) < 5:
            await ack(response_action="errors", errors={"reason": "Say more."})
        else:
            await ack()

    app.bolt.action("approve")(keep)
    app.bolt.command("/incident")(answer)
    app.bolt.view("confirm")(check)
    app.bolt.event("app_mention")(keep)
    app.bolt.event("app_home_opened")(keep)
    return app


@pytest.fixture
async def slack() -> AsyncIterator[SandboxSlack]:
    async with running_slack(a_workspace(), retry_delays=(0.0, 0.0, 0.0)) as slack:
        yield slack


@pytest.fixture
async def app(slack: SandboxSlack) -> AsyncIterator[App]:
    app = a_bolt_app(slack)
    handler = AsyncSlackRequestHandler(app.bolt)
    web = Starlette(routes=[Route("/slack/events", handler.handle, methods=["POST"])])
    async with serving(web) as url:
        await slack.deliver_to(f"{url}/slack/events")
        yield app


async def a_posted_card(slack: SandboxSlack) -> str:
    posted = await a_client(slack).chat_postMessage(channel=INCIDENTS, text="card", blocks=a_card())
    return str(posted["ts"])


async def test_a_press_carries_the_whole_message_and_the_button_that_was_pressed(
    slack: SandboxSlack, app: App
) -> None:
    ts = await a_posted_card(slack)

    delivery = await slack.press(ALICE, INCIDENTS, ts, "approve")

    (body,) = app.bodies
    assert (True, 200, "http") == (delivery.ok, delivery.status, delivery.transport)
    assert {"id": ALICE, "username": "alice", "name": "alice", "team_id": "T0SANDBOX"} == body["user"]
    assert ("T0SANDBOX", "A0APP") == (body["team"]["id"], body["api_app_id"])
    assert (INCIDENTS, ts) == (body["container"]["channel_id"], body["container"]["message_ts"])
    (action,) = body["actions"]
    action_ts = action.pop("action_ts")
    assert {
        "type": "button",
        "action_id": "approve",
        "block_id": "decision",
        "value": "approve-1",
        "style": "primary",
        "text": {"type": "plain_text", "text": "Approve"},
    } == action
    assert float(action_ts) > float(ts)
    assert list(slack.messages(INCIDENTS)[0].blocks) == body["message"]["blocks"]


async def test_a_double_click_is_two_deliveries_with_their_own_times(slack: SandboxSlack, app: App) -> None:
    ts = await a_posted_card(slack)

    await slack.press(ALICE, INCIDENTS, ts, "approve", repeat=2)

    assert 2 == len({body["actions"][0]["action_ts"] for body in app.bodies}) == len(slack.deliveries)


async def test_a_replay_sends_the_same_bytes_and_signature(slack: SandboxSlack, app: App) -> None:
    first = await slack.press(ALICE, INCIDENTS, await a_posted_card(slack), "approve")

    again = await slack.replay(first)

    assert (first.body, first.headers) == (again.body, again.headers)
    assert app.bodies[0] == app.bodies[1]


async def test_a_person_cannot_press_what_is_not_there_unless_it_is_forged(
    slack: SandboxSlack, app: App
) -> None:
    ts = await a_posted_card(slack)

    with pytest.raises(SandboxMisuseError, match="No button 'rollback'"):
        await slack.press(ALICE, INCIDENTS, ts, "rollback")
    with pytest.raises(SandboxMisuseError, match="does not carry this value"):
        await slack.press(ALICE, INCIDENTS, ts, "approve", value="approve-2")
    with pytest.raises(SandboxMisuseError, match="deactivated"):
        await slack.press(GONE, INCIDENTS, ts, "approve")
    assert [] == app.bodies

    await slack.press(ALICE, INCIDENTS, ts, "approve", value="approve-2", forged=True)

    assert "approve-2" == app.bodies[0]["actions"][0]["value"]


async def test_the_same_action_in_two_blocks_is_told_apart_by_block_or_value(
    slack: SandboxSlack, app: App
) -> None:
    blocks = [actions(a_button(value=f"v{n}"), block_id=f"b{n}") for n in (1, 2)]
    ts = (await a_client(slack).chat_postMessage(channel=INCIDENTS, text="x", blocks=blocks))["ts"]

    await slack.press(ALICE, INCIDENTS, ts, "approve", block_id="b2")
    await slack.press(ALICE, INCIDENTS, ts, "approve", value="v1")

    assert ["v2", "v1"] == [body["actions"][0]["value"] for body in app.bodies]


async def test_a_wrong_secret_is_refused_by_the_app_and_seen_by_the_person(app: App) -> None:
    """The app of the fixture checks with another secret than this second workspace signs with."""
    async with running_slack(a_workspace(signing_secret="other")) as other:
        handler = AsyncSlackRequestHandler(app.bolt)
        web = Starlette(routes=[Route("/", handler.handle, methods=["POST"])])
        async with serving(web) as url:
            await other.deliver_to(url)
            delivery = await other.command(ALICE, INCIDENTS, "status")

        assert (401, "dispatch_failed") == (delivery.status, delivery.failure)
        assert ["/incident failed with the error “dispatch_failed”"] == [
            m.text for m in other.ephemerals(ALICE)
        ]
        assert [] == app.bodies


async def test_the_answer_of_a_command_is_shown_to_the_person_alone(slack: SandboxSlack, app: App) -> None:
    await slack.command(ALICE, INCIDENTS, "status Q1")

    (body,) = app.bodies
    assert ("/incident", "status Q1", "incidents") == (body["command"], body["text"], body["channel_name"])
    assert ["You asked for status Q1."] == [message.text for message in slack.ephemerals(ALICE)]
    assert () == slack.messages(INCIDENTS) == slack.ephemerals(BOB)


async def test_an_app_that_is_away_or_slow_shows_as_slack_s_own_error(
    slack: SandboxSlack, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "ACK_S", 1.0)
    never = asyncio.Event()

    async def hang(request: Request) -> Response:
        await never.wait()
        return Response()

    await slack.deliver_to("http://127.0.0.1:1/")
    away = await slack.command(ALICE, INCIDENTS, "status")
    async with serving(Starlette(routes=[Route("/", hang, methods=["POST"])])) as url:
        await slack.deliver_to(url)
        slow = await slack.press(BOB, INCIDENTS, await a_posted_card(slack), "approve")
        never.set()

    assert (0, "dispatch_failed") == (away.status, away.failure)
    assert (0, "operation_timeout") == (slow.status, slow.failure)
    assert ["“Approve” failed with the error “operation_timeout”"] == [m.text for m in slack.ephemerals(BOB)]


async def test_an_event_is_tried_again_with_the_same_id_and_a_number(slack: SandboxSlack) -> None:
    seen: list[tuple[str | None, str]] = []

    async def refuse_twice(request: Request) -> Response:
        seen.append((request.headers.get("X-Slack-Retry-Num"), json.loads(await request.body())["event_id"]))
        return Response(status_code=200 if len(seen) == 3 else 500)

    async with serving(Starlette(routes=[Route("/", refuse_twice, methods=["POST"])])) as url:
        await slack.deliver_to(url)
        first = await slack.mention(ALICE, INCIDENTS, "what changed?")
        await slack.wait_for(lambda s: len(s.deliveries) == 3)

    assert (500, "dispatch_failed") == (first.status, first.failure)
    assert [None, "1", "2"] == [number for number, _ in seen]
    assert 1 == len({event_id for _, event_id in seen})
    assert "http_error" == slack.deliveries[1].headers["X-Slack-Retry-Reason"]


async def test_an_app_stops_retries_by_a_header(slack: SandboxSlack) -> None:
    async def refuse(request: Request) -> Response:
        return Response(status_code=500, headers={"X-Slack-No-Retry": "1"})

    async with serving(Starlette(routes=[Route("/", refuse, methods=["POST"])])) as url:
        await slack.deliver_to(url)
        await slack.mention(ALICE, INCIDENTS, "what changed?")
        await slack.mention(ALICE, INCIDENTS, "and now?")

    assert 2 == len(slack.deliveries)


async def test_a_mention_in_a_thread_names_the_thread(slack: SandboxSlack, app: App) -> None:
    ts = await a_posted_card(slack)

    await slack.mention(ALICE, INCIDENTS, "what changed?", thread_ts=ts)
    await slack.wait_for(lambda _: bool(app.bodies))

    event = app.bodies[0]["event"]
    assert ("app_mention", f"<@{BOT}> what changed?", ts) == (
        event["type"],
        event["text"],
        event["thread_ts"],
    )


async def test_a_modal_opens_once_within_three_seconds_of_the_press(app: App) -> None:
    clock = ManualClock()
    async with running_slack(a_workspace(), clock=clock) as slack:
        client = a_client(slack)
        ts = await a_posted_card(slack)
        triggers = []
        for _ in range(2):
            pressed = await slack.press(ALICE, INCIDENTS, ts, "approve")
            triggers.append(json.loads(parse_qs(pressed.body.decode())["payload"][0])["trigger_id"])

        opened = await client.views_open(trigger_id=triggers[0], view=a_modal())
        errors = [await error_of(client.views_open(trigger_id=triggers[0], view=a_modal()))]
        clock.advance(3.5)
        errors.append(await error_of(client.views_open(trigger_id=triggers[1], view=a_modal())))
        errors.append(await error_of(client.views_open(trigger_id="1.2.3", view=a_modal())))

        assert ["exchanged_trigger_id", "expired_trigger_id", "invalid_trigger_id"] == errors
        assert ("Confirm", opened["view"]["id"]) == (slack.views[ALICE].title, slack.views[ALICE].id)


async def error_of(call: Any) -> str:
    with pytest.raises(SlackApiError) as caught:
        await call
    return str(caught.value.response["error"])


async def open_modal(slack: SandboxSlack, **changes: Any) -> str:
    """Open a modal for Alice and return its id."""
    delivery = await slack.command(ALICE, INCIDENTS, "modal")
    trigger = parse_qs(delivery.body.decode())["trigger_id"][0]
    return str((await a_client(slack).views_open(trigger_id=trigger, view=a_modal(**changes)))["view"]["id"])


async def test_a_sent_modal_shows_the_app_s_errors_until_it_is_right(slack: SandboxSlack, app: App) -> None:
    view_id = await open_modal(slack, private_metadata="Q1")

    await slack.submit_view(ALICE, view_id, {"reason": "meh"})
    refused = slack.views[ALICE].errors
    await slack.submit_view(ALICE, view_id, {"reason_text": "because it is bad"})

    assert (("reason", "Say more."),) == refused
    assert {} == slack.views
    view = app.bodies[-1]["view"]
    filled = {"reason": {"reason_text": {"type": "plain_text_input", "value": "because it is bad"}}}
    assert (filled, "Q1", "confirm") == (
        view["state"]["values"],
        view["private_metadata"],
        view["callback_id"],
    )


async def test_a_modal_is_not_sent_with_an_empty_or_unknown_field(slack: SandboxSlack, app: App) -> None:
    view_id = await open_modal(slack)

    with pytest.raises(SandboxMisuseError, match="must be filled"):
        await slack.submit_view(ALICE, view_id, {})
    with pytest.raises(SandboxMisuseError, match="no field for colour"):
        await slack.submit_view(ALICE, view_id, {"reason": "long enough", "colour": "red"})
    with pytest.raises(SandboxMisuseError, match="does not have the view"):
        await slack.submit_view(BOB, view_id, {"reason": "long enough"})


async def test_a_modal_beyond_a_limit_is_refused(slack: SandboxSlack, app: App) -> None:
    title = {"type": "plain_text", "text": "x" * 25}
    delivery = await slack.command(ALICE, INCIDENTS, "modal")
    trigger = parse_qs(delivery.body.decode())["trigger_id"][0]

    with pytest.raises(SlackApiError) as caught:
        await a_client(slack).views_open(trigger_id=trigger, view=a_modal(title=title, submit=None))

    messages = caught.value.response["response_metadata"]["messages"]
    assert "[ERROR] must be less than 25 characters [json-pointer:/view/title/text]" == messages[0]
    large = a_modal(*[a_section("x" * 2900)] * 99)
    assert "view_too_large" == await error_of(a_client(slack).views_open(trigger_id=trigger, view=large))


async def test_a_modal_is_updated_only_with_its_current_hash(slack: SandboxSlack, app: App) -> None:
    view_id = await open_modal(slack)
    client = a_client(slack)
    current = slack.views[ALICE].payload["hash"]

    await client.views_update(view_id=view_id, hash=current, view=a_modal(a_section("step 2")))

    assert "step 2" == slack.views[ALICE].shown_text
    late = client.views_update(view_id=view_id, hash=current, view=a_modal(a_section("late")))
    assert "hash_conflict" == await error_of(late)
    assert "not_found" == await error_of(client.views_update(view_id="V0", view=a_modal()))


async def test_the_home_tab_is_published_for_who_opened_it(slack: SandboxSlack, app: App) -> None:
    await slack.open_home(ALICE)
    await slack.wait_for(lambda _: bool(app.bodies))
    await a_client(slack).views_publish(
        user_id=ALICE, view={"type": "home", "blocks": [a_section("Nothing open")]}
    )

    assert "app_home_opened" == app.bodies[0]["event"]["type"]
    assert {ALICE: "Nothing open"} == {user: view.shown_text for user, view in slack.homes.items()}


async def test_a_button_in_the_home_tab_comes_with_its_view(slack: SandboxSlack, app: App) -> None:
    home = {"type": "home", "blocks": a_card()}
    view_id = (await a_client(slack).views_publish(user_id=ALICE, view=home))["view"]["id"]

    await slack.press_in_view(ALICE, view_id, "approve")

    (body,) = app.bodies
    assert {"type": "view", "view_id": view_id} == body["container"]
    assert ("approve-1", "home") == (body["actions"][0]["value"], body["view"]["type"])
    with pytest.raises(SandboxMisuseError, match="does not have the view"):
        await slack.press_in_view(BOB, view_id, "approve")


async def test_a_response_address_takes_five_answers(slack: SandboxSlack, app: App) -> None:
    ts = await a_posted_card(slack)
    await slack.press(ALICE, INCIDENTS, ts, "approve")
    answer = AsyncWebhookClient(app.bodies[0]["response_url"], retry_handlers=[])

    statuses = [(await answer.send(text=f"{number}")).status_code for number in range(3)]
    statuses.append((await answer.send(text="shared", response_type="in_channel")).status_code)
    statuses.append((await answer.send(text="done", replace_original=True)).status_code)
    last = await answer.send(text="too many")

    assert [200] * 5 == statuses
    assert (404, {"ok": False, "error": "used_url"}) == (last.status_code, json.loads(last.body))
    assert ["0", "1", "2"] == [message.text for message in slack.ephemerals(ALICE)]
    assert [("done", ()), ("shared", ())] == [(m.text, m.blocks) for m in slack.messages(INCIDENTS)]


async def test_waiting_says_what_was_there_when_it_gave_up(slack: SandboxSlack) -> None:
    await a_posted_card(slack)

    with pytest.raises(TimeoutError, match=r"'incidents': 1.*chat\.postMessage:ok"):
        await slack.wait_for(lambda s: None, timeout=0.01)
