"""Every address of the sandbox Slack."""

import mimetypes
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import FileResponse, PlainTextResponse, RedirectResponse, Response
from starlette.routing import BaseRoute, Mount, Route, WebSocketRoute
from starlette.staticfiles import StaticFiles

from .answers import ResponseUrlEndpoint
from .control import Control
from .guard import LoopbackOnly
from .sockets import SocketMode
from .webapi import WebApi
from .workspace import Workspace

PAGE = Path(__file__).parent / "page"
_PICTURES = frozenset({"image/png", "image/jpeg", "image/gif", "image/webp"})
_PAGE_HEADERS = {
    "Content-Security-Policy": "default-src 'self'; img-src 'self' data:; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'self'",
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-store",
}


def build_app(
    workspace: Workspace,
    api: WebApi,
    answers: ResponseUrlEndpoint,
    sockets: SocketMode,
    control: Control,
    lifespan: Callable[[Starlette], AbstractAsyncContextManager[None]],
) -> Starlette:
    """Return the app: Slack's own surfaces, and behind the loopback guard the page with its routes."""
    team = workspace.config.team_id
    routes: list[BaseRoute] = [
        Route("/api/{method:str}", api.call, methods=["GET", "POST"]),
        Route("/upload/v1/{file_id:str}", api.upload, methods=["POST"]),
        Route(f"/commands/{team}/{{secret:str}}", answers.receive, methods=["POST"]),
        Route(f"/actions/{team}/{{secret:str}}", answers.receive, methods=["POST"]),
        WebSocketRoute("/link", sockets.serve),
        Mount("/sandbox", routes=_control_routes(control), middleware=[Middleware(LoopbackOnly)]),
        Mount("/", routes=_page_routes(workspace), middleware=[Middleware(LoopbackOnly)]),
    ]
    return Starlette(routes=routes, lifespan=lifespan)


def lifespan_of(*closers: Callable[[], object]) -> Callable[[Starlette], AbstractAsyncContextManager[None]]:
    """Return a lifespan that calls and awaits *closers* at the end."""

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        yield
        for close in closers:
            await close()  # type: ignore[misc]

    return lifespan


def _control_routes(control: Control) -> list[BaseRoute]:
    return [
        Route("/state", control.state, methods=["GET"]),
        Route("/events", control.events, methods=["GET"]),
        Route("/press", control.press, methods=["POST"]),
        Route("/command", control.command, methods=["POST"]),
        Route("/message", control.message, methods=["POST"]),
        Route("/shortcut", control.shortcut, methods=["POST"]),
        Route("/view_press", control.view_press, methods=["POST"]),
        Route("/view_submit", control.view_submit, methods=["POST"]),
        Route("/view_close", control.view_close, methods=["POST"]),
        Route("/home", control.home, methods=["POST"]),
    ]


def _page_routes(workspace: Workspace) -> list[BaseRoute]:
    async def index(request: Request) -> Response:
        return FileResponse(PAGE / "index.html", headers=_PAGE_HEADERS)

    async def side(request: Request) -> Response:
        return FileResponse(PAGE / "side.html", headers=_PAGE_HEADERS)

    async def archive(request: Request) -> Response:
        digits = request.path_params["point"].removeprefix("p")
        channel = request.path_params["channel"]
        return RedirectResponse(f"/?channel={channel}&ts={digits[:-6]}.{digits[-6:]}")

    async def file(request: Request) -> Response:
        stored = workspace.files.get(request.path_params["file_id"])
        if stored is None or stored.content is None:
            return PlainTextResponse("No such file.", status_code=404)
        kind = mimetypes.guess_type(stored.name)[0] or ""
        headers = {"X-Content-Type-Options": "nosniff", "Content-Security-Policy": "default-src 'none'"}
        if kind not in _PICTURES:
            headers["Content-Disposition"] = "attachment"
            kind = "application/octet-stream"
        return Response(stored.content, media_type=kind, headers=headers)

    return [
        Route("/", index, methods=["GET"]),
        Route("/side", side, methods=["GET"]),
        Route("/archives/{channel:str}/{point:str}", archive, methods=["GET"]),
        Route("/files/{file_id:str}", file, methods=["GET"]),
        Mount("/page", StaticFiles(directory=PAGE)),
    ]
