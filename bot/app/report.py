"""Write the summary of an incident, once in the thread and once as a note in the pager."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence

import structlog

from bot.app.pager_state import have_pager
from bot.app.wording import NOT_KNOWN, clock_time, counted, duration, stated_confidence
from bot.app.world import World
from bot.domain.approval import denial
from bot.domain.audit import Entry
from bot.domain.card import CardRef
from bot.domain.document import Document, Line, Section, lines
from bot.domain.errors import Invalid, NotFound, Unclear
from bot.domain.execution import Claim
from bot.domain.ids import IncidentId
from bot.domain.plan import Plan
from bot.domain.proposal import ProposalRecord, ProposalState
from bot.domain.record import IncidentRecord
from bot.domain.recovery import recovery_of
from bot.ports import PostState

log = structlog.get_logger()

DOUBT_WAIT_S = 10.0  # How long a lost note gets to appear before it is looked for.
_LOOKS = 2

Sleep = Callable[[float], Awaitable[None]]


async def summarise(world: World, incident_id: IncidentId, *, sleep: Sleep = asyncio.sleep) -> None:
    """Write the last summary of this life of the incident, once it is over or its recovery is proven.

    It takes the place of the one that stands in the thread so far; what was written last is left alone.
    """
    record = await world.book.get(incident_id)
    if record is None or record.card is None:
        return
    if not await is_over(world, record):
        return  # More may be tried: the last summary must tell that too.
    card = record.card
    document = await summary_of(world, record)
    key = summary_key(record)
    checkpoint = await world.audit.checkpoint()
    record_line = f"\n\nRecord: {checkpoint.as_text()}" if checkpoint is not None else ""
    text = f"{document.as_text()}{record_line}\n\n[handrail {key}]"

    async def so_far() -> CardRef | None:
        return await world.chat.find_document(card.channel, key=key, thread_ts=card.ts)

    async def reply() -> None:
        async with world.summaries.turn_of(key):
            if (standing := await so_far()) is not None:
                await world.chat.update_document(standing, document)
            else:
                await world.chat.reply(card, document, key=key)

    async def has_reply() -> bool:
        # One that may be edited says nothing of whether it was: the same edit twice does no harm.
        return await so_far() is None and await world.chat.has_reply(card, key=key)

    async def note() -> None:
        await world.incidents.add_note(record.id, text)

    async def has_note() -> bool:
        return any(f"[handrail {key}]" in found for found in await world.incidents.notes(record.id))

    await post_once(world, f"slack:{key}", record.id, send=reply, was_sent=has_reply, sleep=sleep)
    try:
        await post_once(world, f"pagerduty:{key}", record.id, send=note, was_sent=has_note, sleep=sleep)
    except (Invalid, NotFound):
        world.telemetry.degraded("PagerDuty note")  # It will never take it; the thread has the summary.


async def resolve_if_recovered(world: World, incident_id: IncidentId) -> None:
    """Resolve the incident in the pager after a proven recovery, when the team has chosen so."""
    if not world.manners.resolve_when_recovered:
        return
    record = await world.book.get(incident_id)
    if record is None or not record.incident.is_open or not await _is_recovered(world, record):
        return
    try:
        await have_pager(world, "resolve", incident_id, f"life {record.life}")
    except (Invalid, NotFound):
        return  # Somebody was quicker: it is resolved, or gone.


def summary_key(record: IncidentRecord) -> str:
    """Return by which key the summary of this life of the incident is found in the card's thread."""
    return f"summary:{record.id}:{record.life}"


async def is_over(world: World, record: IncidentRecord) -> bool:
    """Say whether the incident has ended, or its recovery is proven."""
    return not record.incident.is_open or await _is_recovered(world, record)


async def _is_recovered(world: World, record: IncidentRecord) -> bool:
    return recovery_of(record, await world.gate.proposals(record.id)) is not None


async def post_once(
    world: World,
    key: str,
    incident: IncidentId,
    *,
    send: Callable[[], Awaitable[None]],
    was_sent: Callable[[], Awaitable[bool]],
    sleep: Sleep = asyncio.sleep,
) -> None:
    """Send a note so that it stands once: claimed before, and looked for when the answer was lost.

    Raises:
        Unavailable: it was not sent; call again later.
    """
    state = await world.outbox.claim(key, incident)
    if state is PostState.SENT:
        return
    if state is PostState.FIRST:
        try:
            await send()
        except Unclear:
            pass  # Looked for below.
        else:
            await _note_sent(world, key, incident)
            return
    await _after_doubt(world, key, incident, send, was_sent, sleep)


async def _after_doubt(
    world: World,
    key: str,
    incident: IncidentId,
    send: Callable[[], Awaitable[None]],
    was_sent: Callable[[], Awaitable[bool]],
    sleep: Sleep,
) -> None:
    """Look twice for a note that may have been sent, then send it at most once more."""
    for _ in range(_LOOKS):
        await sleep(DOUBT_WAIT_S / _LOOKS)
        if await was_sent():
            await _note_sent(world, key, incident)
            return
    try:
        await send()
    except Unclear:
        world.telemetry.degraded("post sent twice without an answer")
    await _note_sent(world, key, incident, possibly_double=True)


async def _note_sent(world: World, key: str, incident: IncidentId, *, possibly_double: bool = False) -> None:
    await world.outbox.sent(key, possibly_double=possibly_double)
    log.info("note_written", where=key.partition(":")[0], to=incident, possibly_double=possibly_double)


async def summary_of(world: World, record: IncidentRecord) -> Document:
    """Tell the incident from the record alone."""
    proposals = await world.gate.proposals(record.id)
    claims = await world.gate.claims(record.id)
    entries = await world.audit.entries(record.id)
    return Document(
        title=f"Summary of {record.incident.title or record.id}",
        sections=(
            Section(heading="What happened", lines=lines(_what_happened(record))),
            Section(heading="Cause", lines=_cause(record)),
            Section(heading="Who decided what", lines=lines(_decisions(proposals))),
            Section(heading="What ran", lines=lines(_ran(proposals, claims))),
            Section(heading="Recovery", lines=lines(_recovery(record, proposals, entries))),
        ),
    )


def _what_happened(record: IncidentRecord) -> list[str]:
    incident = record.incident
    where = incident.service or incident.pagerduty_service_name or "an unmapped service"
    said = [
        f"{incident.title} on {where}, "
        f"opened {incident.opened_at:%Y-%m-%d} {clock_time(incident.opened_at)}, "
        f"reached Handrail {clock_time(record.seen_at)}"
    ]
    if record.resolved_at is not None:
        said.append(
            f"{f'Closed, as {NOT_KNOWN}:' if incident.is_unknown else 'Resolved'} "
            f"{clock_time(record.resolved_at)}, "
            f"{duration(record.resolved_at - incident.opened_at)} after it opened"
        )
    return said


def _cause(record: IncidentRecord) -> tuple[Line, ...]:
    if record.assessment is None:
        return (Line(text="It was not assessed."),)
    cause = record.assessment.cause
    found = [Line(text=f"{cause.headline} ({stated_confidence(cause)})")]
    if cause.suspects:
        found += [Line(text=reason) for reason in cause.suspects[0].reasons]
        if cause.suspects[0].url:
            found.append(Line(text=f"Change: {cause.suspects[0].title}", url=cause.suspects[0].url))
    found += cause.evidence
    if cause.prose:
        found.append(Line(text=cause.prose))
    found.append(Line(text=cause.speaker))
    return tuple(found)


def _decisions(proposals: Sequence[ProposalRecord]) -> list[str]:
    if not proposals:
        return ["Nothing was proposed."]
    said: list[str] = []
    for proposal in proposals:
        title = f"{Plan.from_bytes(proposal.plan).title} (plan {proposal.digest[:8]})"
        said += [
            f"{approval.name} approved “{title}” at {clock_time(approval.at)}: {approval.grounds}"
            for approval in proposal.approvals
        ]
        if proposal.state is ProposalState.DENIED:
            why = proposal.reason.removeprefix(denial(proposal.denied_by or ""))
            said.append(f"{proposal.denied_by} denied “{title}” at {clock_time(proposal.changed_at)}{why}")
        elif proposal.state in (ProposalState.PENDING, ProposalState.PROPOSED):
            given = f", {counted(len(proposal.approvals), 'approval')} given" if proposal.approvals else ""
            said.append(f"“{title}” is proposed and waits for a decision{given}")
        elif not proposal.approvals:
            reason = f": {proposal.reason}" if proposal.reason else ""
            said.append(f"“{title}” was not approved; it is {proposal.state.value.replace('_', ' ')}{reason}")
    return said


def _ran(proposals: Sequence[ProposalRecord], claims: Sequence[Claim]) -> list[str]:
    plans = {proposal.id: Plan.from_bytes(proposal.plan) for proposal in proposals}
    said: list[str] = []
    for claim in claims:
        plan = plans.get(claim.proposal_id)
        step = plan.step(claim.step_index) if plan else None
        name = step.action.name if step else f"step {claim.step_index}"
        if claim.outcome is None or claim.finished_at is None:
            said.append(f"{name}: started {clock_time(claim.claimed_at)}, its end is not recorded")
            continue
        detail = f": {claim.outcome.detail}" if claim.outcome.detail else ""
        took = duration(claim.finished_at - claim.claimed_at)
        said.append(
            f"{name}: {claim.outcome.result.value} at {clock_time(claim.finished_at)}, took {took}{detail}"
        )
    return said or ["Nothing ran."]


def _recovery(
    record: IncidentRecord, proposals: Sequence[ProposalRecord], entries: Sequence[Entry]
) -> list[str]:
    before = [entry for entry in entries if entry.act == "signal_before"]
    said = []
    if before:
        body = before[-1].body_values()
        said.append(f"Before the first step {body['signal']} was {body['value']}")
    last = proposals[-1] if proposals else None
    match last.state if last else None:
        case ProposalState.VERIFIED if last and recovery_of(record, proposals):
            said.append(f"Proven at {clock_time(last.changed_at)}: {last.reason}")
        case ProposalState.NOT_RECOVERED if last:
            said.append(f"What was run did not help: {last.reason}")
        case _ if record.incident.is_open:
            said.append("Nothing has proven a recovery so far; the incident is open.")
        case _:
            said.append("Handrail did not prove a recovery; see the pager for how the incident ended.")
    return said
