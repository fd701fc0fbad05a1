"""Say whether somebody may decide about a plan at this moment: who they are, and what the policy says."""

import asyncio
from collections.abc import Awaitable
from typing import TypeVar

from bot.app.world import World
from bot.domain.approval import Action, Click, Permission, faithful_plan
from bot.domain.catalogue import Approvers
from bot.domain.errors import HandrailError, NotFound, Unavailable
from bot.domain.freeze import Level
from bot.domain.identity import Asker, Roll, in_words, roles_of, usable_email
from bot.domain.ids import IncidentId, PagerDutyUserId, SlackUserId
from bot.domain.person import OnCall, Person
from bot.domain.plan import Plan
from bot.domain.policy import Party, Policy, Request, Rule, rule
from bot.domain.proposal import Approval, ProposalRecord

T = TypeVar("T")

_DECIDED_BY_THE_STORE = frozenset({Rule.MISMATCH, Rule.CLOSED, Rule.EXPIRED})
"""What depends on the store's time and bytes is decided inside its transaction."""
_ABOUT_ONE_PERSON = frozenset({Rule.REQUESTER, Rule.AUTHOR, Rule.IDENTITY})


async def who_and_whether(
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
    policy = world.policies.current()
    asking = asyncio.create_task(_roll(world, plan, policy))
    try:
        person = await _in_time(world, world.directory.person(click.user_id))
    except HandrailError as exc:
        asking.cancel()
        return unknown, Permission(allowed=False, grounds=f"Slack could not say who you are ({exc})")
    try:
        return person, await _permission(world, click.action, proposal, plan, person, asking)
    except HandrailError as exc:
        return person, Permission(allowed=False, grounds=str(exc))
    finally:
        asking.cancel()


async def may_approve(world: World, person: Person, proposal: ProposalRecord) -> bool:
    """Say whether *person* could approve *proposal* now, by the rules that decide about a click.

    Raises:
        HandrailError: a look-up that this depends on failed.
    """
    plan = faithful_plan(proposal)
    if plan is None:
        return False
    asking = asyncio.create_task(_roll(world, plan, world.policies.current()))
    try:
        permission = await _permission(world, Action.APPROVE, proposal, plan, person, asking)
    finally:
        asking.cancel()
    human = permission.human or person.id
    return permission.allowed and all(human != (one.human or one.user_id) for one in proposal.approvals)


async def _permission(
    world: World,
    action: Action,
    proposal: ProposalRecord,
    plan: Plan,
    person: Person,
    asking: "asyncio.Task[Roll | HandrailError]",
) -> Permission:
    if person.disqualification:
        return Permission(allowed=False, grounds=person.disqualification)
    policy = world.policies.current()
    grounds = await _role(plan, policy, person, asking)
    if grounds is None:
        return Permission(allowed=False, grounds=await _who_may(plan, policy, asking))
    if action is not Action.APPROVE:
        return Permission(allowed=True, grounds=grounds)
    asker = await _asker(world, plan, policy, person)
    asker = asker.model_copy(update={"grounds": grounds})
    request = await _request(world, proposal, plan, policy, asker)
    verdict = rule(policy, request)
    if hard := [f for f in verdict.at(Level.HARD) if f.rule not in _DECIDED_BY_THE_STORE]:
        said = [finding.text for finding in hard]
        if all(finding.rule in _ABOUT_ONE_PERSON for finding in hard):
            said.append(await _who_may(plan, policy, asking))
        return Permission(allowed=False, grounds="; ".join(said))
    if why := await _objections(world, request):
        return Permission(allowed=False, grounds=why)
    return Permission(
        allowed=True,
        grounds=grounds,
        human=asker.human,
        pagerduty_user=asker.pagerduty_user,
        quorum=verdict.quorum,
        type_target=verdict.type_target,
        overrides=tuple(dict.fromkeys(finding.rule.value for finding in verdict.at(Level.SOFT))),
        objections=tuple(finding.text for finding in verdict.at(Level.SOFT)),
    )


async def _objections(world: World, request: Request) -> str:
    if world.referee is None:
        return ""
    return "; ".join(await world.referee.objections(request))


async def objections_to_start(world: World, proposal: ProposalRecord) -> tuple[str, ...] | None:
    """Return what a policy server says against the start, asked about everybody who approved.

    None when the policy names no server. Whatever keeps it from being asked is an objection.
    """
    policy, plan = world.policies.current(), faithful_plan(proposal)
    if policy.opa is None or world.referee is None or plan is None:
        return None
    try:
        author = await _author(world, plan, policy) if _matters_who(plan, policy) else _NOBODY
        requests = [
            await _request(world, proposal, plan, policy, _as_they_approved(approval, plan, author))
            for approval in proposal.approvals
        ]
    except HandrailError as exc:
        return (f"the policy server could not be asked ({exc})",)
    said = await asyncio.gather(*(world.referee.objections(request) for request in requests))
    return tuple(dict.fromkeys(why for reasons in said for why in reasons))


def _as_they_approved(approval: Approval, plan: Plan, author: SlackUserId | str | None) -> Asker:
    human = approval.human or approval.user_id
    return Asker(
        user=approval.user_id,
        human=human,
        grounds=approval.grounds,
        pagerduty_user=approval.pagerduty_user,
        is_requester=plan.requester in (approval.user_id, human),
        is_author=None if author is None else author in (approval.user_id, human),
    )


def _matters_who(plan: Plan, policy: Policy) -> bool:
    terms = policy.for_risk(plan.risk)
    return terms.needs_identity or Party.AUTHOR in terms.excludes


async def _role(
    plan: Plan, policy: Policy, person: Person, asking: "asyncio.Task[Roll | HandrailError]"
) -> str | None:
    """Return the role that lets the person decide; None without one.

    Somebody who is named needs no look at a pager that may be down; for anybody else it raises `Unavailable`.
    """
    asked, domains = policy.asked_for(plan.risk, plan.approvers), policy.email_domains
    if held := roles_of(person, asked, Roll(), domains=domains):
        return held
    roll = await asking
    if isinstance(roll, HandrailError):
        raise roll
    return roles_of(person, asked, roll, domains=domains)


async def _who_may(plan: Plan, policy: Policy, asking: "asyncio.Task[Roll | HandrailError]") -> str:
    """Return who may decide, by name as far as that is known now."""
    roll = await asking
    known = Roll() if isinstance(roll, HandrailError) else roll
    return "; of them ".join(
        in_words(approvers, known) for approvers in policy.asked_for(plan.risk, plan.approvers)
    )


async def _roll(world: World, plan: Plan, policy: Policy) -> Roll | HandrailError:
    """Return who holds which role, or why that is not known: nobody may come to ask for either."""
    narrowed = policy.for_risk(plan.risk).approvers or Approvers()
    groups = sorted({*plan.approvers.groups, *narrowed.groups})
    needs_on_call = plan.approvers.on_call or narrowed.on_call
    try:
        on_call, members = await asyncio.gather(
            _on_call(world, plan.incident) if needs_on_call else _nobody(),
            asyncio.gather(*(_members(world, group) for group in groups)),
        )
    except HandrailError as exc:
        return exc
    return Roll(on_call=on_call, groups=dict(members))


async def _nobody() -> tuple[OnCall, ...]:
    return ()


async def _on_call(world: World, incident: IncidentId) -> tuple[OnCall, ...]:
    record = await world.book.get(incident)
    if record is None:
        raise NotFound(f"incident {incident} is not on record")
    try:
        return tuple(await _in_time(world, world.incidents.on_call(record.incident)))
    except HandrailError as exc:
        raise Unavailable(f"PagerDuty could not say who is on call ({exc})") from exc


async def _members(world: World, group: str) -> tuple[str, frozenset[SlackUserId]]:
    try:
        return group, await _in_time(world, world.directory.group_members(group))
    except HandrailError as exc:
        raise Unavailable(f"Slack could not say who is in the user group {group} ({exc})") from exc


async def _asker(world: World, plan: Plan, policy: Policy, person: Person) -> Asker:
    """Return who the person is, as far as the rules for this risk ask."""
    human = person.enterprise_user_id or person.id
    usual = Asker(
        user=person.id, human=human, is_requester=plan.requester in (person.id, human), is_author=False
    )
    if not _matters_who(plan, policy):
        return usual
    (pagerduty_user, why), author = await asyncio.gather(
        _pagerduty_user(world, policy, person), _author(world, plan, policy)
    )
    is_author = None if author is None else author in (person.id, human)
    return usual.model_copy(
        update={"pagerduty_user": pagerduty_user, "not_one_human": why, "is_author": is_author}
    )


async def _pagerduty_user(world: World, policy: Policy, person: Person) -> tuple[PagerDutyUserId | None, str]:
    """Return the one PagerDuty user with the address of *person*, or None and why."""
    email = usable_email(person, policy.email_domains or ())
    if email is None:
        return None, "your address in Slack is not confirmed, or of no domain under `email_domains`"
    owner, users = await _in_time(
        world, asyncio.gather(world.directory.by_email(email), world.incidents.users_by_email(email))
    )
    if owner != person.id or len(users) != 1:
        return None, "your address does not belong to exactly one Slack user and one PagerDuty user"
    return users[0], ""


_NOBODY = SlackUserId("")


async def _author(world: World, plan: Plan, policy: Policy) -> SlackUserId | str | None:
    """Return the human who wrote the suspect change; nobody when none is suspected, None when not known."""
    if plan.basis is None:
        return None
    if plan.basis.suspect is None:
        return _NOBODY
    change = await _in_time(world, world.ledger.get(plan.basis.suspect))
    if change is None or not change.author:
        return None
    user = policy.authors.get(change.author)
    if user is None:
        domains = policy.email_domains or ()
        if change.author.rpartition("@")[2].casefold() not in domains or "@" not in change.author:
            return None
        user = await _in_time(world, world.directory.by_email(change.author))
    if user is None:
        return None
    try:
        author = await _in_time(world, world.directory.person(user))
    except NotFound:
        return None
    return author.enterprise_user_id or author.id


async def _request(
    world: World, proposal: ProposalRecord, plan: Plan, policy: Policy, asker: Asker
) -> Request:
    now, looks_back = await world.gate.now(), policy.looks_back(plan.service)
    executions = await world.gate.executions(now - looks_back) if looks_back is not None else ()
    return Request(
        proposal=proposal.id,
        service=plan.service,
        playbook=plan.playbook,
        risk=plan.risk,
        now=now,
        expires_at=proposal.expires_at,
        executions=tuple(executions),
        undoes=plan.undoes,
        asker=asker,
    )


async def _in_time(world: World, answer: Awaitable[T]) -> T:
    """Return the answer. Raises `Unavailable` when it does not come in time: the person waits for ours."""
    try:
        async with asyncio.timeout(world.manners.look_up.total_seconds()):
            return await answer
    except TimeoutError as exc:
        raise Unavailable("no answer in time") from exc
