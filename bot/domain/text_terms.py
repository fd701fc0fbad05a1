"""What a change says of itself, and what of it the symptoms say too."""

import re
from collections.abc import Iterable, Iterator
from math import log2

from bot.domain.change import ChangeEvent, ChangeKind
from bot.domain.correlation_case import Feature
from bot.domain.lexicon import CONFIG_WORDS, FUNCTION_WORDS, INERT_PATHS, INERT_WORDS, ROUTINE_WORDS
from bot.domain.scene import Scene, code_of, prose_of
from bot.domain.vocabulary import families_of, words_of
from bot.domain.weights import WeightName


def text_features(change: ChangeEvent, scene: Scene) -> Iterator[Feature]:
    prose, code = words_of(prose_of(change)), words_of(code_of(change))
    # A service that alerts or is named whole is counted by its place already.
    counted = words_of(change.service).keys() if change.service in scene.symptoms.placed else frozenset[str]()
    amount, shared = scene.rarity.overlap(scene.query_words - counted, prose.keys())
    if amount > 0:
        said = _listed(prose[word] for word in shared)
        yield Feature(WeightName.WORDS, amount, f"its description shares {said} with the symptoms")
    amount, shared = scene.rarity.overlap(scene.query_words, code.keys() - prose.keys())
    if amount > 0:
        said = _listed(code[word] for word in shared)
        yield Feature(WeightName.CODE, amount, f"its files or diff share {said} with the symptoms")
    families = families_of(f"{prose_of(change)}\n{code_of(change)}")
    amount, shared = scene.family_rarity.overlap(scene.query_families, families)
    if amount > 0:
        yield Feature(WeightName.FAMILIES, amount, f"both are about {_listed(shared)}")


def _listed(words: Iterable[str]) -> str:
    return ", ".join(f"“{word}”" for word in list(words)[:3])


def kind_features(change: ChangeEvent) -> Iterator[Feature]:
    words = _title_words(change)
    if change.kind in (ChangeKind.CONFIG, ChangeKind.FLAG) or CONFIG_WORDS.intersection(words):
        yield Feature(WeightName.CONFIG, 1.0, "changes configuration, which takes effect at once")
    elif _mostly(words, ROUTINE_WORDS):
        yield Feature(WeightName.ROUTINE, 1.0, "reads like routine upkeep")
    if change.kind is ChangeKind.MIGRATION or "migration" in words:
        yield Feature(WeightName.MIGRATION, 1.0, "changes a database schema")
    if _is_inert(change, words):
        yield Feature(WeightName.INERT, 1.0, "by its description changes nothing at run time")
    if change.files or change.diff:
        size = log2(1.0 + len(change.files) + change.diff.count("\n")) / 4.0
        yield Feature(WeightName.SIZE, size, f"touches {len(change.files)} files")


def _title_words(change: ChangeEvent) -> tuple[str, ...]:
    own = set(re.findall(r"[a-z]+", change.service.lower()))
    words = re.findall(r"[a-z]+", change.title.lower())
    return tuple(word for word in words if word not in own and word not in FUNCTION_WORDS)


def _mostly(words: tuple[str, ...], kind: frozenset[str]) -> bool:
    """Return whether the first of *words*, or half of them, are of this *kind*."""
    return bool(words) and (words[0] in kind or 2 * sum(word in kind for word in words) >= len(words))


def _is_inert(change: ChangeEvent, words: tuple[str, ...]) -> bool:
    if change.files:
        return all(any(part in f"/{path.lower()}" for part in INERT_PATHS) for path in change.files)
    return _mostly(words, INERT_WORDS)
