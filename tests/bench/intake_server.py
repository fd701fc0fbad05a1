"""`python -m tests.bench.intake_server REDIS_URL`: the real webhook route, and bare ones to compare it with.

The bare ones check the same signature and make the same body durable on the same server, and nothing else.
"""

import asyncio
import gc
import hashlib
import hmac
import sys
import time
from collections import deque
from collections.abc import Awaitable, Callable

import uvloop
from pydantic import SecretStr
from redis.asyncio import Redis
from starlette.types import ASGIApp, Receive, Scope, Send

from adapters.http import Health, http_app, listen, serving
from adapters.intake.signatures import SigningSecrets
from adapters.logs import configure_logs
from adapters.pagerduty.route import pagerduty_route
from adapters.store.redis.inbox import RedisInbox
from adapters.telemetry import PrometheusTelemetry, TimedInbox
from bot.domain.redaction import Redactor
from tests.bench.webhook import SECRET

REAL, GROUPED, EACH = "/webhooks/pagerduty", "/bare/grouped", "/bare/each"
_MOST = 256

Append = Callable[[bytes], Awaitable[None]]


class Group:
    """Durable appends with one transaction in flight; who comes meanwhile shares the next."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self._waiting: deque[tuple[bytes, asyncio.Future[None]]] = deque()
        self._sender: asyncio.Task[None] | None = None

    async def append(self, body: bytes) -> None:
        stored: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((body, stored))
        if self._sender is None or self._sender.done():
            self._sender = asyncio.create_task(self._send())
        await stored

    async def _send(self) -> None:
        while self._waiting:
            group = [self._waiting.popleft() for _ in range(min(_MOST, len(self._waiting)))]
            async with self._redis.pipeline(transaction=True) as transaction:
                for body, _ in group:
                    transaction.xadd("bare", {"payload": body})
                await transaction.execute()
            for _, stored in group:
                stored.set_result(None)


def bare(append: Append) -> ASGIApp:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        body, more = b"", True
        while more:
            message = await receive()
            body += message.get("body", b"")
            more = message.get("more_body", False)
        told = next(value for name, value in scope["headers"] if name == b"x-pagerduty-signature")
        meant = b"v1=" + hmac.new(SECRET.encode(), body, hashlib.sha256).hexdigest().encode()
        is_signed = hmac.compare_digest(told, meant)
        if is_signed:
            await append(body)
        await send({"type": "http.response.start", "status": 202 if is_signed else 401, "headers": _HEADERS})
        await send({"type": "http.response.body", "body": b'{"status":"accepted"}'})

    return app


_HEADERS = [(b"content-type", b"application/json"), (b"content-length", b"21")]


def real(inbox: RedisInbox) -> ASGIApp:
    """Return the bot's own app with the one route that is measured; logs and measures as in operation."""
    redactor = Redactor(b"bench", known_secrets=(SECRET,))
    configure_logs("info", lambda text: redactor.redact(text).text)
    secrets = SigningSecrets("PAGERDUTY_WEBHOOK_SECRETS", [SecretStr(SECRET)])
    telemetry = PrometheusTelemetry()
    route = pagerduty_route(TimedInbox(inbox, telemetry, time.monotonic), secrets, path=REAL)
    health = Health(needed={"queue": inbox.ping}, degraded=tuple)
    return http_app([route], health=health, telemetry=telemetry)


async def _serve(url: str) -> None:
    redis, inbox = Redis.from_url(url), RedisInbox(url, consumer="bench")

    async def each(body: bytes) -> None:
        await redis.xadd("bare", {"payload": body})

    apps = {REAL: real(inbox), GROUPED: bare(Group(redis).append), EACH: bare(each)}

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await apps.get(scope.get("path", ""), apps[REAL])(scope, receive, send)

    listener = listen("127.0.0.1", 0)
    async with serving(app, listener):
        gc.freeze()  # As `handrail run` does.
        sys.stdout.write(f"{listener.getsockname()[1]}\n")
        sys.stdout.flush()
        await asyncio.Event().wait()


if __name__ == "__main__":
    uvloop.run(_serve(sys.argv[1]))
