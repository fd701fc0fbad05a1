"""Markdown tables of pydantic models, in words that need no Python."""

import inspect
import types
from collections.abc import Iterable, Mapping, Sequence
from datetime import time
from decimal import Decimal
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Literal, NewType, Union, get_args, get_origin

from annotated_types import Ge, Gt, Le, MaxLen, MinLen
from pydantic import AwareDatetime, BaseModel, NaiveDatetime, SecretStr
from pydantic.fields import FieldInfo

_PLAIN: Mapping[object, str] = {
    str: "text",
    bool: "`true` or `false`",
    int: "whole number",
    float: "number",
    Decimal: "number, in quotes",
    Path: "path",
    SecretStr: "secret",
    AwareDatetime: "time with a zone",
    NaiveDatetime: "date and time",
    time: "time of day",
}


def markdown_table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a table; signs that would break a cell are escaped."""
    lines = [head, ["---"] * len(head), *rows]
    return "".join(f"| {' | '.join(_cell(text) for text in line)} |\n" for line in lines)


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


def fields_table(model: type[BaseModel], *, without: str = "") -> str:
    """Return the fields of *model*, but for the one named *without*."""
    rows = [
        (
            f"`{field.alias or name}`",
            type_of(field),
            "required" if field.is_required() else default_of(field),
            field.description or "",
        )
        for name, field in model.model_fields.items()
        if name != without
    ]
    return markdown_table(("key", "type", "default", "what it is"), rows)


def type_of(field: FieldInfo) -> str:
    """Return in words what *field* takes, with its limits."""
    low = next((limit.ge for limit in field.metadata if isinstance(limit, Ge)), None)
    above = next((limit.gt for limit in field.metadata if isinstance(limit, Gt)), None)
    high = next((limit.le for limit in field.metadata if isinstance(limit, Le)), None)
    most = next((limit.max_length for limit in field.metadata if isinstance(limit, MaxLen)), None)
    least = next((limit.min_length for limit in field.metadata if isinstance(limit, MinLen)), None)
    words = [_kind(field.annotation)]
    if high is not None:
        words.append(f"{low} to {high}" if low is not None else f"above {above}, up to {high}")
    if most is not None:
        words.append(f"at most {most}" + ("" if _is_list(field.annotation) else " characters"))
    if least == 1 and _is_list(field.annotation):
        words.append("at least one")
    return ", ".join(words)


def _is_list(annotation: object) -> bool:
    return get_origin(annotation) is tuple


def default_of(field: FieldInfo) -> str:
    """Return the default as one would write it; nothing when it is empty."""
    value = field.get_default(call_default_factory=True, validated_data={})
    match value:
        case bool():
            return f"`{str(value).lower()}`"
        case StrEnum():
            return f"`{value.value}`"
        case tuple() if value:
            return f"`[{', '.join(str(item) for item in value)}]`"
        case int() | float() | Decimal() | Path():
            return f"`{value}`"
        case str() if value:
            return f"`{value}`"
        case _:
            return ""


def _kind(annotation: object) -> str:
    plain = _PLAIN.get(annotation) if not isinstance(annotation, dict) else None
    if plain is not None:
        return plain
    if isinstance(annotation, NewType):
        return _kind(annotation.__supertype__)
    if isinstance(annotation, type) and issubclass(annotation, StrEnum):
        return ", ".join(f"`{member.value}`" for member in annotation)
    if inspect.isclass(annotation) and issubclass(annotation, BaseModel):
        return "map"
    return _generic_kind(annotation)


def _generic_kind(annotation: object) -> str:
    origin, parts = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return _kind(parts[0])
    if origin is Literal:
        return ", ".join(f"`{value}`" for value in parts)
    if origin in (Union, types.UnionType):
        kinds = dict.fromkeys(_kind(part) for part in parts if part is not type(None))
        return " or ".join(kinds)
    if origin is tuple:
        return f"list of {_kind(parts[0])}"
    if inspect.isclass(origin) and issubclass(origin, Mapping):
        return f"map to {_kind(parts[1])}"
    raise TypeError(f"no words for {annotation}")
