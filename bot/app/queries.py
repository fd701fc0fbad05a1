"""Answer what people ask with `/incident`: from the record, without a model, for the asker only."""

import re
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime, timedelta
from difflib import get_close_matches

from bot.app.also import also_shown, muted, standing_of
from bot.app.asking import other_asks
from bot.app.group import split
from bot.app.previewing import preview_sections
from bot.app.show import status_line
from bot.app.wording import change_name, clock_time, counted, duration, percent, stated_confidence, weighed
from bot.app.world import World
from bot.domain.document import Document, Line, Section, lines
from bot.domain.execution import Claim
from bot.domain.ids import IncidentId, ServiceName, SlackUserId
from bot.domain.plan import Plan
from bot.domain.proposal import ProposalRecord, ProposalState
from bot.domain.record import IncidentRecord

COMMANDS = {
    "status": "status [id] — where the incident stands and what waits for a decision",
    "context": "context [id] — alerts, suspects with their reasons, who is on call, neighbours",
    "changes": "changes [service] [2h] — what changed, newest first",
    "muted": "muted — what was merged or muted, by which rule, and how to undo it",
    "split": "split <id> — give a merged or muted incident a card of its own, for good",
    "help": "help — this list",
}
_WINDOW = re.compile(r"([1-9][0-9]{0,3})([mhd])")
_UNIT = {"m": timedelta(minutes=1), "h": timedelta(hours=1), "d": timedelta(days=1)}
_DEFAULT_WINDOW = timedelta(hours=24)
_LONGEST_WINDOW = timedelta(days=30)
_MOST = 20

Teller = Callable[[World, IncidentRecord], Awaitable[Document]]


async def answer(world: World, text: str, *, channel: str, user: SlackUserId) -> Document:
    """Return the answer to `/incident <text>`; anything not understood is answered with the usage."""
    words = text.split()
    if len(text) > 200 or not all(word.isprintable() for word in words):
        return usage("That is not a command I know.")
    match [word.casefold() for word in words[:1]] + words[1:]:
        case [] | ["help"]:
            return usage()
        case ["status", *ids] if len(ids) <= 1:
            return await _about_incident(world, ids, channel, status)
        case ["context", *ids] if len(ids) <= 1:
            return await _about_incident(world, ids, channel, context)
        case ["changes", *rest] if len(rest) <= 2:
            return await changes(world, rest)
        case ["muted"]:
            return await muted(world)
        case ["split", incident]:
            return await split(world, IncidentId(incident.lstrip("#")), user)
        case ["split"]:
            return usage(f"Which incident? Usage: /incident {COMMANDS['split']}")
        case [name, *_] if name in COMMANDS:
            return usage(f"Too many words. Usage: /incident {COMMANDS[name]}")
        case _:
            near = get_close_matches(words[0], COMMANDS, n=1)
            hint = f" Did you mean /incident {near[0]}?" if near else ""
            return usage(f"There is no command “{words[0][:40]}”.{hint}")


def usage(problem: str = "") -> Document:
    """Return the list of commands, under the problem if there is one."""
    return Document(
        title=problem or "What /incident can do",
        sections=(
            Section(
                heading="Commands",
                lines=tuple(Line(text=f"/incident {text}") for text in COMMANDS.values()),
            ),
        ),
    )


async def _about_incident(world: World, ids: Sequence[str], channel: str, tell: Teller) -> Document:
    """Find the incident meant: by id, by number, else the newest open one of this channel, else of all."""
    records = await world.book.recent(200)
    if ids:
        wanted = ids[0].lstrip("#")
        found = [r for r in records if wanted in (r.id, str(r.incident.number))]
        if not found and (known := await world.book.get(IncidentId(wanted))):
            found = [known]
    else:
        here = [r for r in records if r.card and r.card.channel == channel]
        found = sorted(here or records, key=lambda r: (not r.incident.is_open, -r.seen_at.timestamp()))
    if not found:
        said = f"There is no incident {ids[0][:40]} on record." if ids else "No incident is on record."
        return Document(title=said, sections=())
    return await tell(world, found[0])


async def status(world: World, record: IncidentRecord) -> Document:
    """Tell where one incident stands."""
    proposals = await world.gate.proposals(record.id)
    said = [
        _since(record, world.clock.now()),
        f"On call: {', '.join(record.on_call_names) or 'nobody that PagerDuty named'}",
    ]
    if where := await standing_of(world, record.id):
        said.append(where)
    if record.assessment:
        cause = record.assessment.cause
        said.append(f"{cause.headline} ({stated_confidence(cause)})")
    if proposals:
        last = proposals[-1]
        plan = Plan.from_bytes(last.plan)
        said.append(f"{plan.title}: {last.state.value}" + (f", {last.reason}" if last.reason else ""))
    others = [r for r in await world.book.open() if r.id != record.id]
    if others:
        said.append(f"{counted(len(others), 'other open incident')}: {', '.join(r.id for r in others[:10])}")
    head = status_line(record, proposals[-1].state if proposals else None)
    return Document(
        title=f"{head} · {record.incident.title or record.id}",
        sections=(Section(heading=f"Incident {record.id}", lines=lines(said)),),
    )


def _since(record: IncidentRecord, now: datetime) -> str:
    opened = f"Opened at {clock_time(record.incident.opened_at, today=now)}"
    if record.incident.is_open:
        return f"{opened}, {record.incident.status.value}"
    if record.resolved_at is None:
        return f"{opened}, resolved"
    took = duration(record.resolved_at - record.incident.opened_at)
    ended = "closed" if record.incident.is_unknown else "resolved"
    return f"{opened}, {ended} at {clock_time(record.resolved_at, today=now)}, {took} later"


async def context(world: World, record: IncidentRecord) -> Document:
    """Tell what is known around one incident."""
    incident, now = record.incident, world.clock.now()
    sections = [
        Section(
            heading="Alerts",
            lines=tuple(
                Line(
                    text=f"{clock_time(alert.at, today=now)} {alert.severity.value} {alert.title}",
                    url=alert.url,
                )
                for alert in incident.alerts[:_MOST]
            )
            or lines(["PagerDuty lists none."]),
        )
    ]
    if record.assessment:
        cause = record.assessment.cause
        for suspect in cause.suspects:
            sections.append(
                Section(
                    heading=f"{percent(suspect.probability_percent)} {suspect.title}",
                    lines=lines(suspect.reasons),
                )
            )
        if cause.is_ranked:
            nothing = cause.nothing_reasons or ("no reason speaks for it",)
            heading = f"{percent(cause.nothing_changed_percent)} nothing changed"
            sections.append(Section(heading=heading, lines=lines(nothing)))
        sections.append(Section(heading="Evidence", lines=cause.evidence))
    sections.append(Section(heading="Neighbours", lines=lines(_neighbours(world, incident.service))))
    return Document(title=f"Context of {incident.title or record.id}", sections=tuple(sections))


async def changes(world: World, words: Sequence[str]) -> Document:
    """List recent changes of one service or of all."""
    service: ServiceName | None = None
    window = _DEFAULT_WINDOW
    for word in words:
        if parsed := _WINDOW.fullmatch(word):
            window = min(int(parsed[1]) * _UNIT[parsed[2]], _LONGEST_WINDOW)
        elif service is None and (known := world.catalogue.by_name(word)):
            service = known
        else:
            near = get_close_matches(word, world.catalogue.services, n=1)
            hint = f" Did you mean {near[0]}?" if near else ""
            return usage(f"“{word[:40]}” is neither a service nor a time such as 2h.{hint}")
    now = world.clock.now()
    wanted = [service] if service else list(world.catalogue.services)
    found = await world.ledger.between(wanted, now - window, now)
    where = service or "all services"
    said = tuple(
        Line(
            text=f"{when} ({duration(now - change.live_at)} ago) {change_name(change)}"
            + (f": {change.title}" if change.title else ""),
            url=change.url,
        )
        for change in found[:_MOST]
        for when in [clock_time(change.live_at, today=now)]
    )
    if len(found) > _MOST:
        said = (*said, Line(text=f"and {len(found) - _MOST} older ones; ask for a shorter time"))
    return Document(
        title=f"Changes of {where} in the last {duration(window)}",
        sections=(Section(heading=f"{len(found)} found", lines=said or lines(["None."])),),
    )


async def details(world: World, incident: IncidentId) -> Document:
    """Tell everything behind a card in full: plan, each suspect's every term, evidence, record."""
    record = await world.book.get(incident)
    if record is None:
        return Document(title=f"Incident {incident} is not on record.", sections=())
    around = (await context(world, record)).sections
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
            *around,
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


def _neighbours(world: World, service: ServiceName | None) -> list[str]:
    if service is None or service not in world.catalogue.services:
        return ["The service has no entry in services.yaml."]
    topology = world.topology()
    calls = sorted(topology.callees.get(service, ()))
    called_by = sorted(topology.callers.get(service, ()))
    return [
        f"{service} calls {', '.join(calls) or 'nothing that services.yaml names'}",
        f"{service} is called by {', '.join(called_by) or 'nothing that services.yaml names'}",
    ]
