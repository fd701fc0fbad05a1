"""One case, read once, as every term needs it."""

from collections.abc import Set
from dataclasses import dataclass
from datetime import timedelta

from bot.domain.change import ChangeEvent
from bot.domain.correlation_case import Case
from bot.domain.evidence import ErrorPattern
from bot.domain.ids import ServiceName
from bot.domain.symptoms import Symptoms, names_in
from bot.domain.vocabulary import Rarity, families_of, words_of
from bot.domain.weights import HalfLives

_RATHER_NEW = 0.5


@dataclass(frozen=True)
class Scene:
    """One case, read once, as every term needs it."""

    case: Case
    symptoms: Symptoms
    half_lives: HalfLives
    rarity: Rarity
    family_rarity: Rarity
    query_words: Set[str]
    query_families: Set[str]

    @classmethod
    def of(cls, case: Case, symptoms: Symptoms, half_lives: HalfLives) -> "Scene":
        patterns = "\n".join(p.signature for p in case.evidence.patterns if p.novelty >= _RATHER_NEW)
        # Names of alerting services are left out: where it hurts is what topology already says.
        names = () if symptoms.inferred else symptoms.services.keys()
        own = {word for name in names for word in words_of(name)}
        return cls(
            case=case,
            symptoms=symptoms,
            half_lives=half_lives,
            rarity=Rarity(words_of(prose_of(c)).keys() | words_of(code_of(c)).keys() for c in case.changes),
            family_rarity=Rarity(families_of(prose_of(c) + code_of(c)) for c in case.changes),
            query_words=(symptoms.words.keys() | words_of(patterns).keys()) - own,
            query_families=symptoms.families | families_of(patterns),
        )

    def blamed(self, pattern: ErrorPattern) -> frozenset[ServiceName]:
        """Return the services an error points at: those it names, else the one that logged it."""
        own = frozenset({pattern.service}) if pattern.service is not None else frozenset[ServiceName]()
        named = {c.service for c in self.case.changes if c.service and names_in(c.service, pattern.signature)}
        return frozenset(named) or own


def touched_by(change: ChangeEvent) -> frozenset[ServiceName]:
    return frozenset({change.service, *change.also_touches})


def prose_of(change: ChangeEvent) -> str:
    return f"{change.service} {change.title}\n{change.body}"


def code_of(change: ChangeEvent) -> str:
    return " ".join(change.files) + "\n" + change.diff


def spoken(gap: timedelta | float) -> str:
    """Return a length of time as people say it: `40 s`, `12 min`, `5 h 20 min`."""
    seconds = int(gap.total_seconds() if isinstance(gap, timedelta) else gap)
    if seconds < 90:
        return f"{seconds} s"
    minutes = round(seconds / 60)
    if minutes < 90:
        return f"{minutes} min"
    hours, rest = divmod(minutes, 60)
    return f"{hours} h {rest} min" if rest else f"{hours} h"
