"""`/api/<method>`: tokens, scopes, ordered failures, rate limits, and Slack's envelope around answers."""

import asyncio
from secrets import compare_digest

from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response

from .arguments import Arguments, arguments_of
from .errors import SlackRefusedError
from .faults import Fault
from .methods import METHODS, Method
from .methods.files import receive
from .records import Call
from .wire import JsonObject
from .workspace import Workspace


class WebApi:
    """The Web API of one workspace."""

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace

    async def call(self, request: Request) -> Response:
        """Answer one method call."""
        name = request.path_params["method"]
        try:
            args = await arguments_of(request)
        except SlackRefusedError as refusal:
            return self._refused(name, Arguments({}), refusal)
        try:
            method = self._admitted(name, request, args)
        except SlackRefusedError as refusal:
            return self._refused(name, args, refusal)
        fault = self._workspace.faults.next_for(name)
        if fault is None:
            return self._answer(name, method, args)
        return await self._with_fault(fault, name, method, args)

    async def upload(self, request: Request) -> Response:
        """Take the bytes of one announced file."""
        try:
            size = receive(self._workspace, request.path_params["file_id"], await request.body())
        except SlackRefusedError as refusal:
            return PlainTextResponse(refusal.error, status_code=400)
        return PlainTextResponse(f"OK - {size}")

    def _admitted(self, name: str, request: Request, args: Arguments) -> Method:
        method = METHODS.get(name)
        if method is None:
            raise SlackRefusedError("unknown_method")
        if method.token != "none":
            self._check_token(method, _token_of(request, args))
        if method.scope is not None and method.scope not in self._workspace.config.scopes:
            raise SlackRefusedError("missing_scope", needed=method.scope)
        return method

    def _check_token(self, method: Method, token: str | None) -> None:
        config = self._workspace.config
        if token is None:
            raise SlackRefusedError("not_authed")
        owned = {"bot": config.bot_token, "app": config.app_token}
        right, wrong = owned.pop(method.token), owned.popitem()[1]
        if compare_digest(token.encode(), wrong.encode()):
            raise SlackRefusedError("not_allowed_token_type")
        if not compare_digest(token.encode(), right.encode()):
            raise SlackRefusedError("invalid_auth")

    def _answer(self, name: str, method: Method, args: Arguments) -> Response:
        try:
            wait = self._workspace.buckets.take(("method", name), method.rate)
            if wait is not None:
                raise SlackRefusedError("ratelimited", retry_after=wait)
            result = method.run(self._workspace, args)
        except SlackRefusedError as refusal:
            return self._refused(name, args, refusal)
        self._record(name, args, error=result.get("error"))
        return self._json({"ok": True, **result})

    async def _with_fault(self, fault: Fault, name: str, method: Method, args: Arguments) -> Response:
        if fault.delay:
            await asyncio.sleep(fault.delay)
        if fault.drop_answer:
            self._answer(name, method, args)
            return PlainTextResponse("upstream request timeout", status_code=504)
        if fault.is_rate_limit:
            return self._refused(name, args, SlackRefusedError("ratelimited", retry_after=fault.retry_after))
        if fault.status >= 500:
            self._record(name, args, error=f"http_{fault.status}")
            return PlainTextResponse("upstream connect error", status_code=fault.status)
        if fault.error is not None:
            return self._refused(name, args, SlackRefusedError(fault.error))
        return self._answer(name, method, args)

    def _refused(self, name: str, args: Arguments, refusal: SlackRefusedError) -> Response:
        self._record(name, args, error=refusal.error)
        body: JsonObject = {"ok": False, "error": refusal.error}
        if refusal.needed is not None:
            body |= {"needed": refusal.needed, "provided": ",".join(self._workspace.config.scopes)}
        if refusal.messages:
            body["response_metadata"] = {"messages": list(refusal.messages)}
            if refusal.error == "invalid_blocks":
                body["errors"] = [message.removeprefix("[ERROR] ") for message in refusal.messages]
        if refusal.retry_after is None:
            return self._json(body)
        return self._json(body, status=429, **{"Retry-After": str(refusal.retry_after)})

    def _record(self, name: str, args: Arguments, *, error: str | None) -> None:
        shown = {key: value for key, value in args.values.items() if key != "token"}
        self._workspace.record_call(Call(name, shown, self._workspace.clock(), error))

    def _json(self, body: JsonObject, *, status: int = 200, **headers: str) -> Response:
        scopes = ",".join(self._workspace.config.scopes)
        return JSONResponse(body, status_code=status, headers={"X-OAuth-Scopes": scopes, **headers})


def _token_of(request: Request, args: Arguments) -> str | None:
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer" and token.strip():
        return token.strip()
    return args.text("token")
