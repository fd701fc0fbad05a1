"""Faults on request, and the journal of every request: a layer around the whole app."""

import asyncio
import contextlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from adapters.sandbox.pagerduty.changes import Changes

_PROMISED_LENGTH = b"1000"  # More bytes than the cut answer has, so the client knows that it was cut.


@dataclass(frozen=True, kw_only=True)
class Fault:
    """What goes wrong with the next *times* requests under *prefix*.

    With *status* the request has no effect and gets that answer. Without it the request is handled; its
    answer comes after *delay*, or never with *drop_answer* (the connection is cut: the effect stands, and the
    caller cannot know).
    """

    prefix: str
    method: str | None = None
    status: int | None = None
    times: int = 1
    drop_answer: bool = False
    delay: timedelta = timedelta()
    ratelimit_reset: int | None = None

    def concerns(self, method: str, path: str) -> bool:
        """Return whether this request is hit."""
        return self.times > 0 and path.startswith(self.prefix) and self.method in (None, method)


@dataclass(frozen=True, kw_only=True)
class RecordedRequest:
    """A request as it came in; *status* is None when its answer was cut."""

    method: str
    path: str
    query: str
    headers: Mapping[str, str]
    body: bytes
    status: int | None
    at: datetime


class FaultPlan:
    """The faults still to be played; those added earlier go first."""

    def __init__(self) -> None:
        self._faults: list[Fault] = []

    def add(self, fault: Fault) -> None:
        """Play *fault* from now on, until its times are used up."""
        self._faults.append(fault)

    def clear(self) -> None:
        """Forget all faults."""
        self._faults.clear()

    def take(self, method: str, path: str) -> Fault | None:
        """Use up and return the fault that hits this request."""
        for index, fault in enumerate(self._faults):
            if fault.concerns(method, path):
                self._faults[index] = replace(fault, times=fault.times - 1)
                return fault
        return None


class FaultLayer:
    """Wraps the app: plays faults and keeps the journal (control routes left out of both)."""

    def __init__(
        self,
        app: ASGIApp,
        faults: FaultPlan,
        *,
        clock: Callable[[], datetime],
        changes: Changes,
        rate_limit: int,
    ) -> None:
        self.requests: list[RecordedRequest] = []
        self._app = app
        self._clock = clock
        self._changes = changes
        self._rate_limit = rate_limit
        self._faults = faults

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"].startswith("/sandbox/"):
            await self._app(scope, receive, send)
            return
        request = Request(scope, receive)
        body = await request.body()
        fault = self._faults.take(request.method, request.url.path)
        replay = _replaying(body)
        if fault is not None and fault.status is not None:
            await _pause(fault.delay, receive)
            await self._refusal(fault, fault.status)(scope, replay, send)
            self._journal(request, body, fault.status)
            return
        answer = await _answer_of(self._app, scope, replay)
        # Known before the answer leaves: who waits for the request must not miss its effect.
        self._journal(request, body, None if fault and fault.drop_answer else answer.status)
        if fault is not None:
            await _pause(fault.delay, receive)
        if fault is not None and fault.drop_answer:
            await _cut(send)
            return
        for message in answer.messages:
            await send(message)

    def _refusal(self, fault: Fault, status: int) -> Response:
        if status != 429:
            return JSONResponse(
                {"error": {"message": "Internal Server Error", "code": 2000}}, status_code=status
            )
        headers = {
            "ratelimit-limit": str(self._rate_limit),
            "ratelimit-remaining": "0",
            "ratelimit-reset": str(fault.ratelimit_reset if fault.ratelimit_reset is not None else 1),
        }
        error = {"message": "Rate Limit Exceeded", "code": 2020}
        return JSONResponse({"error": error}, status_code=429, headers=headers)

    def _journal(self, request: Request, body: bytes, status: int | None) -> None:
        self.requests.append(
            RecordedRequest(
                method=request.method,
                path=request.url.path,
                query=request.url.query,
                headers=dict(request.headers),
                body=body,
                status=status,
                at=self._clock(),
            )
        )
        self._changes.announce()


@dataclass(frozen=True)
class _Answer:
    messages: tuple[Message, ...]

    @property
    def status(self) -> int:
        return int(self.messages[0]["status"])


async def _answer_of(app: ASGIApp, scope: Scope, receive: Receive) -> _Answer:
    messages: list[Message] = []

    async def collect(message: Message) -> None:
        messages.append(message)

    await app(scope, receive, collect)
    return _Answer(tuple(messages))


def _replaying(body: bytes) -> Receive:
    async def receive() -> Message:
        return {"type": "http.request", "body": body, "more_body": False}

    return receive


async def _pause(delay: timedelta, receive: Receive) -> None:
    """Wait for *delay*, or until the caller has gone."""
    if not delay:
        return
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(delay.total_seconds()):
            while (await receive())["type"] != "http.disconnect":
                continue


async def _cut(send: Send) -> None:
    """Begin an answer and never finish it; the server then closes the connection."""
    headers = [(b"content-length", _PROMISED_LENGTH)]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
