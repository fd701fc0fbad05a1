"""An analyst and a respondent that say what they were told to say: the memory twins of the real ones."""

from collections.abc import Sequence

from bot.domain.diagnosis import Diagnosis, Dossier, ModelCall, NoDiagnosis, Silence, Verdict
from bot.domain.ids import Digest
from bot.domain.reply import LookUp, Replied, Reply, WordsAsked
from bot.ports import LookingUp

MODEL = "scripted"
PROMPT = "none@v0+000000000000"


class ScriptedAnalyst:
    """Implements `Analyst`: gives its answers in turn, the last one ever after; keeps what it was asked."""

    def __init__(self, answers: Sequence[Verdict | Silence]) -> None:
        if not answers:
            raise ValueError("A scripted analyst needs at least one answer.")
        self._answers = list(answers)
        self.asked: list[Dossier] = []

    async def diagnose(self, dossier: Dossier) -> Diagnosis | NoDiagnosis:
        self.asked.append(dossier)
        answer = self._answers[min(len(self.asked), len(self._answers)) - 1]
        call = _call(dossier.input_sha256, answer)
        if isinstance(answer, Verdict):
            return Diagnosis(verdict=answer, calls=(call,))
        return NoDiagnosis(reason=answer, words="as scripted", calls=(call,))


class ScriptedRespondent:
    """Implements `Respondent`: looks up what it was told to, and gives its answer; keeps what was asked."""

    def __init__(self, answer: Reply | Silence, *look_ups: LookUp) -> None:
        self._answer = answer
        self._look_ups = look_ups
        self.asked: list[WordsAsked] = []

    async def reply(self, asked: WordsAsked, look_up: LookingUp) -> Replied | NoDiagnosis:
        self.asked.append(asked)
        for one in self._look_ups:
            await look_up(one)
        call = _call(asked.input_sha256, self._answer)
        if isinstance(self._answer, Reply):
            return Replied(reply=self._answer, calls=(call,))
        return NoDiagnosis(reason=self._answer, words="as scripted", calls=(call,))


def _call(input_sha256: Digest, answer: object) -> ModelCall:
    failure = answer if isinstance(answer, Silence) else None
    return ModelCall(
        model=MODEL,
        response_model=MODEL,
        prompt=PROMPT,
        input_sha256=input_sha256,
        milliseconds=0,
        finish_reason="" if failure else "stop",
        failure=failure,
    )
