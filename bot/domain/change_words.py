"""The words of a change, taken apart once: a change is looked at for every incident of the next hours."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache

from bot.domain.change import ChangeEvent
from bot.domain.ids import ServiceName
from bot.domain.lexicon import INERT_PATHS
from bot.domain.mechanisms import MECHANISMS
from bot.domain.vocabulary import families_of_word, stem, words_of, words_of_name

_KEPT = 4_000
"""Changes whose words are kept: our choice. About 10 KB each with a diff of 3 KB, 2 KB without any."""
_MOST_DIFF = 6_000  # Our choice, in characters: more of a diff tells little and is what reading costs.


@dataclass(frozen=True, slots=True)
class ChangeWords:
    """What one change says: stem → word, by where it stands."""

    name: Mapping[str, str]
    """Of its service."""
    prose: Mapping[str, str]
    """Of its title and body."""
    code: Mapping[str, str]
    """Of its paths and its diff."""
    named: frozenset[str]
    """Stems of the service's name."""
    said: frozenset[str]
    """Stems of title and body that the name does not have."""
    touched: frozenset[str]
    """Stems of paths and diff that neither name nor description has."""
    name_families: Mapping[str, frozenset[str]]
    """Family → the stems of the service's name that speak of it."""
    families: Mapping[str, frozenset[str]]
    """Family → the stems of title and body that speak of it."""
    code_families: frozenset[str]
    """Families of its paths and its diff."""
    mechanisms: frozenset[str]
    """Names of the mechanisms that it may set going."""


def words_in(change: ChangeEvent) -> ChangeWords:
    """Return the words of *change*; the same text is read once."""
    return _read(change.service, change.title, change.body, change.files, change.diff[:_MOST_DIFF])


def is_unread(path: str) -> bool:
    """Return whether no running process reads *path*: documents and tests."""
    return any(part in f"/{path.lower()}" for part in INERT_PATHS)


@lru_cache(maxsize=_KEPT)
def _read(service: ServiceName, title: str, body: str, files: tuple[str, ...], diff: str) -> ChangeWords:
    name = words_of_name(service)
    prose = words_of(f"{title}\n{body}")
    code = words_of(_code(files, diff))
    described = prose.keys() | code.keys()
    return ChangeWords(
        name=name,
        prose=prose,
        code=code,
        named=frozenset(name),
        said=frozenset(prose.keys() - name.keys()),
        touched=frozenset(code.keys() - prose.keys() - name.keys()),
        name_families=_families(name.items()),
        families=_families((key, word) for key, word in prose.items() if key not in name),
        code_families=frozenset().union(*(families_of_word(word.lower()) for word in code.values())),
        mechanisms=frozenset(
            name for stem_ in _MECHANISMS_OF.keys() & described for name in _MECHANISMS_OF[stem_]
        ),
    )


def _by_stem() -> Mapping[str, frozenset[str]]:
    found: dict[str, set[str]] = {}
    for mechanism in MECHANISMS:
        for word in mechanism.does:
            found.setdefault(stem(word), set()).add(mechanism.name)
    return {key: frozenset(names) for key, names in found.items()}


_MECHANISMS_OF = _by_stem()


def _families(words: Iterable[tuple[str, str]]) -> Mapping[str, frozenset[str]]:
    found: dict[str, set[str]] = {}
    for key, word in words:
        for family in families_of_word(word.lower()):
            found.setdefault(family, set()).add(key)
    return {family: frozenset(stems) for family, stems in found.items()}


def _code(files: tuple[str, ...], diff: str) -> str:
    """Return the paths and the diff as far as a running process reads them."""
    read = [path for path in files if not is_unread(path)]
    return "" if files and not read else " ".join((*read, diff))
