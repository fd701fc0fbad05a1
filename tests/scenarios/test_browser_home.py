"""The home tab in a browser: what waits, what is open, who is on call, and what changed meanwhile."""

from pathlib import Path

import pytest
from playwright.async_api import Browser, expect

from adapters.sandbox.stage import ALICE, BEN
from tests.scenarios.running import running
from tests.scenarios.screens import DESKTOP, PHONE, Screen, a_page, is_as_wide_as, opened, picture

RUN_MS = 60_000

pytestmark = [pytest.mark.browser, pytest.mark.heavy, pytest.mark.timeout(300)]


@pytest.mark.parametrize("screen", [DESKTOP, PHONE], ids=lambda screen: screen.name)
async def test_the_home_tab_tells_each_person_what_is_theirs(
    browser: Browser, tmp_path: Path, screen: Screen
) -> None:
    async with running(tmp_path) as rig:
        await rig.offered()
        async with a_page(browser, rig.slack.url, ALICE.id, screen) as page:
            if not screen.is_desktop:
                await page.get_by_role("button", name="Show channels").click()
            await page.locator("[data-home]").click()
            home = page.locator(".home")
            await expect(home).to_contain_text("Waiting for you", timeout=RUN_MS)
            await expect(home).to_contain_text("Roll checkout back to 41")
            await expect(home).to_contain_text("Open incidents (1)")
            await expect(home.get_by_role("link", name="Card").first).to_be_visible()
            await expect(home.locator("button")).to_have_count(0)
            await is_as_wide_as(page, screen)
            await picture(page, f"home-{screen.name}.png", screen)

        await rig.slack.open_home(BEN.id)
        async with opened(browser, f"{rig.slack.url}/?user={BEN.id}&home", screen) as page:
            await expect(page.locator(".home")).to_contain_text("No approval waits for you.", timeout=RUN_MS)
            await expect(page.locator(".home")).to_contain_text("Open incidents (1)")
