"""The main job as people live it: the page of the channel in a browser, a real bot process behind it."""

import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from playwright.async_api import Browser, Locator, Page, expect

from adapters.sandbox.bot_process import BotProcess
from adapters.sandbox.stage import ALICE, BEN, Stage, running_stage
from tests.scenarios.patient_bot import COMMAND
from tests.scenarios.running import a_patient_slack, quick_playbooks
from tests.scenarios.screens import DESKTOP, PHONE, Screen, a_page, is_as_wide_as, picture

ROOT = Path(__file__).resolve().parents[2]
RUN_MS = 180_000
APPROVE = "[data-action-id='handrail.approve']"
DETAILS = "[data-action-id='handrail.details']"

pytestmark = [pytest.mark.browser, pytest.mark.timeout(300)]
SCREENS = pytest.mark.parametrize(
    "screen",
    [pytest.param(DESKTOP, id="desktop"), pytest.param(PHONE, id="phone", marks=pytest.mark.heavy)],
)


@pytest.fixture
async def stage(tmp_path: Path) -> AsyncIterator[Stage]:
    """A channel in which a bot process has just been told that checkout 42 broke checkout."""
    async with a_patient_slack(), running_stage(tmp_path, rate=20) as stage:
        environment = {
            **stage.environment(),
            "HANDRAIL_PLAYBOOKS": str(quick_playbooks(tmp_path)),
            "HANDRAIL_PROMPTS": str(ROOT / "prompts"),
            "HANDRAIL_RESOLVE": "true",
        }
        bot = BotProcess(environment, log_file=tmp_path / "bot.log", cwd=ROOT, command=COMMAND)
        await bot.start()
        try:
            await stage.deploy("42", key="ci-run-1")
            yield stage
        finally:
            await bot.stop()


@SCREENS
async def test_the_story_from_alert_to_summary(browser: Browser, stage: Stage, screen: Screen) -> None:
    async with a_page(browser, stage.slack.url, ALICE.id, screen) as page:
        card = page.locator("article[data-ts]").first
        await expect(card.locator(APPROVE)).to_be_visible()
        await _is_understood(card)
        await picture(page, f"card-{screen.name}.png", screen)

        await page.get_by_label("You are").select_option(BEN.id)
        await card.locator(APPROVE).click()
        refusal = page.locator(".message.ephemeral")
        await expect(refusal).to_contain_text("You cannot decide this")
        await expect(refusal).to_be_in_viewport(ratio=1)
        async with a_page(browser, stage.slack.url, ALICE.id, screen) as other:
            await expect(other.locator("article[data-ts]").first).to_be_visible()
            await expect(other.locator(".message.ephemeral")).to_have_count(0)

        await page.get_by_label("You are").select_option(ALICE.id)
        await expect(refusal).to_have_count(0)
        await card.locator(APPROVE).click()
        await expect(card).to_contain_text(re.compile("Running|watching whether it helped"))
        await expect(card.locator(APPROVE)).to_have_count(0)
        await expect(card.locator("h3")).to_contain_text("Recovered", timeout=RUN_MS)
        await _tells_what_came_of_it(card)
        if screen.is_desktop:
            await picture(page, "recovered.png", screen)

        await expect(card.locator(".replies")).to_be_visible(timeout=RUN_MS)
        await card.locator(".replies").click()
        thread = page.locator("#thread-log")
        await expect(thread).to_contain_text("Summary of ")
        await expect(thread).to_contain_text("Alice Novak approved “Roll checkout back to 41")
        if screen.is_desktop:
            await picture(page, "thread.png", screen)
        await is_as_wide_as(page, screen)
    assert "41" == await stage.deployed()


@pytest.mark.heavy
@SCREENS
async def test_questions_are_answered_to_the_asker_only(
    browser: Browser, stage: Stage, screen: Screen
) -> None:
    async with a_page(browser, stage.slack.url, BEN.id, screen) as page:
        card = page.locator("article[data-ts]").first
        await expect(card.locator(APPROVE)).to_be_visible()
        answer = page.locator(".message.ephemeral").last

        await _type(page, "/incident status")
        await expect(answer).to_contain_text("On call: Alice Novak")
        await expect(answer).to_be_in_viewport(ratio=1)
        await _type(page, "/incident help")
        await expect(answer).to_contain_text("/incident changes [service] [2h]")
        await expect(answer).to_be_in_viewport()  # It is longer than a screen.
        await _type(page, "/incident stauts; rm -rf *")
        await expect(answer).to_contain_text("There is no command “stauts;”. Did you mean /incident status?")

        await card.locator(DETAILS).click()
        modal = page.locator("#modal")
        await expect(modal).to_be_visible()
        await expect(modal).to_contain_text("Asks the deploy API of checkout for version 41")
        await expect(modal).to_contain_text(re.compile(r"\+\d\.\d\d changed checkout, which alerts"))
        await is_as_wide_as(page, screen)
        await modal.get_by_role("button", name="Close").last.click()
        await expect(modal).to_be_hidden()
        async with a_page(browser, stage.slack.url, ALICE.id, screen) as other:
            await expect(other.locator(APPROVE)).to_be_visible()
            await expect(other.locator(".message.ephemeral")).to_have_count(0)


async def _is_understood(card: Locator) -> None:
    """A person finds on the card: what broke, why, what exactly would run, its price, and who may say yes."""
    await expect(card.locator("h3")).to_contain_text("checkout")
    for said in (
        re.compile(r"checkout: \d+% of requests fail"),
        "Probably the deploy of checkout 42",
        "checkout 42 · deploy by",
        "Roll checkout back to 41",
        "Cannot be undone: Requests that failed meanwhile stay failed.",
        re.compile("May approve.*on call"),
    ):
        await expect(card).to_contain_text(said)
    request = card.locator("pre").first
    await expect(request).to_contain_text(re.compile(r"POST http://127\.0\.0\.1:\d+/deploy"))
    await expect(request).to_contain_text('{"version": "41"}')
    await expect(request).to_contain_text("Authorization: Bearer secret:CHECKOUT_DEPLOY_TOKEN")


async def _tells_what_came_of_it(card: Locator) -> None:
    await expect(card).to_contain_text("Approved by Alice Novak")
    await expect(card).to_contain_text("roll-back — POST answered 200")
    await expect(card).to_contain_text(re.compile(r"Recovered at .*error_ratio is \S+, below 0.02"))


async def _type(page: Page, text: str) -> None:
    await page.fill("#composer-text", text)
    await page.press("#composer-text", "Enter")
