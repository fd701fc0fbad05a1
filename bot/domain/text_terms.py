"""What the words of a change share with those of the symptoms."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from bot.domain.change import ChangeEvent
from bot.domain.change_words import ChangeWords, words_in
from bot.domain.correlation_case import Feature
from bot.domain.ids import ChangeId, ServiceName
from bot.domain.mechanisms import MECHANISMS
from bot.domain.onset import SymptomClass
from bot.domain.scene import Scene
from bot.domain.vocabulary import (
    FAILING_STEMS,
    Rarity,
    families_of,
    families_of_words,
    saturated,
    words_of,
    words_of_name,
)
from bot.domain.weights import WeightName

_RATHER_NEW = 0.5  # Our choice: as new as an error nobody has a baseline for.
_CODE_FAMILY = 0.5  # Our choice: a word of a path or a diff speaks of a matter half as clearly as the title.
_LONG_DIFF = 60  # Our choice, in words: in a diff four times as long a shared word tells half as much.


class _Shared(NamedTuple):
    """What one change has in common with the symptoms."""

    name: frozenset[str]
    said: frozenset[str]
    touched: frozenset[str]
    families: frozenset[str]
    name_families: frozenset[str]
    code_families: frozenset[str]
    mechanisms: frozenset[str]


@dataclass(frozen=True)
class Reading:
    """The texts of one case beside each other."""

    words: Mapping[ChangeId, ChangeWords]
    shared: Mapping[ChangeId, _Shared]
    name_rarity: Rarity
    """Of words of service names, among services: a service that changed ten times is one service."""
    rarity: Rarity
    family_rarity: Rarity
    mechanism_rarity: Rarity
    told: bool
    """A person's sentence says what is wrong."""

    @classmethod
    def of(cls, changes: Sequence[ChangeEvent], scene: Scene) -> "Reading":
        """Read *changes*, and what the symptoms of *scene* say.

        Names of alerting services are left out: where it hurts is what topology already says.
        """
        query = _Query.of(scene)
        words = {change.id: words_in(change) for change in changes}
        shared = {change.id: query.shared_with(change.service, words[change.id]) for change in changes}
        services = {change.service: shared[change.id].name for change in changes}
        # Most changes share nothing; they only count.
        some, count = [found for found in shared.values() if found is not _NOTHING_SHARED], len(shared)
        return cls(
            words=words,
            shared=shared,
            name_rarity=Rarity(filter(None, services.values()), count=len(services)),
            rarity=Rarity((found.said | found.touched for found in some), count=count),
            family_rarity=Rarity(
                (found.families | found.name_families | found.code_families for found in some), count=count
            ),
            mechanism_rarity=Rarity((found.mechanisms for found in some), count=count),
            told=scene.symptoms.pace is SymptomClass.TOLD,
        )


@dataclass(frozen=True)
class _Query:
    """What the symptoms say."""

    words: frozenset[str]
    families: frozenset[str]
    mechanisms: frozenset[str]
    own: frozenset[str]
    """Stems of the names of alerting services."""
    placed: frozenset[ServiceName]

    @classmethod
    def of(cls, scene: Scene) -> "_Query":
        symptoms = scene.symptoms
        patterns = "\n".join(p.signature for p in scene.case.evidence.patterns if p.novelty >= _RATHER_NEW)
        names = () if symptoms.inferred else symptoms.services.keys()
        own = {word for name in names for word in words_of(name)}
        titles = symptoms.titles.lower()
        told = (word.lower() for key, word in symptoms.title_words.items() if key not in own)
        return cls(
            words=frozenset((symptoms.words.keys() | words_of(patterns).keys()) - own - FAILING_STEMS),
            families=(families_of(patterns) | families_of_words(told)) - _OF_EVERY_ALERT,
            mechanisms=frozenset(m.name for m in MECHANISMS if m.told.search(titles)),
            own=frozenset(own),
            placed=symptoms.placed,
        )

    def shared_with(self, service: ServiceName, words: ChangeWords) -> _Shared:
        if self._is_stranger_to(words):
            return _NOTHING_SHARED
        # A service that alerts or is named whole is counted by its place already.
        families = self._about(words.families)
        return _Shared(
            name=_NONE if service in self.placed else self.words & words.named,
            said=self.words & words.said,
            touched=self.words & words.touched,
            families=families,
            name_families=self._about(words.name_families) - families,
            code_families=(self.families & words.code_families) - families,
            mechanisms=self.mechanisms & words.mechanisms,
        )

    def _is_stranger_to(self, words: ChangeWords) -> bool:
        mine, families = self.words, self.families
        if not (
            mine.isdisjoint(words.said) and mine.isdisjoint(words.touched) and mine.isdisjoint(words.named)
        ):
            return False
        if self.mechanisms and not self.mechanisms.isdisjoint(words.mechanisms):
            return False
        return not families or (
            families.isdisjoint(words.families)
            and families.isdisjoint(words.name_families)
            and families.isdisjoint(words.code_families)
        )

    def _about(self, families: Mapping[str, frozenset[str]]) -> frozenset[str]:
        """Return what of *families* the symptoms speak of too, beyond the names of alerting services."""
        if self.families.isdisjoint(families):
            return _NONE
        return frozenset(f for f in self.families if f in families and not families[f] <= self.own)


_NONE: frozenset[str] = frozenset()
_NOTHING_SHARED = _Shared(_NONE, _NONE, _NONE, _NONE, _NONE, _NONE, _NONE)
_OF_EVERY_ALERT = frozenset({"errors"})
"""What every alert is about tells no change from another."""


def text_features(change: ChangeEvent, reading: Reading) -> Iterable[Feature]:
    """Return what the words of *change* share with those of the symptoms."""
    if reading.shared[change.id] is _NOTHING_SHARED and not reading.told:
        return ()
    return _text_features(change, reading)


def _text_features(change: ChangeEvent, reading: Reading) -> Iterator[Feature]:
    words, shared = reading.words[change.id], reading.shared[change.id]
    total = reading.name_rarity.total(shared.name) + reading.rarity.total(shared.said)
    if total > 0:
        found = _spelled(words_of_name(change.service), sorted(shared.name))
        found += _spelled(words_of(words.text), reading.rarity.rarest(shared.said))
        sentence = f"its description shares {_listed(found)} with the symptoms"
        yield Feature(WeightName.WORDS, saturated(total), sentence)
    if shared.touched:
        found = _spelled(words_of(words.read), reading.rarity.rarest(shared.touched))
        sentence = f"its files or diff share {_listed(found)} with the symptoms"
        length = max(1.0, words.length / _LONG_DIFF) ** 0.5
        yield Feature(WeightName.CODE, saturated(reading.rarity.total(shared.touched) / length), sentence)
    yield from _matters(change.service, shared, reading, says_something=bool(words.said))


def _matters(
    service: ServiceName, shared: _Shared, reading: Reading, *, says_something: bool
) -> Iterator[Feature]:
    families = shared.families | shared.code_families
    rarity = reading.family_rarity
    if families:
        weight = rarity.total(shared.families) + _CODE_FAMILY * rarity.total(
            shared.code_families - shared.families
        )
        sentence = f"both are about {_listed(rarity.rarest(families))}"
        yield Feature(WeightName.FAMILIES, saturated(weight), sentence)
    if named := shared.name_families - families:
        sentence = f"{service} is about {_listed(rarity.rarest(named))}, as the symptoms are"
        yield Feature(WeightName.SERVICE_MATTER, saturated(rarity.total(named)), sentence)
    if shared.mechanisms:
        best = reading.mechanism_rarity.rarest(shared.mechanisms)
        value = saturated(reading.mechanism_rarity.total(shared.mechanisms))
        yield Feature(WeightName.MECHANISM, value, f"{_SENTENCES[best[0]]}, which fits what people see")
    if (
        reading.told
        and says_something
        and not (families or shared.mechanisms or shared.said or shared.touched)
    ):
        yield Feature(WeightName.UNRELATED, 1.0, "nothing it says of itself fits what people see")


_SENTENCES = {mechanism.name: mechanism.sentence for mechanism in MECHANISMS}


def _spelled(words: Mapping[str, str], stems: Sequence[str]) -> list[str]:
    """Return the first *stems* as their text spells them."""
    return [words[key] for key in stems[:_LISTED]]


_LISTED = 3


def _listed(words: Sequence[str]) -> str:
    return ", ".join(f"“{word}”" for word in words[:_LISTED])
