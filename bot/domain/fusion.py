"""Let a checked opinion move the rules' ranking, but never by more than a cap."""

from dataclasses import dataclass
from math import exp, log
from typing import Final

from bot.domain.diagnosis import Candidate, CandidateId, Likelihood
from bot.domain.grounding import Grounded, GroundedHypothesis

CAP: Final = 1.5  # Log-odds; our choice: odds of 4.5 to 1, whatever a model says.
BETA: Final = 0.5  # Log-odds a step; our choice until labelled incidents can fit it.
NAMED_FROM: Final = 0.5  # Below this probability nothing is named.
MARGIN: Final = 0.15  # Nor when the next candidate is closer than this.
_LEAST: Final = 1e-9
_STEPS: Final = {
    Likelihood.VERY_LIKELY: 2,
    Likelihood.LIKELY: 1,
    Likelihood.UNCLEAR: 0,
    Likelihood.UNLIKELY: -1,
    Likelihood.VERY_UNLIKELY: -2,
}


@dataclass(frozen=True)
class Fused:
    """The candidates in their new order."""

    order: tuple[tuple[CandidateId, float], ...]
    """Best first, with the probability after the opinion; for ordering, not for showing."""
    named: CandidateId | None
    """The first one, when it is likely enough and far enough ahead; `none` may be named too."""
    is_moved: bool
    """An opinion counted. Otherwise the order is the rules' own, and so is what they made of it."""


def fuse(candidates: tuple[Candidate, ...], grounded: Grounded) -> Fused:
    """Return the candidates ranked by prior and opinion together.

    Only hypotheses with ground of their own count: text that anyone could have written moves nothing.
    Probability that *candidates* leave over belongs to changes that were not offered.
    """
    opinion = {h.candidate: _step(h) for h in grounded.hypotheses}
    weights = {
        c.id: exp(log(max(c.prior, _LEAST)) + max(-CAP, min(CAP, BETA * opinion.get(c.id, 0))))
        for c in candidates
    }
    rest = max(0.0, 1.0 - sum(c.prior for c in candidates))
    total = sum(weights.values()) + rest
    before = {c.id: index for index, c in enumerate(candidates)}
    order = sorted(((c, w / total) for c, w in weights.items()), key=lambda pair: (-pair[1], before[pair[0]]))
    return Fused(order=tuple(order), named=_named(order), is_moved=any(opinion.values()))


def _step(hypothesis: GroundedHypothesis) -> int:
    """Return by how many steps the hypothesis may move its candidate."""
    step = _STEPS[hypothesis.likelihood]
    return step if (hypothesis.is_backed if step > 0 else hypothesis.is_cleared) else 0


def _named(order: list[tuple[CandidateId, float]]) -> CandidateId | None:
    if not order:
        return None
    first, share = order[0]
    margin = share - (order[1][1] if len(order) > 1 else 0.0)
    return first if share >= NAMED_FROM and margin >= MARGIN else None
