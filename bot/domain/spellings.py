"""Know a service by another spelling of its name: `CheckoutService`, `prod/checkout`, `checkout-eu-1`."""

import re
from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import TypeVar

from bot.domain.names import Same

_Name = TypeVar("_Name", bound=str)
_TOKEN = re.compile(r"[A-Za-z0-9][A-Za-z0-9_./:@-]+")
_SEGMENT = re.compile(r"[/.:@]+")
_PART = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[0-9]+")
_JOINED = re.compile(r"(?<=.{3})(?:services?|svc|srv)$")
_AROUND = frozenset(
    word
    for words in (
        "service services svc srv app application deployment deploy prod production live main primary",
        "default cluster eu us ap sa ca af me na emea apac east west north south central northeast",
        "southeast northwest southwest region zone az v",
    )
    for word in words.split()
)
"""Parts of names that tell where or how a service runs, not which one it is."""


def spelled_in(names: frozenset[_Name], text: str) -> frozenset[_Name]:
    """Return those of *names* that *text* spells in another way; one that could mean two means none."""
    known = _by_key(Same(names))
    if not known:
        return frozenset()
    found = {name for token in _TOKEN.findall(text) if _is_name_like(token) if (name := _known(token, known))}
    return names.intersection(found)


def spelled(names: frozenset[_Name], name: str) -> frozenset[_Name]:
    """Return the one of *names* that *name* is another spelling of, if there is one."""
    known = _by_key(Same(names))
    return names.intersection({_known(name, known)})


def _known(token: str, known: Mapping[str, str]) -> str | None:
    return next((known[key] for key in _keys(token) if key in known), None)


def _keys(name: str) -> Iterator[str]:
    """Yield what *name* comes down to: as a whole, then its segments, the first and the last foremost."""
    yield _key(name)
    segments = [part for part in _SEGMENT.split(name) if part]
    if len(segments) > 1:
        yield from map(_key, (segments[0], *reversed(segments[1:])))


@lru_cache(maxsize=20_000)
def _key(name: str) -> str:
    parts = [part.lower() for part in _PART.findall(name)]
    telling = [part for part in parts if part not in _AROUND and not part.isdigit()]
    return _JOINED.sub("", "".join(telling)) if telling else "".join(parts)


@lru_cache(maxsize=64)
def _by_key(same: Same) -> Mapping[str, str]:
    found: dict[str, str | None] = {}
    for name in sorted(same.names):
        if key := _key(name):
            found[key] = None if key in found else name
    return {key: name for key, name in found.items() if name is not None}


def _is_name_like(token: str) -> bool:
    """Return whether *token* is more than a plain word: joined, capital inside, or said to be a service."""
    inner = token[1:]
    return any(mark in inner for mark in "-_/.:") or inner != inner.lower() or bool(_JOINED.search(token))
