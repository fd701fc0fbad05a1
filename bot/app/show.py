"""Keep the one card of an incident up to date: it is always drawn anew from the record."""

import asyncio
from collections.abc import Sequence

import structlog

from bot.app.also import also_shown
from bot.app.asking import named_ask, what_people_said
from bot.app.diagnosing import keep_diagnosis
from bot.app.naming import names_of
from bot.app.wording import NOT_KNOWN, clock_time, duration
from bot.app.world import World
from bot.domain.card import Card, CardRef, Offer, Progress, ProgressKind
from bot.domain.document import Line
from bot.domain.errors import HandrailError, InvalidPlan, Unavailable, Unclear
from bot.domain.execution import Claim, Result
from bot.domain.freeze import Level
from bot.domain.ids import IncidentId, sha256_hex
from bot.domain.on_record import OnRecord
from bot.domain.plan import Plan
from bot.domain.policy import Request, Rule, rule
from bot.domain.proposal import ProposalRecord, ProposalState
from bot.domain.record import IncidentRecord
from bot.domain.recovery import recovery_of
from bot.ports import PostState

log = structlog.get_logger()

AT_ONCE_S = 5.0  # Our choice, as long as one call of Slack may take.
LATE_AFTER_S = 900  # A card that comes later than this after the page says so.
_AGAIN = frozenset(
    {
        ProposalState.EXPIRED,
        ProposalState.DENIED,
        ProposalState.CANCELLED,
        ProposalState.SUPERSEDED,
        ProposalState.FAILED,
        ProposalState.NOT_RECOVERED,
    }
)


async def show(world: World, incident_id: IncidentId) -> None:
    """Post the incident's card, or edit it in place; a stored proposal becomes `PROPOSED` once it stands."""
    async with world.turns.of(incident_id):
        found = await world.gate.on_record(incident_id)
        if found.record is not None:
            await _draw(world, found.record, found)
            world.summaries.due.add(incident_id)
            world.bell.ring()
    await keep_diagnosis(world, incident_id)


async def show_at_once(world: World, incident_id: IncidentId) -> bool:
    """Show the card, if that takes no more than a moment; False when it is to be tried again."""
    try:
        async with asyncio.timeout(AT_ONCE_S):
            await show(world, incident_id)
    except (TimeoutError, HandrailError):
        return False
    return True


async def _draw(world: World, record: IncidentRecord, found: OnRecord) -> None:
    card = await compose(world, record, found)
    if card.offer and card.offer.state is ProposalState.PENDING:
        card = await _offer(world, record, card)
    elif record.card is None:
        await _post(world, record, card)
    else:
        await world.chat.update_card(record.card, card)


async def redraw(world: World, incident_id: IncidentId) -> None:
    """Edit the card if it stands. The first card is the course's to post: two at once would be two cards.

    Nobody is held up by a silent Slack: what cannot be drawn at once is overdue, and is drawn later.
    """
    record = await world.book.get(incident_id)
    if record is not None and record.card is not None and not await _drawn_at_once(world, incident_id):
        world.overdue.add(incident_id)
        world.telemetry.degraded("Slack card")
        world.bell.ring()


async def catch_up(world: World) -> bool:
    """Draw the cards that are overdue, each in its newest state; True when some still are."""
    overdue = tuple(world.overdue)
    drawn = await asyncio.gather(*(_drawn_in_time(world, one) for one in overdue))
    world.overdue.difference_update(one for one, stands in zip(overdue, drawn, strict=True) if stands)
    return bool(world.overdue)


async def _drawn_in_time(world: World, incident_id: IncidentId) -> bool:
    try:
        return await _drawn_at_once(world, incident_id)
    except HandrailError as exc:
        log.warning(
            "card_not_drawn", incident_id=incident_id, error=str(exc)
        )  # It is gone, or never will be.
        return True


async def _drawn_at_once(world: World, incident_id: IncidentId) -> bool:
    """Show the card; False when Slack or the record is silent, which passes."""
    try:
        async with asyncio.timeout(AT_ONCE_S):
            await show(world, incident_id)
    except (TimeoutError, Unavailable, Unclear):
        return False
    return True


async def compose(world: World, record: IncidentRecord, found: OnRecord) -> Card:
    """Draw the card from the record."""
    offer = _offer_of(record, found.proposals[-1], found.claims) if found.proposals else None
    is_first = record.card is None
    notes = [Line(text=note) for note in (record.assessment.notes if record.assessment else ())]
    if found.is_killed:
        notes.append(Line(text="Handrail is stopped by its kill switch: nothing starts."))
    notes += _policy_notes(world, offer, found)
    late = record.seen_at - record.incident.opened_at
    if late.total_seconds() > LATE_AFTER_S:
        notes.append(Line(text=f"This reached Handrail {duration(late)} after the page."))
    return Card(
        incident=record.incident,
        status_line=status_line(record, found.proposals[-1] if found.proposals else None),
        mentions=record.on_call if is_first else (),
        on_call=record.on_call_names,
        approvers=await names_of(world, offer.plan.approvers.users) if is_first and offer else (),
        cause=record.assessment.cause if record.assessment else None,
        offer=offer,
        notes=tuple(notes),
        ask=named_ask(record),
        said=await what_people_said(world, record) if not is_first else (),
        also=await also_shown(world, record),
        updated_at=world.clock.now(),
    )


def _policy_notes(world: World, offer: Offer | None, found: OnRecord) -> list[Line]:
    """Return what the policy says against a start at this moment, whoever would approve it."""
    if offer is None or offer.state not in (ProposalState.PENDING, ProposalState.PROPOSED):
        return []
    plan = offer.plan
    request = Request(
        proposal=offer.id,
        service=plan.service,
        playbook=plan.playbook,
        risk=plan.risk,
        now=found.now,
        expires_at=plan.expires_at,
    )
    findings = rule(world.policies.current(), request).findings
    return [
        Line(text=f"{_SPOKEN[finding.level]}: {finding.text}.")
        for finding in findings
        if finding.rule is not Rule.EXPIRED
    ]


_SPOKEN = {
    Level.ADVISORY: "To weigh",
    Level.SOFT: "Approving needs a reason",
    Level.HARD: "It cannot be approved now",
}


def status_line(record: IncidentRecord, last: ProposalRecord | None) -> str:
    """Return what stands first on the card: how the incident and its last proposal stand, in a few words."""
    recovery = recovery_of(record, [last] if last else [])
    is_past = last is not None and last.state is ProposalState.VERIFIED and recovery is None
    said = _STATUS.get(last.state) if last and not is_past else None
    if said and (record.incident.is_open or recovery is not None):
        return said
    if record.incident.is_open:
        return "Open"
    return f"Closed: {NOT_KNOWN}" if record.incident.is_unknown else "Resolved"


_STATUS = {
    ProposalState.PENDING: "Waiting for approval",
    ProposalState.PROPOSED: "Waiting for approval",
    ProposalState.APPROVED: "Approved, starting",
    ProposalState.STARTED: "Running",
    ProposalState.DONE: "Ran, watching whether it helped",
    ProposalState.UNDOING: "Did not help, its undo runs",
    ProposalState.VERIFIED: "Recovered",
    ProposalState.NOT_RECOVERED: "Open · the playbook did not help",
    ProposalState.FAILED: "Open · the playbook failed",
    ProposalState.UNKNOWN: "Open · unknown whether it ran: look",
}


async def _offer(world: World, record: IncidentRecord, card: Card) -> Card:
    """Put a stored proposal on the card and register that card for it."""
    if card.offer is None:
        raise InvalidPlan("there is no proposal to offer")
    offered = card.model_copy(
        update={"offer": card.offer.model_copy(update={"state": ProposalState.PROPOSED})}
    )
    if not world.chat.shows_whole(offered):
        await world.gate.withdraw(
            card.offer.id, ProposalState.CANCELLED, "the plan cannot be shown whole on a card"
        )
        withdrawn = await compose(world, record, await world.gate.on_record(record.id))
        await _place(world, record, withdrawn)
        return withdrawn
    ref = await _place(world, record, offered)
    drawn = sha256_hex(offered.model_dump_json())
    await world.gate.offer(card.offer.id, ref, card_sha256=drawn)
    return offered


async def _place(world: World, record: IncidentRecord, card: Card) -> CardRef:
    if record.card is None:
        return await _post(world, record, card)
    await world.chat.update_card(record.card, card)
    return record.card


async def _post(world: World, record: IncidentRecord, card: Card) -> CardRef:
    """Post the first card once, whatever crashes: a doubtful post is looked for before another is sent."""
    key = f"card:{record.id}"
    channel = channel_of(world, record)
    state = await world.outbox.claim(key, record.id)
    ref = None
    if state is not PostState.FIRST:
        ref = await world.chat.find_card(channel, key=key)
    if ref is None:
        ref = await world.chat.post_card(channel, card, key=key)
    else:
        await world.chat.update_card(ref, card)
    await world.book.set_card(record.id, ref)
    await world.outbox.sent(key)
    after = await world.gate.now() - record.seen_at
    world.telemetry.card_shown(after)
    log.info("card_shown", channel=ref.channel, after_s=round(after.total_seconds(), 3))
    return ref


def channel_of(world: World, record: IncidentRecord) -> str:
    """Return where the card stands; before it does, where the catalogue says, else the default channel."""
    if record.card is not None:
        return record.card.channel
    return world.catalogue.channel(record.incident) or world.manners.default_channel


def _offer_of(record: IncidentRecord, last: ProposalRecord, claims: Sequence[Claim]) -> Offer:
    plan = Plan.from_bytes(last.plan)
    return Offer(
        id=last.id,
        digest=last.digest,
        plan=plan,
        state=last.state,
        reason=last.reason,
        approvals=last.approvals,
        denied_by=last.denied_by,
        progress=_progress(plan, last, claims),
        outcome=_outcome(last),
        may_propose_again=record.incident.is_open and last.state in _AGAIN,
    )


def _progress(plan: Plan, last: ProposalRecord, claims: Sequence[Claim]) -> tuple[Progress, ...]:
    found: list[Progress] = []
    for claim in claims:
        step = plan.step(claim.step_index)
        if claim.proposal_id != last.id or step is None:
            continue
        kind, detail = ProgressKind.RUNNING, ""
        if claim.outcome is not None:
            kind, detail = _KIND[claim.outcome.result], claim.outcome.detail
        found.append(
            Progress(
                kind=kind, name=step.action.name, detail=detail, at=claim.finished_at or claim.claimed_at
            )
        )
    return tuple(found)


_KIND = {
    Result.DONE: ProgressKind.DONE,
    Result.FAILED: ProgressKind.FAILED,
    Result.UNKNOWN: ProgressKind.UNKNOWN,
}


def _outcome(last: ProposalRecord) -> str:
    at = clock_time(last.changed_at)
    match last.state:
        case ProposalState.VERIFIED:
            return f"Recovered at {at}: {last.reason}"
        case ProposalState.NOT_RECOVERED:
            return f"Did not help: {last.reason}"
        case ProposalState.FAILED | ProposalState.UNKNOWN | ProposalState.UNDOING:
            return last.reason
        case ProposalState.EXPIRED:
            return f"Expired at {at}: nobody decided in time. Nothing ran."
        case ProposalState.DENIED:
            denied = last.reason[:1].upper() + last.reason[1:]
            return f"{denied} at {at}: not offered again by itself. Nothing ran."
        case ProposalState.CANCELLED:
            return f"Withdrawn at {at}: {last.reason}. Nothing ran."
        case ProposalState.SUPERSEDED:
            return f"Out of date since {at}: {last.reason}. Nothing ran."
        case _:
            return ""
