"""Answer a click: look the person up fresh, let the gate decide, tell exactly once what came of it."""

import asyncio
from collections.abc import Awaitable
from typing import TypeVar

import structlog
from structlog.contextvars import bind_contextvars

from bot.app.investigate import investigate
from bot.app.remediate import check_again
from bot.app.show import show
from bot.app.world import World
from bot.domain.approval import Action, Click, Permission, Ruling, faithful_plan, permission_for
from bot.domain.errors import HandrailError, NotFound, Unavailable
from bot.domain.ids import IncidentId
from bot.domain.person import Person
from bot.domain.proposal import ProposalRecord, ProposalState

log = structlog.get_logger()

T = TypeVar("T")


async def handle_click(world: World, click: Click) -> Ruling:
    """Decide *click* and answer it. The same click handled again gets the same answer and no more effect."""
    proposal = await world.gate.proposal(click.proposal_id)
    bind_contextvars(proposal_id=click.proposal_id)
    if proposal is not None:
        await world.stories.begin_with(proposal.incident, world.book)
    person, permission = await _who_and_whether(world, click, proposal)
    ruling = await world.gate.rule(click, permission, person)
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
        await world.chat.tell(click.channel, click.user_id, ruling.text)
        if ruling.state is not None and proposal is not None:
            await _wake(world, proposal.incident)
            await show(world, proposal.incident)
    world.telemetry.click_answered(await world.gate.now() - click.received_at, ruling.reason.value)
    return ruling


async def _who_and_whether(
    world: World, click: Click, proposal: ProposalRecord | None
) -> tuple[Person, Permission]:
    """Return the person and whether they may decide. A look-up that fails allows nobody."""
    unknown = Person(id=click.user_id, team_id=click.team_id, name=click.user_id)
    if proposal is None:
        return unknown, Permission(allowed=False, grounds="there is no such proposal")
    plan = faithful_plan(proposal)
    if plan is None:
        return unknown, Permission(allowed=False, grounds="the stored plan was changed")
    # Asked at once and not when it turns out to be needed: somebody waits.
    asking = asyncio.create_task(_on_call(world, proposal.incident)) if plan.approvers.on_call else None
    try:
        person = await _in_time(world, world.directory.person(click.user_id))
        permission = permission_for(plan, person, frozenset())
        if permission.allowed or person.disqualification or asking is None:
            return person, permission
        on_call = await asking
    except HandrailError as exc:
        return unknown, Permission(allowed=False, grounds=f"Slack could not say who you are ({exc})")
    finally:
        if asking is not None:
            asking.cancel()
    if isinstance(on_call, HandrailError):
        grounds = f"PagerDuty could not say who is on call ({on_call})"
        return person, Permission(allowed=False, grounds=grounds)
    return person, permission_for(plan, person, on_call)


async def _in_time(world: World, answer: Awaitable[T]) -> T:
    """Return the answer. Raises `Unavailable` when it does not come in time: the person waits for ours."""
    try:
        async with asyncio.timeout(world.manners.look_up.total_seconds()):
            return await answer
    except TimeoutError as exc:
        raise Unavailable("no answer in time") from exc


async def _on_call(world: World, incident: IncidentId) -> frozenset[str] | HandrailError:
    """Return the e-mails of those on call, or why they are not known: nobody may come to ask for either."""
    try:
        return await _in_time(world, _emails(world, incident))
    except HandrailError as exc:
        return exc


async def _emails(world: World, incident: IncidentId) -> frozenset[str]:
    record = await world.book.get(incident)
    if record is None:
        raise NotFound(f"incident {incident} is not on record")
    people = await world.incidents.on_call(record.incident)
    return frozenset(person.email.lower() for person in people if person.email)


async def _follow(world: World, click: Click, proposal: ProposalRecord, ruling: Ruling) -> None:
    """Do what an accepted click asks for; each part may be done again after a crash."""
    match click.action:
        case Action.PROPOSE_AGAIN:
            await _propose_again(world, click, proposal)
        case Action.CHECK_AGAIN:
            await check_again(world, proposal.id)
        case Action.APPROVE | Action.DENY | Action.IT_RAN | Action.IT_DID_NOT:
            pass
    # At the same time: a silent Slack must not hold up the start, nor a silent engine the answer.
    both = await asyncio.gather(
        _wake(world, proposal.incident), show(world, proposal.incident), return_exceptions=True
    )
    for failure in both:
        if failure is not None:
            raise failure
    if click.action is Action.APPROVE and ruling.state is ProposalState.APPROVED:
        await _acknowledge(world, proposal.incident)  # Last: a slow pager must not hold up the start.


async def _propose_again(world: World, click: Click, proposal: ProposalRecord) -> None:
    proposals = await world.gate.proposals(proposal.incident)
    if not proposals or proposals[-1].id != proposal.id:
        return
    try:
        await investigate(world, proposal.incident)
    except Unavailable as exc:
        await world.chat.tell(click.channel, click.user_id, f"Nothing was proposed again: {exc}.")


async def _acknowledge(world: World, incident: IncidentId) -> None:
    if not world.manners.acknowledge_on_approval:
        return
    try:
        await world.incidents.acknowledge(incident)
    except HandrailError:
        # The approval stands whether or not the pager heard of it; the card shows the approval.
        world.telemetry.degraded("PagerDuty acknowledge")


async def _wake(world: World, incident: IncidentId) -> None:
    record = await world.book.get(incident)
    if record is not None:
        await world.workflows.wake(incident, record.life)
