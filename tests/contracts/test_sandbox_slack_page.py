"""The page of the sandbox Slack in a real browser: a person reads, presses, types and switches roles."""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio
from playwright.async_api import Browser, Page, expect
from playwright.async_api import Route as Held
from slack_bolt.adapter.starlette.async_handler import AsyncSlackRequestHandler
from slack_bolt.async_app import AsyncApp
from starlette.applications import Starlette
from starlette.routing import Route

from adapters.sandbox.serving import serving
from adapters.sandbox.slack import SandboxSlack, limits, running_slack
from tests.conftest import a_browser
from tests.contracts.sandbox_slack_builders import (
    ALICE,
    BOB,
    INCIDENTS,
    a_button,
    a_card,
    a_client,
    a_modal,
    a_section,
    a_workspace,
    actions,
)

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="module")]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def chromium() -> AsyncIterator[Browser]:
    async with a_browser() as browser:
        yield browser


@pytest_asyncio.fixture(loop_scope="module")
async def browser(chromium: Browser) -> AsyncIterator[Browser]:
    """The one browser of this file, in which no page of a test stays open."""
    yield chromium
    for context in chromium.contexts:
        await context.close()


@pytest_asyncio.fixture(loop_scope="module")
async def slack(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[SandboxSlack]:
    """A workspace whose app allows Alice to approve, refuses others privately, and opens a modal on `ask`."""
    monkeypatch.setattr(limits, "TRIGGER_S", 60.0)
    async with running_slack(a_workspace()) as slack:
        client = a_client(slack)
        bolt = AsyncApp(client=client, signing_secret=slack.config.signing_secret)

        async def decide(ack: Any, body: dict[str, Any]) -> None:
            await ack()
            person, ts = body["user"]["id"], body["message"]["ts"]
            if person == ALICE:
                done = [a_section(f":white_check_mark: Approved by <@{person}>")]
                await client.chat_update(channel=INCIDENTS, ts=ts, text="done", blocks=done)
            else:
                await client.chat_postEphemeral(
                    channel=INCIDENTS, user=person, text="Only on-call may approve."
                )

        async def ask(ack: Any, body: dict[str, Any]) -> None:
            await ack()
            await client.views_open(trigger_id=body["trigger_id"], view=a_modal())

        async def check(ack: Any, body: dict[str, Any]) -> None:
            reason = body["view"]["state"]["values"]["reason"]["reason_text"]["value"]
            errors = {"reason": "Say more."}
            await (ack(response_action="errors", errors=errors) if len(reason) < 5 else ack())

        async def answer(ack: Any, body: dict[str, Any]) -> None:
            await ack(f"You asked for *{body['text']}*.")

        bolt.action("approve")(decide)
        bolt.action("ask")(ask)
        bolt.view("confirm")(check)
        bolt.command("/incident")(answer)
        handler = AsyncSlackRequestHandler(bolt)
        async with serving(Starlette(routes=[Route("/", handler.handle, methods=["POST"])])) as url:
            await slack.deliver_to(url)
            yield slack


async def opened(
    browser: Browser, slack: SandboxSlack, user: str, *, width: int = 1280, height: int = 900
) -> tuple[Page, list[str]]:
    """Open the page as *user*; also return the list of errors that it logs."""
    page = await browser.new_page(viewport={"width": width, "height": height})
    errors: list[str] = []
    page.on("console", lambda message: errors.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: errors.append(str(error)))
    await page.goto(f"{slack.url}/?user={user}")
    return page, errors


async def post(slack: SandboxSlack, *blocks: dict[str, Any], text: str = "card") -> str:
    return str(
        (await a_client(slack).chat_postMessage(channel=INCIDENTS, text=text, blocks=list(blocks)))["ts"]
    )


async def test_two_people_see_the_card_and_its_outcome_live(slack: SandboxSlack, browser: Browser) -> None:
    ts = await post(slack, *a_card())
    alice, errors = await opened(browser, slack, ALICE)
    bob, _ = await opened(browser, slack, BOB)

    await bob.click(f'[data-ts="{ts}"] [data-action-id=approve]')
    await expect(bob.locator(".message.ephemeral")).to_contain_text("Only on-call may approve.")
    await expect(bob.get_by_role("status")).to_have_text("“Approve” sent; the answer appears below")
    await expect(alice.locator(".message.ephemeral")).to_have_count(0)
    await alice.click(f'[data-ts="{ts}"] [data-action-id=approve]')

    for page in (alice, bob):
        await expect(page.locator(f'[data-ts="{ts}"]')).to_contain_text("Approved by @Alice Adler")
        await expect(page.locator("[data-action-id]")).to_have_count(0)
    assert [] == errors


async def test_a_press_right_after_choosing_who_i_am_is_that_persons(
    slack: SandboxSlack, browser: Browser
) -> None:
    ts = await post(slack, *a_card())
    page, errors = await opened(browser, slack, ALICE)
    approve = page.locator(f'[data-ts="{ts}"] [data-action-id=approve]')
    await expect(approve).to_be_visible()
    is_pressed = asyncio.Event()

    async def hold(state: Held) -> None:
        await is_pressed.wait()
        await state.continue_()

    await page.route(f"**/sandbox/state?user={BOB}", hold)  # So it is not drawn for Bob yet.

    await page.get_by_label("You are").select_option(BOB)
    await approve.click()
    await slack.wait_for(lambda s: len(s.deliveries) == 1)
    is_pressed.set()

    await expect(page.locator(".message.ephemeral")).to_contain_text("Only on-call may approve.")
    await expect(page.get_by_label("You are")).to_have_value(BOB)
    await expect(approve).to_be_enabled()
    assert [] == errors


async def test_a_card_that_changes_while_its_button_is_held_down_takes_the_press(
    slack: SandboxSlack, browser: Browser
) -> None:
    ts = await post(slack, *a_card())
    page, errors = await opened(browser, slack, ALICE)
    card = page.locator(f'[data-ts="{ts}"]')
    newer = [a_section("One alert more"), *a_card()]

    await card.locator("[data-action-id=approve]").hover()
    await page.mouse.down()
    async with page.expect_response("**/sandbox/state?*"):
        await a_client(slack).chat_update(channel=INCIDENTS, ts=ts, text="card", blocks=newer)
    await page.evaluate("() => new Promise(done => setTimeout(() => requestAnimationFrame(done)))")
    await page.mouse.up()

    await expect(card).to_contain_text("Approved by @Alice Adler")
    assert [] == errors


async def test_a_dangerous_button_asks_first(slack: SandboxSlack, browser: Browser) -> None:
    words = {name: {"type": "plain_text", "text": name} for name in ("title", "text", "confirm", "deny")}
    await post(slack, actions(a_button(confirm=words)))
    page, _ = await opened(browser, slack, ALICE)

    await page.click("[data-action-id=approve]")
    await page.click("[data-confirm=no]")
    assert () == slack.deliveries
    await page.click("[data-action-id=approve]")
    await page.click("[data-confirm=yes]")

    await slack.wait_for(lambda s: len(s.deliveries) == 1)


async def test_a_command_a_thread_and_a_modal_work_as_in_slack(slack: SandboxSlack, browser: Browser) -> None:
    ts = await post(slack, actions(a_button("ask", "Ask")))
    await a_client(slack).chat_postMessage(channel=INCIDENTS, thread_ts=ts, text="_evidence_")
    page, errors = await opened(browser, slack, ALICE)

    await page.fill("#composer-text", "/incident status Q1")
    await page.press("#composer-text", "Enter")
    await expect(page.locator(".message.ephemeral strong")).to_have_text("status Q1")
    await page.get_by_role("button", name="1 reply").click()
    await expect(page.locator("#thread-log em")).to_have_text("evidence")
    await page.fill("#thread-text", "/incident status")
    await page.press("#thread-text", "Enter")
    await expect(page.get_by_role("status")).to_contain_text("not supported in threads")
    await page.click("#log [data-action-id=ask]")
    await page.fill("[data-input-of=reason]", "meh")
    await page.get_by_role("button", name="Send", exact=True).last.click()
    await expect(page.get_by_text("Say more.")).to_be_visible()
    await page.fill("[data-input-of=reason]", "because")
    await page.get_by_role("button", name="Send", exact=True).last.click()

    await expect(page.locator("#modal")).to_be_hidden()
    assert {} == slack.views
    assert [] == errors


async def test_a_message_has_its_thread_and_the_shortcuts_and_a_thread_takes_mentions(
    slack: SandboxSlack, browser: Browser
) -> None:
    ts = await post(slack, a_section("an incident"))
    page, _ = await opened(browser, slack, ALICE)
    message = page.locator(f'[data-ts="{ts}"]').first
    await message.hover()
    await message.get_by_role("button", name="Incident commands").click()
    await slack.wait_for(lambda s: "message_action" in [one.kind for one in s.deliveries] or None)

    await message.hover()
    await message.get_by_role("button", name="Open thread").click()
    await page.locator("#thread-text").fill(f"@{slack.config.bot_name} status")
    await page.get_by_role("button", name="Send reply").click()
    sent = await slack.wait_for(
        lambda s: next((json.loads(one.body)["event"] for one in s.deliveries if one.kind == "event"), None)
    )

    assert ("app_mention", f"<@{slack.config.bot_user_id}> status", ts) == (
        sent["type"],
        sent["text"],
        sent["thread_ts"],
    )


async def test_the_home_tab_is_drawn_and_its_buttons_work(slack: SandboxSlack, browser: Browser) -> None:
    home = {"type": "home", "blocks": [a_section("*Nothing* is open"), actions(a_button("ask", "Ask"))]}
    await a_client(slack).views_publish(user_id=ALICE, view=home)
    page, errors = await opened(browser, slack, ALICE)

    await page.get_by_role("button", name="⌂ Testbot").click()
    await expect(page.locator(".home strong")).to_have_text("Nothing")
    await page.click(".home [data-action-id=ask]")
    await expect(page.get_by_role("heading", name="Confirm")).to_be_visible()
    await page.get_by_role("button", name="Close").first.click()

    await expect(page.locator("#modal")).to_be_hidden()
    assert ({}, []) == (slack.views, errors)


async def test_data_never_becomes_markup(slack: SandboxSlack, browser: Browser) -> None:
    hostile = "<img src=x onerror=\"document.title='owned'\"> <script>document.title='owned'</script>"
    await post(slack, a_section(hostile), {"type": "header", "text": {"type": "plain_text", "text": hostile}})
    await post(slack, a_section("<javascript:document.title='owned'|click> <https://example.com|*good*>"))
    await slack.say(BOB, INCIDENTS, hostile)
    page, errors = await opened(browser, slack, ALICE)

    await expect(page.locator("article")).to_have_count(3)
    assert 0 == await page.locator("article img, article script").count()
    links = await page.locator("article a").evaluate_all("links => links.map(link => link.href)")
    assert ["https://example.com/"] == links
    assert ("# incidents · Sandbox Works", []) == (await page.title(), errors)


async def test_mrkdwn_is_drawn_as_slack_draws_it(slack: SandboxSlack, browser: Browser) -> None:
    text = (
        "*bold* _it_ ~gone~ `co*de*` 2*3*4\n> quoted *b*\n```\nline &lt;1&gt;\n  line 2\n```\n"
        f"<@{BOB}> <!subteam^S0ONCALL> <!channel> <!date^0^{{date_num}}|never> "
        ":red_circle: *<https://a.example|bold link>*"
    )
    await post(slack, a_section(text))
    page, _ = await opened(browser, slack, ALICE)
    body = page.locator("article .text")

    drawn = await body.evaluate("element => element.innerHTML.replace(/<svg.*?<\\/svg>/g, '(icon)')")

    assert (
        "<strong>bold</strong> <em>it</em> <s>gone</s> <code>co*de*</code> 2*3*4"
        "<blockquote>quoted <strong>b</strong></blockquote>"
        "<pre>line &lt;1&gt;\n  line 2</pre>"
        '<span class="mention">@Bob Baum</span> <span class="mention">@oncall</span> '
        '<span class="mention loud">@channel</span> '
        '<time datetime="1970-01-01T00:00:00.000Z" title="never">1970-01-01</time> (icon) '
        '<strong><a href="https://a.example/" target="_blank" rel="noopener noreferrer">'
        "bold link</a></strong>"
    ) == drawn


SIZES = pytest.mark.parametrize(("width", "height"), [(1280, 900), (390, 844)], ids=["desktop", "phone"])


@SIZES
async def test_what_is_told_to_me_alone_is_in_view_wherever_i_was_reading(
    slack: SandboxSlack, browser: Browser, width: int, height: int
) -> None:
    """A card is taller than the screen, and its answer stands below it."""
    ts = await post(slack, *a_card(), *[a_section(f"line {n}\nof much that follows") for n in range(40)])
    page, errors = await opened(browser, slack, BOB, width=width, height=height)
    button = page.locator(f'[data-ts="{ts}"] [data-action-id=approve]')

    await button.click()
    await expect(page.get_by_text("Only on-call may approve.")).to_be_in_viewport(ratio=1)
    await expect(button).not_to_be_in_viewport()
    await page.locator("#log").evaluate("log => { log.scrollTop = 0; }")
    await page.fill("#composer-text", "/incident help")
    await page.press("#composer-text", "Enter")

    await expect(page.get_by_text("You asked for help.")).to_be_in_viewport(ratio=1)
    assert [] == errors


async def test_what_others_say_moves_nobody_from_what_they_read(
    slack: SandboxSlack, browser: Browser
) -> None:
    ts = await post(slack, *a_card(), *[a_section(f"line {n}") for n in range(45)])
    page, _ = await opened(browser, slack, ALICE)
    button = page.locator(f'[data-ts="{ts}"] [data-action-id=approve]')
    await expect(button).to_be_in_viewport()

    await slack.say(BOB, INCIDENTS, "I am looking too")

    await expect(page.get_by_text("I am looking too")).to_be_attached()
    await expect(button).to_be_in_viewport()


async def test_nothing_is_promised_that_the_app_does_not_do(slack: SandboxSlack, browser: Browser) -> None:
    page, _ = await opened(browser, slack, ALICE)

    await expect(page.locator("#composer-hint")).to_have_text("Try /incident help")


async def test_on_a_phone_nothing_is_wider_than_the_screen(slack: SandboxSlack, browser: Browser) -> None:
    await post(slack, a_section("`" + "x" * 400 + "`"), *a_card()[1:])
    page, errors = await opened(browser, slack, ALICE, width=390, height=844)

    await expect(page.locator("[data-action-id=approve]")).to_be_in_viewport()
    await expect(page.locator("#sidebar")).to_be_hidden()
    assert 390 == await page.evaluate("document.documentElement.scrollWidth")
    await page.get_by_role("button", name="Show channels").click()
    await page.get_by_role("button", name="# others").click()
    await expect(page.get_by_role("heading", level=1).first).to_have_text("# others")
    await page.get_by_label("You are").select_option(BOB)
    await page.wait_for_url(f"**user={BOB}**")
    await expect(page.get_by_text("Nothing has been said here yet.")).to_be_visible()
    assert [] == errors
