"""The arguments of one Web API call, from a query, a form or a JSON body."""

import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qsl

from starlette.requests import Request

from .errors import SlackRefusedError
from .wire import JsonObject


class Arguments:
    """Typed access to the arguments; what is missing or malformed is refused with Slack's codes."""

    def __init__(self, values: Mapping[str, Any]) -> None:
        self.values = dict(values)

    def text(self, name: str) -> str | None:
        """Return a string argument; None when it is absent or empty."""
        value = self.values.get(name)
        if value is None or value == "":
            return None
        return value if isinstance(value, str) else str(value)

    def required(self, name: str) -> str:
        value = self.text(name)
        if value is None:
            raise SlackRefusedError(
                "invalid_arguments", messages=(f"[ERROR] missing required field: {name}",)
            )
        return value

    def flag(self, name: str, *, default: bool = False) -> bool:
        value = self.values.get(name)
        if value is None:
            return default
        return value is True or str(value).lower() in ("1", "true")

    def number(self, name: str, *, default: int, least: int, most: int) -> int:
        raw = self.text(name)
        if raw is None:
            return default
        try:
            value = int(raw)
        except ValueError as exc:
            raise SlackRefusedError(
                "invalid_arguments", messages=(f"[ERROR] must be an integer: {name}",)
            ) from exc
        return min(max(value, least), most)

    def structure(self, name: str, *, error: str) -> Any:
        """Return a JSON argument, parsed where a form carried it as text; None when absent."""
        value = self.values.get(name)
        if not isinstance(value, str):
            return value
        if not value:
            return None
        try:
            return json.loads(value)
        except ValueError as exc:
            raise SlackRefusedError(error) from exc


async def arguments_of(request: Request) -> Arguments:
    """Read the arguments of *request*, as Slack does: the body's win over the query's."""
    values: JsonObject = dict(request.query_params)
    body = await request.body()
    if not body:
        return Arguments(values)
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind == "application/json":
        values |= _json_object(body)
    elif kind == "application/x-www-form-urlencoded":
        values |= dict(parse_qsl(body.decode("utf-8", "replace"), keep_blank_values=True))
    else:
        raise SlackRefusedError("invalid_post_type")
    return Arguments(values)


def _json_object(body: bytes) -> JsonObject:
    try:
        value = json.loads(body)
    except ValueError as exc:
        raise SlackRefusedError("invalid_json") from exc
    if not isinstance(value, dict):
        raise SlackRefusedError("json_not_object")
    return value
