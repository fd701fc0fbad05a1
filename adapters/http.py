"""Our own HTTP side: webhooks in, health and metrics out, on one port."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route
from starlette.types import ASGIApp, Receive, Scope, Send

from adapters.intake.deadline import ARRIVE_WITHIN, timely_protocol
from adapters.intake.receiving import WebhookEndpoint
from adapters.telemetry import PrometheusTelemetry
from bot.domain.errors import Invalid

Probe = Callable[[], Awaitable[None]]
"""Returns when the neighbour is fine; raises what is wrong otherwise."""

GRACE_S = 5


@dataclass(frozen=True)
class Health:
    """What must work for us to be ready, and what we can do without for a while."""

    needed: Mapping[str, Probe]
    degraded: Callable[[], Sequence[str]]

    async def report(self) -> tuple[bool, dict[str, str]]:
        """Return whether we are ready, and in words how each part is."""
        said: dict[str, str] = {}
        for name, probe in self.needed.items():
            try:
                await probe()
            except Exception as exc:  # noqa: BLE001 - The edge: whatever is wrong makes us not ready.
                said[name] = f"{type(exc).__name__}: {exc}"
            else:
                said[name] = "ok"
        return all(word == "ok" for word in said.values()), said


class Front:
    """Hands posts to a webhook's address straight to it, all else to the app behind.

    The way through Starlette's middleware and routing costs more than the check of a signature.
    """

    def __init__(self, routes: Sequence[BaseRoute], behind: ASGIApp) -> None:
        self._webhooks = {
            route.path: route.app
            for route in routes
            if isinstance(route, Route) and isinstance(route.endpoint, WebhookEndpoint)
        }
        self._behind = behind

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        is_post = scope["type"] == "http" and scope["method"] == "POST"
        app = self._webhooks.get(scope["path"], self._behind) if is_post else self._behind
        await app(scope, receive, send)


def http_app(routes: Sequence[BaseRoute], *, health: Health, telemetry: PrometheusTelemetry) -> ASGIApp:
    """Return the app. There are no other routes: none approves anything."""

    async def healthz(_: Request) -> Response:
        return JSONResponse({"status": "alive"})

    async def readyz(_: Request) -> Response:
        is_ready, parts = await health.report()
        degraded = list(health.degraded())
        return JSONResponse(
            {"ready": is_ready, "parts": parts, "degraded": degraded}, status_code=200 if is_ready else 503
        )

    async def metrics(_: Request) -> Response:
        return Response(telemetry.render(), media_type="text/plain; version=0.0.4")

    ours = [
        Route("/healthz", healthz, methods=["GET"]),
        Route("/readyz", readyz, methods=["GET"]),
        Route("/metrics", metrics, methods=["GET"]),
    ]
    return Front(routes, Starlette(routes=[*routes, *ours]))


def listen(host: str, port: int) -> socket.socket:
    """Take the port at once, before anything is started.

    Raises:
        Invalid: the port is taken, or the address is not ours.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # asyncio sets TCP_NODELAY only where the protocol is named.
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
    except OSError as exc:
        listener.close()
        raise Invalid(
            f"cannot listen on {host}:{port} ({exc.strerror}): stop what uses it, or set HANDRAIL_PORT"
        ) from exc
    listener.setblocking(False)
    return listener


class Server(uvicorn.Server):
    """uvicorn without its signal handlers: who runs us decides when we stop."""

    def __init__(self, app: ASGIApp, *, arrive_within: timedelta = ARRIVE_WITHIN) -> None:
        super().__init__(
            uvicorn.Config(
                app,
                http=timely_protocol(arrive_within),
                ws="none",
                proxy_headers=False,  # Nothing here asks who called: a signature says it.
                log_config=None,
                access_log=False,
                server_header=False,
                timeout_graceful_shutdown=GRACE_S,
                limit_concurrency=1000,
            )
        )

        self.ready = asyncio.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets=sockets)
        self.ready.set()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


@asynccontextmanager
async def serving(
    app: ASGIApp, listener: socket.socket, *, arrive_within: timedelta = ARRIVE_WITHIN
) -> AsyncIterator[None]:
    """Serve *app* on *listener* for the length of the block; requests must come whole *arrive_within*."""
    server = Server(app, arrive_within=arrive_within)
    running = asyncio.create_task(server.serve(sockets=[listener]))
    try:
        await server.ready.wait()
        yield
    finally:
        server.should_exit = True
        await running
