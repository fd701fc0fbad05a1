"""What a change says of itself, and what of it the symptoms say too."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass
from functools import lru_cache
from math import log2

from bot.domain.change import ChangeEvent, ChangeKind
from bot.domain.correlation_case import Feature
from bot.domain.ids import ChangeId, ServiceName
from bot.domain.lexicon import CONFIG_WORDS, FUNCTION_WORDS, INERT_PATHS, INERT_WORDS, ROUTINE_WORDS
from bot.domain.scene import Scene
from bot.domain.vocabulary import Rarity, families_of, families_of_words, saturated, words_of
from bot.domain.weights import WeightName

_WORD = re.compile(r"[a-z]+")
_RATHER_NEW = 0.5  # Our choice: as new as an error nobody has a baseline for.


@dataclass(frozen=True)
class Reading:
    """The texts of one case, split into words once."""

    names: Mapping[ServiceName, Mapping[str, str]]
    prose: Mapping[ChangeId, Mapping[str, str]]
    code: Mapping[ChangeId, Mapping[str, str]]
    families: Mapping[ChangeId, frozenset[str]]
    name_rarity: Rarity
    """Of words of service names, among services: a service that changed ten times is one service."""
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
        services = {change.service: words_of(change.service) for change in changes}
        prose = {change.id: words_of(f"{change.title}\n{change.body}") for change in changes}
        code = {change.id: words_of(_code(change)) for change in changes}
        families = {
            change.id: families_of_words(
                word
                for key, word in (
                    *services[change.service].items(),
                    *prose[change.id].items(),
                    *code[change.id].items(),
                )
                if key not in own
            )
            for change in changes
        }
        return cls(
            names=services,
            prose=prose,
            code=code,
            families=families,
            name_rarity=Rarity(name.keys() for name in services.values()),
            rarity=Rarity(prose[key].keys() | code[key].keys() for key in prose),
            family_rarity=Rarity(families.values()),
            query_words=(symptoms.words.keys() | words_of(patterns).keys()) - own,
            query_families=families_of(patterns)
            | families_of_words(word for key, word in symptoms.title_words.items() if key not in own),
            placed=symptoms.placed,
        )


def text_features(change: ChangeEvent, reading: Reading) -> Iterator[Feature]:
    """Yield what the words of *change* share with those of the symptoms."""
    name, prose, code = reading.names[change.service], reading.prose[change.id], reading.code[change.id]
    # A service that alerts or is named whole is counted by its place already.
    named = frozenset[str]() if change.service in reading.placed else reading.query_words & name.keys()
    said = (reading.query_words & prose.keys()) - name.keys()
    total = reading.name_rarity.total(named) + reading.rarity.total(said)
    if total > 0:
        words = [name[word] for word in sorted(named)] + [prose[word] for word in reading.rarity.rarest(said)]
        sentence = f"its description shares {_listed(words)} with the symptoms"
        yield Feature(WeightName.WORDS, saturated(total), sentence)
    touched = (reading.query_words & code.keys()) - prose.keys() - name.keys()
    if touched:
        words = [code[word] for word in reading.rarity.rarest(touched)]
        sentence = f"its files or diff share {_listed(words)} with the symptoms"
        yield Feature(WeightName.CODE, saturated(reading.rarity.total(touched)), sentence)
    families = reading.query_families & reading.families[change.id]
    if families:
        value = saturated(reading.family_rarity.total(families))
        yield Feature(WeightName.FAMILIES, value, f"both are about {_listed(sorted(families))}")


def _code(change: ChangeEvent) -> str:
    """Return the paths and the diff of *change* as far as a running process reads them."""
    read = [path for path in change.files if not _is_unread(path)]
    return "" if change.files and not read else " ".join((*read, change.diff))


def _is_unread(path: str) -> bool:
    return any(part in f"/{path.lower()}" for part in INERT_PATHS)


def _listed(words: Iterable[str]) -> str:
    return ", ".join(f"“{word}”" for word in list(words)[:3])


def kind_features(change: ChangeEvent) -> Iterator[Feature]:
    """Yield what sort of change it is, and how large."""
    words = _title_words(change.title, change.service)
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


@lru_cache(maxsize=20_000)
def _title_words(title: str, service: ServiceName) -> tuple[str, ...]:
    own = set(_WORD.findall(service.lower()))
    words = _WORD.findall(title.lower())
    return tuple(word for word in words if word not in own and word not in FUNCTION_WORDS)


def _mostly(words: tuple[str, ...], kind: frozenset[str]) -> bool:
    """Return whether the first of *words*, or half of them, are of this *kind*."""
    return bool(words) and (words[0] in kind or 2 * sum(word in kind for word in words) >= len(words))


def _is_inert(change: ChangeEvent, words: tuple[str, ...]) -> bool:
    if change.files:
        return all(_is_unread(path) for path in change.files)
    return _mostly(words, INERT_WORDS)
