"""Find names of services, hosts and environments in text, whole names only."""

import re
from collections.abc import Iterable
from functools import lru_cache
from typing import TypeVar

_TOKEN = re.compile(r"[a-z0-9_-]+")
_Name = TypeVar("_Name", bound=str)


def names_in(name: str, text: str) -> bool:
    """Return whether the whole *name*, in any case, stands in *text*: not as a part of a longer name."""
    return bool(name) and _stands_in(name.lower(), text.lower(), _tokens(text))


def named_among(names: Iterable[_Name], text: str) -> frozenset[_Name]:
    """Return those of *names* that stand in *text*."""
    lowered, tokens = text.lower(), _tokens(text)
    return frozenset(name for name in names if name and _stands_in(name.lower(), lowered, tokens))


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
