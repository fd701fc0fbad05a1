"""Play the main job with everything around the bot on loopback: for a person, or by machine."""

import asyncio
import shutil
import signal
import sys
import tempfile
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from rich.console import Console
from rich.panel import Panel

from adapters.cli.story import Story
from adapters.sandbox.bot_process import BotNotStartedError, BotProcess
from adapters.sandbox.stage import CHANNEL, Stage, running_stage
from bot.domain.errors import Invalid, Unavailable

ROOT = Path(__file__).resolve().parents[2]
STORY_S = 150.0
WARM_UP_S = 3.0  # The good version is watched for a moment, so that the alert has a "before".


async def play(folder: Path, model: bool) -> int:
    """Play the whole story; return 0 only if it came true."""
    console = Console(width=100, highlight=False, soft_wrap=True)
    async with _cast(folder, 0, model) as (stage, bot):
        console.print(f"Bot at {stage.bot_url} (process {bot.pid}), page at {stage.slack.url}")
        try:
            async with asyncio.timeout(STORY_S):
                return 0 if await Story(stage, console).play() else 1
        except TimeoutError as exc:
            console.print(f"\nThe story did not go on: {exc}. What the channel shows:")
            for message in stage.slack.messages(CHANNEL):
                console.print(message.shown_text, markup=False)
            console.print("The last lines of the bot's log:")
            for line in (folder / "bot.log").read_text().splitlines()[-20:]:
                console.print(line, markup=False)
            return 1


async def show(folder: Path, port: int, model: bool) -> int:
    """Start everything for a person, and end it at Ctrl-C."""
    console = Console(highlight=False)
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stopping.set)
    console.print("Starting the sandbox and the bot …")
    async with _cast(folder, port, model) as (stage, bot):
        console.print(_screen(stage, bot, folder))
        await _break_after(WARM_UP_S, stage, stopping)
        if not stopping.is_set():
            console.print("checkout 42 is live. The page will show the card within seconds.")
        _on_enter(loop, lambda: asyncio.ensure_future(_break_again(stage, console)))
        await stopping.wait()
        console.print("\nStopping …")
    console.print("Stopped. No process is left.")
    return 0


@asynccontextmanager
async def _cast(folder: Path, port: int, model: bool) -> AsyncIterator[tuple[Stage, BotProcess]]:
    """Start the neighbourhood and the bot; end both."""
    async with running_stage(folder, slack_port=port) as stage:
        environment = {**stage.environment(), **_where_data_is(), "HANDRAIL_RESOLVE": "true"}
        if model:
            environment |= stage.with_model()
        bot = BotProcess(environment, log_file=folder / "bot.log", cwd=ROOT)
        try:
            await bot.start()
        except BotNotStartedError as exc:
            kept = Path(tempfile.gettempdir()) / "handrail-demo-bot.log"
            shutil.copy(folder / "bot.log", kept)
            raise Unavailable(f"{exc}\nThe whole log is in {kept}") from exc
        try:
            yield stage, bot
        finally:
            await bot.stop()


def _where_data_is() -> dict[str, str]:
    playbooks, prompts = ROOT / "playbooks", ROOT / "prompts"
    if not playbooks.is_dir():
        raise Invalid(f"{playbooks}: is not there. Run the demo from a checkout of the project.")
    return {"HANDRAIL_PLAYBOOKS": str(playbooks), "HANDRAIL_PROMPTS": str(prompts)}


def _screen(stage: Stage, bot: BotProcess, folder: Path) -> Panel:
    return Panel(
        f"""[bold]Open the channel:[/bold]  {stage.slack.url}

Started on this machine, all on 127.0.0.1:
  • the bot (process {bot.pid}) with its Temporal and Valkey, {stage.bot_url}
  • a Slack, {stage.slack.url}
  • a PagerDuty, {stage.pagerduty_url}
  • checkout (process {stage.checkout.pid}), version 41, with traffic and a monitor

In a moment version 42 of checkout is deployed, and a third of its requests fail.
  1. Read the card: which change, why, and what exactly would run.
  2. Press [bold]Approve[/bold] as Ben (he is not on call): he is refused, privately.
  3. Switch to Alice, who is on call, and press it again.
  4. Watch it roll back, recover, hold, and write the summary in the thread.
  Type [bold]/incident help[/bold] in the message box. Press Enter here to break checkout again.

Log of the bot: {folder / "bot.log"}      Ctrl-C ends everything.""",
        title="Handrail demo",
        expand=False,
    )


async def _break_after(seconds: float, stage: Stage, stopping: asyncio.Event) -> None:
    try:
        async with asyncio.timeout(seconds):
            await stopping.wait()
    except TimeoutError:
        await stage.deploy("42", key="ci-run-1")


async def _break_again(stage: Stage, console: Console) -> None:
    if await stage.deployed() == "42":
        console.print("checkout 42 is live already: approve the rollback on the card.")
        return
    await stage.deploy("42", key=f"ci-run-{len(await stage.effects()) + 1}")
    console.print("checkout 42 is live again.")


def _on_enter(loop: asyncio.AbstractEventLoop, act: Callable[[], object]) -> None:
    if sys.stdin.isatty():
        loop.add_reader(sys.stdin.fileno(), lambda: (sys.stdin.readline(), act()))
