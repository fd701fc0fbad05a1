"""The words of a change, taken apart once: a change is looked at for every incident of the next hours."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property, lru_cache

from bot.domain.change import ChangeEvent
from bot.domain.ids import ServiceName
from bot.domain.lexicon import INERT_ENDINGS, INERT_FOLDERS
from bot.domain.mechanisms import MECHANISMS
from bot.domain.vocabulary import FAMILIES_OF_STEM, stem, stems_in, stems_of_name

_KEPT = 4_000
"""Changes whose words are kept: our choice. About 10 KB each with a diff of 3 KB, 2 KB without any."""
_MOST_DIFF = 6_000  # Our choice, in characters: more of a diff tells little and is what reading costs.


@dataclass(frozen=True)
class ChangeWords:
    """What one change says, by where it stands.

    What it is about is worked out when it is first asked for: most alerts say nothing that it could meet.
    """

    text: str
    """Its title and body."""
    read: str
    """Its paths and its diff, as far as a running process reads them."""
    length: int
    """How many words paths and diff have."""
    named: frozenset[str]
    """Stems of the service's name."""
    said: frozenset[str]
    """Stems of title and body that the name does not have."""
    code: frozenset[str]
    """Stems of paths and diff."""
    touched: frozenset[str]
    """Stems of paths and diff that neither name nor description has."""

    @cached_property
    def name_families(self) -> Mapping[str, frozenset[str]]:
        """Family → the stems of the service's name that speak of it."""
        return _families(self.named)

    @cached_property
    def families(self) -> Mapping[str, frozenset[str]]:
        """Family → the stems of title and body that speak of it."""
        return _families(self.said)

    @cached_property
    def code_families(self) -> frozenset[str]:
        """Families of its paths and its diff."""
        return frozenset(_families(self.code))

    @cached_property
    def mechanisms(self) -> frozenset[str]:
        """Names of the mechanisms that it may set going."""
        # The name's own stems count where the text has them, and those are not among what is said.
        own = self.said | stems_in(self.text) if not self.named.isdisjoint(_MECHANISMS_OF) else self.said
        return _NONE.union(*[_MECHANISMS_OF[key] for key in _MECHANISMS_OF.keys() & (own | self.code)])


def words_in(change: ChangeEvent) -> ChangeWords:
    """Return the words of *change*; the same text is read once."""
    return _read(change.service, change.title, change.body, change.files, change.diff[:_MOST_DIFF])


@lru_cache(maxsize=20_000)
def is_unread(path: str) -> bool:
    """Return whether no running process reads *path*: documents and tests."""
    name = f"/{path.lower()}"
    return any(folder in name for folder in INERT_FOLDERS) or (
        name.endswith(INERT_ENDINGS) and _PINS.search(name) is None
    )


_PINS = re.compile(r"requirements|constraints|freeze|cmakelists|robots")
"""Text files that do decide what runs."""


@lru_cache(maxsize=_KEPT)
def _read(service: ServiceName, title: str, body: str, files: tuple[str, ...], diff: str) -> ChangeWords:
    name = stems_of_name(service)
    text, read = f"{title}\n{body}" if body else title, _code(files, diff)
    prose, code = stems_in(text), stems_in(read) if read else _NONE
    return ChangeWords(
        text=text,
        read=read,
        length=len(code),
        named=name,
        said=_without(prose, name),
        code=code,
        touched=_without(_without(code, prose), name),
    )


def _without(stems: frozenset[str], others: frozenset[str]) -> frozenset[str]:
    # To look is cheaper than to copy, and two texts seldom share a word.
    return stems if stems.isdisjoint(others) else stems - others


_NONE: frozenset[str] = frozenset()


def _by_stem() -> Mapping[str, frozenset[str]]:
    found: dict[str, set[str]] = {}
    for mechanism in MECHANISMS:
        for word in mechanism.does:
            found.setdefault(stem(word), set()).add(mechanism.name)
    return {key: frozenset(names) for key, names in found.items()}


_MECHANISMS_OF = _by_stem()


def _families(stems: frozenset[str]) -> Mapping[str, frozenset[str]]:
    found: dict[str, set[str]] = {}
    for key in FAMILIES_OF_STEM.keys() & stems:
        for family in FAMILIES_OF_STEM[key]:
            found.setdefault(family, set()).add(key)
    return {family: frozenset(keys) for family, keys in found.items()}


def _code(files: tuple[str, ...], diff: str) -> str:
    """Return the paths and the diff as far as a running process reads them."""
    read = [path for path in files if not is_unread(path)]
    return "" if files and not read else " ".join((*read, diff))
