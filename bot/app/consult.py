"""Ask a model for its opinion of an assessed incident, after the rules have spoken and stand on the card."""

import asyncio
from typing import Final

from bot.app.diagnosing import keep_opinion
from bot.app.opinion import playbook_note, with_opinion, without_opinion
from bot.app.prompting import dossier_of, question_of
from bot.app.rounds import Rounds
from bot.app.thought import Thought, thought_of
from bot.app.wording import change_name
from bot.app.world import World
from bot.domain.audit import Act
from bot.domain.correlation import Ranking
from bot.domain.diagnosis import Dossier, ModelCall
from bot.domain.fusion import Fused, fuse
from bot.domain.grounding import Grounded
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
    thought = await _ask(world, analyst, record, ranking, allowed, deadline_s)
    for call in thought.calls:
        await _audit(world, incident_id, call, thought.grounded)
        world.telemetry.model_called(
            call.failure.value if call.failure else "answered",
            tokens_in=call.tokens_in,
            tokens_out=call.tokens_out,
            cost_usd=call.cost_usd,
        )
    await keep_opinion(
        world,
        record,
        dossier=thought.dossier,
        calls=thought.calls,
        grounded=thought.grounded,
        silence=thought.silence.reason if thought.silence else None,
    )
    assessment = await _assessment(world, record, record.assessment, ranking, thought)
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
) -> Thought:
    """Return what came of the rounds within the deadline."""
    ends_at = asyncio.get_running_loop().time() + deadline_s
    question = question_of(world, record, ranking)
    rounds = Rounds(world, analyst, question, allowed=allowed, ends_at=ends_at)
    try:
        async with asyncio.timeout(deadline_s):
            await rounds.talk(await dossier_of(world, record, ranking, max_calls=allowed))
    except TimeoutError:
        world.telemetry.degraded("model timeout")
    thought = thought_of(rounds, f"no answer within {deadline_s:g} s")
    if thought.silence is not None:
        world.telemetry.degraded(f"model {thought.silence.reason.value}")
    return thought


async def _assessment(
    world: World, record: IncidentRecord, assessment: Assessment, ranking: Ranking, thought: Thought
) -> Assessment:
    """Return the assessment with another text and order; ranking, suspect and digest stay."""
    if thought.answer is None:
        cause = without_opinion(assessment.cause, ranking, thought)
        return assessment.model_copy(update={"cause": cause})
    dossier, grounded = thought.answer.dossier, thought.answer.grounded
    fused = fuse(dossier.candidates, grounded)
    proposals = await world.gate.proposals(record.id)
    note = playbook_note(world, grounded, proposals[-1] if proposals else None)
    notes = [*assessment.notes, *([note] if note else []), *_differs(ranking, dossier, fused)]
    return assessment.model_copy(
        update={
            "cause": with_opinion(world, assessment.cause, ranking, thought.answer, thought.calls, fused),
            "notes": tuple(dict.fromkeys(notes)),
        }
    )


def _differs(ranking: Ranking, dossier: Dossier, fused: Fused) -> list[str]:
    """Say so when the rules named another suspect than now stands first."""
    named = next((s.change for s in ranking.suspects if s.change.id == ranking.named), None)
    first = dossier.candidate(fused.order[0][0]) if fused.order and fused.is_moved else None
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
