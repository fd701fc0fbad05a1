"""The outer edge of a webhook route: bounded reading, and an answer that tells outsiders nothing."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from traceback import extract_tb

import structlog
from starlette.datastructures import Headers
from starlette.requests import ClientDisconnect
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from bot.domain.errors import Invalid, Unavailable

log = structlog.get_logger()

LARGEST_BODY = 1_048_576  # 1 MiB; PagerDuty sends at most 256 KB, and a change's diff is cut by its sender.
RETRY_AFTER_S = 5

Handle = Callable[[Headers, bytes], Awaitable[Response]]


@dataclass(frozen=True)
class Limits:
    """How much is read of a request; for how long is the connection's business."""

    body_bytes: int = LARGEST_BODY


def webhook_route(path: str, handle: Handle, *, source: str, limits: Limits | None = None) -> Route:
    """Return a POST route that reads the body within *limits* and answers with what *handle* returns.

    *handle* may raise `Invalid` (400 with its message: raise it only to a sender that has proven itself) and
    `Unavailable` (503, so that the sender tries again).
    """
    return Route(path, WebhookEndpoint(handle, limits or Limits(), source), methods=["POST"], name=source)


class WebhookEndpoint:
    """The ASGI app of one address. It raises nothing, so it may be called without middleware around it."""

    def __init__(self, handle: Handle, limits: Limits, source: str) -> None:
        self._handle = handle
        self._limits = limits
        self._source = source

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        response = await self._answer(Headers(scope=scope), receive)
        await response(scope, receive, send)

    async def _answer(self, headers: Headers, receive: Receive) -> Response:
        try:
            body = await _read(headers, receive, self._limits.body_bytes)
        except ClientDisconnect:
            return answer(400, "cut off")
        if body is None:
            return _closing(answer(413, "too large"))
        return await _handled(self._handle, headers, body, self._source)


def answer(status: int, text: str) -> Response:
    """Return *text* as JSON: under `status` when it went well, else under `error`."""
    return JSONResponse({"status" if status < 300 else "error": text}, status_code=status)


async def _read(headers: Headers, receive: Receive, most: int) -> bytes | None:
    """Return the body, or None as soon as it is known to be longer than *most* bytes."""
    chunks: list[bytes] = []
    size = 0
    is_whole = False
    while not is_whole:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientDisconnect
        chunk: bytes = message.get("body", b"")
        size += len(chunk)
        if size > most:
            return None
        is_whole = not message.get("more_body", False)
        if not is_whole and not chunks and _declared(headers) > most:
            return None
        chunks.append(chunk)
    return b"".join(chunks)


def _declared(headers: Headers) -> int:
    length = headers.get("content-length", "0")
    return int(length[:20]) if length.isascii() and length.isdigit() else 0


async def _handled(handle: Handle, headers: Headers, body: bytes, source: str) -> Response:
    try:
        return await handle(headers, body)
    except Invalid as exc:
        return answer(400, str(exc))
    except Unavailable:
        log.warning("webhook_not_stored", source=source)
        return _again_later()
    except Exception as exc:  # noqa: BLE001
        # The outer edge. An answer of 4xx would make the sender drop the event for a fault of ours. The
        # exception's text may hold what was sent, so only its kind and place are told.
        log.error("webhook_failed", source=source, error=type(exc).__name__, at=_place_of(exc))  # noqa: TRY400
        return _again_later()


def _again_later() -> Response:
    response = answer(503, "try again later")
    response.headers["retry-after"] = str(RETRY_AFTER_S)
    return response


def _closing(response: Response) -> Response:
    """Return *response* so that the connection ends with it: the rest of the body is not read."""
    response.headers["connection"] = "close"
    return response


def _place_of(exc: Exception) -> str:
    frame = extract_tb(exc.__traceback__)[-1]
    return f"{Path(frame.filename).name}:{frame.lineno}"
