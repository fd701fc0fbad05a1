"""Word a model's checked opinion for the card: our sentences, its claims, and no address of its own."""

import re
from decimal import Decimal
from math import log
from typing import Final

from bot.app.rounds import Answered
from bot.app.thought import Thought
from bot.app.tools import plain
from bot.app.wording import MODEL_SILENT, cause_in_words
from bot.app.world import World
from bot.domain.card import Cause
from bot.domain.correlation import Outcome, Ranking
from bot.domain.diagnosis import (
    NONE_OF_THESE,
    CandidateId,
    Diagnosis,
    Dossier,
    Level,
    ModelCall,
    NoDiagnosis,
    Silence,
    ToolName,
    ToolStatus,
)
from bot.domain.evidence import Coverage
from bot.domain.fusion import Fused
from bot.domain.grounding import Grounded, GroundedHypothesis
from bot.domain.plan import Plan
from bot.domain.proposal import ProposalRecord
from bot.domain.verification import verify

_ADDRESS: Final = re.compile(
    r"!?\[[^\]]*\]\([^)]*\)"  # a link or picture in Markdown
    r"|<[a-z!@#][^<>\s]*(?:\|[^<>]*)?>(?<!:[0-9a-f]{6}>)"  # Slack's links and mentions, no pseudonym
    r"|\b[a-z][a-z0-9+.-]*:\s?//\S*"
    r"|\b(?:mailto|javascript|data|tel):\S+"
    r"|\bwww\.\S+"
    r"|\b(?:[a-z0-9-]+\.)+[a-z]{2,}(?::\d+)?/\S*"  # a host with a path
    r"|\b(?:[a-z0-9-]+\.)+(?:com|net|org|io|dev|app|co|ai|example|test|xyz|site|link|info|me)\b",
    re.IGNORECASE,
)
REMOVED: Final = "(address removed)"


def harmless(world: World, text: str) -> str:
    """Return a model's text on one line, redacted again and without addresses or mentions."""
    seen = ""
    said = plain(text)
    while said != seen:  # Taking an address away can bring the two ends of another together.
        seen, said = said, _ADDRESS.sub(REMOVED, said)
    return world.redactor.redact(said).text


def with_opinion(
    world: World,
    cause: Cause,
    ranking: Ranking,
    answer: Answered,
    calls: tuple[ModelCall, ...],
    fused: Fused,
) -> Cause:
    """Return the cause with its suspects in the fused order and the model's claims as prose.

    Every probability stays the rules' own; the confidence does too, or is lower.
    """
    reordered = _reordered(world, ranking, answer.dossier, fused)
    named = next((c.id for c in answer.dossier.candidates if c.change and c.change == reordered.named), None)
    doubt: tuple[str, ...] = ()
    if named is not None:
        verified = verify(reordered.confidence, named, answer.grounded)
        reordered = reordered.model_copy(update={"confidence": verified.confidence})
        doubt = (f"{verified.why}: the confidence is lower",) if verified.why else ()
    fresh = cause_in_words(reordered, cause.evidence)
    return fresh.model_copy(
        update={
            "prose": _prose(world, answer.dossier, answer.grounded),
            "speaker": f"{_speaker(answer.said)} re-ranked within bounds; rules spoke first",
            "limits": (*fresh.limits, *doubt, *_measures(calls, answer.grounded)),
        }
    )


def _speaker(said: Diagnosis) -> str:
    """Return the model's name and, when it was not the first one asked, which rung answered."""
    rung = {
        Level.PRIMARY: "",
        Level.FALLBACK_MODEL: " (fallback model)",
        Level.SECOND: " (second endpoint)",
    }
    return f"{plain(said.model)}{rung[said.level]}"


def without_opinion(cause: Cause, ranking: Ranking, thought: Thought) -> Cause:
    """Return the rules' cause, saying why no model spoke."""
    fresh = cause_in_words(ranking, cause.evidence)
    silence = thought.silence or NoDiagnosis(reason=Silence.TIMEOUT, words="no answer")
    reason = silence.reason.value.replace("_", " ")
    return fresh.model_copy(
        update={
            "speaker": f"{MODEL_SILENT} ({reason}: {silence.words})",
            "limits": (*fresh.limits, *_measures(thought.calls, thought.grounded)),
        }
    )


def playbook_note(world: World, grounded: Grounded, live: ProposalRecord | None) -> str | None:
    """Say which playbook the model would rather see, unless it is the one proposed."""
    loaded = world.playbooks.get(grounded.playbook) if grounded.playbook else None
    if loaded is None or (live is not None and Plan.from_bytes(live.plan).playbook == loaded.playbook.id):
        return None
    return f"The model would rather use playbook {loaded.playbook.id}; what is proposed stays as it is."


def _reordered(world: World, ranking: Ranking, dossier: Dossier, fused: Fused) -> Ranking:
    by_id = {s.change.id: s for s in ranking.suspects}
    order = [c.change for c_id, _ in fused.order if (c := dossier.candidate(c_id)) and c.change]
    suspects = tuple(by_id[change] for change in order)
    rest = tuple(s for s in ranking.suspects if s.change.id not in order)
    outcome = _outcome(fused) if fused.is_moved else ranking.outcome
    coverage = _coverage(ranking, dossier)
    first = suspects[0] if suspects else None
    confidence = _confidence(world, ranking, coverage, first.probability if first else 0.0)
    return ranking.model_copy(
        update={
            "suspects": (*suspects, *rest),
            "outcome": outcome,
            "named": first.change.id if first and outcome is Outcome.CHANGE_SUSPECTED else None,
            "coverage": coverage,
            # An opinion adds no certainty: what stands first now was less likely by the rules, or the same.
            "confidence": min(confidence, ranking.confidence),
        }
    )


def _outcome(fused: Fused) -> Outcome:
    if fused.named is not None and fused.named != NONE_OF_THESE:
        return Outcome.CHANGE_SUSPECTED
    first_two = [candidate for candidate, _ in fused.order[:2]]
    if fused.named == NONE_OF_THESE or NONE_OF_THESE in first_two or len(first_two) < 2:
        return Outcome.NOTHING_SUSPECTED
    return Outcome.CANNOT_SEPARATE


def _coverage(ranking: Ranking, dossier: Dossier) -> Coverage:
    """Return which sources answered, with the added tools that were asked for this opinion."""
    asked = [result for result in dossier.results if result.tool is ToolName.ASK_ADDED_TOOLS and result.items]
    # An item begins with the tool's name from the settings, which holds no blank.
    names = {result.result_id: result.items[0].partition(" ")[0].rstrip(":") for result in asked}
    silent = [names[result.result_id] for result in asked if result.status is ToolStatus.ERROR]
    spoke = [names[result.result_id] for result in asked if result.status is not ToolStatus.ERROR]
    return Coverage(
        answered=(*ranking.coverage.answered, *spoke), unreachable=(*ranking.coverage.unreachable, *silent)
    )


def _confidence(world: World, ranking: Ranking, coverage: Coverage, prior: float) -> float:
    """Return the rules' calibrated probability of the suspect that now stands first."""
    raw = min(1.0 - 1e-9, max(1e-9, prior))
    calibrated = world.weights.calibrated(log(raw / (1.0 - raw)), told=ranking.told)
    return coverage.cap(calibrated)


def _prose(world: World, dossier: Dossier, grounded: Grounded) -> str:
    if not grounded.hypotheses:
        return "The model found the evidence inconclusive."
    parts = [_opinion(world, dossier, hypothesis) for hypothesis in grounded.hypotheses[:2]]
    return " ".join(("Opinion of a model, each claim with its evidence.", *parts))


def _opinion(world: World, dossier: Dossier, hypothesis: GroundedHypothesis) -> str:
    likelihood = hypothesis.likelihood.value.replace("_", " ")
    claims = " ".join(
        f"{harmless(world, claim.text)} [{', '.join(claim.evidence)}]" for claim in hypothesis.mechanism
    )
    against = " ".join(
        f"{harmless(world, claim.text)} [{', '.join(claim.evidence)}]" for claim in hypothesis.contradicting
    )
    said = f"{_named(world, dossier, hypothesis.candidate)}: {likelihood}. {claims}"
    return f"{said} Against it: {against}" if against else said


def _named(world: World, dossier: Dossier, candidate_id: CandidateId) -> str:
    candidate = dossier.candidate(candidate_id)
    if candidate is None or candidate.change is None:
        return "No recorded change"
    return " ".join((candidate.service or "", candidate.kind or "", *candidate.names[-1:])).strip()


def _measures(calls: tuple[ModelCall, ...], grounded: Grounded | None) -> tuple[str, ...]:
    """Return what the model's part used and cost, and how many of its claims were dropped."""
    if not calls:
        return ()
    tokens_in, tokens_out = sum(c.tokens_in for c in calls), sum(c.tokens_out for c in calls)
    about = "about " if any(c.is_estimate for c in calls) else ""
    costs = [c.cost_usd for c in calls]
    known = [cost for cost in costs if cost is not None]
    cost = f"{sum(known, Decimal(0)):.4f} USD" if len(known) == len(costs) else "cost unknown"
    count = f"{len(calls)} model call" + ("s" if len(calls) > 1 else "")
    said = [f"{count}: {about}{tokens_in} tokens in, {tokens_out} out, {cost}"]
    if grounded is not None and grounded.dropped_claims:
        were = "claim was" if grounded.dropped_claims == 1 else "claims were"
        said.append(f"{grounded.dropped_claims} {were} not backed by the evidence and left out")
    return tuple(said)
