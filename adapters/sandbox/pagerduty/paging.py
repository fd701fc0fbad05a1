"""Classic pagination and the query parameters that lists share."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import TypeVar

from starlette.requests import Request
from starlette.responses import JSONResponse

from adapters.sandbox.pagerduty.bodies import Body
from adapters.sandbox.pagerduty.problems import InvalidInput

DEFAULT_LIMIT = 25
MAX_LIMIT = 100  # PagerDuty's; a larger limit is refused there too.

_Entry = TypeVar("_Entry")


def page(
    request: Request, name: str, entries: Sequence[_Entry], render: Callable[[_Entry], Body]
) -> JSONResponse:
    """Return the asked page of *entries* under *name*, with limit, offset, more and total."""
    limit, offset = _number(request, "limit", DEFAULT_LIMIT), _number(request, "offset", 0)
    if not 1 <= limit <= MAX_LIMIT:
        raise InvalidInput(f"Limit must be between 1 and {MAX_LIMIT}")
    total = len(entries) if request.query_params.get("total") == "true" else None
    body: Body = {
        name: [render(entry) for entry in entries[offset : offset + limit]],
        "limit": limit,
        "offset": offset,
        "more": offset + limit < len(entries),
        "total": total,
    }
    return JSONResponse(body)


def wanted(request: Request, name: str) -> Callable[[str | None], bool]:
    """Return a test for the list parameter name[]: everything passes when it is not given."""
    values = frozenset(request.query_params.getlist(f"{name}[]"))
    return lambda value: not values or value in values


def moment(request: Request, name: str) -> datetime | None:
    """Return a time parameter, in UTC when it names no zone.

    Raises:
        InvalidInput: it is no ISO 8601 time.
    """
    given = request.query_params.get(name)
    if given is None:
        return None
    try:
        parsed = datetime.fromisoformat(given)
    except ValueError as exc:
        raise InvalidInput(f"{name} is not a valid ISO 8601 time") from exc
    return parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)


def within(request: Request) -> Callable[[datetime], bool]:
    """Return a test for since and until; a side that is not given is open."""
    since, until = moment(request, "since"), moment(request, "until")
    return lambda at: (since is None or at >= since) and (until is None or at < until)


def _number(request: Request, name: str, default: int) -> int:
    given = request.query_params.get(name, str(default))
    if not given.isdecimal():
        raise InvalidInput(f"{name} must be a whole number")
    return int(given)
