"""Read a YAML file into a typed value, or say in which line and field it is wrong."""

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, TypeVar

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from adapters.files.rights import refuse_if_anybody_may_change
from adapters.files.strict_yaml import MAX_BYTES, Lines, YamlError, load
from adapters.problems import in_words
from bot.domain.errors import Invalid
from bot.domain.frozen import WrongPart

M = TypeVar("M", bound=BaseModel)


@dataclass(frozen=True)
class Read(Generic[M]):
    """A file's value, its exact bytes, and where its parts stand."""

    value: M
    raw: bytes
    where: Lines


def read_model(path: Path, model: type[M], error: type[Invalid]) -> Read[M]:
    """Return what the file holds.

    Raises:
        error: the file cannot be read, anybody may change it, or it is wrong; every problem is named with
            file, line and field.
    """
    try:
        with path.open("rb") as file:
            refuse_if_anybody_may_change(path, os.fstat(file.fileno()), error)
            raw = file.read(MAX_BYTES + 1)  # One more, so that a larger file is seen to be one.
        if len(raw) > MAX_BYTES:
            raise error(f"{path}: is larger than {MAX_BYTES} bytes")
        text = raw.decode()
    except OSError as exc:
        raise error(f"{path}: cannot be read: {exc.strerror}") from exc
    except UnicodeDecodeError as exc:
        raise error(f"{path}: is not UTF-8 text") from exc
    try:
        document, where = load(text)
    except YamlError as exc:
        raise error(at(path, exc.line, str(exc))) from exc
    if document is None:
        raise error(f"{path}: is empty; its first line is `{next(iter(model.model_fields))}:`")
    try:
        return Read(model.model_validate_json(_as_json(document), strict=True), raw, where)
    except ValidationError as exc:
        raise error("\n".join(_problems(path, where, exc))) from exc


def at(path: Path, line: int | None, problem: str) -> str:
    """Return *problem* with where it stands."""
    return f"{path}:{line}: {problem}" if line else f"{path}: {problem}"


def _problems(path: Path, where: Lines, exc: ValidationError) -> list[str]:
    errors = exc.errors()
    # A wrong item makes its list look empty as well: only the item is worth saying.
    named = [
        error
        for error in errors
        if error["type"] != "too_short"
        or not any(other["loc"][: len(error["loc"])] == error["loc"] != other["loc"] for other in errors)
    ]
    return [at(path, where.of(_place(e)), _told(e)) for e in named]


def _place(error: ErrorDetails) -> tuple[int | str, ...]:
    """Return which part is wrong; a check over several parts says which of them it means."""
    cause = error.get("ctx", {}).get("error")
    return (*error["loc"], *(cause.path if isinstance(cause, WrongPart) else ()))


def _as_json(document: object) -> str:
    """Pass the document through JSON, so that the model is as strict about types as its schema says."""
    return json.dumps(document)


def _told(error: ErrorDetails) -> str:
    kind, field = error["type"], ".".join(str(part) for part in error["loc"] if part != "[key]")
    if kind == "extra_forbidden":
        return f"`{field}` is no known key; remove it or mend its spelling"
    if kind == "missing":
        return f"`{field}` is missing"
    return f"`{field}`: {in_words(error)}" if field else in_words(error)
