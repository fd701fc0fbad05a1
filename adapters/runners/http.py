"""Steps of type `http`: one request, exactly as the plan says it, never followed elsewhere."""

from collections.abc import Mapping

import httpx
from pydantic import SecretStr

from adapters.runners.secrets import with_secrets
from bot.domain.errors import NotFound
from bot.domain.execution import ApprovedStep, Result, StepOutcome
from bot.domain.plan import HttpRequest

MAX_ANSWER = 64 * 1024
IDEMPOTENCY_HEADER = "Idempotency-Key"
_RETRIES_OF_IDEMPOTENT = 3
_NOT_SENT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.UnsupportedProtocol)


class HttpRunner:
    """Implements `Runner`. A lost answer is `UNKNOWN`, unless the step may be asked for again by its key."""

    def __init__(self, client: httpx.AsyncClient, secrets: Mapping[str, SecretStr]) -> None:
        self._client = client
        self._secrets = secrets

    async def run(self, step: ApprovedStep) -> StepOutcome:
        request = step.action
        if not isinstance(request, HttpRequest):
            raise TypeError(f"the http runner was handed a step of type {request.type}")
        try:
            headers = {name: with_secrets(text, self._secrets) for name, text in request.headers}
        except NotFound as exc:
            return StepOutcome(result=Result.FAILED, detail=f"not sent: {exc}")
        # The key names the effect, not the delivery: asked twice, the target acts once.
        headers[IDEMPOTENCY_HEADER] = f"{step.effect_key}-{step.step.attempt}"
        tries = _RETRIES_OF_IDEMPOTENT if request.idempotent else 1
        outcome = StepOutcome(result=Result.UNKNOWN, detail="not tried")
        for _ in range(tries):
            outcome = await self._send(request, headers)
            if outcome.result is not Result.UNKNOWN:
                return outcome
        return outcome

    async def _send(self, request: HttpRequest, headers: Mapping[str, str]) -> StepOutcome:
        try:
            async with self._client.stream(
                request.method,
                request.url,
                headers=dict(headers),
                content=request.body.encode() if request.body is not None else None,
                timeout=request.timeout_s,
                follow_redirects=False,
            ) as answer:
                return _outcome(request, answer.status_code, await _text(answer))
        except _NOT_SENT as exc:
            return StepOutcome(result=Result.FAILED, detail=f"not sent: {type(exc).__name__}")
        except httpx.HTTPError as exc:
            return StepOutcome(
                result=Result.UNKNOWN,
                detail=f"sent, and the answer was lost ({type(exc).__name__}): it may have taken effect",
            )


def _outcome(request: HttpRequest, status: int, text: str) -> StepOutcome:
    said = f"{request.method} answered {status}"
    if status in request.expect_status:
        return StepOutcome(result=Result.DONE, detail=said, output=text)
    if status >= 500 or status == 408:
        return StepOutcome(result=Result.UNKNOWN, detail=f"{said}: it may have taken effect", output=text)
    return StepOutcome(
        result=Result.FAILED, detail=f"{said}, not one of {request.expect_status}", output=text
    )


async def _text(answer: httpx.Response) -> str:
    """Read at most `MAX_ANSWER` bytes; the rest of a huge answer is left unread."""
    read = bytearray()
    async for part in answer.aiter_bytes():
        read += part
        if len(read) >= MAX_ANSWER:
            break
    text = bytes(read[:MAX_ANSWER]).decode(errors="replace")
    return "".join(sign if sign.isprintable() or sign in "\n\t" else "�" for sign in text)
