"""Requests as Slack signs them, and an ASGI app that counts what reaches it."""

import asyncio
import hashlib
import hmac
import json
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from urllib.parse import urlencode

from starlette.responses import PlainTextResponse
from starlette.types import Message, Receive, Scope, Send

from adapters.slack.api import Installation
from adapters.slack.verify import Verified

SECRET = "signing-secret"
US = Installation(team_id="T0US", app_id="A0US", bot_user_id="U0BOT", bot_id="B0BOT")
FORM = b"application/x-www-form-urlencoded"


class SetClock:
    """A clock that stands still until it is set."""

    def __init__(self) -> None:
        self.time = datetime(2026, 11, 22, 3, 0, tzinfo=UTC)

    def now(self) -> datetime:
        return self.time

    def advance(self, seconds: float) -> None:
        self.time += timedelta(seconds=seconds)


@dataclass
class Handler:
    """The app behind the gate: answers *statuses* in turn, then 200, and keeps the bodies."""

    statuses: list[int] = field(default_factory=list)
    bodies: list[bytes] = field(default_factory=list)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        message = await receive()
        self.bodies.append(message["body"])
        status = self.statuses.pop(0) if self.statuses else 200
        await PlainTextResponse("handled", status_code=status)(scope, receive, send)


@dataclass(frozen=True)
class SignedRequest:
    """One request to the gate; headers as bytes, so that anything can be sent."""

    body: bytes
    headers: tuple[tuple[bytes, bytes], ...]
    method: str = "POST"

    def with_header(self, name: bytes, *values: bytes) -> "SignedRequest":
        """Return the request with *values* in the place of the header *name*."""
        kept = tuple(pair for pair in self.headers if pair[0] != name)
        return replace(self, headers=kept + tuple((name, value) for value in values))

    async def send_to(self, gate: Verified) -> int:
        """Return the status that *gate* answers."""
        said: list[Message] = []
        parts = [{"type": "http.request", "body": self.body, "more_body": False}]

        async def receive() -> Message:
            if parts:
                return parts.pop(0)
            await asyncio.Event().wait()
            raise AssertionError("unreachable")

        async def send(message: Message) -> None:
            said.append(message)

        scope = {
            "type": "http",
            "method": self.method,
            "path": "/",
            "query_string": b"",
            "headers": list(self.headers),
        }
        await gate(scope, receive, send)
        return int(said[0]["status"])


def signed(
    body: bytes, clock: SetClock, *, secret: str = SECRET, ahead: int = 0, content_type: bytes = FORM
) -> SignedRequest:
    """Return *body* signed at the clock's time, or *ahead* seconds after it."""
    timestamp = str(int(clock.now().timestamp()) + ahead).encode()
    base = b"v0:" + timestamp + b":" + body
    signature = b"v0=" + hmac.new(secret.encode(), base, hashlib.sha256).hexdigest().encode()
    return SignedRequest(
        body,
        (
            (b"content-type", content_type),
            (b"x-slack-request-timestamp", timestamp),
            (b"x-slack-signature", signature),
        ),
    )


def a_press(**changes: object) -> dict[str, object]:
    """Return the payload of an Approve click in our workspace."""
    return {
        "type": "block_actions",
        "api_app_id": US.app_id,
        "team": {"id": US.team_id, "domain": "us"},
        "enterprise": None,
        "user": {"id": "U0ALICE", "team_id": US.team_id},
        "channel": {"id": "C0INCIDENTS"},
        "container": {"type": "message", "message_ts": "1.2", "channel_id": "C0INCIDENTS"},
        "trigger_id": "1.2.3",
        "actions": [
            {
                "type": "button",
                "action_id": "handrail.approve",
                "block_id": "b",
                "action_ts": "1700000000.1",
                "value": json.dumps({"p": "Q1-1", "d": "e" * 64}),
            }
        ],
    } | changes


def as_form(payload: dict[str, object]) -> bytes:
    return urlencode({"payload": json.dumps(payload)}).encode()


def a_command_form(**changes: str) -> bytes:
    fields = {
        "command": "/incident",
        "text": "status",
        "api_app_id": US.app_id,
        "team_id": US.team_id,
        "user_id": "U0ALICE",
        "channel_id": "C0INCIDENTS",
        "trigger_id": "4.5.6",
    }
    return urlencode(fields | changes).encode()


def an_event(**changes: object) -> bytes:
    event = {"type": "event_callback", "api_app_id": US.app_id, "team_id": US.team_id, "event": {}}
    return json.dumps(event | changes).encode()
