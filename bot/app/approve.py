"""Answer a click: look the person up fresh, let the gate decide, tell exactly once what came of it."""

from bot.app.investigate import investigate
from bot.app.remediate import check_again
from bot.app.show import show
from bot.app.world import World
from bot.domain.approval import Action, Click, Permission, Ruling, permission_for
from bot.domain.errors import HandrailError, NotFound, Unavailable
from bot.domain.ids import IncidentId
from bot.domain.person import Person
from bot.domain.plan import Plan
from bot.domain.proposal import ProposalRecord


async def handle_click(world: World, click: Click) -> Ruling:
    """Decide *click* and answer it. The same click handled again gets the same answer and no more effect."""
    proposal = await world.gate.proposal(click.proposal_id)
    person, permission = await _who_and_whether(world, click, proposal)
    ruling = await world.gate.rule(click, permission, person)
    if ruling.is_accepted and proposal is not None:
        await _follow(world, click, proposal)
    elif not ruling.is_accepted:
        await world.chat.tell(click.channel, click.user_id, ruling.text)
        if ruling.state is not None and proposal is not None:
            await _wake(world, proposal.incident)
    world.telemetry.click_answered(await world.gate.now() - click.received_at, ruling.reason.value)
    return ruling


async def _who_and_whether(
    world: World, click: Click, proposal: ProposalRecord | None
) -> tuple[Person, Permission]:
    """Return the person and whether they may decide. A look-up that fails allows nobody."""
    unknown = Person(id=click.user_id, team_id=click.team_id, name=click.user_id)
    if proposal is None:
        return unknown, Permission(allowed=False, grounds="there is no such proposal")
    try:
        person = await world.directory.person(click.user_id)
    except (Unavailable, NotFound) as exc:
        return unknown, Permission(allowed=False, grounds=f"Slack could not say who you are ({exc})")
    plan = Plan.from_bytes(proposal.plan)
    permission = permission_for(plan, person, frozenset())
    if permission.allowed or person.disqualification or not plan.approvers.on_call:
        return person, permission
    try:
        on_call = await _on_call(world, proposal.incident)
    except (Unavailable, NotFound) as exc:
        return person, Permission(allowed=False, grounds=f"PagerDuty could not say who is on call ({exc})")
    return person, permission_for(plan, person, on_call)


async def _on_call(world: World, incident: IncidentId) -> frozenset[str]:
    record = await world.book.get(incident)
    if record is None:
        raise NotFound(f"incident {incident} is not on record")
    people = await world.incidents.on_call(record.incident)
    return frozenset(person.email.lower() for person in people if person.email)


async def _follow(world: World, click: Click, proposal: ProposalRecord) -> None:
    """Do what an accepted click asks for; each part may be done again after a crash."""
    match click.action:
        case Action.PROPOSE_AGAIN:
            proposals = await world.gate.proposals(proposal.incident)
            if proposals and proposals[-1].id == proposal.id:
                await investigate(world, proposal.incident)
        case Action.CHECK_AGAIN:
            await check_again(world, proposal.id)
        case Action.APPROVE:
            await _acknowledge(world, proposal.incident)
        case Action.DENY | Action.IT_RAN | Action.IT_DID_NOT:
            pass
    await _wake(world, proposal.incident)
    await show(world, proposal.incident)


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
