"""Read single JSON values tolerantly: the wrong type gives the empty value, never an exception."""

import json
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from math import isfinite
from typing import Any, Final

_LEAP_SECOND: Final = re.compile(r"(?<=:[0-5]\d):60")


def text(value: object) -> str:
    """Return *value* as text; null is "", a list or an object is its JSON."""
    if value is None:
        return ""
    if isinstance(value, str):
        return value
    return json.dumps(value, ensure_ascii=False, sort_keys=True)


def texts(value: object) -> tuple[str, ...]:
    """Return a list as texts; one text is a list of one, anything else is empty."""
    if isinstance(value, str):
        return (value,)
    return tuple(text(item) for item in value) if isinstance(value, list) else ()


def number(value: object) -> float | None:
    """Return a finite number, also one written as `"+412"`; None when it is none."""
    if isinstance(value, bool) or value is None:
        return None
    try:
        found = float(value if isinstance(value, int) else str(value).strip().rstrip("%").lstrip("+"))
    except (ValueError, OverflowError):
        return None
    return found if isfinite(found) else None


def integer(value: object) -> int:
    """Return a whole number, 0 when it is none."""
    found = number(value)
    return 0 if found is None else int(found)


def record(value: object) -> Mapping[str, Any]:
    """Return an object, empty when it is none."""
    return value if isinstance(value, dict) else {}


def mappings(value: object) -> list[Mapping[str, Any]]:
    """Return the objects of a list; what is no object is left out."""
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def when(value: object) -> datetime | None:
    """Return an RFC 3339 time, UTC when it names no zone; None when it is none."""
    if not isinstance(value, str) or not value:
        return None
    try:
        # RFC 3339 admits small letters and leap seconds.
        at = datetime.fromisoformat(_LEAP_SECOND.sub(":59", value.upper()))
    except ValueError:
        return None
    return at if at.tzinfo is not None else at.replace(tzinfo=UTC)
