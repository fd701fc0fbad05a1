"""Ask a model for its opinion of an assessed incident, after the rules have spoken and stand on the card."""

import asyncio
from typing import Final

from bot.app.opinion import playbook_note, with_opinion, without_opinion
from bot.app.prompting import dossier_of
from bot.app.wording import change_name
from bot.app.world import World
from bot.domain.audit import Act
from bot.domain.correlation import Ranking
from bot.domain.diagnosis import Diagnosis, Dossier, ModelCall, NoDiagnosis, Repair, Silence
from bot.domain.fusion import Fused, fuse
from bot.domain.grounding import Grounded, ground
from bot.domain.ids import IncidentId
from bot.domain.record import Assessment, IncidentRecord
from bot.ports import Analyst

DEADLINE_S: Final = 20.0
"""For evidence, calls and repairs together; the card stands long before."""
MOST_CALLS: Final = 4
CALLS_IN_A_STORM: Final = 2
STORM: Final = 20
"""More open incidents than this are a storm."""
MODEL_CALLED: Final = "model_called"
MARGIN_S: Final = 0.5
"""Left after an answer, so that the analyst itself ends a call and can say what it used."""
LEAST_S: Final = 1.0
"""With less left, no repair is asked for."""


async def consult(
    world: World, analyst: Analyst, incident_id: IncidentId, *, deadline_s: float = DEADLINE_S
) -> bool:
    """Ask *analyst* and put its checked opinion, or its silence, on the record; True when the card changed.

    It changes the words about the cause and the order of the suspects, never the ranking, the suspect or the
    proposal. An incident that was resolved, or assessed anew meanwhile, is left as it is.
    """
    record = await world.book.get(incident_id)
    if record is None or record.assessment is None or not record.incident.is_open:
        return False
    ranking = record.assessment.ranking
    allowed = await _calls_left(world, incident_id)
    if ranking is None or allowed == 0:
        return False
    dossier, said, grounded = await _ask(world, analyst, record, ranking, allowed, deadline_s)
    for call in said.calls:
        await _audit(world, incident_id, call, grounded)
        world.telemetry.model_called(
            call.failure.value if call.failure else "answered",
            tokens_in=call.tokens_in,
            tokens_out=call.tokens_out,
            cost_usd=call.cost_usd,
        )
    assessment = await _assessment(world, record, ranking, dossier, said, grounded)
    now = await world.book.get(incident_id)
    if now is None or not now.incident.is_open or now.assessment != record.assessment:
        return False
    await world.book.assess(incident_id, assessment)
    return True


async def _calls_left(world: World, incident_id: IncidentId) -> int:
    made = 0
    for entry in await world.audit.entries(incident_id):
        made = 0 if entry.act == Act.REOPENED else made + (entry.act == MODEL_CALLED)
    most = CALLS_IN_A_STORM if len(await world.book.open()) > STORM else MOST_CALLS
    return max(0, most - made)


async def _ask(
    world: World,
    analyst: Analyst,
    record: IncidentRecord,
    ranking: Ranking,
    allowed: int,
    deadline_s: float,
) -> tuple[Dossier | None, Diagnosis | NoDiagnosis, Grounded | None]:
    """Return the dossier, what came of it, and what of the answer holds."""
    dossier: Dossier | None = None
    said: Diagnosis | NoDiagnosis = NoDiagnosis(
        reason=Silence.TIMEOUT, words=f"no answer within {deadline_s:g} s"
    )
    grounded: Grounded | None = None
    ends_at = asyncio.get_running_loop().time() + deadline_s
    try:
        async with asyncio.timeout(deadline_s):
            dossier = await dossier_of(world, record, ranking, max_calls=allowed)
            said = await analyst.diagnose(dossier.model_copy(update={"within_s": _seconds_to(ends_at)}))
            if isinstance(said, Diagnosis):
                grounded = ground(said.verdict, dossier)
                if grounded.problems and allowed > len(said.calls) and _seconds_to(ends_at) >= LEAST_S:
                    said, grounded = await _repaired(world, analyst, dossier, said, grounded, ends_at)
    except TimeoutError:
        world.telemetry.degraded("model timeout")
    if isinstance(said, NoDiagnosis):
        world.telemetry.degraded(f"model {said.reason.value}")
    elif grounded is not None and said.verdict.ranked and not grounded.hypotheses:
        said = NoDiagnosis(
            reason=Silence.UNGROUNDED, words="nothing of its answer rests on the evidence", calls=said.calls
        )
    return dossier, said, grounded


async def _repaired(
    world: World,
    analyst: Analyst,
    dossier: Dossier,
    said: Diagnosis,
    grounded: Grounded,
    ends_at: float,
) -> tuple[Diagnosis, Grounded]:
    """Show the model its faults once; keep whichever answer holds better."""
    repair = Repair(
        previous=world.redactor.redact(said.verdict.model_dump_json()).text,
        problems=tuple(str(problem) for problem in grounded.problems[:20]),
    )
    more = {
        "repair": repair,
        "max_calls": dossier.max_calls - len(said.calls),
        "within_s": _seconds_to(ends_at),
    }
    again = await analyst.diagnose(dossier.model_copy(update=more))
    calls = (*said.calls, *again.calls)
    if isinstance(again, NoDiagnosis):
        return said.model_copy(update={"calls": calls}), grounded
    second = ground(again.verdict, dossier)
    if _strength(second) < _strength(grounded):
        return said.model_copy(update={"calls": calls}), grounded
    return again.model_copy(update={"calls": calls}), second


def _seconds_to(ends_at: float) -> float:
    """Return how long an analyst may take so that it ends by itself before the deadline."""
    return max(0.1, ends_at - asyncio.get_running_loop().time() - MARGIN_S)


def _strength(grounded: Grounded) -> tuple[int, int]:
    return len(grounded.hypotheses), -grounded.dropped_claims


async def _assessment(
    world: World,
    record: IncidentRecord,
    ranking: Ranking,
    dossier: Dossier | None,
    said: Diagnosis | NoDiagnosis,
    grounded: Grounded | None,
) -> Assessment:
    """Return the assessment with another text and order; ranking, suspect and digest stay."""
    assessment = record.assessment
    if assessment is None:
        raise ValueError(f"{record.id} is not assessed")
    if isinstance(said, NoDiagnosis) or dossier is None or grounded is None:
        silence = said if isinstance(said, NoDiagnosis) else NoDiagnosis(reason=Silence.TIMEOUT, words="")
        cause = without_opinion(assessment.cause, ranking, silence)
        return assessment.model_copy(update={"cause": cause})
    fused = fuse(dossier.candidates, grounded)
    proposals = await world.gate.proposals(record.id)
    note = playbook_note(world, grounded, proposals[-1] if proposals else None)
    notes = [*assessment.notes, *([note] if note else []), *_differs(ranking, dossier, fused)]
    return assessment.model_copy(
        update={
            "cause": with_opinion(world, assessment.cause, ranking, dossier, said, grounded, fused),
            "notes": tuple(dict.fromkeys(notes)),
        }
    )


def _differs(ranking: Ranking, dossier: Dossier, fused: Fused) -> list[str]:
    """Say so when the rules named another suspect than now stands first."""
    named = next((s.change for s in ranking.suspects if s.change.id == ranking.named), None)
    first = dossier.candidate(fused.order[0][0]) if fused.order else None
    if named is None or first is None or first.change == named.id:
        return []
    return [f"The rules name {change_name(named)}; a playbook that is proposed follows the rules."]


async def _audit(world: World, incident: IncidentId, call: ModelCall, grounded: Grounded | None) -> None:
    problems = ", ".join(sorted({p.fault.value for p in grounded.problems})) if grounded else "not reached"
    await world.audit.append(
        MODEL_CALLED,
        actor="handrail",
        incident=incident,
        body={
            "model": call.model,
            "response_model": call.response_model,
            "prompt": call.prompt,
            "input_sha256": call.input_sha256,
            "tokens_in": call.tokens_in,
            "tokens_cached": call.tokens_cached,
            "tokens_out": call.tokens_out,
            "tokens_are_estimated": call.is_estimate,
            "milliseconds": call.milliseconds,
            "finish_reason": call.finish_reason,
            "level": call.level.value,
            "failure": call.failure.value if call.failure else None,
            "cost_usd": str(call.cost_usd) if call.cost_usd is not None else None,
            "validator": problems or "grounded",
            "dropped_claims": grounded.dropped_claims if grounded else 0,
        },
    )
