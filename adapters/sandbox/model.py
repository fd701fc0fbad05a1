"""A model on loopback that speaks the OpenAI protocol: it answers well, badly or never, as it is told."""

import asyncio
import json
from collections import deque
from collections.abc import AsyncIterator, Callable
from enum import StrEnum
from typing import Any, Final

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from adapters.sandbox.opinions import good_answer, obedient_answer
from adapters.sandbox.replies import answer, call_again, given_call, is_question, obey

KEY: Final = "sandbox-model-key"
MODEL: Final = "sandbox-model"
HUGE: Final = 10_000_000
DEEP: Final = 100_000


class Behaviour(StrEnum):
    """What the server does with a request."""

    GOOD = "good"
    """Choose the candidate the rules put first, and quote the evidence."""
    OBEDIENT = "obedient"
    """Do what any text in the data says, quoting that text."""
    CUNNING = "cunning"
    """The same, and quote trusted evidence beside it."""
    RATE_LIMITED = "rate_limited"
    SERVER_ERROR = "server_error"
    UNAUTHORIZED = "unauthorized"
    HANG = "hang"
    """Never answer."""
    DRIP = "drip"
    """Answer a byte at a time."""
    HALF_JSON = "half_json"
    NOT_A_NUMBER = "not_a_number"
    DEEP = "deep"
    PLAIN_TEXT = "plain_text"
    WRONG_SCHEMA = "wrong_schema"
    REFUSAL = "refusal"
    EMPTY_CHOICES = "empty_choices"
    NULL_CHOICES = "null_choices"
    HTML = "html"
    EMPTY_BODY = "empty_body"
    HUGE = "huge"
    LENGTH = "length"
    """Stop for want of tokens."""
    UNKNOWN_TOOL = "unknown_tool"
    ENDLESS = "endless"
    """Look things up for ever, and never answer a question."""


class ModelServer:
    """The server: what it was asked, and what it will do next."""

    def __init__(self, *, retry_after_s: float = 0.0) -> None:
        self.requests: list[dict[str, Any]] = []
        """Every body that was posted for a completion."""
        self.headers: list[dict[str, str]] = []
        self.arrived = asyncio.Event()
        """Set when a completion is asked for."""
        self.left = asyncio.Event()
        """Set when somebody whom it did not answer went away."""
        self.most_at_once = 0
        """How many requests were being answered at the same time, at most."""
        self._at_once = 0
        self.default = Behaviour.GOOD
        self.retry_after_s = retry_after_s
        self._next: deque[Behaviour | str] = deque()

    def then(self, *behaviours: Behaviour | str) -> None:
        """Do these first, one for each request; a string is given as the answer, as it is."""
        self._next.extend(behaviours)

    def app(self) -> Starlette:
        return Starlette(
            routes=[
                Route("/v1/models", self._models),
                Route("/v1/chat/completions", self._complete, methods=["POST"]),
            ]
        )

    async def _models(self, request: Request) -> Response:
        if not _is_known(request):
            return _problem(401, "invalid_api_key")
        return JSONResponse({"object": "list", "data": [{"id": MODEL, "object": "model"}]})

    async def _complete(self, request: Request) -> Response:
        self._at_once += 1
        self.most_at_once = max(self.most_at_once, self._at_once)
        try:
            return await self._answer(request)
        finally:
            self._at_once -= 1

    async def _answer(self, request: Request) -> Response:
        body: dict[str, Any] = await request.json()
        self.requests.append(body)
        self.headers.append(dict(request.headers))
        self.arrived.set()
        behaviour = self._next.popleft() if self._next else self.default
        if not _is_known(request):
            behaviour = Behaviour.UNAUTHORIZED
        if behaviour is Behaviour.HANG:
            return await self._hang(request)
        if behaviour in _RAW:
            return _RAW[Behaviour(behaviour)](self)
        completion = _completion(body, behaviour)
        if behaviour is Behaviour.DRIP:
            return StreamingResponse(self._drip(completion), media_type="application/json")
        if body.get("stream"):
            return StreamingResponse(_events(completion), media_type="text/event-stream")
        return JSONResponse(completion)

    async def _hang(self, request: Request) -> Response:
        while (await request.receive())["type"] != "http.disconnect":
            continue
        self.left.set()
        return Response(status_code=499)

    async def _drip(self, completion: dict[str, Any]) -> AsyncIterator[bytes]:
        try:
            for character in json.dumps(completion):
                yield character.encode()
                await asyncio.sleep(0.02)
        finally:
            self.left.set()


def _is_known(request: Request) -> bool:
    return request.headers.get("authorization") == f"Bearer {KEY}"


def _problem(status: int, code: str, headers: dict[str, str] | None = None) -> Response:
    body = {"error": {"message": f"The sandbox was told to say {code}.", "type": code, "code": code}}
    return JSONResponse(body, status_code=status, headers=headers)


def _huge(_: ModelServer) -> Response:
    return Response(b'{"choices":"' + b"x" * HUGE + b'"}', media_type="application/json")


_RAW: Final[dict[Behaviour, Callable[[ModelServer], Response]]] = {
    Behaviour.RATE_LIMITED: lambda server: _problem(
        429, "rate_limit_exceeded", {"retry-after": f"{server.retry_after_s:g}"}
    ),
    Behaviour.SERVER_ERROR: lambda _: _problem(500, "server_error"),
    Behaviour.UNAUTHORIZED: lambda _: _problem(401, "invalid_api_key"),
    Behaviour.HTML: lambda _: HTMLResponse("<html><body>Sign in to continue</body></html>"),
    Behaviour.EMPTY_BODY: lambda _: Response(b"", media_type="application/json"),
    Behaviour.HUGE: _huge,
}


def _completion(body: dict[str, Any], behaviour: Behaviour | str) -> dict[str, Any]:
    message, finish = _message(body, behaviour)
    choices: list[dict[str, Any]] | None = [
        {"index": 0, "message": message, "finish_reason": finish, "logprobs": None}
    ]
    if behaviour is Behaviour.EMPTY_CHOICES:
        choices = []
    if behaviour is Behaviour.NULL_CHOICES:
        choices = None
    asked = sum(len(str(one.get("content", ""))) for one in body["messages"]) // 4
    said = len(json.dumps(message)) // 4
    return {
        "id": "chatcmpl-sandbox",
        "object": "chat.completion",
        "created": 0,
        "model": f"{body.get('model', MODEL)}-2026-11-01",
        "system_fingerprint": "fp_sandbox",
        "choices": choices,
        "usage": {
            "prompt_tokens": asked,
            "completion_tokens": said,
            "total_tokens": asked + said,
            "prompt_tokens_details": {"cached_tokens": asked // 2},
        },
    }


def _message(body: dict[str, Any], behaviour: Behaviour | str) -> tuple[dict[str, Any], str]:
    """Return the assistant's message and why it stopped."""
    if behaviour is Behaviour.REFUSAL:
        return {"role": "assistant", "content": None, "refusal": "I cannot help with that."}, "stop"
    if is_question(body) and behaviour in _REPLIES:
        message = _REPLIES[Behaviour(behaviour)](body)
        return message, "tool_calls" if message.get("tool_calls") else "stop"
    if is_question(body) and (called := given_call(body, str(behaviour))):
        return called, "tool_calls"
    text = _text(body, behaviour)
    finish = "length" if behaviour is Behaviour.LENGTH else "stop"
    if not body.get("tools") or behaviour is Behaviour.PLAIN_TEXT or _is_final(body, behaviour):
        return {"role": "assistant", "content": text, "refusal": None}, finish
    name = body["tools"][0]["function"]["name"]
    if behaviour is Behaviour.UNKNOWN_TOOL:
        name = "run_shell"
    call = {"id": "call_1", "type": "function", "function": {"name": name, "arguments": text}}
    finish = finish if behaviour is Behaviour.LENGTH else "tool_calls"
    return {"role": "assistant", "content": None, "tool_calls": [call], "refusal": None}, finish


def _is_final(body: dict[str, Any], behaviour: Behaviour | str) -> bool:
    """Say whether a question is answered in the text, although tools are offered."""
    return is_question(body) and behaviour is not Behaviour.UNKNOWN_TOOL


_REPLIES: Final[dict[Behaviour, Callable[[dict[str, Any]], dict[str, Any]]]] = {
    Behaviour.GOOD: answer,
    Behaviour.DRIP: answer,
    Behaviour.OBEDIENT: obey,
    Behaviour.CUNNING: obey,
    Behaviour.ENDLESS: call_again,
}


def _text(body: dict[str, Any], behaviour: Behaviour | str) -> str:
    prompt = str(body["messages"][-1]["content"])
    match behaviour:
        case Behaviour.OBEDIENT | Behaviour.CUNNING:
            return json.dumps(obedient_answer(prompt, is_cunning=behaviour is Behaviour.CUNNING))
        case Behaviour.HALF_JSON | Behaviour.LENGTH:
            whole = json.dumps(good_answer(prompt))
            return whole[: len(whole) // 2]
        case Behaviour.NOT_A_NUMBER:
            return '{"unknowns": [], "ranked": [], "outcome": NaN, "playbook_id": null}'
        case Behaviour.DEEP:
            return "[" * DEEP
        case Behaviour.PLAIN_TEXT | Behaviour.UNKNOWN_TOOL:
            return "Je pense que le déploiement est en cause."
        case Behaviour.WRONG_SCHEMA:
            return json.dumps({**good_answer(prompt), "approve": True, "risk": "low"})
        case Behaviour():
            return json.dumps(good_answer(prompt))
        case str():
            return behaviour


async def _events(completion: dict[str, Any]) -> AsyncIterator[bytes]:
    """Yield the completion as the chunks of a stream, the usage last."""
    message = completion["choices"][0]["message"]
    head = {key: completion[key] for key in ("id", "created", "model", "system_fingerprint")}
    head["object"] = "chat.completion.chunk"
    content = message.get("content") or ""
    pieces = [content[at : at + 40] for at in range(0, len(content), 40)]
    deltas: list[dict[str, Any]] = [{"role": "assistant", "content": ""}, *({"content": p} for p in pieces)]
    if calls := message.get("tool_calls"):
        deltas.append({"tool_calls": [{"index": 0, **call} for call in calls]})
    for delta in deltas:
        yield _event({**head, "choices": [{"index": 0, "delta": delta, "finish_reason": None}]})
    finish = completion["choices"][0]["finish_reason"]
    yield _event({**head, "choices": [{"index": 0, "delta": {}, "finish_reason": finish}]})
    yield _event({**head, "choices": [], "usage": completion["usage"]})
    yield b"data: [DONE]\n\n"


def _event(chunk: dict[str, Any]) -> bytes:
    return f"data: {json.dumps(chunk)}\n\n".encode()
