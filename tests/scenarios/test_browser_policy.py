"""Approvals as the policy shapes them, in a browser: a typed name, and two people side by side."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import pytest
from playwright.async_api import Browser, FrameLocator, Page, expect

from adapters.sandbox.stage import ALICE, BEN
from tests.scenarios.running import Rig
from tests.scenarios.screens import DESKTOP, PHONE, Screen, a_page, is_as_wide_as, opened, picture
from tests.scenarios.test_policy import NOBODY, POLICY, TARGET, a_bot

RUN_MS = 180_000
APPROVE = "[data-action-id='handrail.approve']"
CARD = "article[data-ts]:not(.ephemeral)"
SIDE = Screen("side", 1280, 1460)
SCREENS = pytest.mark.parametrize("screen", [DESKTOP, PHONE], ids=lambda screen: screen.name)

pytestmark = [pytest.mark.browser, pytest.mark.heavy, pytest.mark.timeout(300)]


@SCREENS
async def test_a_high_risk_is_approved_by_typing_the_targets_name(
    browser: Browser, tmp_path: Path, screen: Screen
) -> None:
    # With its author known one person is enough.
    policy = POLICY.format(author="anna") + f"  boris: {BEN.id}\n  chris: {BEN.id}\n"
    async with a_bot(tmp_path, "high", policy, users=BEN.id) as rig:
        await rig.offered()
        before = await rig.stage.effects()
        async with a_page(browser, rig.slack.url, ALICE.id, screen) as page:
            await page.locator(APPROVE).click()
            modal = page.locator("#modal")
            await expect(modal).to_contain_text("It acts on deploy:checkout")
            await typed(page, "checkout", "the new tax rules")
            await expect(modal).to_contain_text("That is not the target's name. Type deploy:checkout")
            await is_as_wide_as(page, screen)
            await picture(page, f"typed-name-{screen.name}.png", screen, is_whole=False)
            assert before == await rig.stage.effects()

            await page.fill("[data-input-of=target]", TARGET)
            await modal.get_by_role("button", name="Approve", exact=True).click()
            await expect(modal).to_be_hidden()
            card = page.locator(CARD).first
            await expect(card.locator("h3")).to_contain_text("Recovered", timeout=RUN_MS)
            await expect(card).to_contain_text("the new tax rules")
        assert len(before) + 1 == len(await rig.stage.effects())


@SCREENS
async def test_two_people_side_by_side_approve_a_critical_plan(
    browser: Browser, tmp_path: Path, screen: Screen
) -> None:
    """On a desk both are in one window; on phones each has a screen."""
    async with a_bot(tmp_path, "critical", POLICY.format(author=NOBODY), users=BEN.id) as rig:
        await rig.offered()
        before = await rig.stage.effects()
        async with two_people(browser, rig, screen) as (alice, ben, page):
            for person in (alice, ben):
                await expect(person.locator(APPROVE)).to_be_visible()
            await alice.locator(APPROVE).click()
            await typed(alice, TARGET, "customers cannot pay")
            for person in (alice, ben):
                await expect(person.locator(CARD).first).to_contain_text(
                    "1 of 2: Alice Novak; one more person"
                )
            await expect(ben.locator("#modal")).to_be_hidden()
            name = f"two-people-{screen.name}.png"
            await picture(page, name, SIDE if screen.is_desktop else screen, is_whole=not screen.is_desktop)
            assert before == await rig.stage.effects()

            await alice.locator(APPROVE).click()
            await expect(alice.locator(".message.ephemeral").last).to_contain_text("someone else must too")
            await expect(ben.locator(".message.ephemeral")).to_have_count(0)
            await ben.locator(APPROVE).click()
            await typed(ben, TARGET, "I see the same")
            for person in (alice, ben):
                card = person.locator(CARD).first
                await expect(card.locator("h3")).to_contain_text("Recovered", timeout=RUN_MS)
                await expect(card.locator(APPROVE)).to_have_count(0)
        assert len(before) + 1 == len(await rig.stage.effects())


@asynccontextmanager
async def two_people(
    browser: Browser, rig: Rig, screen: Screen
) -> AsyncIterator[tuple[Page | FrameLocator, Page | FrameLocator, Page]]:
    """Give Alice's and Ben's view, and the page to take a picture of: the one who comes second."""
    url = rig.slack.url
    async with AsyncExitStack() as stack:
        if screen.is_desktop:
            both = f"{url}/side?left={ALICE.id}&right={BEN.id}"
            page = await stack.enter_async_context(opened(browser, both, SIDE))
            alice, ben = (
                page.frame_locator(f"iframe[title='The workspace as {person.real_name} sees it']")
                for person in (ALICE, BEN)
            )
            yield alice, ben, page
        else:
            first, second = [
                await stack.enter_async_context(a_page(browser, url, person.id, screen))
                for person in (ALICE, BEN)
            ]
            yield first, second, second


async def typed(person: Page | FrameLocator, target: str, reason: str) -> None:
    """Fill the window in front of *person*, and send it."""
    await person.locator("[data-input-of=target]").fill(target)
    await person.locator("[data-input-of=reason]").fill(reason)
    await person.locator("#modal").get_by_role("button", name="Approve", exact=True).click()
