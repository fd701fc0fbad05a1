"""The gate in front of Bolt: who sent these bytes, when, whether they came before, and for which app."""

import asyncio
import hashlib
import hmac
import re
from collections import OrderedDict
from collections.abc import Iterable

import structlog
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from adapters.slack.api import Installation
from adapters.slack.origin import Report, is_handshake, parse_body, refusal_of
from bot.domain.errors import Invalid
from bot.ports import Clock

log = structlog.get_logger()

MAX_BODY = 1_000_000  # Our choice: Slack's largest payload, a view of 250 kB in a form, is about a third.
BODY_TIMEOUT_S = 5  # Our choice: Slack gives us 3 s in all.
MAX_AGE_S = 300  # Slack's own advice.
MAX_AHEAD_S = 60  # Our choice: clocks that are further apart are broken.
_REPLAYS_KEPT_S = 360
_MOST_REPLAYS = 100_000

_TIMESTAMP = re.compile(rb"[0-9]{1,12}")
_SIGNATURE = re.compile(rb"v0=[0-9a-f]{64}")


class Replays:
    """The signatures seen within the time in which they are good."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._seen: OrderedDict[bytes, float] = OrderedDict()

    def take(self, signature: bytes) -> bool:
        """Remember *signature*; False when it was here before."""
        now = self._clock.now().timestamp()
        while self._seen:
            oldest, at = next(iter(self._seen.items()))
            if now - at <= _REPLAYS_KEPT_S and len(self._seen) <= _MOST_REPLAYS:
                break
            del self._seen[oldest]
        if signature in self._seen:
            return False
        self._seen[signature] = now
        return True

    def give_back(self, signature: bytes) -> None:
        """Forget *signature*: its request had no effect and may come again."""
        self._seen.pop(signature, None)


class Verified:
    """Let through what our installation's Slack signed just now, each once; answer everything else itself.

    401: not signed by Slack, not now, or not readable. 403: signed for another app or team. 405, 408, 413:
    the method, the sender's speed or the size. 200 without effect: the same bytes again.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        signing_secret: str,
        installation: Installation,
        clock: Clock,
        report: Report | None = None,
    ) -> None:
        if not signing_secret.strip():
            raise Invalid("SLACK_SIGNING_SECRET is empty: set the signing secret of the Slack app.")
        self._app = app
        self._secret = signing_secret.encode()
        self._installation = installation
        self._clock = clock
        self._replays = Replays(clock)
        self._report = report

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        refusal, body, signature = await self._examined(scope, receive)
        if refusal is not None:
            await refusal(scope, receive, send)
        elif not self._replays.take(signature):
            log.info("slack_replay_ignored")
            await PlainTextResponse("")(scope, receive, send)
        else:
            await self._pass_on(scope, body, signature, send)

    async def _examined(
        self, scope: Scope, receive: Receive
    ) -> tuple[PlainTextResponse | None, bytes, bytes]:
        """Return the refusal or None, the body, and its signature."""
        if scope["method"] != "POST":
            return _refused(405, "method"), b"", b""
        signed = self._signed_when(scope)
        if signed is None:
            return _refused(401, "headers"), b"", b""
        timestamp, signature = signed
        try:
            async with asyncio.timeout(BODY_TIMEOUT_S):
                body = await _read(receive)
        except TimeoutError:
            return _refused(408, "slow"), b"", b""
        if body is None:
            return _refused(413, "size"), b"", b""
        expected = (
            b"v0="
            + hmac.new(self._secret, b"v0:" + timestamp + b":" + body, hashlib.sha256).hexdigest().encode()
        )
        if not hmac.compare_digest(expected, signature):
            return _refused(401, "signature"), b"", b""
        return await self._refused_origin(scope, body), body, signature

    def _signed_when(self, scope: Scope) -> tuple[bytes, bytes] | None:
        """Return the timestamp and the signature when both are well formed and the time is about now."""
        timestamp = _only(scope["headers"], b"x-slack-request-timestamp")
        signature = _only(scope["headers"], b"x-slack-signature")
        if timestamp is None or signature is None:
            return None
        if not _TIMESTAMP.fullmatch(timestamp) or not _SIGNATURE.fullmatch(signature):
            return None
        age = self._clock.now().timestamp() - int(timestamp)
        return (timestamp, signature) if -MAX_AHEAD_S <= age <= MAX_AGE_S else None

    async def _refused_origin(self, scope: Scope, body: bytes) -> PlainTextResponse | None:
        content_type = _only(scope["headers"], b"content-type") or b""
        try:
            payload = parse_body(content_type.decode("latin-1"), body)
        except Invalid:
            return _refused(401, "body")
        if is_handshake(payload):
            return None
        foreign = refusal_of(self._installation, payload)
        if foreign is None:
            return None
        if self._report is not None:
            await self._report(foreign, payload)
        return _refused(403, foreign)

    async def _pass_on(self, scope: Scope, body: bytes, signature: bytes, send: Send) -> None:
        """Run the app on *body*; an answer of 5xx, or none, lets the same bytes come again."""
        answered = 0

        async def watch(message: Message) -> None:
            nonlocal answered
            if message["type"] == "http.response.start":
                answered = message["status"]
            await send(message)

        try:
            await self._app(scope, _once(body), watch)
        finally:
            if answered == 0 or answered >= 500:
                self._replays.give_back(signature)


def _refused(status: int, why: str) -> PlainTextResponse:
    # The body is never logged: unsigned bytes are anybody's, signed ones may hold what people typed.
    log.warning("slack_request_refused", status=status, why=why)
    return PlainTextResponse("", status_code=status)


def _only(headers: Iterable[tuple[bytes, bytes]], name: bytes) -> bytes | None:
    found = [value for key, value in headers if key.lower() == name]
    return found[0] if len(found) == 1 else None


async def _read(receive: Receive) -> bytes | None:
    """Return the whole body, or None once it is larger than allowed."""
    parts: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            return b"".join(parts)
        parts.append(message.get("body", b""))
        size += len(parts[-1])
        if size > MAX_BODY:
            return None
        if not message.get("more_body", False):
            return b"".join(parts)


def _once(body: bytes) -> Receive:
    """Return a `receive` that gives *body* and then waits, as for a client that stays."""
    given = False

    async def receive() -> Message:
        nonlocal given
        if given:
            await asyncio.Event().wait()
        given = True
        return {"type": "http.request", "body": body, "more_body": False}

    return receive
