"""The incoming side: Bolt takes verified payloads apart; what was done is queued before the answer."""

import asyncio
import logging
import re
from collections.abc import Awaitable, Callable, Mapping

import structlog
from slack_bolt.adapter.starlette.async_handler import AsyncSlackRequestHandler
from slack_bolt.async_app import AsyncApp
from slack_bolt.authorization import AuthorizeResult
from slack_bolt.context.ack.async_ack import AsyncAck
from slack_bolt.logger.messages import warning_client_prioritized_and_token_skipped
from slack_bolt.response import BoltResponse
from slack_sdk.web.async_client import AsyncWebClient
from starlette.requests import Request
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from adapters.slack.actions import (
    COMMAND,
    PREFIX,
    SHORTCUT,
    Done,
    named_in,
    parse_button,
    parse_command,
    to_bytes,
    who_and_where,
)
from adapters.slack.api import SLACK_API, Installation, quiet_logger
from adapters.slack.home import is_home_opened, parse_home_opened
from adapters.slack.mentions import is_mention, parse_mention, parse_shortcut
from adapters.slack.origin import Report
from adapters.slack.submissions import CONFIRM, REASON, Mistyped, parse_confirmation
from adapters.slack.verify import Verified
from bot.domain.errors import HandrailError, Invalid, Unavailable
from bot.domain.ids import SlackUserId
from bot.ports import Clock, Inbox, Stream

log = structlog.get_logger()

PATH = "/slack/events"
_TOKEN_UNUSED = warning_client_prioritized_and_token_skipped()
PUT_TIMEOUT_S = 1.5  # Our choice: of Slack's 3 s, what is left is for saying that it did not work.
TELL_TIMEOUT_S = 1.0

Tell = Callable[[str, SlackUserId, str], Awaitable[None]]
"""Says something to one person in a channel: `SlackChat.tell`."""


class Intake:
    """Puts what people do into the queue, and tells them when that is not possible."""

    def __init__(self, inbox: Inbox, tell: Tell) -> None:
        self._inbox = inbox
        self._tell = tell

    async def press(self, body: Mapping[str, object]) -> BoltResponse:
        """Take a button. 200 only once it is durable, or when it is none of ours and the person knows."""
        try:
            action = parse_button(body)
        except Invalid as exc:
            log.warning("slack_action_not_understood", why=str(exc))
            await self._say(body, "I do not know that button. Read the card again, and press there.")
            return BoltResponse(status=200)
        if await self._stored(action):
            return BoltResponse(status=200)
        await self._say(body, "I could not take that: my queue does not answer. Press again in a moment.")
        return BoltResponse(status=503)

    async def confirm(self, body: Mapping[str, object]) -> Mapping[str, str]:
        """Take a confirmed approval; return what to say under the fields, nothing once it is stored."""
        try:
            action = parse_confirmation(body)
        except Invalid as exc:
            log.warning("slack_window_not_understood", why=str(exc))
            return {REASON: "I do not know this window. Close it, and press the button again."}
        if isinstance(action, Mistyped):
            return action.errors
        if await self._stored(action):
            return {}
        return {REASON: "I could not take that: my queue does not answer. Try again in a moment."}

    async def command(self, body: Mapping[str, object]) -> str:
        """Take a slash command; return what the person reads at once, nothing when the answer follows."""
        try:
            action = parse_command(body)
        except Invalid as exc:
            log.warning("slack_command_not_understood", why=str(exc))
            return f"I do not understand that. Try `{COMMAND} help`."
        if await self._stored(action):
            return ""
        return "I could not take that: my queue does not answer. Try again in a moment."

    async def mention(self, body: Mapping[str, object], *, bot_user: str) -> BoltResponse:
        """Take a message that mentions us. 503 lets Slack send the event again; one event is one message."""
        try:
            said = parse_mention(body, bot_user=bot_user)
        except Invalid as exc:
            log.warning("slack_mention_not_understood", why=str(exc))
            return BoltResponse(status=200)
        if said is None:
            log.info("slack_mention_ignored")
            return BoltResponse(status=200)
        return BoltResponse(status=200 if await self._stored(said) else 503)

    async def home(self, body: Mapping[str, object]) -> BoltResponse:
        """Take the opening of the home tab. 503 lets Slack send the event again; one event is one message."""
        try:
            opened = parse_home_opened(body)
        except Invalid as exc:
            log.warning("slack_home_not_understood", why=str(exc))
            return BoltResponse(status=200)
        if opened is None:
            return BoltResponse(status=200)
        return BoltResponse(status=200 if await self._stored(opened) else 503)

    async def shortcut(self, body: Mapping[str, object]) -> BoltResponse:
        """Take the message shortcut. 200 only once it is durable, or when the person knows that it is not."""
        try:
            action = parse_shortcut(body)
        except Invalid as exc:
            log.warning("slack_shortcut_not_understood", why=str(exc))
            return BoltResponse(status=200)
        if await self._stored(action):
            return BoltResponse(status=200)
        await self._say(body, "I could not take that: my queue does not answer. Try again in a moment.")
        return BoltResponse(status=503)

    async def _stored(self, action: Done) -> bool:
        try:
            async with asyncio.timeout(PUT_TIMEOUT_S):
                is_new = await self._inbox.put(Stream.ACTIONS, action.key, to_bytes(action))
        except (Unavailable, TimeoutError) as exc:
            log.warning("slack_action_not_stored", error=type(exc).__name__, **named_in(action))
            return False
        log.info("slack_action_stored", delivery=action.key, is_new=is_new, **named_in(action))
        return True

    async def _say(self, body: Mapping[str, object], text: str) -> None:
        found = who_and_where(body)
        if found is None:
            return
        user, channel = found
        try:
            async with asyncio.timeout(TELL_TIMEOUT_S):
                await self._tell(channel, user, text)
        except (HandrailError, TimeoutError) as exc:
            # Slack marks the button as failed by our 503; more cannot be said while Slack does not answer.
            log.warning("slack_person_not_told", error=type(exc).__name__)


def bolt_app(intake: Intake, *, installation: Installation, base_url: str = SLACK_API) -> AsyncApp:
    """Return the Bolt app, whose listeners only store and answer. It trusts its caller: see `slack_route`."""

    async def authorize(**_: object) -> AuthorizeResult:
        # Known from start-up: Bolt would ask Slack at the first click, within the person's 3 s.
        return AuthorizeResult(
            enterprise_id=installation.enterprise_id,
            team_id=installation.team_id,
            bot_user_id=installation.bot_user_id,
            bot_id=installation.bot_id,
        )

    app = AsyncApp(
        name="handrail",
        logger=_bolt_logger(),
        client=AsyncWebClient(base_url=base_url, logger=quiet_logger()),
        authorize=authorize,
        # The gate in front has verified the bytes, by the store's clock; Bolt would ask this machine's.
        signing_secret="",
        request_verification_enabled=False,
        ssl_check_enabled=False,
        # The answer waits for the listener: no polling for the ack, and none lost when a listener fails.
        process_before_response=True,
    )

    async def press(ack: AsyncAck, body: dict[str, object]) -> BoltResponse:
        answer = await intake.press(body)
        return await ack() if answer.status == 200 else answer

    async def command(ack: AsyncAck, body: dict[str, object]) -> BoltResponse:
        return await ack(await intake.command(body))

    async def confirm(ack: AsyncAck, body: dict[str, object]) -> BoltResponse:
        errors = await intake.confirm(body)
        return await ack(response_action="errors", errors=dict(errors)) if errors else await ack()

    async def shortcut(ack: AsyncAck, body: dict[str, object]) -> BoltResponse:
        answer = await intake.shortcut(body)
        return await ack() if answer.status == 200 else answer

    async def event(body: dict[str, object], next_: Callable[[], Awaitable[BoltResponse]]) -> BoltResponse:
        # No listener: Bolt acknowledges an event before its listener runs, and a full queue would lose it.
        if is_mention(body):
            return await intake.mention(body, bot_user=installation.bot_user_id)
        if is_home_opened(body):
            return await intake.home(body)
        return await next_()

    app.use(event)
    app.message_shortcut(SHORTCUT)(shortcut)
    app.view(CONFIRM)(confirm)
    app.action(re.compile(f"^{re.escape(PREFIX)}"))(press)
    app.command(COMMAND)(command)
    return app


def _bolt_logger() -> logging.Logger:
    """Return the libraries' logger, without a warning: Bolt finds SLACK_BOT_TOKEN by itself and leaves it."""
    logger = quiet_logger()
    logger.addFilter(_says_more)
    return logger


def _says_more(record: logging.LogRecord) -> bool:
    return record.getMessage() != _TOKEN_UNUSED


def slack_route(
    app: AsyncApp,
    *,
    signing_secret: str,
    installation: Installation,
    clock: Clock,
    report: Report | None = None,
) -> Route:
    """Return the route `PATH`: Bolt behind the verifier, which reports what is signed and not ours."""
    handler = AsyncSlackRequestHandler(app)

    async def bolt(scope: Scope, receive: Receive, send: Send) -> None:
        response = await handler.handle(Request(scope, receive))
        await response(scope, receive, send)

    gate = Verified(
        bolt, signing_secret=signing_secret, installation=installation, clock=clock, report=report
    )
    # An object and not a function: Starlette then passes every method on, and the gate answers them.
    return Route(PATH, gate)
