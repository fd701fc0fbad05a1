"""Who cannot approve, whatever they press, in Slack."""

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta

import pytest

from bot.app.approve import handle_click
from bot.app.world import OnePolicy
from bot.domain.approval import Action, Click, Confirmation, Reason, Ruling
from bot.domain.audit import Act
from bot.domain.catalogue import Approvers
from bot.domain.ids import Digest, PagerDutyUserId, PlaybookId, SlackUserId
from bot.domain.person import Person
from bot.domain.playbook import LoadedPlaybook, Risk
from bot.domain.policy import FLOOR, Policy, RiskRule
from bot.domain.proposal import ProposalState
from tests.app.world import DANA, EVE, OMAR, SHIPPED, Bot, a_bot, a_service
from tests.builders import a_change

USERS = {PagerDutyUserId("PDANA"): "dana@example.com", PagerDutyUserId("POMAR"): "omar@example.com"}
KNOWN = Policy(email_domains=("example.com",), authors={"dana-gh": DANA.id})


def of_risk(risk: Risk) -> Mapping[PlaybookId, LoadedPlaybook]:
    """Return the playbooks that ship, each with *risk*."""
    return {
        name: loaded.model_copy(update={"playbook": loaded.playbook.model_copy(update={"risk": risk})})
        for name, loaded in SHIPPED.items()
    }


async def an_offer(
    risk: Risk = Risk.MEDIUM, policy: Policy = KNOWN, *, author: str = "chris", **service: object
) -> Bot:
    """Return a bot that offers a plan of *risk*; Dana is a named approver, Omar is on call."""
    bot = a_bot(
        services={"checkout": a_service(**service)},
        playbooks=of_risk(risk),
        changes=[a_change().model_copy(update={"author": author})],
    )
    for user, email in USERS.items():
        bot.pager.add_user(user, email)
    bot.world = replace(bot.world, policies=OnePolicy(policy))
    assert await bot.begin() is not None
    return bot


async def confirm(bot: Bot, by: Person, *, target: str | None = None, reason: str = "tax rules") -> Ruling:
    """Send the window that the button opens."""
    record = await bot.the_last()
    (_, asked) = bot.chat.asked[-1]
    typed = Confirmation(target=target or asked.target or "", reason=reason, overrides=asked.overrides)
    click = bot.a_press(Action.APPROVE, record, by=by).model_copy(update={"confirmation": typed})
    return await handle_click(bot.world, click)


async def approve(bot: Bot, by: Person) -> Ruling:
    ruling = await bot.press(Action.APPROVE, by=by, follow=False)
    return await confirm(bot, by) if ruling.reason is Reason.ASKED_TO_CONFIRM else ruling


async def test_sl_empty_allow() -> None:
    """An empty or missing list of approvers, in the catalogue or in the policy, is nobody."""
    nobody = await an_offer(approvers=Approvers())
    narrowed = await an_offer(policy=Policy(medium=RiskRule(approvers=Approvers())))

    rulings = [await approve(bot, DANA) for bot in (nobody, narrowed)]

    assert [Reason.NOT_ALLOWED] * 2 == [ruling.reason for ruling in rulings]
    assert all("nobody may decide this" in ruling.text for ruling in rulings)


@pytest.mark.parametrize("flag", ["is_bot", "is_guest", "is_deactivated", "is_external"])
async def test_sl_guest(flag: str) -> None:
    """A guest, a deactivated, an external user: refused, told alone, although named and on call."""
    bot = await an_offer()
    bot.directory.put(DANA.model_copy(update={flag: True}))

    ruling = await approve(bot, DANA)

    assert (Reason.NOT_ALLOWED, [ruling.text]) == (ruling.reason, bot.told(DANA))
    assert await bot.state() is ProposalState.PROPOSED


async def test_sl_bot_click() -> None:
    """A bot or an app that presses, even one that is named, has no effect."""
    robot = Person(id=SlackUserId("U0ROBOT"), team_id="T0HANDRAIL", name="deploy-bot", is_bot=True)
    bot = await an_offer(approvers=Approvers(users=(robot.id,)))
    bot.directory.put(robot)

    assert (await approve(bot, robot)).reason is Reason.NOT_ALLOWED
    assert await bot.state() is ProposalState.PROPOSED


async def test_sl_unknown_user() -> None:
    """Somebody whom Slack does not know may nothing."""
    bot = await an_offer()
    stranger = Person(id=SlackUserId("U0NOBODY"), team_id="T0HANDRAIL", name="Dana")

    assert (await approve(bot, stranger)).reason is Reason.NOT_ALLOWED


async def test_sl_display_name() -> None:
    """Somebody who took the name of who is on call is still somebody else."""
    bot = await an_offer()
    bot.directory.put(EVE.model_copy(update={"name": "Omar"}))

    assert (await approve(bot, EVE)).reason is Reason.NOT_ALLOWED


async def test_sl_value_swap() -> None:
    """The digest of another proposal, or its id, on this card's button: refused."""
    bot = await an_offer()
    press = bot.a_press(Action.APPROVE, await bot.the_last())

    async def swapped(**value: object) -> Ruling:
        click = Click.model_validate(press.model_copy(update={"id": f"{value}", **value}))
        return await handle_click(bot.world, click)

    assert (await swapped(digest=Digest("0" * 64))).reason is Reason.OUT_OF_DATE
    assert (await swapped(proposal_id="Q9-1")).reason is Reason.UNKNOWN_PROPOSAL
    assert await bot.state() is ProposalState.PROPOSED


async def test_sl_forged_card() -> None:
    """A message that looks like the card, but is another one: refused."""
    bot = await an_offer()
    press = bot.a_press(Action.APPROVE, await bot.the_last())

    ruling = await handle_click(bot.world, press.model_copy(update={"message_ts": "1700000000.999999"}))

    assert ruling.reason is Reason.WRONG_CARD
    assert await bot.state() is ProposalState.PROPOSED


async def test_sl_old_card() -> None:
    """A press of what the card showed before it was proposed again changes nothing."""
    bot = await an_offer()
    first = await bot.the_last()
    await bot.press(Action.DENY)
    await bot.press(Action.PROPOSE_AGAIN)

    ruling = await handle_click(bot.world, bot.a_press(Action.APPROVE, first))

    assert not ruling.is_accepted
    assert (await bot.world.gate.proposal(first.id)) is not None
    assert await bot.state() is not ProposalState.APPROVED


async def test_sl_same_person_twice() -> None:
    """Two presses, two devices, two accounts of one human: 1 of 2."""
    twin = Person(
        id=SlackUserId("U0TWIN"),
        team_id="T0HANDRAIL",
        name="Dana too",
        email="dana@example.com",
        enterprise_user_id="W0DANA",
    )
    bot = await an_offer(Risk.CRITICAL, approvers=Approvers(users=(DANA.id, twin.id), on_call=True))
    assert (await approve(bot, DANA)).is_accepted

    rulings = await asyncio.gather(*(approve(bot, DANA) for _ in range(3)))
    bot.directory.put(twin)
    rulings.append(await approve(bot, twin))

    assert not any(ruling.is_accepted for ruling in rulings)
    assert await bot.state() is ProposalState.PROPOSED
    assert (await approve(bot, OMAR)).is_accepted
    assert await bot.state() is ProposalState.APPROVED


async def test_sl_author() -> None:
    """The author of the suspect change does not approve its rollback at a high risk; somebody else does."""
    bot = await an_offer(Risk.HIGH, author="dana-gh")

    refused = await approve(bot, DANA)
    accepted = await approve(bot, OMAR)

    assert "the author of the suspect change does not count" in refused.text
    assert "(now Omar)" in refused.text
    assert (accepted.is_accepted, await bot.state()) == (True, ProposalState.APPROVED)


async def test_sl_unknown_author() -> None:
    """When nobody can tell who wrote the suspect change, one person is not enough."""
    bot = await an_offer(Risk.HIGH, author="some-robot")

    assert (await approve(bot, DANA)).text == "Approved: 1 of 2 people."
    assert await bot.state() is ProposalState.PROPOSED
    assert (await approve(bot, OMAR)).is_accepted
    assert await bot.state() is ProposalState.APPROVED


async def test_sl_requester() -> None:
    """Whoever asked for the plan does not approve it at a high risk."""
    bot = await an_offer(Risk.HIGH, author="omar@example.com")
    bot.time.advance(timedelta(minutes=16))
    await bot.follow()
    assert (await bot.press(Action.PROPOSE_AGAIN)).is_accepted

    assert "whoever asked for this plan does not count" in (await approve(bot, DANA)).text


@pytest.mark.parametrize(
    "policy", [FLOOR, Policy(email_domains=()), Policy(email_domains=("other.example",))]
)
async def test_sl_unmapped_person(policy: Policy) -> None:
    """Without an allowed domain nobody is one human, so nobody approves a high risk."""
    bot = await an_offer(Risk.HIGH, policy)

    assert "email_domains" in (await approve(bot, DANA)).text


async def test_sl_shared_address() -> None:
    """An address that two PagerDuty users have is nobody's."""
    bot = await an_offer(Risk.HIGH)
    bot.pager.add_user(PagerDutyUserId("PDANA2"), "DANA@example.com")

    assert "exactly one" in (await approve(bot, DANA)).text


async def test_sl_typed_target() -> None:
    """A wrong name, sent past the window's own check, approves nothing; neither does a press without one."""
    bot = await an_offer(Risk.HIGH, author="omar@example.com")
    asked = await bot.press(Action.APPROVE, by=DANA, follow=False)
    wrong = await confirm(bot, DANA, target="deploy:payments")
    blank = await confirm(bot, DANA, reason=" ")

    assert [Reason.ASKED_TO_CONFIRM, Reason.NOT_CONFIRMED, Reason.NOT_CONFIRMED] == [
        ruling.reason for ruling in (asked, wrong, blank)
    ]
    assert await bot.state() is ProposalState.PROPOSED
    assert Act.APPROVED not in await bot.acts()
