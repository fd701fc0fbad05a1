"""Who calls the REST API: token, From header, and refusals in PagerDuty's shape."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from starlette.requests import Request
from starlette.responses import Response

from adapters.sandbox.pagerduty.account import Account
from adapters.sandbox.pagerduty.problems import (
    Forbidden,
    InvalidInput,
    Problem,
    Unauthorized,
    UnknownRequester,
)

_JSON_TYPES = ("*/*", "application/*", "application/json", "application/vnd.pagerduty+json")


@dataclass(frozen=True)
class Caller:
    """Whom a request acts for; None for an account token that reads."""

    user_id: str | None


Handler = Callable[[Request, Caller], Awaitable[Response]]


def guarded(account: Account, handler: Handler) -> Callable[[Request], Awaitable[Response]]:
    """Return the handler behind the checks that every REST call passes."""

    async def endpoint(request: Request) -> Response:
        try:
            _check_accept(request)
            return await handler(request, _caller(account, request))
        except Problem as problem:
            return problem.response()

    return endpoint


def _check_accept(request: Request) -> None:
    accepted = request.headers.get("accept", "*/*")
    if not any(part.split(";")[0].strip() in _JSON_TYPES for part in accepted.split(",")):
        raise InvalidInput(f"Accept {accepted!r} does not allow application/json")


def _caller(account: Account, request: Request) -> Caller:
    scheme, _, value = request.headers.get("authorization", "").partition(" ")
    given = value.strip().removeprefix("token=")
    token = next((one for one in account.config.tokens if one.token == given), None)
    if scheme != "Token" or token is None:
        raise Unauthorized
    writes = request.method in ("POST", "PUT", "DELETE")
    if writes and token.read_only:
        raise Forbidden("This API key is read-only")
    if token.user_id is not None:
        return Caller(token.user_id)
    if not writes:
        return Caller(None)
    address = request.headers.get("from")
    if address is None:
        raise InvalidInput("A valid From header is required")
    user = account.user_by_email(address)
    if user is None:
        raise UnknownRequester
    return Caller(user.id)
