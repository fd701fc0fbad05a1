"""Keep other web sites away from the page's own routes (DNS rebinding, cross-site requests)."""

from starlette.datastructures import Headers
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Receive, Scope, Send

_LOOPBACK = frozenset({"127.0.0.1", "localhost", "[::1]"})


class LoopbackOnly:
    """Let a request pass only when it names a loopback host and comes from no other site."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        reason = refusal_of(Headers(scope=scope)) if scope["type"] == "http" else None
        if reason is None:
            await self._app(scope, receive, send)
            return
        await JSONResponse({"error": reason}, status_code=403)(scope, receive, send)


def refusal_of(headers: Headers) -> str | None:
    """Return why a request with *headers* is refused, or None."""
    host = headers.get("host", "")
    name = host.rpartition(":")[0] if host.rpartition(":")[2].isdigit() else host
    if name not in _LOOPBACK:
        return "This sandbox answers on loopback names only."
    origin = headers.get("origin")
    if origin is not None and origin != f"http://{host}":
        return "This request comes from another site."
    return None
