"""The readable form of a text: escapes undone and invisible characters gone, with the way back to the original."""

# ruff: noqa: E501 -- one pattern a line reads better than a wrapped one.
import re
from bisect import bisect_right
from dataclasses import dataclass
from typing import Final

# An escaped quote becomes one private character per depth of escaping, so that `\"` never closes a `"`.
_QUOTE_BASE: Final = 0xE000
_SINGLE_QUOTE_BASE: Final = 0xE010
# What already is a pseudonym; no pattern has this character, so nothing in a pseudonym is ever taken for a secret.
INERT: Final = "\ue0ff"
QUOTES: Final = "\"'`\ue000-\ue01f"

_INVISIBLE: Final = "\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180e\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufe00-\ufe0f\ufeff"
# The first character alone decides which escape it can be, so that plain text is skipped fast.
_ESCAPE: Final = re.compile(
    rf"[\x1b\\%&{_INVISIBLE}]"
    rf"(?:(?<=[{_INVISIBLE}])"
    r"|(?<=\x1b)\[[0-9;?]{0,16}[A-Za-z]"
    r"|(?<=\\)\\{0,7}(?:u00[0-7][0-9a-fA-F]|[\"'nrt/])"
    r"|(?<=%)(?:[2-7][0-9a-fA-F]|0[aAdD9])"
    r"|(?<=&)(?:quot|apos|amp|lt|gt|#34|#39|#x27|#x22);)"
)
_NEEDS_VIEW: Final = re.compile(rf"[\x1b\\%&{_INVISIBLE}]")
_ENTITIES: Final = {"quot": '"', "apos": "'", "amp": "&", "lt": "<", "gt": ">"}
_NUMBERED: Final = {"#34": '"', "#39": "'", "#x27": "'", "#x22": '"'}
# A vertical tab separates words as the line break does, but stays inside a quoted value.
_CONTROL: Final = {"n": "\v", "r": "\v", "t": "\t", "/": "/"}


@dataclass(frozen=True, slots=True)
class View:
    """A text as the patterns read it, and where each of its characters stands in the original."""

    text: str
    lower: str
    _view_at: tuple[int, ...] = ()
    _raw_at: tuple[int, ...] = ()
    _width: tuple[int, ...] = ()

    def original(self, start: int, end: int) -> tuple[int, int]:
        """Return the span of the original text behind view[start:end], whole escapes included."""
        if not self._view_at:
            return start, end
        last = self._anchor(end - 1)
        distance = end - 1 - self._view_at[last]
        width = self._width[last] if distance == 0 else 1
        return self._raw(start), self._raw_at[last] + distance + width

    def _anchor(self, at: int) -> int:
        return bisect_right(self._view_at, at) - 1

    def _raw(self, at: int) -> int:
        anchor = self._anchor(at)
        return self._raw_at[anchor] + at - self._view_at[anchor]


def view_of(text: str) -> View:
    """Return the view of *text*, in which pseudonyms are already replaced by INERT characters."""
    if _NEEDS_VIEW.search(text) is None:
        return View(text, _lowered(text))
    parts: list[str] = []
    view_at, raw_at, width = [0], [0], [1]
    seen = at = 0
    for match in _ESCAPE.finditer(text):
        start, end = match.span()
        meaning = _meaning(match.group())
        parts += (text[seen:start], meaning)
        at += start - seen
        if meaning:
            _push(view_at, raw_at, width, (at, start, end - start))
            at += 1
        _push(view_at, raw_at, width, (at, end, 1))
        seen = end
    parts.append(text[seen:])
    seen_text = "".join(parts)
    return View(seen_text, _lowered(seen_text), tuple(view_at), tuple(raw_at), tuple(width))


def _push(view_at: list[int], raw_at: list[int], width: list[int], anchor: tuple[int, int, int]) -> None:
    if view_at[-1] == anchor[0]:
        raw_at[-1], width[-1] = anchor[1:]
        return
    for column, value in zip((view_at, raw_at, width), anchor, strict=True):
        column.append(value)


def _meaning(escape: str) -> str:
    if escape[0] == "%":
        return chr(int(escape[1:], 16))
    if escape[0] == "&":
        name = escape[1:-1]
        return _NUMBERED.get(name) or _ENTITIES[name]
    if escape[0] != "\\":
        return ""
    if escape[-5:-2] == "u00":
        return chr(int(escape[-2:], 16))
    if escape[-1] in "\"'":
        base = _QUOTE_BASE if escape[-1] == '"' else _SINGLE_QUOTE_BASE
        return chr(base + len(escape) - 1)
    return _CONTROL[escape[-1]]


def _lowered(text: str) -> str:
    lower = text.lower()
    # A few capitals grow when lowered; positions must stay the same, so only ASCII is lowered then.
    return lower if len(lower) == len(text) else text.translate(_ASCII_LOWER)


_ASCII_LOWER: Final = {upper: upper + 32 for upper in range(ord("A"), ord("Z") + 1)}
