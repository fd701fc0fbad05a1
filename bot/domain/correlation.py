"""Rank the changes that could be behind a group of alerts, and say when none is."""

from dataclasses import dataclass
from enum import StrEnum
from math import exp, log

from pydantic import AwareDatetime, Field

from bot.domain.change import ChangeEvent
from bot.domain.correlation_case import Case, Feature, Term
from bot.domain.correlation_terms import features_of
from bot.domain.evidence import Coverage
from bot.domain.frozen import Frozen
from bot.domain.glance import likeliest
from bot.domain.ids import ChangeId
from bot.domain.nothing_terms import nothing_features
from bot.domain.onset import SymptomClass
from bot.domain.rollback import looks_like_a_fix
from bot.domain.scene import Scene
from bot.domain.symptoms import read_symptoms
from bot.domain.text_terms import Reading, text_features
from bot.domain.weights import Weights

__all__ = ["Case", "Measured", "Nothing", "Outcome", "Ranking", "Suspect", "Term", "measure", "rank_suspects"]

MOST_READ = 50
"""Candidates that are weighed in full: our choice, beyond them no words make up for time and place."""
MOST_READ_UNPLACED = 200
"""The same where no alert has a service: there words are what tells candidates apart."""


# Plain values: to validate what was worked out a line before takes a tenth of the time.
@dataclass(frozen=True, slots=True)
class Suspect:
    """A change that could be behind the alerts, with every reason for and against."""

    change: ChangeEvent
    log_odds: float
    probability: float
    terms: tuple[Term, ...]


@dataclass(frozen=True, slots=True)
class Nothing:
    """The candidate that no recorded change is behind the alerts."""

    log_odds: float
    probability: float
    terms: tuple[Term, ...]


class Outcome(StrEnum):
    """What the ranking comes to."""

    CHANGE_SUSPECTED = "change_suspected"
    CANNOT_SEPARATE = "cannot_separate"
    NOTHING_SUSPECTED = "nothing_suspected"


class Ranking(Frozen):
    """The answer: suspects best first, and whether one may be named."""

    onset: AwareDatetime
    suspects: tuple[Suspect, ...]
    nothing: Nothing
    outcome: Outcome
    named: ChangeId | None
    confidence: float = Field(ge=0, le=1)
    """Calibrated probability that the first suspect is the culprit; 0 when there is none."""
    coverage: Coverage
    mitigations: tuple[ChangeEvent, ...]
    """Changes after the onset that look like somebody's fix."""
    weights_version: str
    told: bool = False
    """A person's words are what is known of the symptoms: the confidence is calibrated apart."""


@dataclass(frozen=True, slots=True)
class Measured:
    """A case before any weight: what fitting learns from."""

    onset: AwareDatetime
    told: bool
    """A person's words are what is known of the symptoms."""
    candidates: tuple[tuple[ChangeEvent, tuple[Feature, ...]], ...]
    nothing: tuple[Feature, ...]


def measure(case: Case, weights: Weights) -> Measured:
    """Return the features of every candidate of *case*, and those of "nothing changed".

    Reading text takes most of the time, so of many changes only the best by time, place and risk are
    weighed; the others are no suspects.
    """
    symptoms = read_symptoms(case)
    scene = Scene.of(case, symptoms, weights.half_lives)
    began = [change for change in case.changes if change.began_at <= symptoms.onset]
    most = MOST_READ_UNPLACED if symptoms.inferred else MOST_READ
    found = likeliest(began, scene, weights.values, most)
    plain = features_of(found, scene)
    reading = Reading.of(found, scene)
    return Measured(
        onset=symptoms.onset,
        told=symptoms.pace is SymptomClass.TOLD,
        candidates=tuple(
            [(change, (*plain[change.id], *text_features(change, reading))) for change in found]
        ),
        nothing=nothing_features(case, scene),
    )


def rank_suspects(case: Case, weights: Weights) -> Ranking:
    """Return the changes of *case* that began before the onset, most likely culprit first.

    The order of the input does not matter; ties go to the newer change, then to the id.
    """
    measured = measure(case, weights)
    weighed = [(change, _weigh(features, weights)) for change, features in measured.candidates]
    against = _weigh(measured.nothing, weights)
    scores = [_total(terms) for _, terms in weighed]
    nothing_score = _total(against)
    shares = _softmax([*scores, nothing_score])
    suspects = [
        Suspect(change, score, share, terms)
        for (change, terms), score, share in zip(weighed, scores, shares, strict=False)
    ]
    suspects.sort(key=lambda s: (-s.log_odds, -s.change.live_at.timestamp(), s.change.id))
    nothing = Nothing(log_odds=nothing_score, probability=shares[-1], terms=against)
    coverage = case.evidence.coverage
    confidence = _confidence(suspects, coverage, weights, told=measured.told)
    outcome = _decide(suspects, nothing, confidence, coverage, weights)
    return Ranking(
        onset=measured.onset,
        suspects=tuple(suspects),
        nothing=nothing,
        outcome=outcome,
        named=suspects[0].change.id if outcome is Outcome.CHANGE_SUSPECTED else None,
        confidence=confidence,
        coverage=coverage,
        mitigations=_mitigations(case, measured.onset),
        weights_version=weights.version,
        told=measured.told,
    )


def _weigh(features: tuple[Feature, ...], weights: Weights) -> tuple[Term, ...]:
    values = weights.values
    return tuple([Term(f.name, f.value * values[f.name], f.sentence) for f in features])


def _total(terms: tuple[Term, ...]) -> float:
    return sum([term.log_odds for term in terms])


def _softmax(scores: list[float]) -> list[float]:
    top = max(scores)
    powers = [exp(score - top) for score in scores]
    total = sum(powers)
    return [power / total for power in powers]


def _confidence(suspects: list[Suspect], coverage: Coverage, weights: Weights, *, told: bool) -> float:
    if not suspects:
        return 0.0
    raw = min(1.0 - 1e-9, max(1e-9, suspects[0].probability))
    calibrated = weights.calibrated(log(raw / (1.0 - raw)), told=told)
    # A source that did not answer may hold the real culprit, so it caps what may be claimed.
    return min(calibrated, coverage.share) if coverage.unreachable else calibrated


def _decide(
    suspects: list[Suspect], nothing: Nothing, confidence: float, coverage: Coverage, weights: Weights
) -> Outcome:
    rule = weights.decision
    if not suspects or nothing.probability >= suspects[0].probability or confidence < rule.threshold:
        runner_up = suspects[1].probability if len(suspects) > 1 else 0.0
        close = bool(suspects) and suspects[0].probability - runner_up < rule.margin
        together = sum(suspect.probability for suspect in suspects[:2])
        if close and together > 1.0 - rule.threshold and together > nothing.probability:
            return Outcome.CANNOT_SEPARATE
        return Outcome.NOTHING_SUSPECTED
    runner_up = suspects[1].probability if len(suspects) > 1 else 0.0
    if suspects[0].probability - runner_up < rule.margin or coverage.share < rule.coverage:
        return Outcome.CANNOT_SEPARATE
    return Outcome.CHANGE_SUSPECTED


def _mitigations(case: Case, onset: AwareDatetime) -> tuple[ChangeEvent, ...]:
    later = [change for change in case.changes if change.began_at > onset and looks_like_a_fix(change)]
    return tuple(sorted(later, key=lambda change: (change.began_at, change.id)))
