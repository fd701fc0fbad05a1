"""The Web API: which methods we call, what they need, and one way to call them."""

import asyncio
import http
import logging
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from enum import StrEnum
from types import MappingProxyType

import aiohttp
from slack_sdk.http_retry.builtin_async_handlers import (
    AsyncConnectionErrorRetryHandler,
    AsyncRateLimitErrorRetryHandler,
    AsyncServerErrorRetryHandler,
)
from slack_sdk.web.async_client import AsyncWebClient

from adapters.slack.errors import translated
from bot.domain.errors import Invalid, Unavailable
from bot.domain.frozen import Frozen

SLACK_API = "https://slack.com/api/"
TIMEOUT_S = 5  # Our choice for one call; Slack answers in well under one.
READ_DEADLINE_S = 12  # Our choice for a read with its retries.


class Method(StrEnum):
    """Every method that is called."""

    AUTH_TEST = "auth.test"
    BOTS_INFO = "bots.info"
    CHANNEL = "conversations.info"
    CHANNEL_MEMBERS = "conversations.members"
    CHANNELS = "conversations.list"
    CREATE_CHANNEL = "conversations.create"
    INVITE = "conversations.invite"
    SET_TOPIC = "conversations.setTopic"
    BOOKMARKS = "bookmarks.list"
    ADD_BOOKMARK = "bookmarks.add"
    POST = "chat.postMessage"
    POST_EPHEMERAL = "chat.postEphemeral"
    UPDATE = "chat.update"
    START_STREAM = "chat.startStream"
    APPEND_STREAM = "chat.appendStream"
    STOP_STREAM = "chat.stopStream"
    HISTORY = "conversations.history"
    REPLIES = "conversations.replies"
    USER = "users.info"
    USER_BY_EMAIL = "users.lookupByEmail"
    GROUP_MEMBERS = "usergroups.users.list"
    OPEN_VIEW = "views.open"
    PUBLISH_VIEW = "views.publish"
    VALIDATE = "blocks.validate"
    UPLOAD_URL = "files.getUploadURLExternal"
    SHARE_UPLOAD = "files.completeUploadExternal"


SCOPES: Mapping[Method, tuple[str, ...]] = MappingProxyType(
    {
        Method.AUTH_TEST: (),
        Method.BOTS_INFO: ("users:read",),
        Method.CHANNEL: ("channels:read", "groups:read"),
        Method.CHANNEL_MEMBERS: ("channels:read", "groups:read"),
        Method.CHANNELS: ("channels:read", "groups:read"),
        Method.CREATE_CHANNEL: ("channels:manage", "groups:write"),
        Method.INVITE: ("channels:manage", "groups:write"),
        Method.SET_TOPIC: ("channels:manage", "groups:write"),
        Method.BOOKMARKS: ("bookmarks:read",),
        Method.ADD_BOOKMARK: ("bookmarks:write",),
        Method.POST: ("chat:write",),
        Method.POST_EPHEMERAL: ("chat:write",),
        Method.UPDATE: ("chat:write",),
        Method.START_STREAM: ("chat:write",),
        Method.APPEND_STREAM: ("chat:write",),
        Method.STOP_STREAM: ("chat:write",),
        Method.HISTORY: ("channels:history", "groups:history"),
        Method.REPLIES: ("channels:history", "groups:history"),
        Method.USER: ("users:read", "users:read.email"),
        Method.USER_BY_EMAIL: ("users:read.email",),
        Method.GROUP_MEMBERS: ("usergroups:read",),
        Method.OPEN_VIEW: (),
        Method.PUBLISH_VIEW: (),
        Method.VALIDATE: (),
        Method.UPLOAD_URL: ("files:write",),
        Method.SHARE_UPLOAD: ("files:write",),
    }
)
"""The bot scopes that each method needs for what we do with it."""
OF_OWN_CHANNELS = frozenset(
    {Method.CREATE_CHANNEL, Method.INVITE, Method.SET_TOPIC, Method.BOOKMARKS, Method.ADD_BOOKMARK}
)
"""Called only where incidents get channels of their own."""


class Installation(Frozen):
    """The one installation of our app: whatever names another is refused."""

    team_id: str
    enterprise_id: str | None = None
    app_id: str
    bot_user_id: str
    bot_id: str
    scopes: tuple[str, ...] = ()
    """What the token was granted, as Slack said at start-up."""
    url: str = ""
    """The workspace's own address, such as `https://example.slack.com/`; under it messages have theirs."""


class SlackApi:
    """Calls methods; every failure is a domain error. Reads are repeated by the client, writes never."""

    def __init__(self, reads: AsyncWebClient, writes: AsyncWebClient) -> None:
        self._reads = reads
        self._writes = writes

    async def read(self, method: Method, **arguments: str | int | bool) -> Mapping[str, object]:
        """Return Slack's answer.

        Raises:
            NotFound, Unavailable, RateLimited, Invalid
        """
        body, _ = await self.read_with_headers(method, **arguments)
        return body

    async def read_with_headers(
        self, method: Method, **arguments: str | int | bool
    ) -> tuple[Mapping[str, object], Mapping[str, str]]:
        """Return Slack's answer and its headers, whose names are in lower case."""
        try:
            async with asyncio.timeout(READ_DEADLINE_S):
                answer = await self._reads.api_call(method.value, http_verb="GET", params=dict(arguments))
        except Exception as exc:  # slack_sdk passes on aiohttp's, asyncio's and its own; all are translated.
            raise translated(method.value, exc, is_write=False) from exc
        headers = {name.lower(): str(value) for name, value in answer.headers.items()}
        return _object(answer.data), headers

    async def write(self, method: Method, body: Mapping[str, object]) -> Mapping[str, object]:
        """Return Slack's answer to one request, which is sent once.

        Raises:
            Unclear: the answer was lost.
            RateLimited, Unavailable, NotFound, Refused, Invalid: nothing was changed.
        """
        try:
            answer = await self._writes.api_call(method.value, json=dict(body))
        except Exception as exc:  # slack_sdk passes on aiohttp's, asyncio's and its own; all are translated.
            raise translated(method.value, exc, is_write=True) from exc
        return _object(answer.data)

    async def write_form(self, method: Method, fields: Mapping[str, str]) -> Mapping[str, object]:
        """Do as `write` does, with a form: the methods for files take no JSON."""
        return await self._send_form(method, fields, is_write=True)

    async def ask_by_form(self, method: Method, fields: Mapping[str, str]) -> Mapping[str, object]:
        """Return the answer to a form that changes nothing that anybody sees: a lost one is `Unavailable`."""
        return await self._send_form(method, fields, is_write=False)

    async def send_bytes(self, address: str, content: bytes) -> None:
        """Send *content* to an upload address, without the token: the address itself is the permission.

        Raises:
            Unavailable: it was not taken, or nobody knows; nothing is to be seen of it either way.
        """
        session = self._writes.session
        if session is None:
            raise Unavailable("Slack's client is closed.")
        try:
            async with session.post(address, data=content) as answer:
                status = answer.status
        except (TimeoutError, aiohttp.ClientError) as exc:
            raise Unavailable(f"A file could not be sent to Slack ({type(exc).__name__}).") from exc
        if status != http.HTTPStatus.OK:
            raise Unavailable(f"Slack did not take a file (HTTP {status}).")

    @property
    def base_url(self) -> str:
        return self._writes.base_url

    async def _send_form(
        self, method: Method, fields: Mapping[str, str], *, is_write: bool
    ) -> Mapping[str, object]:
        try:
            answer = await self._writes.api_call(method.value, data=dict(fields))
        except Exception as exc:  # slack_sdk passes on aiohttp's, asyncio's and its own; all are translated.
            raise translated(method.value, exc, is_write=is_write) from exc
        return _object(answer.data)


@asynccontextmanager
async def slack_api(
    token: str, *, base_url: str = SLACK_API, timeout_s: float = TIMEOUT_S
) -> AsyncIterator[SlackApi]:
    """Yield the Web API behind *base_url*, with one connection pool for the length of the block."""
    if not token.strip():
        raise Invalid("SLACK_BOT_TOKEN is empty: set the bot token (xoxb-…) of the installation.")
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=timeout_s)) as session:
        reads = AsyncWebClient(token, base_url, session=session, retry_handlers=[], logger=quiet_logger())
        reads.retry_handlers += [
            AsyncRateLimitErrorRetryHandler(max_retry_count=2),
            AsyncServerErrorRetryHandler(max_retry_count=2),
            AsyncConnectionErrorRetryHandler(max_retry_count=1),
        ]
        # slack_sdk's own default would send a post a second time when the connection breaks.
        writes = AsyncWebClient(token, base_url, session=session, retry_handlers=[], logger=quiet_logger())
        yield SlackApi(reads, writes)


def quiet_logger() -> logging.Logger:
    """Return the logger for Slack's libraries: at debug level they would write down what people typed."""
    logger = logging.getLogger("slack_libraries")
    logger.setLevel(logging.INFO)
    return logger


async def read_installation(api: SlackApi, *, app_id: str | None = None) -> Installation:
    """Return whose token this is. Slack tells the app's id only by `bots.info`; *app_id* saves that call.

    Raises:
        Unavailable: Slack did not answer, or the token is not good; the message has the remedy.
    """
    who, headers = await api.read_with_headers(Method.AUTH_TEST)
    bot_id = _text(who, "bot_id")
    if app_id is None:
        bot = (await api.read(Method.BOTS_INFO, bot=bot_id)).get("bot")
        app_id = _text(bot if isinstance(bot, dict) else {}, "app_id")
    enterprise, url = who.get("enterprise_id"), who.get("url")
    return Installation(
        team_id=_text(who, "team_id"),
        enterprise_id=enterprise if isinstance(enterprise, str) and enterprise else None,
        app_id=app_id,
        bot_user_id=_text(who, "user_id"),
        bot_id=bot_id,
        scopes=tuple(part.strip() for part in headers.get("x-oauth-scopes", "").split(",") if part.strip()),
        url=url if isinstance(url, str) else "",
    )


def _text(body: Mapping[str, object], name: str) -> str:
    value = body.get(name)
    if not isinstance(value, str) or not value:
        raise Invalid(f"Slack named no {name}: SLACK_BOT_TOKEN must be a bot token (xoxb-…).")
    return value


def _object(data: object) -> Mapping[str, object]:
    return data if isinstance(data, dict) else {}
