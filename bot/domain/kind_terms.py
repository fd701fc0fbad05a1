"""What sort of change it is, and how large."""

import re
from collections.abc import Iterator
from functools import lru_cache
from math import log2

from bot.domain.change import ChangeEvent, ChangeKind
from bot.domain.change_words import is_unread
from bot.domain.correlation_case import Feature
from bot.domain.ids import ServiceName
from bot.domain.lexicon import CONFIG_WORDS, FUNCTION_WORDS, INERT_WORDS, ROUTINE_WORDS
from bot.domain.weights import WeightName

_WORD = re.compile(r"[a-z]+")
_NUMBER = re.compile(r"(?<![\w.])\d+(?:\.\d+)?(?![\d.]*\.\d)")
_TUNED = re.compile(
    r"(?<![\w.])\d[\d,_]*(?:\.\d+)?\s?[a-z%]{0,3}\s*(?:->|=>|→)\s*\d[\d,_]*(?:\.\d+)?\s?[a-z%]{0,3}(?![\w.])",
    re.I,
)
"""`8h -> 2m`, `1000→10`: not `1.2.3 -> 1.2.4`, which is a version."""
_BY_TITLE = 0.6  # Our choice: a title that says "config" may tidy it or move it.
_MOST_LINES = 400  # Our choice: a value that matters and stands later in a diff is not found.


def kind_features(change: ChangeEvent) -> tuple[Feature, ...]:
    """Return what the kind, the title and the size of *change* say of it, whatever the symptoms."""
    return _measured(change.kind, change.service, change.title, change.files, change.diff)


@lru_cache(maxsize=4_000)
def _measured(
    kind: ChangeKind, service: ServiceName, title: str, files: tuple[str, ...], diff: str
) -> tuple[Feature, ...]:
    return tuple(_measure(kind, _title_words(title, service), title, files, diff))


def _measure(
    kind: ChangeKind, words: tuple[str, ...], title: str, files: tuple[str, ...], diff: str
) -> Iterator[Feature]:
    routine = _mostly(words, ROUTINE_WORDS)
    if kind in (ChangeKind.CONFIG, ChangeKind.FLAG):
        yield Feature(WeightName.CONFIG, 1.0, "changes configuration, which takes effect at once")
    elif not routine and not CONFIG_WORDS.isdisjoint(words):
        yield Feature(WeightName.CONFIG, _BY_TITLE, "speaks of configuration, which takes effect at once")
    elif routine:
        yield Feature(WeightName.ROUTINE, 1.0, "reads like routine upkeep")
    if kind is ChangeKind.MIGRATION or "migration" in words:
        yield Feature(WeightName.MIGRATION, 1.0, "changes a database schema")
    if _is_inert(files, words):
        yield Feature(WeightName.INERT, 1.0, "by its description changes nothing at run time")
    if files or diff:
        size = log2(1.0 + len(files) + diff.count("\n")) / 4.0
        yield Feature(WeightName.SIZE, size, f"touches {len(files)} files")
    tuned = _tuned(title, diff)
    if tuned:
        yield Feature(WeightName.TUNED, 1.0, f"changes a value: {tuned}")


def _title_words(title: str, service: ServiceName) -> tuple[str, ...]:
    left_out = _left_out(service)
    return tuple([word for word in _WORD.findall(title.lower()) if word not in left_out])


@lru_cache(maxsize=4_000)
def _left_out(service: ServiceName) -> frozenset[str]:
    return FUNCTION_WORDS.union(_WORD.findall(service.lower()))


def _mostly(words: tuple[str, ...], kind: frozenset[str]) -> bool:
    """Return whether the first of *words*, or half of them, are of this *kind*."""
    if kind.isdisjoint(words):
        return False
    return words[0] in kind or 2 * len([word for word in words if word in kind]) >= len(words)


def _is_inert(files: tuple[str, ...], words: tuple[str, ...]) -> bool:
    if files:
        return all(is_unread(path) for path in files)
    return _mostly(words, INERT_WORDS)


def _tuned(title: str, diff: str) -> str:
    """Return the value that a change moves, such as `8h -> 2m`, "" when none is seen to move."""
    told = _TUNED.search(title) if "->" in title or "=>" in title or "→" in title else None
    if told is not None:
        return told.group().strip()
    if not diff:
        return ""
    lines = diff.split("\n")[:_MOST_LINES]
    removed: dict[str, str] = {}
    for line in lines:
        if line.startswith("-"):
            removed[_NUMBER.sub("#", line[1:].strip())] = line
    for line in lines:
        before = removed.get(_NUMBER.sub("#", line[1:].strip())) if line.startswith("+") else None
        if before is not None:
            pair = next(
                (
                    p
                    for p in zip(_NUMBER.findall(before), _NUMBER.findall(line), strict=False)
                    if p[0] != p[1]
                ),
                None,
            )
            if pair is not None:
                return f"{pair[0]} -> {pair[1]}"
    return ""
