"""Check the rules' finding against a model's opinion: agreement adds nothing, doubt lowers the confidence."""

from dataclasses import dataclass
from typing import Final

from bot.domain.diagnosis import CandidateId, Likelihood
from bot.domain.grounding import Grounded, GroundedHypothesis

# Our choices: words of a model take a fifth, a measurement that speaks against the suspect takes half.
DISAGREES: Final = 0.8
CLEARED: Final = 0.5
_UNLIKELY: Final = (Likelihood.UNLIKELY, Likelihood.VERY_UNLIKELY)
_LIKELY: Final = (Likelihood.LIKELY, Likelihood.VERY_LIKELY)


@dataclass(frozen=True)
class Verified:
    """A confidence that is at most the one before, and why it is lower; blank when it is not."""

    confidence: float
    why: str = ""


def verify(confidence: float, first: CandidateId, grounded: Grounded) -> Verified:
    """Return *confidence* in *first*, lowered when what holds of an opinion speaks against it."""
    own = next((h for h in grounded.hypotheses if h.candidate == first), None)
    if own is not None and own.is_cleared and own.likelihood in _UNLIKELY:
        return Verified(confidence * CLEARED, "a measurement speaks against the first suspect")
    if _disagrees(own, grounded.hypotheses):
        return Verified(confidence * DISAGREES, "the model holds another explanation likelier")
    return Verified(confidence)


def _disagrees(own: GroundedHypothesis | None, said: tuple[GroundedHypothesis, ...]) -> bool:
    if own is not None and own.likelihood in _UNLIKELY:
        return True
    likely = [h for h in said if h.likelihood in _LIKELY]
    return bool(likely) and own not in likely
