"""The rounds of a consultation: an answer, further evidence if the model asks for some, one repair."""

import asyncio
from dataclasses import dataclass
from typing import Final

from bot.app.findings import Question
from bot.app.further import with_further_evidence
from bot.app.world import World
from bot.domain.diagnosis import Diagnosis, Dossier, ModelCall, NoDiagnosis, Repair
from bot.domain.grounding import Grounded, ground
from bot.ports import Analyst

MARGIN_S: Final = 0.5
"""Left after an answer, so that the analyst itself ends a call and can say what it used."""
LEAST_S: Final = 1.0
"""With less left, no further round begins."""
MOST_PROBLEMS: Final = 20


@dataclass(frozen=True)
class Answered:
    """An answer, what it was given, and what of it holds."""

    dossier: Dossier
    said: Diagnosis
    grounded: Grounded

    @property
    def strength(self) -> tuple[int, int]:
        """What makes one answer better than another: more that holds, then less that does not."""
        return len(self.grounded.hypotheses), -self.grounded.dropped_claims


class Rounds:
    """One consultation's way to the analyst. What it came to stays when a deadline cuts it short."""

    def __init__(
        self, world: World, analyst: Analyst, question: Question, *, allowed: int, ends_at: float
    ) -> None:
        """Allow *allowed* calls until *ends_at* by the event loop's clock."""
        self._world = world
        self._analyst = analyst
        self._question = question
        self._allowed = allowed
        self._ends_at = ends_at
        self.best: Answered | None = None
        """The answer that holds best so far."""
        self.silence: NoDiagnosis | None = None
        """Why there is no answer at all, when the analyst said so."""
        self.asked: Dossier | None = None
        """What the analyst was asked last."""
        self.calls: list[ModelCall] = []
        """Every call that was made, also those that came to nothing."""

    async def talk(self, dossier: Dossier) -> None:
        """Ask, at most three times: for an answer, with further evidence, and for a repair."""
        said = await self._diagnose(dossier)
        if isinstance(said, NoDiagnosis):
            self.silence = said
            return
        self.best = Answered(dossier, said, ground(said.verdict, dossier))
        self.best = await self._informed(self.best)
        self.best = await self._repaired(self.best)

    async def _informed(self, first: Answered) -> Answered:
        """Give the model what it asked for, once; an answer that then holds replaces the first."""
        needs = first.said.verdict.need_evidence
        if not needs or not first.dossier.may_ask or not self._may_go_on():
            return first
        dossier = await with_further_evidence(self._world, self._question, first.dossier, needs)
        if dossier is None or not self._may_go_on():
            return first
        again = await self._diagnose(dossier)
        if isinstance(again, NoDiagnosis):
            return first
        second = Answered(dossier, again, ground(again.verdict, dossier))
        has_fallen = again.verdict.ranked and not second.grounded.hypotheses
        return first if has_fallen and first.grounded.hypotheses else second

    async def _repaired(self, first: Answered) -> Answered:
        """Show the model its faults, once; keep whichever answer holds better."""
        if not first.grounded.problems or not self._may_go_on():
            return first
        repair = Repair(
            previous=self._world.redactor.redact(first.said.verdict.model_dump_json()).text,
            problems=tuple(str(problem) for problem in first.grounded.problems[:MOST_PROBLEMS]),
        )
        again = await self._diagnose(first.dossier.model_copy(update={"repair": repair, "may_ask": False}))
        if isinstance(again, NoDiagnosis):
            return first
        second = Answered(first.dossier, again, ground(again.verdict, first.dossier))
        return second if second.strength >= first.strength else first

    async def _diagnose(self, dossier: Dossier) -> Diagnosis | NoDiagnosis:
        limits = {
            "max_calls": self._allowed - len(self.calls),
            "within_s": max(0.1, self._seconds_left()),
        }
        self.asked = dossier
        said = await self._analyst.diagnose(dossier.model_copy(update=limits))
        self.calls += said.calls
        return said

    def _may_go_on(self) -> bool:
        return len(self.calls) < self._allowed and self._seconds_left() >= LEAST_S

    def _seconds_left(self) -> float:
        """Return how long an analyst may take so that it ends by itself before the deadline."""
        return self._ends_at - asyncio.get_running_loop().time() - MARGIN_S
