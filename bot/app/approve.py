"""Answer a click: look the person up fresh, let the gate decide, tell exactly once what came of it."""

import asyncio
from collections.abc import Coroutine
from contextlib import suppress
from typing import NamedTuple

import structlog
from structlog.contextvars import bind_contextvars

from bot.app.freshness import look
from bot.app.investigate import investigate
from bot.app.pager_state import have_pager
from bot.app.permitting import who_and_whether
from bot.app.remediate import check_again
from bot.app.show import show
from bot.app.undoing import propose_undo
from bot.app.world import World
from bot.domain.approval import Action, Click, Permission, Reason, Ruling
from bot.domain.errors import HandrailError, Tampered, Unavailable
from bot.domain.freshness import Freshness
from bot.domain.ids import IncidentId
from bot.domain.person import Person
from bot.domain.proposal import ProposalRecord, ProposalState

log = structlog.get_logger()

ANSWER_WITHIN_S = 3.0
NOT_YET = "My record does not answer yet, so nothing has started. What it decides will stand on the card."
CONTRADICTED = (
    "The record contradicts itself, so nothing starts. Whoever runs Handrail must look at it with "
    "`handrail audit verify`."
)
BROKEN = (
    "That broke here before it was decided, so nothing has started. I try again; what comes of it will stand "
    "on the card."
)
SPARE_S = 0.4  # Our choice: of those 3 s, what the record and the way to Slack take.
REGISTERED_WITHIN_S = 1.0  # Our choice: Slack has taken the card already, only its answer is on the way.


async def handle_click(world: World, click: Click) -> Ruling:
    """Decide *click* and answer it. The same click handled again gets the same answer and no more effect."""
    proposal, ruling, has_left = await _decided(world, click)
    await _bind(world, click, proposal)  # What a task binds ends with it.
    log.info(
        "clicked",
        action=click.action.value,
        user=click.user_id,
        is_accepted=ruling.is_accepted,
        reason=ruling.reason.value,
    )
    if ruling.is_accepted and proposal is not None:
        await _follow(world, click, proposal, ruling)
    elif not ruling.is_accepted:
        await _answer_refused(world, click, proposal, ruling, has_left=has_left)
    world.telemetry.click_answered(await world.gate.now() - click.received_at, ruling.reason.value)
    return ruling


async def _bind(world: World, click: Click, proposal: ProposalRecord | None) -> None:
    """Let every line from here on carry the story's ids."""
    bind_contextvars(proposal_id=click.proposal_id)
    if proposal is not None:
        await world.stories.begin_with(proposal.incident, world.book)


class _Decided(NamedTuple):
    proposal: ProposalRecord | None
    ruling: Ruling
    has_left: bool
    """The proposal was withdrawn meanwhile because it no longer fits."""


async def _decided(world: World, click: Click) -> _Decided:
    """Return the decision. While there is none, and when there will be none, the person is told once."""
    deciding = asyncio.create_task(_decide(world, click))
    try:
        await asyncio.wait({deciding}, timeout=_patience_s(world, click))
        if not deciding.done():
            await _say(world, click, NOT_YET)
        elif (failure := deciding.exception()) is not None and _patience_s(world, click) is not None:
            await _say(world, click, _why_undecided(failure))  # Handled again, it is past that time.
        return await deciding
    finally:
        deciding.cancel()


def _why_undecided(failure: BaseException) -> str:
    match failure:
        case Tampered():
            return CONTRADICTED
        case HandrailError():
            return NOT_YET
        case _:
            return BROKEN


async def _decide(world: World, click: Click) -> _Decided:
    proposal = await _once_registered(world, await world.gate.proposal(click.proposal_id))
    await _bind(world, click, proposal)
    person, permission, freshness = await _looked_up(world, click, proposal)
    has_left = False
    if proposal is not None and permission.allowed and freshness is not None and freshness.why_not:
        if freshness.differences and not freshness.is_closed:
            has_left = await world.gate.withdraw(proposal.id, freshness.exit, freshness.why_not)
        elif not freshness.is_closed:  # Then the gate itself says so: the incident is noted as resolved.
            permission = Permission(allowed=False, grounds=f"{freshness.why_not}, so it cannot start now")
    return _Decided(proposal, await world.gate.rule(click, permission, person), has_left)


async def _once_registered(world: World, proposal: ProposalRecord | None) -> ProposalRecord | None:
    """Return the proposal once its card is registered: a quick thumb sees the card before that."""
    if proposal is None or proposal.state is not ProposalState.PENDING:
        return proposal
    with suppress(TimeoutError):
        async with asyncio.timeout(REGISTERED_WITHIN_S), world.turns.of(proposal.incident):
            pass
    return await world.gate.proposal(proposal.id)


async def _looked_up(
    world: World, click: Click, proposal: ProposalRecord | None
) -> tuple[Person, Permission, Freshness | None]:
    """Return who pressed, whether they may, and whether the plan still fits, all asked at once."""
    is_start = click.action is Action.APPROVE and proposal and proposal.state is ProposalState.PROPOSED
    looking = asyncio.create_task(look(world, proposal)) if is_start and proposal else None
    try:
        async with asyncio.timeout(world.manners.look_up.total_seconds() + SPARE_S):
            person, permission = await who_and_whether(world, click, proposal)
            return person, permission, await looking if looking and permission.allowed else None
    except TimeoutError:
        unknown = Person(id=click.user_id, team_id=click.team_id, name=click.user_id)
        return unknown, Permission(allowed=False, grounds="who you are was not known in time"), None
    finally:
        if looking is not None:
            looking.cancel()


def _patience_s(world: World, click: Click) -> float | None:
    """Return for how many seconds the person may still wait in silence; None when that time is over."""
    left = ANSWER_WITHIN_S - SPARE_S - (world.clock.now() - click.received_at).total_seconds()
    return left if left > 0 else None


async def _say(world: World, click: Click, text: str) -> None:
    try:
        await world.chat.tell(click.channel, click.user_id, text)
    except HandrailError:
        world.telemetry.degraded("Slack")


async def _answer_refused(
    world: World, click: Click, proposal: ProposalRecord | None, ruling: Ruling, *, has_left: bool
) -> None:
    """Tell the person privately why not, or open the window in which they confirm."""
    if ruling.reason is Reason.ASKED_TO_CONFIRM and proposal is not None and ruling.question is not None:
        try:
            await world.chat.ask_to_confirm(click.trigger_id, ruling.question)
        except HandrailError:  # The trigger is good for 3 s.
            await world.chat.tell(click.channel, click.user_id, "The window did not open. Press again.")
        return
    await world.chat.tell(click.channel, click.user_id, ruling.text)
    if proposal is not None and (has_left or ruling.state or ruling.reason is Reason.INCIDENT_CLOSED):
        await _wake(world, proposal.incident)
        await show(world, proposal.incident)


async def _follow(world: World, click: Click, proposal: ProposalRecord, ruling: Ruling) -> None:
    """Do what an accepted click asks for; each part may be done again after a crash."""
    match click.action:
        case Action.PROPOSE_AGAIN:
            await _in_view(world, click, _propose_again(world, click, proposal), ruling.text)
        case Action.CHECK_AGAIN:
            await _in_view(world, click, check_again(world, proposal.id), ruling.text)
        case Action.IT_DID_NOT:
            await _in_view(world, click, propose_undo(world, proposal.id), ruling.text)
        case Action.APPROVE | Action.DENY | Action.SAY_WHY | Action.IT_RAN:
            pass
    # At the same time: a silent Slack must not hold up the start, nor a silent engine the answer.
    both = await asyncio.gather(
        _wake(world, proposal.incident), show(world, proposal.incident), return_exceptions=True
    )
    for failure in both:
        if failure is not None:
            raise failure
    if click.action is Action.APPROVE and ruling.state is ProposalState.APPROVED:
        await _acknowledge(world, proposal)  # Last: a slow pager must not hold up the start.


async def _in_view(world: World, click: Click, work: Coroutine[object, object, None], said: str) -> None:
    """Do *work*, whose end the card shows; when that takes too long, say meanwhile that it is under way."""
    working = asyncio.create_task(work)
    try:
        await asyncio.wait({working}, timeout=_patience_s(world, click) or 0.0)
        if not working.done():
            await _say(world, click, said)
        await working
    finally:
        working.cancel()


async def _propose_again(world: World, click: Click, proposal: ProposalRecord) -> None:
    proposals = await world.gate.proposals(proposal.incident)
    if not proposals or proposals[-1].id != proposal.id:
        return
    try:
        await investigate(world, proposal.incident, requester=click.user_id)
    except Unavailable as exc:
        await world.chat.tell(click.channel, click.user_id, f"Nothing was proposed again: {exc}.")


async def _acknowledge(world: World, proposal: ProposalRecord) -> None:
    if not world.manners.acknowledge_on_approval:
        return
    try:
        await have_pager(world, "acknowledge", proposal.incident, proposal.id)
    except HandrailError:
        # The approval stands whether or not the pager heard of it; the card shows the approval.
        world.telemetry.degraded("PagerDuty acknowledge")


async def _wake(world: World, incident: IncidentId) -> None:
    record = await world.book.get(incident)
    if record is not None:
        await world.workflows.wake(incident, record.life)
