"""`timeline`, `suspects` and `summary`: one incident, told from the record."""

from collections.abc import Iterator, Sequence
from datetime import datetime

from bot.app.commands.asked import Answer, Question
from bot.app.commands.people import named
from bot.app.commands.status import suspect_sections
from bot.app.report import summary_of
from bot.app.wording import change_name, clock_time, counted, stated_confidence
from bot.app.world import World
from bot.domain.audit import Act, Entry
from bot.domain.document import Document, Line, Section, lines
from bot.domain.execution import Claim
from bot.domain.plan import Plan
from bot.domain.proposal import ProposalRecord, ProposalState
from bot.domain.record import IncidentRecord

_MOST = 40
_ENDS = {
    ProposalState.DENIED: "was denied",
    ProposalState.EXPIRED: "expired",
    ProposalState.CANCELLED: "was withdrawn",
    ProposalState.SUPERSEDED: "was replaced",
    ProposalState.FAILED: "failed",
    ProposalState.UNKNOWN: "ended nobody knows how",
    ProposalState.VERIFIED: "helped",
    ProposalState.NOT_RECOVERED: "did not help",
}

_Moment = tuple[datetime, str, str | None]


async def timeline(world: World, question: Question, record: IncidentRecord) -> Answer:
    """Tell what happened when, each line with where it is known from."""
    proposals = await world.gate.proposals(record.id)
    claims = await world.gate.claims(record.id)
    entries = await world.audit.entries(record.id)
    moments = [
        *_of_incident(record),
        *_of_changes(record),
        *_of_proposals(proposals),
        *_of_claims(proposals, claims),
        *_of_people(entries),
    ]
    moments.sort(key=lambda moment: moment[0])
    now = world.clock.now()
    shown = moments[-_MOST:]
    told = [
        Line(text=f"{clock_time(at, today=now)} {await named(world, said)}", url=url)
        for at, said, url in shown
    ]
    if len(moments) > len(shown):
        told.insert(0, Line(text=f"… {counted(len(moments) - len(shown), 'earlier moment')}: see Details"))
    return Answer(
        Document(
            title=f"Timeline of {record.incident.title or record.id}",
            sections=(Section(heading="In order of time, with the source", lines=tuple(told)),),
        ),
        about=(record,),
    )


def _of_incident(record: IncidentRecord) -> Iterator[_Moment]:
    incident = record.incident
    yield incident.opened_at, "it opened (PagerDuty)", incident.url
    yield record.seen_at, "it reached Handrail (record)", None
    for alert in incident.alerts:
        yield alert.at, f"alert: {alert.title} (PagerDuty)", alert.url
    if record.assessment is not None:
        cause = record.assessment.cause
        said = f"{cause.headline}, {stated_confidence(cause)} (ranking)"
        yield record.assessment.assessed_at, said, None
    if record.resolved_at is not None:
        ended = "it was closed" if incident.is_unknown else "it was resolved"
        yield record.resolved_at, f"{ended} (PagerDuty)", incident.url


def _of_changes(record: IncidentRecord) -> Iterator[_Moment]:
    ranking = record.assessment.ranking if record.assessment else None
    for suspect in ranking.suspects if ranking else ():
        change = suspect.change
        yield change.live_at, f"change: {change_name(change)} (change ledger)", change.url


def _of_proposals(proposals: Sequence[ProposalRecord]) -> Iterator[_Moment]:
    for proposal in proposals:
        plan = Plan.from_bytes(proposal.plan)
        by = f", asked for by <@{plan.requester}>" if plan.requester else ""
        yield proposal.created_at, f"“{plan.title}” was proposed{by} (record)", None
        for approval in proposal.approvals:
            yield approval.at, f"{approval.name} approved “{plan.title}” (record)", None
        if proposal.state in _ENDS:
            why = f": {proposal.reason}" if proposal.reason else ""
            said = f"“{plan.title}” {_ENDS[proposal.state]}{why} (record)"
            yield proposal.changed_at, said, None


def _of_claims(proposals: Sequence[ProposalRecord], claims: Sequence[Claim]) -> Iterator[_Moment]:
    plans = {proposal.id: Plan.from_bytes(proposal.plan) for proposal in proposals}
    for claim in claims:
        plan = plans.get(claim.proposal_id)
        step = plan.step(claim.step_index) if plan else None
        name = step.action.name if step else f"step {claim.step_index}"
        yield claim.claimed_at, f"{name} started (record)", None
        if claim.finished_at is not None and claim.outcome is not None:
            yield claim.finished_at, f"{name}: {claim.outcome.result.value} (record)", None


def _of_people(entries: Sequence[Entry]) -> Iterator[_Moment]:
    for entry in entries:
        if entry.act == Act.COMMANDED:
            body = entry.body_values()
            yield entry.at, f"{body['name']} asked Slack to {body['command']} it (record)", None
        elif entry.act == Act.INFORMED:
            body = entry.body_values()
            who, where = body["name"] or "Handrail", body["where"]
            yield entry.at, f"{who} asked that {where} be told how it stands (record)", None


async def suspects(world: World, question: Question, record: IncidentRecord) -> Answer:
    """Tell which changes are suspected, each with its reasons, and what speaks for none."""
    title = f"Suspects of {record.incident.title or record.id}"
    if record.assessment is None:
        section = Section(heading="Not assessed", lines=lines(["It was not assessed yet; ask again."]))
        return Answer(Document(title=title, sections=(section,)), about=(record,))
    cause = record.assessment.cause
    said = [f"{cause.headline} ({stated_confidence(cause)})", cause.prose, cause.speaker, *cause.limits]
    links = tuple(Line(text=s.title, url=s.url) for s in cause.suspects if s.url)
    sections = [
        Section(heading="In short", lines=lines(text for text in said if text)),
        *suspect_sections(cause),
    ]
    if links:
        sections.append(Section(heading="Where to look", lines=links))
    return Answer(Document(title=title, sections=tuple(sections)), about=(record,))


async def summary(world: World, question: Question, record: IncidentRecord) -> Answer:
    """Tell the incident so far, as the summary at its end does."""
    return Answer(await summary_of(world, record), about=(record,))
