"""Which changes go back, and which were taken back before the trouble began."""

import re
from collections.abc import Iterable
from datetime import datetime

from bot.domain.change import ChangeEvent, ChangeKind
from bot.domain.lexicon import FIX_WORDS, ROLLBACK_WORDS

_ROLL_BACK = re.compile(r"\broll(ed|ing|s)?[ -]?back\b", re.IGNORECASE)
_NUMBERS = re.compile(r"\d+")
_VERSION = re.compile(r"^v?\d+(\.\d+){0,3}$", re.IGNORECASE)


def is_rollback(change: ChangeEvent) -> bool:
    """Return whether *change* says of itself that it goes back to an older version."""
    words = frozenset(re.findall(r"[a-z]+", change.title.lower()))
    return (
        change.kind is ChangeKind.ROLLBACK
        or _ROLL_BACK.search(change.title) is not None
        or bool(words & ROLLBACK_WORDS)
    )


def looks_like_a_fix(change: ChangeEvent) -> bool:
    """Return whether *change* reads like somebody's reaction to trouble."""
    words = frozenset(re.findall(r"[a-z]+", change.title.lower()))
    return is_rollback(change) or bool(words & FIX_WORDS)


def is_lower_version(change: ChangeEvent, changes: Iterable[ChangeEvent]) -> bool:
    """Return whether *change* lowers the version that its service had by the last change before it."""
    mine = _version(change.version)
    if mine is None:
        return False
    if change.previous_version is not None:
        before = _version(change.previous_version)
        return before is not None and mine < before
    earlier = [
        other
        for other in changes
        if other.service == change.service
        and other.environment == change.environment
        and other.live_at < change.live_at
    ]
    last = max(earlier, key=lambda other: (other.live_at, other.id), default=None)
    before = _version(last.version) if last is not None else None
    return before is not None and mine < before


def undone_by(change: ChangeEvent, changes: Iterable[ChangeEvent], *, before: datetime) -> ChangeEvent | None:
    """Return the rollback that took *change* back ahead of *before*, None when it was still in force.

    A rollback takes back the last change of its service that is no rollback itself.
    """
    if is_rollback(change):
        return None
    later = sorted(
        (
            other
            for other in changes
            if other.service == change.service
            and other.environment == change.environment
            and change.live_at < other.live_at <= before
        ),
        key=lambda other: (other.live_at, other.id),
    )
    following = next(iter(later), None)
    return following if following is not None and is_rollback(following) else None


def _version(text: str | None) -> tuple[int, ...] | None:
    if text is None or _VERSION.match(text) is None:
        return None
    return tuple(int(number) for number in _NUMBERS.findall(text))
