"""Find names of services, hosts and environments in text, whole names only."""

import re
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import TypeVar

_TOKEN = re.compile(r"[a-z0-9_-]+")
_Name = TypeVar("_Name", bound=str)


def names_in(name: str, text: str) -> bool:
    """Return whether the whole *name*, in any case, stands in *text*: not as a part of a longer name."""
    return bool(name) and _stands_in(name.lower(), text.lower(), _tokens(text))


def named_among(names: frozenset[_Name], text: str) -> frozenset[_Name]:
    """Return those of *names* that stand in *text*; the same thousands of names are sorted once."""
    plain, odd = _sorted_out(Same(names))
    found = [name for token in _tokens(text) if token in plain for name in plain[token]]
    if odd:
        lowered = text.lower()
        found += [name for name, low in odd if _stands_in(low, lowered, frozenset())]
    return names.intersection(found)


class Same:
    """A set known by its identity: to compare two sets of thousands of names costs more than to look."""

    __slots__ = ("names",)

    def __init__(self, names: frozenset[str]) -> None:
        self.names = names

    def __hash__(self) -> int:
        return id(self.names)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Same) and other.names is self.names


@lru_cache(maxsize=64)
def _sorted_out(same: Same) -> tuple[Mapping[str, Sequence[str]], tuple[tuple[str, str], ...]]:
    """Return the names that are one token each, by that token, and the others with their lower case."""
    plain: dict[str, list[str]] = {}
    odd: list[tuple[str, str]] = []
    for name in same.names:
        low = name.lower()
        if _TOKEN.fullmatch(low):
            plain.setdefault(low, []).append(name)
        elif low:
            odd.append((name, low))
    return plain, tuple(odd)


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
