"""Read files of labelled cases and streams, line by line: a line that cannot be read spoils no other."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from adapters.evaluation.cases import LabelledCase, Stream, parse_case, parse_stream
from adapters.evaluation.fields import text
from bot.domain.errors import Invalid


@dataclass(frozen=True)
class BadLine:
    """A line that is no case and no stream, and why."""

    file: str
    number: int
    reason: str
    case: str | None = None
    """The id of the case that it would have been, where that much can be read."""

    def __str__(self) -> str:
        return f"{self.file}, line {self.number}: {self.reason}"


@dataclass(frozen=True)
class Lines:
    """What a file holds, in its order."""

    cases: tuple[LabelledCase, ...]
    streams: tuple[Stream, ...]
    bad: tuple[BadLine, ...]


def read_file(path: Path) -> tuple[tuple[LabelledCase, ...], tuple[Stream, ...]]:
    """Return the cases and the streams of a JSON Lines file of which every line must be right.

    Raises:
        Invalid: the file cannot be read, or a line is wrong; the message names the first.
    """
    found = read_lines(path)
    if found.bad:
        raise Invalid(str(found.bad[0]))
    return found.cases, found.streams


def read_lines(path: Path) -> Lines:
    """Return the cases and the streams of a JSON Lines file, and the lines that are neither.

    Raises:
        Invalid: the file cannot be read.
    """
    cases: list[LabelledCase] = []
    streams: list[Stream] = []
    bad: list[BadLine] = []
    for number, line in _lines(path):
        raw: dict[str, Any] = {}
        try:
            raw = _record(line)
            if "stream" in raw:
                streams.append(parse_stream(raw))
            else:
                cases.append(parse_case(raw))
        except (ValueError, RecursionError, Invalid) as exc:
            reason = "nested too deeply" if isinstance(exc, RecursionError) else str(exc)
            bad.append(BadLine(path.name, number, reason, text(raw.get("id")) or None))
    return Lines(tuple(cases), tuple(streams), tuple(bad))


def _record(line: bytes) -> dict[str, Any]:
    raw = json.loads(line.decode("utf-8"))
    if not isinstance(raw, dict):
        raise Invalid("not a JSON object")
    return raw


def _lines(path: Path) -> Iterator[tuple[int, bytes]]:
    # In bytes: within its texts a line may hold every sign that str.splitlines would end it at.
    try:
        content = path.read_bytes()
    except OSError as exc:
        raise Invalid(f"{path}: cannot be read ({exc.strerror})") from exc
    for number, line in enumerate(content.removeprefix(b"\xef\xbb\xbf").split(b"\n"), start=1):
        if line.strip():
            yield number, line
