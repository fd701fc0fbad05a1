"""Serving a sandbox app inside the test's own event loop."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx
import pytest
import websockets
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocket

from adapters.sandbox.serving import ServerNotStartedError, serving


async def hello(request: Request) -> Response:
    return PlainTextResponse("hello")


async def endless(request: Request) -> Response:
    async def beats() -> AsyncIterator[str]:
        yield "data: first\n\n"
        await asyncio.Event().wait()

    return StreamingResponse(beats(), media_type="text/event-stream")


async def listen(websocket: WebSocket) -> None:
    await websocket.accept()
    async for _ in websocket.iter_text():
        pass


def an_app() -> Starlette:
    return Starlette(routes=[Route("/", hello), Route("/events", endless), WebSocketRoute("/link", listen)])


async def test_each_server_has_its_own_port_and_is_gone_afterwards() -> None:
    async with httpx.AsyncClient() as http:
        async with serving(an_app()) as one, serving(an_app()) as other:
            assert ["hello", "hello"] == [(await http.get(url)).text for url in (one, other)]
            assert one != other
        with pytest.raises(httpx.ConnectError):
            await http.get(one)


async def test_open_streams_and_websockets_do_not_hold_up_the_stop() -> None:
    async with httpx.AsyncClient() as http:
        async with asyncio.timeout(60), serving(an_app()) as url:
            stream = await http.send(http.build_request("GET", f"{url}/events"), stream=True)
            chunks = stream.aiter_text()
            first = await anext(chunks)
            websocket = await websockets.connect(f"ws{url.removeprefix('http')}/link")
        rest = [chunk async for chunk in chunks]
        await websocket.wait_closed()

    assert ("data: first\n\n", []) == (first, rest)


async def test_a_taken_port_is_an_error_at_once() -> None:
    async with serving(an_app()) as url:
        with pytest.raises(OSError, match="Address already in use"):
            async with serving(an_app(), port=int(url.rpartition(":")[2])):
                pass


async def test_an_app_that_refuses_to_start_is_not_served() -> None:
    @asynccontextmanager
    async def refuse(app: Starlette) -> AsyncIterator[None]:
        if not app.routes:
            raise RuntimeError("no disk")
        yield

    with pytest.raises(ServerNotStartedError):
        async with serving(Starlette(lifespan=refuse)):
            pass
