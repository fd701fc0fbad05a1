"""`handover` and `report`: for the next shift, and over some days."""

from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import timedelta
from statistics import median

from bot.app.commands.asked import Answer, Misused, Question
from bot.app.commands.changing import span_of
from bot.app.commands.finding import LOOKED_THROUGH, find, known_to, line_of
from bot.app.commands.status import since
from bot.app.enclose import redacted
from bot.app.facts import gather
from bot.app.handover import handover_note
from bot.app.show import status_line
from bot.app.wording import clock_time, counted, duration, stated_confidence
from bot.app.world import World
from bot.domain.approval import faithful_plan
from bot.domain.document import Document, Line, Section, lines
from bot.domain.label import Label
from bot.domain.plan import Plan
from bot.domain.proposal import ProposalRecord, ProposalState
from bot.domain.record import IncidentRecord
from bot.domain.recovery import recovery_of
from bot.domain.shadow import scored

_MOST = 10
_SHIFT = timedelta(hours=12)  # Our choice: what ended longer ago is not this shift's.
_WEEK = timedelta(days=7)
_REPORTED = 500


async def handover(world: World, question: Question) -> Answer:
    """Tell the next shift what is open, what was tried and what waits; of one incident, or of all."""
    if len(question.words) > 1:
        raise Misused("Too many words.")
    if question.words:
        found = await find(world, question, question.words[0])
        if isinstance(found, Answer):
            return found
        note = redacted(world, handover_note(await gather(world, found.record)))
        return Answer(note, about=(found.record,))
    return await _handed_over(world, await known_to(world, question, await world.book.recent(LOOKED_THROUGH)))


async def _handed_over(world: World, records: Sequence[IncidentRecord]) -> Answer:
    now = world.clock.now()
    open_ones = [record for record in records if record.incident.is_open]
    ended = [r for r in records if r.resolved_at is not None and now - r.resolved_at <= _SHIFT]
    sections = [await _open_one(world, record) for record in open_ones[:_MOST]]
    if len(open_ones) > _MOST:
        more = lines([f"{counted(len(open_ones) - _MOST, 'more open incident')}: /incident list"])
        sections.append(Section(heading="And", lines=more))
    past = tuple(line_of(world, record) for record in ended[:_MOST])
    sections.append(Section(heading="Ended in the last 12 h", lines=past or lines(["None."])))
    at = clock_time(now)
    return Answer(
        Document(
            title=f"Hand-over at {at}: {counted(len(open_ones), 'open incident')}",
            sections=tuple(sections),
        ),
        about=(*open_ones, *ended),
    )


async def _open_one(world: World, record: IncidentRecord) -> Section:
    proposals = await world.gate.proposals(record.id)
    last = proposals[-1] if proposals else None
    said = [since(record, world.clock.now())]
    said.append(f"On call: {', '.join(record.on_call_names) or 'nobody that PagerDuty named'}")
    if record.assessment is not None:
        cause = record.assessment.cause
        said.append(f"{cause.headline} ({stated_confidence(cause)})")
    said += [_tried(proposal) for proposal in proposals]
    said.append(f"Waits for: {_waits_for(record, last)}")
    head = status_line(record, last)
    told = (Line(text=said[0], url=record.incident.url), *lines(said[1:]))
    return Section(heading=f"{record.id} · {record.incident.title or 'untitled'} · {head}", lines=told)


def _tried(proposal: ProposalRecord) -> str:
    reason = f": {proposal.reason}" if proposal.reason else ""
    return f"{Plan.from_bytes(proposal.plan).title} is {proposal.state.value.replace('_', ' ')}{reason}"


def _waits_for(record: IncidentRecord, last: ProposalRecord | None) -> str:
    match last.state if last else None:
        case ProposalState.PENDING | ProposalState.PROPOSED:
            return "somebody who approves or denies what is proposed"
        case ProposalState.APPROVED | ProposalState.STARTED | ProposalState.DONE | ProposalState.UNDOING:
            return "the end of what was approved"
        case ProposalState.UNKNOWN:
            return "somebody who says on the card whether the step ran"
        case ProposalState.VERIFIED if recovery_of(record, [last] if last else []):
            return "somebody who resolves it: the signal has recovered"
        case _:
            return "somebody who decides what to do: nothing is proposed"


async def report(world: World, question: Question) -> Answer:
    """Tell the numbers of the last days: incidents, how long they took, what was proposed and what helped."""
    window = _WEEK
    if question.words:
        parsed = span_of(question.words[0])
        if parsed is None or len(question.words) > 1:
            raise Misused(f"“{' '.join(question.words)[:40]}” is no time such as 7d.")
        window = parsed
    start = world.clock.now() - window
    recent = [r for r in await world.book.recent(_REPORTED) if r.incident.opened_at >= start]
    records = await known_to(world, question, recent)
    by_incident = [await world.gate.proposals(record.id) for record in records]
    proposals = [proposal for of_one in by_incident for proposal in of_one]
    observed = list(_observed(await _shadows(world, by_incident)))
    return Answer(
        Document(
            title=f"The last {_days(window)}: {counted(len(records), 'incident')}",
            sections=(
                Section(heading="Incidents", lines=lines(_numbers(records))),
                Section(heading="Playbooks", lines=lines(_played(proposals))),
                *([Section(heading="Only observed", lines=lines(observed))] if observed else []),
                Section(heading="By service", lines=lines(_by_service(records))),
            ),
        ),
        about=tuple(records),
    )


def _days(window: timedelta) -> str:
    return counted(window.days, "day") if window >= timedelta(days=1) else duration(window)


def _numbers(records: Sequence[IncidentRecord]) -> Iterable[str]:
    took = [r.resolved_at - r.incident.opened_at for r in records if r.resolved_at is not None]
    yield f"{counted(sum(r.incident.is_open for r in records), 'is', 'are')} open, {len(took)} ended"
    if took:
        middle = timedelta(seconds=median(span.total_seconds() for span in took))
        yield f"From opening to the end: median {duration(middle)}, longest {duration(max(took))}"
    named = sum(r.assessment is not None and r.assessment.suspect is not None for r in records)
    yield f"A change was named as the cause of {named} of {len(records)}"


def _played(proposals: Sequence[ProposalRecord]) -> Iterable[str]:
    states = Counter(proposal.state for proposal in proposals)
    yield f"{len(proposals)} proposed, {sum(bool(p.approvals) for p in proposals)} approved by people"
    for state in ProposalState:
        if states[state]:
            yield f"{states[state]} {state.value.replace('_', ' ')}"


async def _shadows(
    world: World, by_incident: Sequence[Sequence[ProposalRecord]]
) -> list[tuple[Plan, Sequence[Label]]]:
    """Return the last plan of each incident whose service was only observed, with what was said of it."""
    found = []
    for proposals in by_incident:
        plans = [plan for plan in map(faithful_plan, proposals) if plan is not None and plan.observed]
        if plans:
            found.append((plans[-1], await world.labels.of(plans[-1].incident)))
    return found


def _observed(shadows: Sequence[tuple[Plan, Sequence[Label]]]) -> Iterable[str]:
    for score in scored(shadows):
        told = (
            [f"would have been right {score.right} of {counted(score.judged, 'time')}"]
            if score.judged
            else []
        )
        told += [f"proposed {counted(score.open, 'time')} where nothing tells"] if score.open else []
        yield f"{score.playbook} for {score.service}: {', '.join(told)}"


def _by_service(records: Sequence[IncidentRecord]) -> Iterable[str]:
    counts = Counter(str(record.incident.service or "no service is mapped") for record in records)
    for name, count in sorted(counts.items(), key=lambda pair: (-pair[1], pair[0]))[:_MOST]:
        yield f"{name}: {count}"
    if not counts:
        yield "None."
