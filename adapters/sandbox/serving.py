"""Run an ASGI app inside this event loop on a loopback port, and stop it without waiting for open streams."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Iterator, MutableMapping
from contextlib import asynccontextmanager
from typing import Any

import uvicorn
from starlette.types import ASGIApp, Receive, Scope, Send

GRACE_S = 2  # Our choice: how long answers under way may take once the server stops.


class ServerNotStartedError(RuntimeError):
    """The app's lifespan failed; the cause is in the log of `uvicorn.error`."""


@asynccontextmanager
async def serving(app: ASGIApp, *, host: str = "127.0.0.1", port: int = 0) -> AsyncIterator[str]:
    """Yield the base address ("http://127.0.0.1:PORT") of *app* while it is served; port 0 takes a free one.

    Raises:
        OSError: the port is taken.
        ServerNotStartedError: the app refused its lifespan start.
    """
    listener = _listen(host, port)
    bound_port = listener.getsockname()[1]
    streams = _EventStreams(app)
    server = _Server(
        uvicorn.Config(
            streams,
            host=host,
            port=bound_port,
            log_config=None,
            access_log=False,
            server_header=False,
            timeout_graceful_shutdown=GRACE_S,
        )
    )
    running = asyncio.create_task(_run(server, listener), name=f"serving-{bound_port}")
    try:
        await server.ready_or_failed(running)
        yield f"http://{host}:{bound_port}"
    finally:
        streams.cut()
        server.stop()
        await running


def _listen(host: str, port: int) -> socket.socket:
    # asyncio sets TCP_NODELAY only where the protocol is named; without it each answer waits about 40 ms.
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
        listener.setblocking(False)
    except OSError:
        listener.close()
        raise
    return listener


async def _run(server: "_Server", listener: socket.socket) -> None:
    try:
        await server.serve(sockets=[listener])
    except SystemExit:
        # uvicorn leaves the whole process when a lifespan fails; here only this server failed.
        server.failed = True
    finally:
        listener.close()


class _Server(uvicorn.Server):
    """uvicorn's server without its signal handlers, and with events in place of its polling."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.failed = False
        self._ready = asyncio.Event()
        self._stopping = asyncio.Event()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets=sockets)
        self._ready.set()

    async def main_loop(self) -> None:
        while not await self.on_tick(0):
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._stopping.wait(), timeout=1.0)

    async def ready_or_failed(self, running: asyncio.Task[None]) -> None:
        ready = asyncio.create_task(self._ready.wait())
        await asyncio.wait({ready, running}, return_when=asyncio.FIRST_COMPLETED)
        if not ready.done():
            ready.cancel()
            raise ServerNotStartedError(f"The server on port {self.config.port} did not start; see its log.")

    def stop(self) -> None:
        self.should_exit = True
        self._stopping.set()


class _EventStreams:
    """Pass requests to the app, and end its server-sent event streams when the server stops.

    Such a stream never ends by itself, so a graceful shutdown would wait for it until its time limit.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._open: set[asyncio.Task[None]] = set()

    def cut(self) -> None:
        for stream in tuple(self._open):
            stream.cancel()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        task: asyncio.Task[None] = asyncio.create_task(self._answer(scope, receive, send))
        try:
            await asyncio.wait({task})
            if task.cancelled():
                await send({"type": "http.response.body", "body": b"", "more_body": False})
            else:
                await task
        finally:
            task.cancel()
            self._open.discard(task)

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        this = asyncio.current_task()

        async def watch(message: MutableMapping[str, Any]) -> None:
            if message["type"] == "http.response.start" and this is not None and _is_event_stream(message):
                self._open.add(this)
            await send(message)

        await self._app(scope, receive, watch)


def _is_event_stream(start: MutableMapping[str, Any]) -> bool:
    return any(
        name.lower() == b"content-type" and value.startswith(b"text/event-stream")
        for name, value in start["headers"]
    )
