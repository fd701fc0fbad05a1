"""Which errors are new: log lines without what varies, counted before and after.

Two lines of one template say the same of different orders, hosts or times.
"""

import json
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final

from bot.domain.evidence import ErrorPattern
from bot.domain.ids import ServiceName
from bot.domain.sources import LogLine, LogLines

MASK: Final = "<*>"
MOST_PATTERNS: Final = 20
LONGEST_LINE: Final = 2_000
LONGEST_SIGNATURE: Final = 200
_MESSAGE_KEYS: Final = ("message", "msg", "event", "error", "exception", "err", "log")
# Only at the start of a run: looked for anywhere in it, a long word would be read once for each letter.
_PIECE: Final = re.compile(r"(?<![A-Za-z0-9])[A-Za-z]*[0-9][A-Za-z0-9]*")
_NO_DIGITS: Final = str.maketrans("", "", "0123456789")
_RUN: Final = re.compile(r"<\*>(?:[-.:/+_,]{0,3}<\*>)+")
_TELLING: Final = re.compile(r"(?:Error|Exception|panic|fatal)\b")
_STATUS: Final = re.compile(r"[45][0-9][0-9]")


@dataclass
class _Group:
    sample: str
    count: int = 0


def template_of(line: str) -> str:
    """Return *line* with every number, time and id as `<*>`; statuses 400 to 599 stay."""
    masked = _PIECE.sub(lambda found: MASK if _varies(found.group()) else found.group(), said_in(line))
    return _RUN.sub(MASK, " ".join(masked.split()))[:LONGEST_SIGNATURE]


def said_in(line: str) -> str:
    """Return what *line* says: of JSON its message, of a trace its telling line; 2,000 signs at most."""
    text = _message(line) if line.lstrip().startswith("{") else line
    lines = [one.strip() for one in text.splitlines() if one.strip()]
    telling = next((one for one in lines if _TELLING.search(one)), lines[0] if lines else "")
    if len(telling) <= LONGEST_LINE:
        return telling
    return telling[:LONGEST_LINE].rpartition(" ")[0]  # Half a secret would have no shape to know it by.


def error_patterns(
    service: ServiceName, after: LogLines, before: LogLines | None, *, redact: Callable[[str], str]
) -> tuple[ErrorPattern, ...]:
    """Return the error signatures of *after*, those with the most new lines first, each redacted.

    *before* covers the same length of time; without it, or when it is cut, nobody knows what is new.
    """
    now = _counted(after.lines)
    usual = _counted(before.lines) if before is not None and not before.is_cut else None
    found = [
        ErrorPattern(
            # A secret has its shape in the line as it was written, and none once its digits are masked.
            signature=template_of(redact(group.sample)),
            service=service,
            count=group.count,
            delta=None if usual is None else float(group.count - _count_of(template, usual)),
        )
        for template, group in sorted(now.items(), key=lambda pair: -pair[1].count)[: 5 * MOST_PATTERNS]
    ]
    found.sort(key=lambda pattern: (-pattern.novelty * pattern.count, pattern.signature))
    return tuple(found[:MOST_PATTERNS])


def _count_of(template: str, groups: dict[str, _Group]) -> int:
    return groups[template].count if template in groups else 0


def _counted(lines: Iterable[LogLine]) -> dict[str, _Group]:
    groups: dict[str, _Group] = {}
    for line in lines:
        group = groups.setdefault(template_of(line.text), _Group(said_in(line.text)))
        group.count += 1
    return groups


def _message(line: str) -> str:
    try:
        told = json.loads(line)
    except (ValueError, RecursionError):
        return line
    if not isinstance(told, dict):
        return line
    return next((told[key] for key in _MESSAGE_KEYS if isinstance(told.get(key), str) and told[key]), line)


def _varies(piece: str) -> bool:
    """Say whether a run of letters and digits, of which one is a digit, is rather an id than a word."""
    digits = len(piece) - len(piece.translate(_NO_DIGITS))
    if _STATUS.fullmatch(piece):
        return False
    return digits * 2 > len(piece) or (digits >= 2 and len(piece) >= 6)
