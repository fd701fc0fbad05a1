"""Who may decide, what a click does, that each click is answered once, and what takes a proposal back."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from adapters.sandbox.slack import SandboxSlack
from adapters.sandbox.stage import ALICE, BEN, GUEST
from tests.scenarios.running import APPROVE, DENY, OFFERED, PROPOSE_AGAIN, Rig, running

pytestmark = [
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.xdist_group("decisions"),
    pytest.mark.timeout(300),
]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def rig(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Rig]:
    """One bot for all tests of this file. Alice is on call; Ben and the guest are named approvers."""

    def with_more_approvers(yaml: str) -> str:
        return yaml.replace("on_call: true", f"on_call: true\n      users: [{BEN.id}, {GUEST.id}]")

    folder = tmp_path_factory.mktemp("decisions")
    async with running(folder, services=with_more_approvers) as running_rig:
        yield running_rig


async def test_sl_guest_a_guest_is_refused_even_when_named_as_an_approver(rig: Rig) -> None:
    incident, card = await rig.offered()
    effects = await rig.stage.effects()

    assert await rig.press_and_hear(GUEST.id, card) == "You cannot decide this: guests do not count."
    assert OFFERED in (await rig.card(incident.id)).shown_text
    assert await rig.stage.effects() == effects


async def test_a_denied_proposal_never_starts_and_says_who_denied_it(rig: Rig) -> None:
    incident, card = await rig.offered()
    effects = await rig.stage.effects()

    await rig.press(BEN.id, card, DENY)
    denied = await rig.card(incident.id, "Denied by", without=OFFERED)

    assert "Nothing ran." in denied.shown_text
    assert "Propose again" in denied.shown_text
    assert (await rig.press_and_hear(ALICE.id, card)).startswith("Already denied by")
    assert await rig.stage.effects() == effects


async def test_a_signed_click_sent_again_does_nothing_and_says_nothing(rig: Rig) -> None:
    incident, card = await rig.offered()
    click = await rig.press(ALICE.id, card, DENY)
    await rig.card(incident.id, "Denied by")
    before = len(rig.heard(ALICE.id))

    again = await rig.slack.replay(click)

    assert again.status == 200
    await rig.ask("help", ALICE.id)  # The queue keeps order: an answer to the click would stand before.
    assert len(rig.heard(ALICE.id)) == before + 1


@pytest.mark.parametrize(
    "clicks", [{ALICE.id: 2}, {ALICE.id: 5, BEN.id: 5}], ids=["double-click", "ten-by-two-people"]
)
async def test_many_clicks_have_one_effect_and_each_is_answered(rig: Rig, clicks: dict[str, int]) -> None:
    incident, card = await rig.offered()
    effects = await rig.stage.effects()
    before = {user: len(rig.heard(user)) for user in clicks}

    def told(_: SandboxSlack) -> list[str]:
        return [said for user in clicks for said in rig.heard(user)[before[user] :]]

    await asyncio.gather(*(rig.press(user, card, repeat=count) for user, count in clicks.items()))
    await rig.card(incident.id, "Recovered")
    refusals = await rig.seen(
        lambda slack: said if len(said := told(slack)) >= sum(clicks.values()) - 1 else None
    )

    assert len(refusals) == sum(clicks.values()) - 1
    assert all(said.startswith(("Already approved by", "It has started already")) for said in refusals)
    assert [effect["after"] for effect in (await rig.stage.effects())[len(effects) :]] == ["41"]


async def test_a_rollback_elsewhere_takes_the_proposal_back_and_says_so(rig: Rig) -> None:
    incident, card = await rig.offered()
    effects = [effect["key"] for effect in await rig.stage.effects()]

    await rig.deploy("41", key="pipeline-by-hand")
    withdrawn = await rig.card(incident.id, "Withdrawn at", without=OFFERED)

    assert "went live at" in withdrawn.shown_text
    assert "checkout 41" in withdrawn.shown_text
    assert (await rig.press_and_hear(ALICE.id, card)).startswith("The proposal was withdrawn: checkout 41")
    assert [effect["key"] for effect in await rig.stage.effects()] == [*effects, "pipeline-by-hand"]


async def test_a_resolve_in_pagerduty_takes_the_proposal_back_and_says_so(rig: Rig) -> None:
    incident, card = await rig.offered()
    effects = await rig.stage.effects()

    rig.stage.pagerduty.resolve(incident.id, "PALICE1")
    resolved = await rig.card(incident.id, "the incident was resolved", without=OFFERED)

    assert resolved.shown_text.startswith("Resolved · checkout")
    assert "Propose again" not in resolved.shown_text
    assert "resolved" in await rig.press_and_hear(ALICE.id, card)
    assert await rig.stage.effects() == effects


async def test_an_expired_proposal_can_be_proposed_again_and_works(tmp_path: Path) -> None:
    async with running(tmp_path, settings={"HANDRAIL_APPROVAL_MINUTES": "0.5"}) as rig:
        incident, card = await rig.offered()
        expired = await rig.card(incident.id, "Expired at", without=OFFERED)
        assert "Nothing ran." in expired.shown_text
        refusal = await rig.press_and_hear(ALICE.id, card)
        assert refusal == "The proposal has expired. Press *Propose again*."

        await rig.press(ALICE.id, expired, PROPOSE_AGAIN)
        again = await rig.card(incident.id, OFFERED)
        assert again.ts == card.ts
        await rig.press(ALICE.id, again, APPROVE)
        await rig.card(incident.id, "Recovered")

        assert [effect["after"] for effect in await rig.stage.effects()] == ["42", "41"]
