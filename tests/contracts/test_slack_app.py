"""What people do in Slack reaches the queue once, over HTTP and over Socket Mode, or they are told."""

import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from urllib.parse import parse_qs

import httpx
import pytest
from starlette.applications import Starlette

from adapters.sandbox.serving import serving
from adapters.sandbox.slack import Delivery, SandboxSlack, View, running_slack
from adapters.slack.actions import (
    ButtonPressed,
    CommandGiven,
    DetailsAsked,
    Done,
    UndoPressed,
    from_bytes,
    to_bytes,
)
from adapters.slack.api import Installation, SlackApi, read_installation
from adapters.slack.app import PATH, Intake, bolt_app, slack_route
from adapters.slack.chat import SlackChat
from adapters.slack.manifest import FILE, manifest, manifest_text
from adapters.slack.pace import Pace
from adapters.slack.socket import socket_mode
from adapters.store.memory_inbox import MemoryInbox, MemoryQueues
from bot.domain.approval import Action, Confirmation, Question
from bot.domain.errors import Invalid, Unavailable
from bot.domain.ids import Digest, IncidentId, SlackUserId
from bot.ports import Stream
from tests.contracts.sandbox_slack_builders import ALICE, INCIDENTS, a_workspace
from tests.slack_builders import NOW, a_card, a_document, an_offer
from tests.slack_signing import SetClock, signed


class WallClock(SetClock):
    """The sandbox's own time, as our clock."""

    def __call__(self) -> float:
        return self.now().timestamp()


class BrokenInbox(MemoryInbox):
    """A queue that answers nothing."""

    async def put(self, stream: Stream, key: str, payload: bytes) -> bool:
        raise Unavailable("Redis does not answer")


@dataclass
class Bot:
    """The incoming side at work, and what it stored."""

    slack: SandboxSlack
    chat: SlackChat
    clock: WallClock
    us: Installation
    queues: MemoryQueues
    inboxes: list[MemoryInbox] = field(default_factory=list)

    @property
    def stored(self) -> list[Done]:
        return [from_bytes(one.message.payload) for one in self.queues.waiting.values()]

    async def put(self, stream: Stream, key: str, payload: bytes) -> bool:
        return await self.inboxes[-1].put(stream, key, payload)

    def breaks(self) -> None:
        """Let every later put fail."""
        self.inboxes.append(BrokenInbox(self.queues))

    async def card(self) -> str:
        """Post a card with a proposal; return where it stands."""
        return (await self.chat.post_card(INCIDENTS, a_card(an_offer()), key="k")).ts


@pytest.fixture
async def slack() -> AsyncIterator[SandboxSlack]:
    async with running_slack(a_workspace(), clock=WallClock()) as slack:
        yield slack


@pytest.fixture
async def idle_bot(slack: SandboxSlack, api: SlackApi) -> AsyncIterator[Bot]:
    """A bot that neither HTTP nor a socket reaches."""
    us = await read_installation(api, app_id=slack.config.app_id)
    clock = WallClock()
    queues = MemoryQueues(clock)
    chat = SlackChat(api, us, pace=Pace(monotonic=clock))
    yield Bot(slack, chat, clock, us, queues, [MemoryInbox(queues)])
    await chat.aclose()


async def test_a_start_warns_of_nothing(
    idle_bot: Bot, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Bolt finds SLACK_BOT_TOKEN in the environment, where ours come from too."""
    monkeypatch.setenv("SLACK_BOT_TOKEN", idle_bot.slack.config.bot_token)

    bolt_app(Intake(_Puts(idle_bot), idle_bot.chat.tell), installation=idle_bot.us)

    assert [] == [record.getMessage() for record in caplog.records]


@pytest.fixture(params=["http", "socket"])
async def bot(request: pytest.FixtureRequest, idle_bot: Bot) -> AsyncIterator[Bot]:
    slack, us = idle_bot.slack, idle_bot.us
    secret = slack.config.signing_secret
    intake = Intake(_Puts(idle_bot), idle_bot.chat.tell)
    bolt = bolt_app(intake, installation=us, base_url=slack.api_url)
    if request.param == "socket":
        token = slack.config.app_token
        async with socket_mode(bolt, app_token=token, installation=us, base_url=slack.api_url):
            await slack.wait_for(lambda s: s.socket_connections or None)
            yield idle_bot
        return
    route = slack_route(bolt, signing_secret=secret, installation=us, clock=idle_bot.clock)
    async with serving(Starlette(routes=[route])) as url:
        await slack.deliver_to(f"{url}{PATH}")
        yield idle_bot


class _Puts(MemoryInbox):
    """The inbox that the bot has at the moment."""

    def __init__(self, bot: Bot) -> None:
        super().__init__(bot.queues)
        self._bot = bot

    async def put(self, stream: Stream, key: str, payload: bytes) -> bool:
        return await self._bot.put(stream, key, payload)


async def test_a_click_is_stored_with_who_what_and_where(bot: Bot) -> None:
    ts, offer = await bot.card(), an_offer()

    delivery = await bot.slack.press(ALICE, INCIDENTS, ts, "handrail.approve")

    assert delivery.ok
    (pressed,) = bot.stored
    assert isinstance(pressed, ButtonPressed)
    assert (Action.APPROVE, offer.id, offer.digest, ALICE, "T0SANDBOX", INCIDENTS, ts) == (
        pressed.action,
        pressed.proposal_id,
        pressed.digest,
        pressed.user_id,
        pressed.team_id,
        pressed.channel,
        pressed.message_ts,
    )
    assert pressed.to_click(NOW).id == pressed.click_id == pressed.key
    assert NOW == pressed.to_click(NOW).received_at


async def test_sl_event_retry_the_same_delivery_again_is_one_click(bot: Bot) -> None:
    delivery = await bot.slack.press(ALICE, INCIDENTS, await bot.card(), "handrail.approve")

    again = [await bot.slack.replay(delivery) for _ in range(2)]

    assert [True, True] == [one.ok for one in again]
    assert 1 == len(bot.stored)


async def test_two_presses_are_two_clicks(bot: Bot) -> None:
    await bot.slack.press(ALICE, INCIDENTS, await bot.card(), "handrail.approve", repeat=2)

    assert 2 == len({action.key for action in bot.stored})


async def test_details_are_asked_for_with_the_incident(bot: Bot) -> None:
    await bot.slack.press(ALICE, INCIDENTS, await bot.card(), "handrail.details")

    (asked,) = bot.stored
    assert isinstance(asked, DetailsAsked)
    assert (IncidentId("Q1INCIDENT0001"), ALICE, INCIDENTS) == (
        asked.incident_id,
        asked.user_id,
        asked.channel,
    )


async def test_the_trigger_of_a_details_press_opens_the_modal(bot: Bot) -> None:
    await bot.slack.press(ALICE, INCIDENTS, await bot.card(), "handrail.details")

    [asked] = bot.stored
    assert isinstance(asked, DetailsAsked)
    await bot.chat.show_details(asked.trigger_id, a_document())

    assert "What happened" == bot.slack.views[ALICE].title


async def test_undo_is_pressed_in_a_message_that_one_person_sees_and_stored_like_any_click(bot: Bot) -> None:
    document = a_document().model_copy(update={"undoable": (IncidentId("P1"), IncidentId("P2"))})
    await bot.chat.tell_document(INCIDENTS, SlackUserId(ALICE), document)
    (shown,) = bot.slack.ephemerals(ALICE)

    delivery = await bot.slack.press(ALICE, INCIDENTS, shown.ts, "handrail.undo.1")
    await bot.slack.replay(delivery)

    (pressed,) = bot.stored
    assert isinstance(pressed, UndoPressed)
    assert (IncidentId("P2"), ALICE, INCIDENTS) == (pressed.incident_id, pressed.user_id, pressed.channel)


async def test_a_command_is_stored_and_answered_with_nothing_yet(bot: Bot) -> None:
    delivery = await bot.slack.command(ALICE, INCIDENTS, 'context Q1; rm -rf / "x"')

    (given,) = bot.stored
    assert isinstance(given, CommandGiven)
    assert ("/incident", 'context Q1; rm -rf / "x"', ALICE, INCIDENTS) == (
        given.command,
        given.text,
        given.user_id,
        given.channel,
    )
    assert (True, "") == (delivery.ok, delivery.response_text)
    assert () == bot.slack.ephemerals(ALICE)


async def test_a_person_is_told_when_a_click_could_not_be_stored(bot: Bot) -> None:
    ts = await bot.card()
    bot.breaks()

    delivery = await bot.slack.press(ALICE, INCIDENTS, ts, "handrail.approve")

    assert not delivery.ok
    assert delivery.status in (0, 503)
    assert "I could not take that: my queue does not answer. Press again in a moment." == (
        bot.slack.ephemerals(ALICE)[0].text
    )
    assert [] == bot.stored


async def test_a_person_is_told_when_a_command_could_not_be_stored(bot: Bot) -> None:
    bot.breaks()

    delivery = await bot.slack.command(ALICE, INCIDENTS, "status")

    assert delivery.ok
    assert ["I could not take that: my queue does not answer. Try again in a moment."] == [
        message.text for message in bot.slack.ephemerals(ALICE)
    ]


@pytest.mark.parametrize(
    "value", [None, "", "{", "[]", '{"p":"Q1-1"}', '{"p":"Q1-1","d":"xyz"}', '{"p":1,"d":2}']
)
async def test_a_button_that_is_not_ours_is_answered_and_not_stored(value: str | None, bot: Bot) -> None:
    await bot.slack.press(ALICE, INCIDENTS, "1.5", "handrail.approve", value=value, forged=True)

    assert [] == bot.stored
    assert ["I do not know that button. Read the card again, and press there."] == [
        message.text for message in bot.slack.ephemerals(ALICE)
    ]


@pytest.mark.parametrize(
    "foreign", [{"team": {"id": "T0OTHER"}}, {"api_app_id": "A0OTHER"}, {"enterprise": {"id": "E0OTHER"}}]
)
async def test_sl_socket_a_click_of_another_team_app_or_organisation_is_refused(
    foreign: dict[str, object], bot: Bot
) -> None:
    real = await bot.slack.press(ALICE, INCIDENTS, await bot.card(), "handrail.deny")
    body = _payload_of(real) | foreign

    delivery = await bot.slack.deliver("block_actions", body)

    assert delivery.status == (403 if delivery.transport == "http" else 200)
    assert 1 == len(bot.stored)


async def test_a_click_signed_long_ago_is_refused(bot: Bot) -> None:
    ts = await bot.card()
    bot.clock.advance(301)

    delivery = await bot.slack.press(ALICE, INCIDENTS, ts, "handrail.approve")

    if delivery.transport == "http":
        assert (401, []) == (delivery.status, bot.stored)
    else:
        # A websocket that we opened carries no signature; the gate measures the click's age itself.
        assert 1 == len(bot.stored)


async def test_the_address_is_proven_to_slack_by_its_challenge(idle_bot: Bot) -> None:
    secret, us, clock = idle_bot.slack.config.signing_secret, idle_bot.us, idle_bot.clock
    bolt = bolt_app(Intake(_Puts(idle_bot), idle_bot.chat.tell), installation=us)
    handshake = json.dumps({"type": "url_verification", "challenge": "c", "token": "t"}).encode()

    async with (
        serving(
            Starlette(routes=[slack_route(bolt, signing_secret=secret, installation=us, clock=clock)])
        ) as url,
        httpx.AsyncClient(trust_env=False) as client,
    ):
        request = signed(handshake, clock, secret=secret, content_type=b"application/json")
        answer = await client.post(f"{url}{PATH}", content=request.body, headers=list(request.headers))
        unsigned = [
            (await client.request(method, f"{url}{PATH}")).status_code for method in ("POST", "GET", "TRACE")
        ]

    assert (200, {"challenge": "c"}) == (answer.status_code, answer.json())
    assert [401, 405, 405] == unsigned


async def test_an_unknown_action_does_nothing(bot: Bot) -> None:
    await bot.slack.press(ALICE, INCIDENTS, "1.5", "another.apps.button", value="x", forged=True)

    assert [] == bot.stored


async def test_sl_socket_the_same_envelope_on_two_sockets_is_one_click(idle_bot: Bot) -> None:
    """Slack gives an envelope to any of an app's connections, and again when no answer came."""
    slack, us = idle_bot.slack, idle_bot.us
    bolt = bolt_app(Intake(_Puts(idle_bot), idle_bot.chat.tell), installation=us, base_url=slack.api_url)
    token = slack.config.app_token
    async with (
        socket_mode(bolt, app_token=token, installation=us, base_url=slack.api_url),
        socket_mode(bolt, app_token=token, installation=us, base_url=slack.api_url),
    ):
        await slack.wait_for(lambda s: s.socket_connections == 2 or None)
        pressed = await slack.press(ALICE, INCIDENTS, await idle_bot.card(), "handrail.approve")
        again = [await slack.replay(pressed) for _ in range(3)]

    assert [True] * 4 == [one.ok for one in (pressed, *again)]
    assert {"socket"} == {one.transport for one in again}
    assert 1 == len(idle_bot.stored)


async def test_a_lost_websocket_is_opened_again(idle_bot: Bot) -> None:
    slack, us = idle_bot.slack, idle_bot.us
    intake = Intake(_Puts(idle_bot), idle_bot.chat.tell)
    bolt = bolt_app(intake, installation=us, base_url=slack.api_url)
    ts = await idle_bot.card()

    async with socket_mode(bolt, app_token=slack.config.app_token, installation=us, base_url=slack.api_url):
        await slack.wait_for(lambda s: s.socket_connections or None)
        await slack.disconnect_sockets()
        delivery = await _press_until_taken(slack, ts)

    assert (True, "socket") == (delivery.ok, delivery.transport)
    assert 1 == len(idle_bot.stored)


async def test_a_blank_app_token_is_refused_at_the_start(idle_bot: Bot) -> None:
    intake = Intake(_Puts(idle_bot), idle_bot.chat.tell)
    bolt = bolt_app(intake, installation=idle_bot.us)

    with pytest.raises(Invalid, match="SLACK_APP_TOKEN is empty"):
        async with socket_mode(bolt, app_token=" ", installation=idle_bot.us):
            pass


def test_an_action_is_the_same_after_the_queue() -> None:
    given = CommandGiven(
        command="/incident", text="x", user_id=SlackUserId(ALICE), channel=INCIDENTS, trigger_id="1"
    )

    assert given == from_bytes(to_bytes(given))


@pytest.mark.parametrize("raw", [b"", b"{}", b'{"kind":"other"}', b"\xff"])
def test_bytes_that_are_no_action_are_refused(raw: bytes) -> None:
    with pytest.raises(Invalid):
        from_bytes(raw)


def test_the_manifest_file_is_the_one_the_code_needs() -> None:
    assert manifest_text() == FILE.read_text(encoding="utf-8")


def test_the_manifest_of_socket_mode_names_no_address() -> None:
    assert "https://" not in json.dumps(manifest(socket_mode=True))


async def _press_until_taken(slack: SandboxSlack, ts: str) -> Delivery:
    """Press again while the client still changes from one websocket to the next."""
    while True:
        await slack.wait_for(lambda s: s.socket_connections or None)
        delivery = await slack.press(ALICE, INCIDENTS, ts, "handrail.approve")
        if delivery.ok:
            return delivery


def _payload_of(delivery: Delivery) -> dict[str, object]:
    if delivery.transport == "socket":
        payload = json.loads(delivery.body)["payload"]
    else:
        payload = json.loads(parse_qs(delivery.body.decode())["payload"][0])
    payload["actions"][0]["action_ts"] = "1700000000.000999"
    return dict(payload)


QUESTION = Question(
    proposal_id=an_offer().id,
    digest=Digest(an_offer().digest),
    channel=INCIDENTS,
    message_ts="1700000000.000001",
    title="Roll checkout back to 41",
    target="deploy:checkout",
    overrides=("freeze",),
    objections=("the freeze “weekend” holds",),
)


async def window(bot: Bot, question: Question = QUESTION) -> View:
    """Press the card's button, open the window for that press, and return it."""
    await bot.slack.press(ALICE, INCIDENTS, await bot.card(), "handrail.approve")
    pressed = bot.stored[-1]
    assert isinstance(pressed, ButtonPressed)
    await bot.chat.ask_to_confirm(pressed.trigger_id, question)
    return bot.slack.views[ALICE]


async def test_the_reason_of_a_denial_is_stored_with_what_it_is_about(bot: Bot) -> None:
    question = QUESTION.model_copy(
        update={"action": Action.SAY_WHY, "target": None, "overrides": (), "objections": ()}
    )
    opened = await window(bot, question)

    await bot.slack.submit_view(ALICE, opened.id, {"reason": " the database was migrated "})

    said = bot.stored[-1]
    assert isinstance(said, ButtonPressed)
    assert (Action.SAY_WHY, Confirmation(reason="the database was migrated"), QUESTION.proposal_id) == (
        said.action,
        said.confirmation,
        said.proposal_id,
    )


async def test_a_confirmed_approval_is_stored_with_what_was_typed(bot: Bot) -> None:
    opened = await window(bot)

    delivery = await bot.slack.submit_view(
        ALICE, opened.id, {"target": " deploy:checkout ", "reason": "people cannot pay"}
    )

    assert delivery.ok
    assert ALICE not in bot.slack.views
    confirmed = bot.stored[-1]
    assert isinstance(confirmed, ButtonPressed)
    assert confirmed.confirmation == Confirmation(
        target="deploy:checkout", reason="people cannot pay", overrides=("freeze",)
    )
    assert (Action.APPROVE, QUESTION.proposal_id, QUESTION.digest, ALICE, INCIDENTS, QUESTION.message_ts) == (
        confirmed.action,
        confirmed.proposal_id,
        confirmed.digest,
        confirmed.user_id,
        confirmed.channel,
        confirmed.message_ts,
    )


@pytest.mark.parametrize(
    ("values", "error"),
    [
        (
            {"target": "checkout", "reason": "why"},
            ("target", "That is not the target's name. Type deploy:checkout"),
        ),
        ({"target": "deploy:checkout", "reason": "  "}, ("reason", "Write down why.")),
    ],
)
async def test_what_is_mistyped_is_said_under_its_field_and_not_stored(
    bot: Bot, values: dict[str, str], error: tuple[str, str]
) -> None:
    opened = await window(bot)

    await bot.slack.submit_view(ALICE, opened.id, values)

    assert bot.slack.views[ALICE].errors == (error,)
    assert len(bot.stored) == 1


async def test_a_confirmation_that_cannot_be_stored_is_said_in_the_window(bot: Bot) -> None:
    opened = await window(bot)
    bot.breaks()

    await bot.slack.submit_view(ALICE, opened.id, {"target": "deploy:checkout", "reason": "why"})

    ((field, said),) = bot.slack.views[ALICE].errors
    assert (field, said.startswith("I could not take that")) == ("reason", True)


async def test_a_window_says_what_speaks_against_it(bot: Bot) -> None:
    shown = json.dumps((await window(bot)).payload, ensure_ascii=False)

    assert "the freeze “weekend” holds" in shown
    assert "Why in spite of that?" in shown


async def test_a_target_too_long_for_a_window_is_refused(bot: Bot) -> None:
    with pytest.raises(Invalid, match="too long"):
        await window(bot, QUESTION.model_copy(update={"target": "x" * 3_000}))


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"view": {"callback_id": "other"}},
        {"view": {"callback_id": "handrail.confirm", "private_metadata": "[]"}},
        {"view": {"callback_id": "handrail.confirm", "private_metadata": "{}", "state": {"values": []}}},
    ],
)
async def test_a_window_of_another_kind_is_not_understood(idle_bot: Bot, body: dict[str, object]) -> None:
    said = await Intake(_Puts(idle_bot), idle_bot.chat.tell).confirm(body)

    assert {"reason": "I do not know this window. Close it, and press the button again."} == said
    assert [] == idle_bot.stored
