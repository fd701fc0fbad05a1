"""Split text and code into comparable words, and weigh how much two texts share."""

import math
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Set
from functools import lru_cache
from itertools import chain
from typing import Final

from bot.domain.concepts import FAMILIES_OF
from bot.domain.lexicon import COMMON_WORDS, FAILING_WORDS, STOP_WORDS, TELLING_WORDS

_IDENTIFIER = re.compile(r"[A-Za-z0-9_]+")
_HUMP = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[0-9]+[a-z]*")
_ENDING = re.compile(r"(?<=.{3})(?:ings?|ed|es|s|e)$|(?<=.{5})(?:ers?)$")
_MAX_TEXT = 20_000  # Our choice: enough for a long diff, and a bound on hostile input.
_STEM_LENGTH = 6
_ONE_TELLING_WORD = 2.5  # Our choice: a word that one of ten changes has brings the overlap to 0.6.
_OTHER_CHANGES = 8
"""Our choice: as many more changes, without the word, are imagined, so that a word tells something even
where only one or two changes are known."""


@lru_cache(maxsize=20_000)
def stem(word: str) -> str:
    """Return the first letters of *word* without a plain English ending.

    `invoices` meets `invoice`, `connection` meets `connect`; that is all the linguistics there is.
    """
    return _ENDING.sub("", word)[:_STEM_LENGTH]


def words_of(text: str) -> Mapping[str, str]:
    """Return stem → word for what *text* says; identifiers give their parts and themselves."""
    found: dict[str, str] = {}
    # The last to be written stays, so the first spelling of a word is written last.
    for identifier in reversed(_IDENTIFIER.findall(text[:_MAX_TEXT])):
        found.update(_parts_of(identifier))
    return found


def stems_in(text: str) -> frozenset[str]:
    """Return the stems that `words_of` gives for *text*, in a third of the time."""
    return _NONE.union(*map(_stems_of, set(_IDENTIFIER.findall(text[:_MAX_TEXT]))))


_NONE: frozenset[str] = frozenset()


@lru_cache(maxsize=50_000)
def _stems_of(identifier: str) -> frozenset[str]:
    return frozenset(key for key, _ in _parts_of(identifier))


@lru_cache(maxsize=20_000)
def words_of_name(name: str) -> Mapping[str, str]:
    """Return stem → word for the *name* of a service; words written together come apart: `cartservice`."""
    found = dict(words_of(name))
    for word in list(found.values()):
        for part in _apart(word.lower()):
            if _says_something(part):
                found[stem(part)] = part
    return found


@lru_cache(maxsize=20_000)
def stems_of_name(name: str) -> frozenset[str]:
    """Return the stems that `words_of_name` gives."""
    return frozenset(words_of_name(name))


def _apart(word: str) -> list[str]:
    """Return the words that *word* is made of, as far as the vocabulary knows them at its ends."""
    if len(word) < 2 * _LEAST_PART or word in FAMILIES_OF:
        return [word]
    for tail in _TAILS:
        if word.endswith(tail) and len(word) >= len(tail) + _LEAST_PART:
            return [*_apart(word.removesuffix(tail)), tail]
    for cut in range(len(word) - _LEAST_PART, _LEAST_PART - 1, -1):
        if word[:cut] in FAMILIES_OF:
            return [word[:cut], *_apart(word[cut:])]
    return [word]


_LEAST_PART = 3
_TAILS = ("services", "service", "server", "worker", "svc", "api", "app")


@lru_cache(maxsize=50_000)
def _parts_of(identifier: str) -> tuple[tuple[str, str], ...]:
    if identifier.isdigit() or (identifier.islower() and identifier.isalpha()):
        return ((stem(identifier), identifier),) if _says_something(identifier) else ()
    humps = _HUMP.findall(identifier)
    parts = [part.lower() for part in humps]
    whole = ((identifier.lower(), identifier),) if len(parts) > 1 else ()
    names = {part.lower() for part in humps if part.isupper() and len(part) == _NAME_LENGTH}
    return (*whole, *((stem(part), part) for part in parts if _says_something(part) or part in names))


_NAME_LENGTH = 3
"""Three capitals are the name of something; three other letters seldom say what a change is about."""


@lru_cache(maxsize=20_000)
def stems_of(title: str) -> frozenset[str]:
    """Return the stems of every part of a short *title*, common words included."""
    return frozenset(stem(part.lower()) for part in _HUMP.findall(title) if len(part) > 2)


def families_of(text: str) -> frozenset[str]:
    """Return the families of trouble that *text* speaks of."""
    words = (
        part.lower()
        for match in _IDENTIFIER.finditer(text[:_MAX_TEXT])
        for part in (match.group(), *_HUMP.findall(match.group()))
    )
    return families_of_words(words)


def families_of_words(words: Iterable[str]) -> frozenset[str]:
    """Return the families of trouble that *words*, already split, speak of."""
    return frozenset[str]().union(*(families_of_word(word) for word in words))


def sounds_told(text: str, *, routed: bool) -> bool:
    """Return whether *text* reads like a person telling what is wrong, not like a monitor's rule.

    A monitor knows its service; so what reached nobody's service (not *routed*) needs fewer signs.
    """
    words = re.findall(r"[a-z']+", text.lower())
    if not routed and _RULE.search(text) is None:
        return len(words) >= _LEAST_UNROUTED
    if len(words) < _LEAST_SENTENCE:
        return False
    return sum(word in TELLING_WORDS for word in words) >= _LEAST_TELLING


_LEAST_SENTENCE = 5
_LEAST_UNROUTED = 4
_LEAST_TELLING = 2
_RULE = re.compile(r"\b(above|below|exceeds?|threshold|p\d\d|burn|elevated|rate)\b|[<>]|\d ?%", re.IGNORECASE)


def _by_stem() -> Mapping[str, frozenset[str]]:
    found: dict[str, frozenset[str]] = {}
    for word, families in FAMILIES_OF.items():
        found[stem(word)] = found.get(stem(word), frozenset()) | families
    return found


FAMILIES_OF_STEM: Final = _by_stem()


@lru_cache(maxsize=20_000)
def families_of_word(word: str) -> frozenset[str]:
    """Return the families that one *word* in lower case belongs to."""
    return FAMILIES_OF_STEM.get(stem(word), frozenset())


def _says_something(word: str) -> bool:
    if word in STOP_WORDS:
        return False
    return (
        len(word) >= _LEAST_WORD or word in FAMILIES_OF or (len(word) == _LEAST_NUMBER and word[0].isdigit())
    )


_LEAST_WORD = 4
"""Our choice: shorter words are seldom more than glue, unless the vocabulary knows them."""
_LEAST_NUMBER = 3


_COMMON = 0.5  # Our choice: a word that changes everywhere are full of is half a word.
_COMMON_STEMS = frozenset(stem(word) for word in COMMON_WORDS)


FAILING_STEMS = frozenset(stem(word) for word in FAILING_WORDS)


class Rarity:
    """How telling each word is among the changes of one case: rare words tell more."""

    def __init__(self, documents: Iterable[Set[str]], *, count: int) -> None:
        """*count* is how many changes there are: those without any word need not be among *documents*."""
        self._count = count
        self._seen: Mapping[str, int] = Counter(chain.from_iterable(documents))

    def weight(self, word: str) -> float:
        """Return the inverse document frequency of *word*, at least 0."""
        rare = max(0.0, math.log((self._count + _OTHER_CHANGES + 1) / (self._seen.get(word, 0) + 0.5)))
        return _COMMON * rare if word in _COMMON_STEMS else rare

    def total(self, words: Iterable[str]) -> float:
        """Return the weight of all *words* together."""
        return sum(self.weight(word) for word in words)

    def rarest(self, words: Iterable[str]) -> list[str]:
        """Return *words*, the most telling first."""
        return sorted(words, key=lambda word: (-self.weight(word), word))


def saturated(total: float) -> float:
    """Return how much a *total* weight of shared words says, 0 to 1: the tenth shared word adds little."""
    return 1.0 - math.exp(-total / _ONE_TELLING_WORD)
