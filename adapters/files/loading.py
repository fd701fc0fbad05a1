"""Read a YAML file into a typed value, or say in which line and field it is wrong."""

import json
from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel, ValidationError

from adapters.files.strict_yaml import Lines, YamlError, load
from bot.domain.errors import Invalid

M = TypeVar("M", bound=BaseModel)


def read_model(path: Path, model: type[M], error: type[Invalid]) -> tuple[M, bytes]:
    """Return the file's value and its exact bytes.

    Raises:
        error: the file cannot be read or is wrong; every problem is named with file, line and field.
    """
    try:
        raw = path.read_bytes()
        text = raw.decode()
    except OSError as exc:
        raise error(f"{path}: cannot be read: {exc.strerror}") from exc
    except UnicodeDecodeError as exc:
        raise error(f"{path}: is not UTF-8 text") from exc
    try:
        document, where = load(text)
    except YamlError as exc:
        raise error(_at(path, exc.line, str(exc))) from exc
    try:
        return model.model_validate_json(_as_json(document)), raw
    except ValidationError as exc:
        raise error("\n".join(_problems(path, where, exc))) from exc


def _problems(path: Path, where: Lines, exc: ValidationError) -> list[str]:
    errors = exc.errors()
    # A wrong item makes its list look empty as well: only the item is worth saying.
    named = [
        error
        for error in errors
        if error["type"] != "too_short"
        or not any(other["loc"][: len(error["loc"])] == error["loc"] != other["loc"] for other in errors)
    ]
    return [_at(path, where.of(e["loc"]), _in_words(e["loc"], e["msg"], e["type"])) for e in named]


def _as_json(document: object) -> str:
    """Pass the document through JSON, so that the model is as strict about types as its schema says."""
    return json.dumps(document)


def _at(path: Path, line: int | None, problem: str) -> str:
    return f"{path}:{line}: {problem}" if line else f"{path}: {problem}"


def _in_words(where: tuple[int | str, ...], message: str, kind: str) -> str:
    field = ".".join(str(part) for part in where)
    if kind == "extra_forbidden":
        return f"`{field}` is no known key; remove it or mend its spelling"
    if kind == "missing":
        return f"`{field}` is missing"
    text = message.removeprefix("Value error, ")
    return f"`{field}`: {text}" if field else text
