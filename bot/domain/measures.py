"""How good a ranking, a confidence or a grouping was, in numbers."""

from collections import Counter
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import ceil

DEFAULT_BINS = 10  # Our choice, and the usual one for expected calibration error.


@dataclass(frozen=True)
class Judged:
    """One ranked case beside its truth; ids as text, so that any ranker can be measured."""

    ranking: tuple[str, ...]
    confidence: float
    truth: str | None
    """None: no listed change was behind the alerts, so blaming any is wrong."""
    named: str | None = None

    @property
    def is_positive(self) -> bool:
        return self.truth is not None

    @property
    def is_right(self) -> bool:
        """Return whether the first suspect is the culprit."""
        return self.truth is not None and self.ranking[:1] == (self.truth,)


def top(judged: Sequence[Judged], count: int) -> float | None:
    """Return the share of positive cases whose culprit is among the first *count*; None without any."""
    positive = [case for case in judged if case.is_positive]
    if not positive:
        return None
    return sum(case.truth in case.ranking[:count] for case in positive) / len(positive)


def mean_reciprocal_rank(judged: Sequence[Judged]) -> float | None:
    """Return the mean of 1/rank of the culprit, 0 where it is not ranked; None without positive cases."""
    positive = [case for case in judged if case.is_positive]
    if not positive:
        return None
    return sum(
        1.0 / (case.ranking.index(case.truth) + 1) for case in positive if case.truth in case.ranking
    ) / len(positive)


def auroc(judged: Sequence[Judged]) -> float | None:
    """Return the chance that a right first suspect has more confidence than a wrong one; ties count half.

    None when all are right or all are wrong.
    """
    right = [case.confidence for case in judged if case.is_right]
    wrong = [case.confidence for case in judged if not case.is_right]
    if not right or not wrong:
        return None
    wins = sum((good > bad) + 0.5 * (good == bad) for good in right for bad in wrong)
    return wins / (len(right) * len(wrong))


def keeping_confidence(judged: Sequence[Judged], share: float = 0.8) -> float | None:
    """Return the highest confidence at which *share* of the right first suspects are still kept."""
    right = sorted((case.confidence for case in judged if case.is_right), reverse=True)
    return right[ceil(share * len(right)) - 1] if right else None


def negatives_blamed(judged: Sequence[Judged], *, confidence: float) -> float | None:
    """Return the share of negative cases that blame a change with at least *confidence*."""
    negative = [case for case in judged if not case.is_positive]
    if not negative:
        return None
    return sum(bool(case.ranking) and case.confidence >= confidence for case in negative) / len(negative)


def negatives_named(judged: Sequence[Judged]) -> float | None:
    """Return the share of negative cases in which a change is named."""
    negative = [case for case in judged if not case.is_positive]
    return sum(case.named is not None for case in negative) / len(negative) if negative else None


def brier(judged: Sequence[Judged]) -> float | None:
    """Return the mean squared distance between confidence and being right: 0 is best, 0.25 is a coin."""
    if not judged:
        return None
    return sum((case.confidence - case.is_right) ** 2 for case in judged) / len(judged)


@dataclass(frozen=True)
class Bin:
    """Cases of similar confidence: what was claimed and what came true."""

    confidence: float
    accuracy: float
    count: int


def reliability(judged: Sequence[Judged], *, bins: int = DEFAULT_BINS) -> tuple[Bin, ...]:
    """Return the filled bins of equal width, lowest confidence first."""
    filled: dict[int, list[Judged]] = {}
    for case in judged:
        filled.setdefault(min(bins - 1, int(case.confidence * bins)), []).append(case)
    return tuple(
        Bin(
            confidence=sum(case.confidence for case in cases) / len(cases),
            accuracy=sum(case.is_right for case in cases) / len(cases),
            count=len(cases),
        )
        for _, cases in sorted(filled.items())
    )


def expected_calibration_error(judged: Sequence[Judged], *, bins: int = DEFAULT_BINS) -> float | None:
    """Return the mean distance between claim and truth over the bins, weighted by their size."""
    if not judged:
        return None
    return sum(b.count * abs(b.confidence - b.accuracy) for b in reliability(judged, bins=bins)) / len(judged)


@dataclass(frozen=True)
class GroupingScore:
    """How well alerts were put together."""

    reduction: float
    """1 - groups / alerts: 0.75 means four alerts to an incident."""
    precision: float
    recall: float
    f1: float
    """Of pairs of alerts that are together."""
    mixed: float
    """Share of the groups made that hold alerts of more than one true group."""


def score_grouping(made: Mapping[str, Hashable], truth: Mapping[str, Hashable]) -> GroupingScore | None:
    """Return how well the groups *made* match *truth*, both by alert id; None when no alert has both."""
    both = [alert for alert in made if alert in truth]
    if not both:
        return None
    cells = Counter((made[alert], truth[alert]) for alert in both)
    ours, theirs = Counter(made[alert] for alert in both), Counter(truth[alert] for alert in both)
    together, claimed, real = _pairs(cells.values()), _pairs(ours.values()), _pairs(theirs.values())
    precision = together / claimed if claimed else 1.0
    recall = together / real if real else 1.0
    f1 = 2 * precision * recall / (precision + recall) if precision + recall else 0.0
    mixed = sum(len({true for group, true in cells if group == found}) > 1 for found in ours)
    return GroupingScore(1.0 - len(ours) / len(both), precision, recall, f1, mixed / len(ours))


def _pairs(counts: Iterable[int]) -> int:
    return sum(count * (count - 1) // 2 for count in counts)
