"""What a change says of itself, and what of it the symptoms say too."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass
from math import log2

from bot.domain.change import ChangeEvent, ChangeKind
from bot.domain.correlation_case import Feature
from bot.domain.ids import ChangeId, ServiceName
from bot.domain.lexicon import CONFIG_WORDS, FUNCTION_WORDS, INERT_PATHS, INERT_WORDS, ROUTINE_WORDS
from bot.domain.scene import Scene
from bot.domain.vocabulary import Rarity, families_of, families_of_words, words_of
from bot.domain.weights import WeightName

_RATHER_NEW = 0.5  # Our choice: as new as an error nobody has a baseline for.


@dataclass(frozen=True)
class Reading:
    """The texts of one case, split into words once."""

    prose: Mapping[ChangeId, Mapping[str, str]]
    code: Mapping[ChangeId, Mapping[str, str]]
    families: Mapping[ChangeId, frozenset[str]]
    rarity: Rarity
    family_rarity: Rarity
    query_words: Set[str]
    query_families: Set[str]
    placed: frozenset[ServiceName]

    @classmethod
    def of(cls, changes: Sequence[ChangeEvent], scene: Scene) -> "Reading":
        """Read *changes*, and what the symptoms of *scene* say.

        Names of alerting services are left out: where it hurts is what topology already says.
        """
        symptoms = scene.symptoms
        patterns = "\n".join(p.signature for p in scene.case.evidence.patterns if p.novelty >= _RATHER_NEW)
        names = () if symptoms.inferred else symptoms.services.keys()
        own = {word for name in names for word in words_of(name)}
        prose = {change.id: words_of(f"{change.service} {change.title}\n{change.body}") for change in changes}
        code = {change.id: words_of(" ".join((*change.files, change.diff))) for change in changes}
        families = {key: families_of_words([*prose[key].values(), *code[key].values()]) for key in prose}
        return cls(
            prose=prose,
            code=code,
            families=families,
            rarity=Rarity(prose[key].keys() | code[key].keys() for key in prose),
            family_rarity=Rarity(families.values()),
            query_words=(symptoms.words.keys() | words_of(patterns).keys()) - own,
            query_families=symptoms.families | families_of(patterns),
            placed=symptoms.placed,
        )


def text_features(change: ChangeEvent, reading: Reading) -> Iterator[Feature]:
    """Yield what the words of *change* share with those of the symptoms."""
    prose, code = reading.prose[change.id], reading.code[change.id]
    # A service that alerts or is named whole is counted by its place already.
    counted = words_of(change.service).keys() if change.service in reading.placed else frozenset[str]()
    amount, shared = reading.rarity.overlap(reading.query_words - counted, prose.keys())
    if amount > 0:
        said = _listed(prose[word] for word in shared)
        yield Feature(WeightName.WORDS, amount, f"its description shares {said} with the symptoms")
    amount, shared = reading.rarity.overlap(reading.query_words, code.keys() - prose.keys())
    if amount > 0:
        said = _listed(code[word] for word in shared)
        yield Feature(WeightName.CODE, amount, f"its files or diff share {said} with the symptoms")
    amount, shared = reading.family_rarity.overlap(reading.query_families, reading.families[change.id])
    if amount > 0:
        yield Feature(WeightName.FAMILIES, amount, f"both are about {_listed(shared)}")


def _listed(words: Iterable[str]) -> str:
    return ", ".join(f"“{word}”" for word in list(words)[:3])


def kind_features(change: ChangeEvent) -> Iterator[Feature]:
    """Yield what sort of change it is, and how large."""
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
