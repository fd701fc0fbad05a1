"""Steps of type `http`: one request, exactly as the plan says it, never followed elsewhere."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Mapping

import httpx
from pydantic import SecretStr

from adapters.runners.secrets import with_secrets
from bot.domain.errors import NotFound
from bot.domain.execution import ApprovedStep, Preview, Result, StartedStep, StepOutcome
from bot.domain.plan import HttpRequest, PlannedAction, Question

MAX_ANSWER = 64 * 1024
MAX_PORT = 65535
IDEMPOTENCY_HEADER = "Idempotency-Key"
KEY_IN_PATH = ":key"
ASK_AGAIN_S = 20.0  # Within the time the course grants a step beyond its own time-out.
_ASK_AGAIN = 2
_OK = range(200, 300)
_PAUSE_S = 0.5
_CONNECT_SHARE = 0.8  # Of the time-out: whoever does not even connect has sent nothing, and may say so.
_NOT_SENT = (
    httpx.ConnectError,
    httpx.ConnectTimeout,
    httpx.PoolTimeout,
    httpx.UnsupportedProtocol,
    httpx.LocalProtocolError,
)

Sleep = Callable[[float], Awaitable[None]]


class HttpRunner:
    """Implements `Runner`. A lost answer is `UNKNOWN`, unless the step may be asked for again by its key."""

    def __init__(
        self, client: httpx.AsyncClient, secrets: Mapping[str, SecretStr], *, sleep: Sleep = asyncio.sleep
    ) -> None:
        self._client = client
        self._secrets = secrets
        self._sleep = sleep

    async def preview(self, action: PlannedAction) -> Preview | None:
        """Return what the target answers to the step's `preview` request, which is to change nothing."""
        request = _request(action)
        if request.preview is None:
            return None
        said = await self._ask(request, request.preview, key=None)
        if isinstance(said, str):
            return Preview(step=request.name, missing=said)
        status, text = said
        if status not in _OK:
            return Preview(step=request.name, missing=f"{request.preview.method} answered {status}")
        return Preview(step=request.name, text=text or f"{request.preview.method} answered {status}")

    async def run(self, step: ApprovedStep) -> StepOutcome:
        request = _request(step.action)
        try:
            # The key names the effect, not the delivery: asked twice, the target acts once.
            wire = self._on_the_wire(request, key=step.started.key)
        except NotFound as exc:
            return StepOutcome(result=Result.FAILED, detail=f"not sent: {exc}")
        except (ValueError, httpx.InvalidURL):  # Their words may repeat a secret.
            return StepOutcome(
                result=Result.FAILED, detail="not sent: its address or a header cannot be sent as it is"
            )
        outcome = await self._once(request, wire)
        if outcome.result is Result.UNKNOWN and request.idempotent:
            return await self._ask_again(request, wire, outcome)
        return outcome

    async def status(self, step: StartedStep) -> StepOutcome | None:
        """Ask the target's `status` address by key.

        Only that it took effect is believed at once: what the target does not know may still be on its way.
        """
        request = _request(step.action)
        if request.status is None:
            return None
        said = await self._ask(request, request.status, key=step.key)
        if isinstance(said, str):
            return None
        status, text = said
        if status in (200, 204):
            return StepOutcome(result=Result.DONE, detail="the target says by key that it ran", output=text)
        if status == 202:
            detail = "the target says by key that it still runs"
            return StepOutcome(result=Result.UNKNOWN, detail=detail, output=text)
        if status in (404, 410):
            detail = "the target knows nothing under its key up to now"
            return StepOutcome(result=Result.UNKNOWN, detail=detail, output=text)
        return None

    async def cancel(self, step: StartedStep) -> None:
        """Leave it: what was sent cannot be called back."""
        return

    async def _ask(self, request: HttpRequest, ask: Question, *, key: str | None) -> tuple[int, str] | str:
        """Return the status and text of an answer, or why there is none."""
        asking = request.model_copy(
            update={
                "method": ask.method,
                "url": ask.url.replace(KEY_IN_PATH, key) if key else ask.url,
                "body": ask.body,
            }
        )
        try:
            wire = self._on_the_wire(asking, key=key)
            async with asyncio.timeout(request.timeout_s):
                answer = await self._client.send(wire, stream=True, auth=None, follow_redirects=False)
                async with contextlib.aclosing(answer):
                    return answer.status_code, await _text(answer)
        except NotFound as exc:
            return str(exc)
        except (ValueError, httpx.InvalidURL):
            return "its address or a header cannot be sent as it is"
        except (httpx.HTTPError, TimeoutError) as exc:
            return f"no answer ({type(exc).__name__})"

    def _on_the_wire(self, request: HttpRequest, *, key: str | None) -> httpx.Request:
        """Return the request as it goes out: nothing that the client keeps, such as a cookie, is added."""
        headers = [(name, with_secrets(text, self._secrets)) for name, text in request.headers]
        body = request.body.encode() if request.body is not None else None
        limits = httpx.Timeout(request.timeout_s, connect=request.timeout_s * _CONNECT_SHARE)
        wire = httpx.Request(
            request.method,
            request.url,
            headers=[*headers, (IDEMPOTENCY_HEADER, key)] if key else headers,
            content=body,
            extensions={"timeout": limits.as_dict()},
        )
        shown = "/" + "".join(request.url.split("/", 3)[3:])
        if wire.url.raw_path.decode() != shown:
            raise ValueError("the address would not go out as people saw it")
        if wire.url.port is not None and wire.url.port > MAX_PORT:
            raise ValueError("there is no such port")
        return wire

    async def _ask_again(
        self, request: HttpRequest, wire: httpx.Request, outcome: StepOutcome
    ) -> StepOutcome:
        """Ask by the same key until the target says that it is done; nothing else tells what came of it."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(ASK_AGAIN_S):
                for _ in range(_ASK_AGAIN):
                    await self._sleep(_PAUSE_S)
                    again = await self._once(request, wire)
                    if again.result is Result.DONE:
                        return again
                    detail = f"{outcome.detail}; asked again: {again.detail}"
                    outcome = StepOutcome(result=Result.UNKNOWN, detail=detail, output=again.output)
        return outcome

    async def _once(self, request: HttpRequest, wire: httpx.Request) -> StepOutcome:
        try:
            # The client's own limits are for each read; an answer that drips would never end by them.
            async with asyncio.timeout(request.timeout_s):
                answer = await self._client.send(wire, stream=True, auth=None, follow_redirects=False)
                async with contextlib.aclosing(answer):
                    return _outcome(request, answer.status_code, await _text(answer))
        except _NOT_SENT as exc:
            return StepOutcome(result=Result.FAILED, detail=f"not sent: {type(exc).__name__}")
        except (httpx.HTTPError, TimeoutError) as exc:
            return StepOutcome(
                result=Result.UNKNOWN,
                detail=f"sent, and the answer was lost ({type(exc).__name__}): it may have taken effect",
            )


def _request(action: PlannedAction) -> HttpRequest:
    if not isinstance(action, HttpRequest):
        raise TypeError(f"the http runner was handed a step of type {action.type}")
    return action


def _outcome(request: HttpRequest, status: int, text: str) -> StepOutcome:
    said = f"{request.method} answered {status}"
    if status in request.expect_status:
        return StepOutcome(result=Result.DONE, detail=said, output=text)
    if status >= 500 or status == 408:
        return StepOutcome(result=Result.UNKNOWN, detail=f"{said}: it may have taken effect", output=text)
    wanted = ", ".join(str(one) for one in request.expect_status)
    return StepOutcome(result=Result.FAILED, detail=f"{said}, expected {wanted}", output=text)


async def _text(answer: httpx.Response) -> str:
    """Read at most `MAX_ANSWER` bytes as they come, not unpacked; the rest is left unread."""
    read = bytearray()
    async for part in answer.aiter_raw():
        read += part
        if len(read) >= MAX_ANSWER:
            break
    text = bytes(read[:MAX_ANSWER]).decode(errors="replace")
    return "".join(sign if sign.isprintable() or sign in "\n\t" else "�" for sign in text)
