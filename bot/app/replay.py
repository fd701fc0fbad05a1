"""Think again about recorded diagnoses, with other weights, another prompt or another model."""

from dataclasses import dataclass
from datetime import datetime

from bot.app.diagnosing import Choice
from bot.domain.correlation import rank_suspects
from bot.domain.correlation_case import Case
from bot.domain.diagnosed import Diagnosed, Opined
from bot.domain.diagnosis import Diagnosis, Dossier
from bot.domain.grounding import ground
from bot.domain.ids import ChangeId, IncidentId
from bot.domain.label import Settled
from bot.domain.weights import Weights
from bot.ports import Analyst


@dataclass(frozen=True)
class Answer:
    """What was said of one case."""

    first: ChangeId | None
    named: ChangeId | None
    confidence: float | None
    by: str
    """The version of the weights, or the model and its prompt."""
    is_right: bool | None
    """What the labels say of naming this change; None when they do not tell, or nothing is named."""


@dataclass(frozen=True)
class Replayed:
    """One recorded diagnosis, before and after."""

    id: str
    incident: IncidentId
    at: datetime
    before: Answer
    after: Answer | None
    """None when it could not be thought again."""
    why: str = ""
    """Why not, or what makes the comparison weaker."""
    is_labelled: bool = False

    @property
    def first_changed(self) -> bool:
        return self.after is not None and self.after.first != self.before.first

    @property
    def named_changed(self) -> bool:
        return self.after is not None and self.after.named != self.before.named


TRIMMED = "the case was too large to be kept whole"
UNREADABLE = "the recorded inputs cannot be read by this version"


def replay_rules(diagnosis: Diagnosed, case: Case, weights: Weights, settled: Settled) -> Replayed:
    """Rank the recorded *case* with *weights*, beside what was said then."""
    ranking = rank_suspects(case, weights)
    first = ranking.suspects[0].change.id if ranking.suspects else None
    return Replayed(
        id=diagnosis.id,
        incident=diagnosis.incident,
        at=diagnosis.at,
        before=_rules_before(diagnosis, settled),
        after=Answer(
            first, ranking.named, ranking.confidence, weights.version, settled.judges(ranking.named)
        ),
        why=TRIMMED if diagnosis.is_trimmed else "",
        is_labelled=settled.is_known,
    )


def unreadable(diagnosis: Diagnosed, settled: Settled) -> Replayed:
    """Return a diagnosis that could not be thought again."""
    before = _rules_before(diagnosis, settled)
    return Replayed(
        diagnosis.id, diagnosis.incident, diagnosis.at, before, None, UNREADABLE, settled.is_known
    )


def _rules_before(diagnosis: Diagnosed, settled: Settled) -> Answer:
    return Answer(
        diagnosis.first,
        diagnosis.named,
        diagnosis.confidence,
        diagnosis.weights_version,
        settled.judges(diagnosis.named),
    )


async def replay_opinion(
    analyst: Analyst,
    opinion: Opined,
    dossier: Dossier | None,
    settled: Settled,
    *,
    named_by_rules: ChangeId | None,
) -> Replayed:
    """Ask *analyst* once about the recorded *dossier*; its tools' results are those of then."""
    before = Answer(
        opinion.first,
        opinion.named,
        opinion.share,
        _speaker(opinion.model, opinion.prompt),
        settled.judges(opinion.named),
    )
    after, why = None, UNREADABLE
    if dossier is not None:
        said = await analyst.diagnose(dossier)
        if isinstance(said, Diagnosis):
            grounded = ground(said.verdict, dossier)
            choice = Choice.of(dossier, grounded, named_by_rules=named_by_rules)
            by = _speaker(said.model, said.calls[-1].prompt)
            after = Answer(choice.first, choice.named, choice.share, by, settled.judges(choice.named))
            why = ""
        else:
            why = f"the model did not answer ({said.reason.value}: {said.words})"
    return Replayed(
        opinion.id[:12], opinion.incident, opinion.at, before, after, why, is_labelled=settled.is_known
    )


def _speaker(model: str, prompt: str) -> str:
    return f"{model} {prompt}".strip() or "no model"
