"""The page of the channel in a browser, on a desk and on a phone, and pictures of it."""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from playwright.async_api import Browser, Page

IMAGES = Path(__file__).resolve().parents[2] / "docs" / "images"


@dataclass(frozen=True)
class Screen:
    """A size that people read at."""

    name: str
    width: int
    height: int

    @property
    def is_desktop(self) -> bool:
        return self.name == "desktop"


DESKTOP = Screen("desktop", 1280, 900)
PHONE = Screen("phone", 390, 844)


@asynccontextmanager
async def a_page(browser: Browser, url: str, user: str, screen: Screen) -> AsyncIterator[Page]:
    """Open the channel as *user*; at the end, the page must have logged no error."""
    async with opened(browser, f"{url}/?user={user}", screen) as page:
        yield page


@asynccontextmanager
async def opened(browser: Browser, address: str, screen: Screen) -> AsyncIterator[Page]:
    """Open any page of the sandbox; at the end, it must have logged no error."""
    context = await browser.new_context(
        viewport={"width": screen.width, "height": screen.height}, device_scale_factor=1
    )
    page = await context.new_page()
    errors: list[str] = []
    page.on("console", lambda message: errors.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: errors.append(str(error)))
    await page.goto(address)
    yield page
    assert [] == errors
    await context.close()


async def is_as_wide_as(page: Page, screen: Screen) -> None:
    assert screen.width == await page.evaluate("document.documentElement.scrollWidth")


async def picture(page: Page, name: str, screen: Screen, *, is_whole: bool = True) -> None:
    """Write a picture, of the *whole* conversation or of the screen, only when asked: ordinary runs leave the
    tree clean."""
    if os.environ.get("HANDRAIL_SCREENSHOTS") != "1":
        return
    IMAGES.mkdir(parents=True, exist_ok=True)
    hidden = 0
    if is_whole:
        logs = "[...document.querySelectorAll('.log')]"
        hidden = await page.evaluate(f"Math.max(...{logs}.map(log => log.scrollHeight - log.clientHeight))")
    await page.set_viewport_size({"width": screen.width, "height": screen.height + hidden})
    await page.screenshot(path=IMAGES / name, animations="disabled")
    await page.set_viewport_size({"width": screen.width, "height": screen.height})
