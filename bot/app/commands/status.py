"""`list`, `status`, `who` and `context`: how incidents stand, and what is known around them."""

from collections.abc import Sequence
from datetime import datetime

from bot.app.also import standing_of
from bot.app.asking import what_people_said
from bot.app.commands.asked import Answer, Misused, Question
from bot.app.commands.finding import LOOKED_THROUGH, known_to, line_of
from bot.app.commands.people import named
from bot.app.commands.similar import similar_section
from bot.app.show import status_line
from bot.app.wording import change_name, clock_time, counted, duration, percent, stated_confidence
from bot.app.world import World
from bot.domain.card import Cause
from bot.domain.catalogue import Approvers
from bot.domain.document import Document, Line, Section, lines
from bot.domain.identity import Roll, in_words
from bot.domain.ids import ServiceName
from bot.domain.plan import Plan
from bot.domain.proposal import ProposalRecord
from bot.domain.record import IncidentRecord

_MOST = 20


async def open_incidents(world: World, question: Question) -> Answer:
    """List the open incidents that the asker may know of, the newest first."""
    if question.words:
        raise Misused("Too many words.")
    found = await known_to(world, question, await world.book.recent(LOOKED_THROUGH))
    open_ones = [record for record in found if record.incident.is_open]
    ended = [record for record in found if not record.incident.is_open][:5]
    said = [line_of(world, record) for record in open_ones[:_MOST]]
    if len(open_ones) > _MOST:
        said.append(Line(text=f"and {len(open_ones) - _MOST} more"))
    return Answer(
        Document(
            title=f"{counted(len(open_ones), 'open incident')}",
            sections=(
                Section(heading="Open", lines=tuple(said) or lines(["None."])),
                Section(
                    heading="Ended last",
                    lines=tuple(line_of(world, record) for record in ended) or lines(["None."]),
                ),
            ),
        ),
        about=(*open_ones, *ended),
    )


async def status(world: World, question: Question, record: IncidentRecord) -> Answer:
    """Tell where one incident stands and what waits for a decision."""
    proposals = await world.gate.proposals(record.id)
    said = [since(record, world.clock.now()), _on_call(record)]
    if where := await standing_of(world, record.id):
        said.append(where)
    if record.assessment:
        cause = record.assessment.cause
        said.append(f"{cause.headline} ({stated_confidence(cause)})")
    if proposals:
        said.append(_last(proposals[-1]))
    others = [r for r in await world.book.open() if r.id != record.id]
    others = await known_to(world, question, others)
    if others:
        said.append(f"{counted(len(others), 'other open incident')}: {', '.join(r.id for r in others[:10])}")
    head = status_line(record, proposals[-1] if proposals else None)
    return Answer(
        Document(
            title=f"{head} · {record.incident.title or record.id}",
            sections=(Section(heading=f"Incident {record.id}", lines=lines(said)),),
        ),
        about=(record, *others),
    )


def _last(proposal: ProposalRecord) -> str:
    plan = Plan.from_bytes(proposal.plan)
    reason = f", {proposal.reason}" if proposal.reason else ""
    return f"{plan.title}: {proposal.state.value.replace('_', ' ')}{reason}"


def since(record: IncidentRecord, now: datetime) -> str:
    """Return when the incident opened, and how and when it ended if it has."""
    opened = f"Opened at {clock_time(record.incident.opened_at, today=now)}"
    if record.incident.is_open:
        return f"{opened}, {record.incident.status.value}"
    if record.resolved_at is None:
        return f"{opened}, resolved"
    took = duration(record.resolved_at - record.incident.opened_at)
    ended = "closed" if record.incident.is_unknown else "resolved"
    return f"{opened}, {ended} at {clock_time(record.resolved_at, today=now)}, {took} later"


def _on_call(record: IncidentRecord) -> str:
    return f"On call: {', '.join(record.on_call_names) or 'nobody that PagerDuty named'}"


async def who(world: World, question: Question, record: IncidentRecord) -> Answer:
    """Tell who is on call, who may approve, who decided what, and what people said it was."""
    proposals = await world.gate.proposals(record.id)
    plan = Plan.from_bytes(proposals[-1].plan) if proposals else None
    name = plan.service if plan else record.incident.service
    service = world.catalogue.services.get(name) if name else None
    approvers = plan.approvers if plan else (service.approvers if service else Approvers())
    said = [_on_call(record), f"Approval: {await named(world, in_words(approvers, Roll()))}"]
    if service is not None and service.owner:
        said.append(f"{name} belongs to {service.owner}")
    if plan is not None and plan.requester is not None:
        said.append(await named(world, f"{plan.title} was asked for by <@{plan.requester}>"))
    decided = [
        f"{approval.name} approved “{Plan.from_bytes(proposal.plan).title}” ({approval.grounds})"
        for proposal in proposals
        for approval in proposal.approvals
    ]
    decided += [
        f"{proposal.denied_by} denied “{Plan.from_bytes(proposal.plan).title}”"
        for proposal in proposals
        if proposal.denied_by
    ]
    return Answer(
        Document(
            title=f"Who is on it: {record.incident.title or record.id}",
            sections=(
                Section(heading="Now", lines=lines(said)),
                Section(
                    heading="Who decided and said what",
                    lines=lines([*decided, *await what_people_said(world, record)] or ["Nobody yet."]),
                ),
            ),
        ),
        about=(record,),
    )


async def context(world: World, question: Question, record: IncidentRecord) -> Answer:
    """Tell what is known around one incident."""
    earlier, named = await similar_section(world, question, record)
    return Answer(
        Document(
            title=f"Context of {record.incident.title or record.id}",
            sections=(
                *await around(world, record),
                await _changed_lately(world, record),
                Section(heading="People", lines=lines([_on_call(record)])),
                earlier,
            ),
        ),
        about=(record, *named),
    )


async def around(world: World, record: IncidentRecord) -> tuple[Section, ...]:
    """Return alerts, suspects with their reasons, evidence, and who calls whom."""
    incident, now = record.incident, world.clock.now()
    alerts = tuple(
        Line(
            text=f"{clock_time(alert.at, today=now)} {alert.severity.value} {alert.title}",
            url=alert.url,
        )
        for alert in incident.alerts[:_MOST]
    )
    sections = [Section(heading="Alerts", lines=alerts or lines(["PagerDuty lists none."]))]
    if record.assessment:
        cause = record.assessment.cause
        sections += suspect_sections(cause)
        sections.append(Section(heading="Evidence", lines=cause.evidence))
    sections.append(Section(heading="Neighbours", lines=lines(_neighbours(world, incident.service))))
    return tuple(sections)


def suspect_sections(cause: Cause) -> tuple[Section, ...]:
    """Return each suspect on the card with its reasons, and what speaks for no change."""
    found = [
        Section(
            heading=f"{percent(suspect.probability_percent)} {suspect.title}", lines=lines(suspect.reasons)
        )
        for suspect in cause.suspects
    ]
    if cause.is_ranked:
        nothing = cause.nothing_reasons or ("no reason speaks for it",)
        heading = f"{percent(cause.nothing_changed_percent)} nothing changed"
        found.append(Section(heading=heading, lines=lines(nothing)))
    return tuple(found)


async def _changed_lately(world: World, record: IncidentRecord) -> Section:
    """Return what changed before the incident in its service and what that calls."""
    service, now = record.incident.service, world.clock.now()
    if service is None:
        return Section(heading="Changes", lines=lines(["No service is mapped, so none are looked at."]))
    near = [service, *sorted(world.topology().dependencies_of(service))]
    found = await world.ledger.between(near, record.incident.opened_at - world.manners.lookback, now)
    said = [f"{clock_time(c.live_at, today=now)} {change_name(c)}" for c in found[:_SHOWN_CHANGES]]
    if len(found) > _SHOWN_CHANGES:
        said.append(f"and {len(found) - _SHOWN_CHANGES} older ones: /incident changes")
    hours = round(world.manners.lookback.total_seconds() / 3600)
    return Section(heading=f"Changes since {hours} h before it", lines=lines(said or ["None."]))


_SHOWN_CHANGES = 8


def _neighbours(world: World, service: ServiceName | None) -> Sequence[str]:
    if service is None or service not in world.catalogue.services:
        return ["The service has no entry in services.yaml."]
    topology = world.topology()
    calls = sorted(topology.callees.get(service, ()))
    called_by = sorted(topology.callers.get(service, ()))
    return [
        f"{service} calls {', '.join(calls) or 'nothing that services.yaml names'}",
        f"{service} is called by {', '.join(called_by) or 'nothing that services.yaml names'}",
    ]
