"""What a consultation came to: an answer that holds, or why there is none."""

from dataclasses import dataclass

from bot.app.rounds import Answered, Rounds
from bot.domain.diagnosis import Dossier, ModelCall, NoDiagnosis, Silence
from bot.domain.grounding import Grounded


@dataclass(frozen=True)
class Thought:
    """The answer that stands, or why there is none, and every call that was made for it."""

    answer: Answered | None
    silence: NoDiagnosis | None
    calls: tuple[ModelCall, ...]
    dossier: Dossier | None
    """What the answer was given, or the analyst was asked last; None when it was never complete."""
    grounded: Grounded | None = None
    """What was left of the last answer, also when that was nothing."""


def thought_of(rounds: Rounds, late: str) -> Thought:
    """Return what *rounds* came to; *late* are the words for an answer that did not come in time."""
    calls, best = tuple(rounds.calls), rounds.best
    if best is None:
        silence = rounds.silence or NoDiagnosis(reason=Silence.TIMEOUT, words=late)
        return Thought(None, silence, calls, rounds.asked)
    if best.said.verdict.ranked and not best.grounded.hypotheses:
        words = "nothing of its answer rests on the evidence"
        silence = NoDiagnosis(reason=Silence.UNGROUNDED, words=words)
        return Thought(None, silence, calls, best.dossier, best.grounded)
    return Thought(best, None, calls, best.dossier, best.grounded)
