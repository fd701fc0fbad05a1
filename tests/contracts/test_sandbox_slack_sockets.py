"""Socket Mode of the sandbox Slack, with Bolt's own handler."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import pytest
from slack_bolt.adapter.socket_mode.aiohttp import AsyncSocketModeHandler
from slack_bolt.async_app import AsyncApp

from adapters.sandbox.slack import SandboxSlack, running_slack
from tests.contracts.sandbox_slack_builders import ALICE, INCIDENTS, a_card, a_client, a_workspace


@pytest.fixture
async def slack() -> AsyncIterator[SandboxSlack]:
    async with running_slack(a_workspace(), retry_delays=()) as slack:
        yield slack


@asynccontextmanager
async def a_connected_app(slack: SandboxSlack, bodies: list[dict[str, Any]]) -> AsyncIterator[None]:
    """A Bolt app over one websocket, that answers /incident and takes the button `approve`."""
    before = slack.socket_connections
    app = AsyncApp(client=a_client(slack), token=slack.config.bot_token)

    async def answer(ack: Any, body: dict[str, Any]) -> None:
        bodies.append(body)
        await ack(f"You asked for {body['text']}.")

    async def keep(ack: Any, body: dict[str, Any]) -> None:
        bodies.append(body)
        await ack()

    app.command("/incident")(answer)
    app.action("approve")(keep)
    app.event("app_mention")(keep)
    handler = AsyncSocketModeHandler(app, slack.config.app_token)
    await handler.connect_async()  # type: ignore[no-untyped-call]
    await slack.wait_for(lambda s: s.socket_connections == before + 1)
    try:
        yield
    finally:
        await handler.close_async()  # type: ignore[no-untyped-call]
        await slack.wait_for(lambda s: s.socket_connections == before)


async def open_raw(session: aiohttp.ClientSession, slack: SandboxSlack) -> aiohttp.ClientWebSocketResponse:
    """Open one websocket by hand and read its hello."""
    opened = await a_client(slack).apps_connections_open(app_token=slack.config.app_token)
    websocket = await session.ws_connect(opened["url"])
    hello = await websocket.receive_json()
    assert ("hello", "A0APP") == (hello["type"], hello["connection_info"]["app_id"])
    return websocket


async def test_a_command_is_answered_over_the_websocket(slack: SandboxSlack) -> None:
    bodies: list[dict[str, Any]] = []
    async with a_connected_app(slack, bodies):
        delivery = await slack.command(ALICE, INCIDENTS, "status")

    assert (True, "socket", 200) == (delivery.ok, delivery.transport, delivery.status)
    assert ["You asked for status."] == [message.text for message in slack.ephemerals(ALICE)]


async def test_a_press_and_its_replay_come_as_envelopes(slack: SandboxSlack) -> None:
    bodies: list[dict[str, Any]] = []
    async with a_connected_app(slack, bodies):
        ts = (await a_client(slack).chat_postMessage(channel=INCIDENTS, text="x", blocks=a_card()))["ts"]
        first = await slack.press(ALICE, INCIDENTS, ts, "approve")
        again = await slack.replay(first)

    assert (True, True, first.body) == (first.ok, again.ok, again.body)
    assert ["approve", "approve"] == [body["actions"][0]["action_id"] for body in bodies]


async def test_two_websockets_take_turns(slack: SandboxSlack) -> None:
    one: list[dict[str, Any]] = []
    two: list[dict[str, Any]] = []
    async with a_connected_app(slack, one), a_connected_app(slack, two):
        for number in range(4):
            await slack.command(ALICE, INCIDENTS, str(number))

    assert ["0", "2"] == [body["text"] for body in one]
    assert ["1", "3"] == [body["text"] for body in two]


async def test_an_app_comes_back_after_slack_moved_its_websocket(slack: SandboxSlack) -> None:
    bodies: list[dict[str, Any]] = []
    async with a_connected_app(slack, bodies):
        await slack.disconnect_sockets()
        await slack.wait_for(lambda s: s.socket_connections == 1)
        delivery = await slack.command(ALICE, INCIDENTS, "again")

    assert (True, "again") == (delivery.ok, bodies[0]["text"])
    assert 2 == [call.method for call in slack.calls].count("apps.connections.open")


async def test_an_address_opens_one_websocket_only(slack: SandboxSlack) -> None:
    async with aiohttp.ClientSession() as session:
        opened = await a_client(slack).apps_connections_open(app_token=slack.config.app_token)
        first = await session.ws_connect(opened["url"])
        with pytest.raises(aiohttp.WSServerHandshakeError):
            await session.ws_connect(opened["url"])
        await first.close()


async def test_the_eleventh_websocket_is_turned_away(slack: SandboxSlack) -> None:
    async with aiohttp.ClientSession() as session:
        held = [await open_raw(session, slack) for _ in range(10)]
        opened = await a_client(slack).apps_connections_open(app_token=slack.config.app_token)
        eleventh = await session.ws_connect(opened["url"])
        turned_away = await eleventh.receive_json()
        for websocket in (*held, eleventh):
            await websocket.close()

    assert ("disconnect", "too_many_websockets") == (turned_away["type"], turned_away["reason"])


async def test_an_envelope_lost_with_its_websocket_is_a_failed_dispatch(slack: SandboxSlack) -> None:
    async with aiohttp.ClientSession() as session:
        websocket = await open_raw(session, slack)
        asking = asyncio.create_task(slack.command(ALICE, INCIDENTS, "status"))
        envelope = await websocket.receive_json()
        await websocket.close()
        delivery = await asking

    assert ("slash_commands", True) == (envelope["type"], envelope["accepts_response_payload"])
    assert (0, "dispatch_failed") == (delivery.status, delivery.failure)
    assert ["/incident failed with the error “dispatch_failed”"] == [m.text for m in slack.ephemerals(ALICE)]


async def test_only_the_right_envelope_id_acknowledges(slack: SandboxSlack) -> None:
    async with aiohttp.ClientSession() as session:
        websocket = await open_raw(session, slack)
        asking = asyncio.create_task(slack.mention(ALICE, INCIDENTS, "what changed?"))
        envelope = await websocket.receive_json()
        await websocket.send_str("no json")
        await websocket.send_json({"envelope_id": "other"})
        await websocket.send_json({"envelope_id": envelope["envelope_id"]})
        delivery = await asking
        await websocket.close()

    assert ("events_api", 0) == (envelope["type"], envelope["retry_attempt"])
    assert (True, json.loads(delivery.body)) == (delivery.ok, envelope)
