"""Everything behind a card in full: plan, each suspect's every term, evidence, record."""

from collections.abc import Sequence
from datetime import datetime

from bot.app.also import also_shown
from bot.app.asking import other_asks
from bot.app.commands.status import around
from bot.app.previewing import preview_sections
from bot.app.wording import change_name, clock_time, stated_confidence, weighed
from bot.app.world import World
from bot.domain.document import Document, Line, Section, lines
from bot.domain.execution import Claim
from bot.domain.ids import IncidentId
from bot.domain.plan import Plan
from bot.domain.proposal import ProposalRecord, ProposalState
from bot.domain.record import IncidentRecord

_MOST = 20


async def details(world: World, incident: IncidentId) -> Document:
    """Tell everything behind a card in full: plan, each suspect's every term, evidence, record."""
    record = await world.book.get(incident)
    if record is None:
        return Document(title=f"Incident {incident} is not on record.", sections=())
    known = await around(world, record)
    also = await also_shown(world, record)
    shared = (Section(heading="Incidents on this card", lines=also),) if also else ()
    proposals = await world.gate.proposals(incident)
    claims = await world.gate.claims(incident)
    now = world.clock.now()
    plans = [section for proposal in proposals[-1:] for section in _proposal(proposal, claims, now)]
    entries = await world.audit.entries(incident)
    told = tuple(
        Line(text=f"{entry.seq} {clock_time(entry.at, today=now)} {entry.act} by {entry.actor}")
        for entry in entries[-_MOST:]
    )
    recorded = Section(heading="Record", lines=told or lines(["empty"]))
    previews = [s for last in proposals[-1:] for s in preview_sections(Plan.from_bytes(last.plan), entries)]
    return Document(
        title=f"Details of {record.incident.title or incident}",
        sections=(
            *plans[:1],
            *previews,
            *_cause(record),
            *shared,
            *known,
            *_weights(record),
            *plans[1:],
            recorded,
        ),
        asks=other_asks(record),
    )


def _proposal(proposal: ProposalRecord, claims: Sequence[Claim], now: datetime) -> tuple[Section, Section]:
    """Return what the plan is for and how it went, and its exact bytes."""
    plan = Plan.from_bytes(proposal.plan)
    said = [plan.description, plan.expects]
    if proposal.reason:
        said.append(f"{proposal.state.value.replace('_', ' ')}: {proposal.reason}")
    taken_back = ", taken back" if proposal.state is ProposalState.DENIED else ""
    said += [
        f"Approved by {a.name} at {clock_time(a.at, today=now)} ({a.grounds}){taken_back}"
        for a in proposal.approvals
    ]
    for claim in claims:
        step = plan.step(claim.step_index)
        if claim.proposal_id == proposal.id and step is not None:
            end = f"{claim.outcome.result.value}, {claim.outcome.detail}" if claim.outcome else "running"
            said.append(f"{step.action.name}, started {clock_time(claim.claimed_at, today=now)}: {end}")
    return (
        Section(heading=plan.title, lines=lines(text for text in said if text)),
        Section(
            heading=f"Proposal {proposal.number}, the bytes that are approved; digest {proposal.digest}",
            lines=(Line(text=proposal.plan.decode(), is_literal=True),),
        ),
    )


def _cause(record: IncidentRecord) -> tuple[Section, ...]:
    """Return what the card shortens of the cause: a model's words, the notes and the limits."""
    if record.assessment is None:
        return ()
    cause = record.assessment.cause
    said = [stated_confidence(cause), cause.prose, *record.assessment.notes, cause.speaker, *cause.limits]
    return (Section(heading=cause.headline, lines=lines(text for text in said if text)),)


def _weights(record: IncidentRecord) -> tuple[Section, ...]:
    """Return every term of every suspect on record with its weight, so that the ranking can be recomputed."""
    ranking = record.assessment.ranking if record.assessment else None
    if ranking is None:
        return ()
    suspects = [
        Section(
            heading=f"Weights in log-odds: {change_name(suspect.change)}, {suspect.log_odds:+.2f} in all",
            lines=lines(map(weighed, suspect.terms)),
        )
        for suspect in ranking.suspects
    ]
    nothing = Section(
        heading=f"Weights in log-odds: nothing changed, {ranking.nothing.log_odds:+.2f} in all",
        lines=lines(map(weighed, ranking.nothing.terms)),
    )
    return (*suspects, nothing)
