"""What every folder of tests shares: the rule for tests that need a browser, and that browser."""

import os
import shutil
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest
import structlog
from hypothesis import HealthCheck, settings
from playwright.async_api import Browser, async_playwright, expect

# A traceback with every value in it takes seconds, and nobody reads it.
*BEFORE, _ = structlog.get_config()["processors"]
PLAINLY = structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback)
structlog.configure(processors=[*BEFORE, PLAINLY])

CHROMIUM = shutil.which("chromium")
NO_CHROMIUM = "needs Debian's chromium: sudo apt-get install chromium"
PATIENCE_MS = 30_000  # Playwright's 5 s are too short where many tests share few processors.
_QUIET = (
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)

# How long an example takes, to make or to play, says how loaded the machine is.
PLAIN, PROOF = "handrail", "handrail in full"
for profile in (PLAIN, PROOF):
    settings.register_profile(profile, deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile(PLAIN)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--prove", action="store_true", help="Play the full counts of the proofs (`make prove`)."
    )


def pytest_configure(config: pytest.Config) -> None:
    """Settle how much Hypothesis plays before the tests, which say so where they are defined, are read."""
    if config.getoption("--prove"):
        settings.load_profile(PROOF)


def examples(short: int, full: int) -> settings:
    """Return the settings by which Hypothesis plays *short* examples, or with `--prove` *full*."""
    return settings(max_examples=full if settings.get_current_profile_name() == PROOF else short)


Rounds = Callable[[int, int], int]
"""Return the first number, or with `--prove` the second."""


@pytest.fixture
def rounds(request: pytest.FixtureRequest) -> Rounds:
    is_full = bool(request.config.getoption("--prove"))
    return lambda short, full: full if is_full else short


@pytest.fixture(autouse=True)
def a_patient_record(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let racing writers wait for each other as long as it takes on a machine that is busy."""
    monkeypatch.setattr("adapters.store.sql.dialects._LOCK_WAIT_MS", 60_000)


SLOW_FIRST = ("chaos", "scenarios", "formal", "contracts")
"""Folders in the order they are handed out: the last worker must not be left alone with a long file."""


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put slow folders first; within a folder the order stays random."""

    def place(item: pytest.Item) -> int:
        folder = item.nodeid.split("/")[1]
        return SLOW_FIRST.index(folder) if folder in SLOW_FIRST else len(SLOW_FIRST)

    items.sort(key=place)


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip a browser test by name where there is no browser; in CI, where one must be, let it fail."""
    if item.get_closest_marker("browser") is None or CHROMIUM is not None:
        return
    if os.environ.get("CI") == "true":
        pytest.fail(NO_CHROMIUM, pytrace=False)
    pytest.skip(f"{item.name} {NO_CHROMIUM}")  # With its name: pytest folds equal reasons into one line.


@asynccontextmanager
async def a_browser() -> AsyncIterator[Browser]:
    """Run the system's Chromium with a profile of its own, which goes at the end of the block."""
    expect.set_options(timeout=PATIENCE_MS)
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=list(_QUIET))
        yield browser
        await browser.close()


@pytest.fixture
async def browser() -> AsyncIterator[Browser]:
    async with a_browser() as browser:
        yield browser
