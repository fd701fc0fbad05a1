"""Answer a click: look the person up fresh, let the gate decide, tell exactly once what came of it."""

import asyncio

import structlog
from structlog.contextvars import bind_contextvars

from bot.app.investigate import investigate
from bot.app.permitting import who_and_whether
from bot.app.remediate import check_again
from bot.app.show import show
from bot.app.world import World
from bot.domain.approval import Action, Click, Reason, Ruling
from bot.domain.errors import HandrailError, Unavailable
from bot.domain.ids import IncidentId
from bot.domain.proposal import ProposalRecord, ProposalState

log = structlog.get_logger()


async def handle_click(world: World, click: Click) -> Ruling:
    """Decide *click* and answer it. The same click handled again gets the same answer and no more effect."""
    proposal = await world.gate.proposal(click.proposal_id)
    bind_contextvars(proposal_id=click.proposal_id)
    if proposal is not None:
        await world.stories.begin_with(proposal.incident, world.book)
    person, permission = await who_and_whether(world, click, proposal)
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
        await _answer_refused(world, click, proposal, ruling)
    world.telemetry.click_answered(await world.gate.now() - click.received_at, ruling.reason.value)
    return ruling


async def _answer_refused(
    world: World, click: Click, proposal: ProposalRecord | None, ruling: Ruling
) -> None:
    """Tell the person privately why not, or open the window in which they confirm."""
    if ruling.reason is Reason.ASKED_TO_CONFIRM and proposal is not None and ruling.question is not None:
        try:
            await world.chat.ask_to_confirm(click.trigger_id, ruling.question)
        except HandrailError:  # The trigger is good for 3 s.
            await world.chat.tell(click.channel, click.user_id, "The window did not open. Press again.")
        return
    await world.chat.tell(click.channel, click.user_id, ruling.text)
    if ruling.state is not None and proposal is not None:
        await _wake(world, proposal.incident)
        await show(world, proposal.incident)


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
        await investigate(world, proposal.incident, requester=click.user_id)
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
