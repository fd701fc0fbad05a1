"""Parse JSON from outside without the leniencies of `json.loads`."""

import json
import math
import re

from pydantic import JsonValue

from bot.domain.errors import Invalid

JsonObject = dict[str, JsonValue]

MOST_NESTED = 64  # Our choice: real deliveries nest about ten deep.

_STRING = re.compile(r'"[^"\\]*(?:\\.[^"\\]*)*"', re.DOTALL)
_NO_BRACKET = re.compile(r"[^\[\]{}]+")


class MalformedBody(Invalid):
    """The body is not one JSON object in UTF-8 without tricks; the message says what is wrong."""


def parse_object(body: bytes) -> JsonObject:
    """Return the one JSON object that *body* holds.

    Raises:
        MalformedBody: it is not JSON, not an object, names a key twice, holds NaN or an infinity, is nested
            too deep, or goes on after the object.
    """
    try:
        text = body.decode("utf-8")
        _refuse_deep(text)
        value = json.loads(
            text, object_pairs_hook=_unique, parse_constant=_refuse_constant, parse_float=_finite
        )
    except (ValueError, RecursionError) as exc:
        if isinstance(exc, MalformedBody):
            raise
        raise MalformedBody("The body is not JSON.") from exc
    if not isinstance(value, dict):
        raise MalformedBody("The body is not a JSON object.")
    return value


def _refuse_deep(text: str) -> None:
    # With few brackets in all no nesting can be deep, and the exact count below is saved.
    if text.count("[") + text.count("{") <= MOST_NESTED:
        return
    depth = 0
    for bracket in _NO_BRACKET.sub("", _STRING.sub("", text)):
        depth += 1 if bracket in "[{" else -1
        if depth > MOST_NESTED:
            raise MalformedBody(f"The body is nested more than {MOST_NESTED} deep.")


def _unique(pairs: list[tuple[str, JsonValue]]) -> JsonObject:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise MalformedBody("The body names a key twice.")
    return found


def _refuse_constant(name: str) -> float:
    raise MalformedBody(f"The body holds {name}, which is not JSON.")


def _finite(digits: str) -> float:
    value = float(digits)
    if not math.isfinite(value):
        raise MalformedBody("The body holds a number that is too large.")
    return value
