"""Find names of services, hosts and environments in text, whole names only."""

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import TypeVar

_TOKEN = re.compile(r"[a-z0-9_-]+")
_Name = TypeVar("_Name", bound=str)


def names_in(name: str, text: str) -> bool:
    """Return whether the whole *name*, in any case, stands in *text*: not as a part of a longer name."""
    return bool(name) and _stands_in(name.lower(), text.lower(), _tokens(text))


def named_among(names: frozenset[_Name], text: str) -> frozenset[_Name]:
    """Return those of *names* that stand in *text*; the same thousands of names are sorted once."""
    plain, odd = _sorted_out(names)
    found = [plain[token] for token in _tokens(text) if token in plain]
    if odd:
        lowered = text.lower()
        found.append(frozenset(name for name, low in odd if _stands_in(low, lowered, frozenset())))
    return frozenset[_Name]().union(*found)


@lru_cache(maxsize=64)
def _sorted_out(
    names: frozenset[_Name],
) -> tuple[Mapping[str, frozenset[_Name]], tuple[tuple[_Name, str], ...]]:
    """Return the names that are one token each, by that token, and the others with their lower case."""
    plain: dict[str, set[_Name]] = {}
    odd: list[tuple[_Name, str]] = []
    for name in names:
        low = name.lower()
        if _TOKEN.fullmatch(low):
            plain.setdefault(low, set()).add(name)
        elif low:
            odd.append((name, low))
    return {low: frozenset(found) for low, found in plain.items()}, tuple(odd)


@lru_cache(maxsize=1_000)
def _tokens(text: str) -> frozenset[str]:
    return frozenset(_TOKEN.findall(text.lower()))


def _stands_in(name: str, text: str, tokens: frozenset[str]) -> bool:
    if name in tokens:
        return True
    if _TOKEN.fullmatch(name):
        return False
    start = text.find(name)
    while start >= 0:
        end = start + len(name)
        if not (_joins(text[start - 1 : start]) or _joins(text[end : end + 1])):
            return True
        start = text.find(name, start + 1)
    return False


def _joins(character: str) -> bool:
    return character.isalnum() or character in ("-", "_")
