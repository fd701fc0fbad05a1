"""The service's HTTP routes: the shop's own, metrics, and the deploy API behind its token."""

import asyncio
import contextlib
import hmac
import random
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import TypeVar, assert_never

import structlog
from pydantic import BaseModel, Field, ValidationError
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from adapters.sandbox.checkout import state
from adapters.sandbox.checkout.announce import ChangeWebhook, announce_changes
from adapters.sandbox.checkout.business import Conditions, Failure, Sale, a_basket, check_out
from adapters.sandbox.checkout.metrics import CONTENT_TYPE, Metrics
from adapters.sandbox.checkout.operations import OperationRefused, Operations
from adapters.sandbox.checkout.releases import SERVICE
from adapters.sandbox.checkout.state import DeployRequest, FlagRequest, Operation, RestartRequest

log = structlog.get_logger()

MAX_KEY_LENGTH = 200

_Body = TypeVar("_Body", bound=BaseModel)


class _FlagBody(state.Frozen):
    enabled: bool


class _Empty(state.Frozen):
    pass


class _Faults(state.Frozen):
    stuck: bool | None = None
    refuse: int = Field(default=0, ge=0)
    lose_answers: int = Field(default=0, ge=0)


class _LostAnswer(Response):
    """Begins an answer and never finishes it, so that the connection is cut: the effect stands."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = [(b"content-length", b"1000")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})


class CheckoutApp:
    """The routes over one `Operations`."""

    def __init__(
        self, operations: Operations, *, token: str, webhook: ChangeWebhook | None, chance: random.Random
    ) -> None:
        self._operations = operations
        self._token = token
        self._webhook = webhook
        self._chance = chance
        self._metrics = Metrics()
        self._faults = _Faults()

    def build(self) -> Starlette:
        """Return the ASGI app; while it is served, change events go out."""
        table = (
            ("/deploy", "GET", self.get_deploy),
            ("/deploy", "POST", self.post_deploy),
            ("/deploy/operations/{key:path}", "GET", self.get_operation),
            ("/restart", "POST", self.post_restart),
            ("/flags", "GET", self.get_flags),
            ("/flags/{name}", "POST", self.post_flag),
            ("/effects", "GET", self.get_effects),
            ("/faults", "POST", self.post_faults),
        )
        return Starlette(
            routes=[
                Route("/checkout", self.get_checkout),
                Route("/metrics", self.get_metrics),
                Route("/health", self.get_health),
                *(Route(path, self._protected(handler), methods=[verb]) for path, verb, handler in table),
            ],
            lifespan=self._lifespan,
        )

    @contextlib.asynccontextmanager
    async def _lifespan(self, _: Starlette) -> AsyncIterator[None]:
        self._operations.resume()
        if self._webhook is None:
            yield
            return
        sender = asyncio.create_task(announce_changes(self._operations, self._webhook), name="announce")
        try:
            yield
        finally:
            sender.cancel()
            await asyncio.gather(sender, return_exceptions=True)

    async def get_checkout(self, _: Request) -> Response:
        """Sell one basket, on any version that serves."""
        version = self._chance.choice(self._operations.serving_versions())
        conditions = Conditions(
            version=version,
            new_tax_engine=self._operations.state.flags["new_tax_engine"],
            stuck=self._operations.stuck,
        )
        began = time.perf_counter()
        result = await check_out(a_basket(self._chance), conditions, self._chance)
        duration_s = time.perf_counter() - began
        match result:
            case Sale(total_cents=total):
                self._metrics.observe(version, 200, duration_s, None)
                return JSONResponse({"total_cents": total, "version": version})
            case Failure(function=function, signature=signature):
                log.error("checkout_failed", function=function, error=signature, version=version, code=500)
                self._metrics.observe(version, 500, duration_s, signature)
                return JSONResponse({"error": "internal", "version": version}, status_code=500)
            case _:
                assert_never(result)

    async def get_metrics(self, _: Request) -> Response:
        """Prometheus text."""
        body = self._metrics.exposition(
            serving=self._operations.serving_versions(), started_at=self._operations.started_at
        )
        return Response(body, media_type=CONTENT_TYPE)

    async def get_health(self, _: Request) -> Response:
        """Alive; a stuck service says so too, as real ones do: health is not error rate."""
        return JSONResponse({"status": "ok", "service": SERVICE, "version": self._operations.state.version})

    async def get_deploy(self, _: Request) -> Response:
        """Which version runs, and how it came to that."""
        current = self._operations.state
        history = [one.model_dump(mode="json") for one in current.history]
        return JSONResponse(
            {
                "service": SERVICE,
                "version": current.version,
                "previous": current.previous,
                "serving": list(self._operations.serving_versions()),
                "history": history,
            }
        )

    async def post_deploy(self, request: Request) -> Response:
        """Roll to a version; with ?dry_run=true say what would change."""
        wanted = _parsed(DeployRequest, await request.body())
        if request.query_params.get("dry_run") == "true":
            return JSONResponse(
                {
                    "dry_run": True,
                    "service": SERVICE,
                    "changed": self._operations.would_change(wanted),
                    "version": wanted.version,
                    "previous": self._operations.state.version,
                }
            )
        return await self._applied(request, wanted)

    async def post_restart(self, request: Request) -> Response:
        """Restart on the same version."""
        _parsed(_Empty, await request.body() or b"{}")
        return await self._applied(request, RestartRequest())

    async def get_flags(self, _: Request) -> Response:
        """All flags."""
        return JSONResponse({"flags": self._operations.state.flags})

    async def post_flag(self, request: Request) -> Response:
        """Switch one flag."""
        enabled = _parsed(_FlagBody, await request.body()).enabled
        return await self._applied(
            request, FlagRequest(name=str(request.path_params["name"]), enabled=enabled)
        )

    async def get_operation(self, request: Request) -> Response:
        """Whether an operation with this key ran, or runs."""
        operation = self._operations.state.operations.get(str(request.path_params["key"]))
        if operation is None:
            raise OperationRefused(404, "unknown_operation", "No operation has this key.")
        return JSONResponse(_shown(operation))

    async def get_effects(self, _: Request) -> Response:
        """The journal: every effect, oldest first, with its key."""
        effects = [one.model_dump(mode="json") for one in self._operations.state.effects]
        return JSONResponse({"effects": effects})

    async def post_faults(self, request: Request) -> Response:
        """Get stuck; refuse the next writes with 503 before, or lose their answers after, their effect."""
        self._faults = _parsed(_Faults, await request.body())
        if self._faults.stuck is not None:
            self._operations.stuck = self._faults.stuck
        return JSONResponse(self._faults.model_dump())

    async def _applied(self, request: Request, wanted: state.Request) -> Response:
        key = request.headers.get("idempotency-key", "")
        if not 0 < len(key) <= MAX_KEY_LENGTH:
            raise OperationRefused(
                400, "idempotency_key_missing", "Send an Idempotency-Key of 1 to 200 characters."
            )
        if self._uses_up("refuse"):
            raise OperationRefused(503, "unavailable", "Refused on request; nothing was done.")
        operation = await self._operations.apply(key, wanted)
        log.info("operation_answered", key=key, kind=wanted.kind, changed=operation.changed)
        return _LostAnswer() if self._uses_up("lose_answers") else JSONResponse(_shown(operation))

    def _uses_up(self, fault: str) -> bool:
        left = int(getattr(self._faults, fault))
        if left:
            self._faults = self._faults.model_copy(update={fault: left - 1})
        return left > 0

    def _protected(
        self, handler: Callable[[Request], Awaitable[Response]]
    ) -> Callable[[Request], Awaitable[Response]]:
        async def endpoint(request: Request) -> Response:
            scheme, _, given = request.headers.get("authorization", "").partition(" ")
            try:
                if scheme != "Bearer" or not hmac.compare_digest(given.encode(), self._token.encode()):
                    raise OperationRefused(401, "unauthorized", "Send the deploy token as Bearer.")
                return await handler(request)
            except OperationRefused as refused:
                body = {"error": refused.code, "message": str(refused)}
                return JSONResponse(body, status_code=refused.status)

        return endpoint


def _parsed(model: type[_Body], body: bytes) -> _Body:
    try:
        return model.model_validate_json(body)
    except ValidationError as exc:
        first = exc.errors()[0]
        place = ".".join(str(part) for part in first["loc"]) or "body"
        raise OperationRefused(400, "invalid_body", f"{place}: {first['msg']}") from exc


def _shown(operation: Operation) -> dict[str, object]:
    request = operation.request.model_dump(mode="json")
    body = operation.model_dump(mode="json", exclude={"request"})
    return {"service": SERVICE, "kind": request["kind"], "request": request, **body}
