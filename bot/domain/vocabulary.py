"""Split text and code into comparable words, and weigh how much two texts share."""

import math
import re
from collections import Counter
from collections.abc import Iterable, Mapping

from bot.domain.lexicon import FAMILIES_OF, STOP_WORDS

_IDENTIFIER = re.compile(r"[A-Za-z0-9_]+")
_HUMP = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[0-9]+[a-z]*")
_SUFFIXES = ("ations", "ation", "ings", "ing", "ers", "ies", "ied", "ed", "es", "s")
_MAX_TEXT = 20_000  # Our choice: enough for a long diff, and a bound on hostile input.
_LEAST_STEM = 4


def stem(word: str) -> str:
    """Return *word* without a common English ending, so that `timeouts` and `timeout` meet."""
    for suffix in _SUFFIXES:
        if word.endswith(suffix) and len(word) - len(suffix) >= _LEAST_STEM - 1:
            return word[: -len(suffix)] + ("y" if suffix in ("ies", "ied") else "")
    return word


def words_of(text: str) -> frozenset[str]:
    """Return the stemmed words of *text*; identifiers give their parts and themselves."""
    found: set[str] = set()
    for match in _IDENTIFIER.finditer(text[:_MAX_TEXT]):
        whole = match.group().lower()
        parts = [part.lower() for part in _HUMP.findall(match.group())]
        if len(parts) > 1:
            found.add(whole)
        found.update(stem(part) for part in parts if _says_something(part))
    return frozenset(found)


def families_of(text: str) -> frozenset[str]:
    """Return the families of trouble that *text* speaks of."""
    found: set[str] = set()
    for match in _IDENTIFIER.finditer(text[:_MAX_TEXT]):
        for part in (match.group(), *_HUMP.findall(match.group())):
            word = part.lower()
            found |= FAMILIES_OF.get(word, frozenset()) | FAMILIES_OF.get(stem(word), frozenset())
            if word.endswith("s"):
                found |= FAMILIES_OF.get(word[:-1], frozenset())
    return frozenset(found)


def _says_something(word: str) -> bool:
    return len(word) > 1 and word not in STOP_WORDS and not word.isdigit()


class Rarity:
    """How telling each word is among the changes of one case: rare words tell more."""

    def __init__(self, documents: Iterable[frozenset[str]]) -> None:
        texts = list(documents)
        self._count = len(texts)
        self._seen: Mapping[str, int] = Counter(word for text in texts for word in text)

    def weight(self, word: str) -> float:
        """Return the inverse document frequency of *word*, at least 0."""
        return max(0.0, math.log((self._count + 1) / (self._seen.get(word, 0) + 0.5)))

    def overlap(self, query: frozenset[str], document: frozenset[str]) -> tuple[float, tuple[str, ...]]:
        """Return how much *document* shares with *query* (0 to 1) and the shared words, rarest first."""
        shared = sorted(query & document, key=lambda word: (-self.weight(word), word))
        total = sum(self.weight(word) for word in shared)
        return 1.0 - math.exp(-total / _ONE_TELLING_WORD), tuple(shared)


_ONE_TELLING_WORD = 2.5  # Our choice: one word seen in one of ten changes brings the overlap to about 0.6.
