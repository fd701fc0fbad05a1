"""An analyst that says what it was told to say; the memory twin of the real one."""

from collections.abc import Sequence

from bot.domain.diagnosis import Diagnosis, Dossier, ModelCall, NoDiagnosis, Silence, Verdict

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
        failure = answer if isinstance(answer, Silence) else None
        call = ModelCall(
            model=MODEL,
            response_model=MODEL,
            prompt=PROMPT,
            input_sha256=dossier.input_sha256,
            milliseconds=0,
            finish_reason="" if failure else "stop",
            failure=failure,
        )
        if isinstance(answer, Verdict):
            return Diagnosis(verdict=answer, calls=(call,))
        return NoDiagnosis(reason=answer, words="as scripted", calls=(call,))
