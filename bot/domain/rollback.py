"""Which changes go back, and which were taken back before the trouble began."""

import re
from datetime import datetime
from functools import lru_cache

from bot.domain.change import ChangeEvent, ChangeKind
from bot.domain.lexicon import FIX_WORDS, ROLLBACK_WORDS

_ROLL_BACK = re.compile(r"\broll(ed|ing|s)?[ -]?back\b", re.IGNORECASE)
_WORD = re.compile(r"[a-z]+")
_NUMBERS = re.compile(r"\d+")
_VERSION = re.compile(r"^v?\d+(\.\d+){0,3}$", re.IGNORECASE)


def is_rollback(change: ChangeEvent) -> bool:
    """Return whether *change* says of itself that it goes back to an older version."""
    return change.kind is ChangeKind.ROLLBACK or _speaks_of_rollback(change.title)


def looks_like_a_fix(change: ChangeEvent) -> bool:
    """Return whether *change* reads like somebody's reaction to trouble."""
    return is_rollback(change) or not FIX_WORDS.isdisjoint(_WORD.findall(change.title.lower()))


@lru_cache(maxsize=20_000)
def _speaks_of_rollback(title: str) -> bool:
    lowered = title.lower()
    if "back" not in lowered and "revert" not in lowered:
        return False  # One of the two is in every way of saying it, and most titles have neither.
    return _ROLL_BACK.search(title) is not None or not ROLLBACK_WORDS.isdisjoint(_WORD.findall(lowered))


def is_lower_version(change: ChangeEvent, last: ChangeEvent | None) -> bool:
    """Return whether *change* lowers the version that its service had by the *last* change before it."""
    mine = _version(change.version)
    if mine is None:
        return False
    known = _version(change.previous_version or (last.version if last is not None else None))
    return known is not None and mine < known


def is_undone_by(change: ChangeEvent, following: ChangeEvent | None, *, before: datetime) -> bool:
    """Return whether *following*, the next change of the same service, took *change* back by *before*.

    A rollback takes back the last change of its service that is no rollback itself.
    """
    if following is None or is_rollback(change):
        return False
    return following.live_at <= before and is_rollback(following)


@lru_cache(maxsize=20_000)
def _version(text: str | None) -> tuple[int, ...] | None:
    if text is None or _VERSION.match(text) is None:
        return None
    return tuple(int(number) for number in _NUMBERS.findall(text))
