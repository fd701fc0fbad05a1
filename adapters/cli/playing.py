"""Play the main job with everything around the bot on loopback: for a person, or by machine."""

import asyncio
import shutil
import signal
import socket
import sys
import tempfile
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import structlog
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
    """Start everything for a person, and end it at Ctrl-C, at whatever moment that comes."""
    console = Console(highlight=False)
    _refuse_taken(port)
    shown = asyncio.create_task(_shown(folder, port, model, console))
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, _stop_once(shown, console))
    try:
        await shown
    except asyncio.CancelledError:
        console.print("Stopped. No process is left.")
    return 0


async def _shown(folder: Path, port: int, model: bool, console: Console) -> None:
    console.print("Starting the sandbox and the bot …")
    async with _cast(folder, port, model) as (stage, bot):
        console.print(_screen(stage, bot, folder))
        await asyncio.sleep(WARM_UP_S)
        await stage.deploy("42", key="ci-run-1")
        console.print("checkout 42 is live. The page will show the card within seconds.")
        pressed = asyncio.Event()
        _on_enter(asyncio.get_running_loop(), pressed)
        while True:
            await pressed.wait()
            pressed.clear()
            await _break_again(stage, console)


def _stop_once(shown: asyncio.Task[None], console: Console) -> Callable[[], None]:
    """Return what Ctrl-C does: a second one must not interrupt the end of the processes."""

    def stop() -> None:
        if not shown.cancelling():
            console.print("\nStopping …")
            shown.cancel()

    return stop


def _refuse_taken(port: int) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as exc:
            raise Unavailable(
                f"Port {port} of 127.0.0.1 cannot be used: {exc.strerror}. "
                "Choose another one, or leave --port out and a free one is taken."
            ) from exc


@asynccontextmanager
async def _cast(folder: Path, port: int, model: bool) -> AsyncIterator[tuple[Stage, BotProcess]]:
    """Start the neighbourhood and the bot; end both."""
    with (folder / "sandbox.log").open("a") as log:
        # The screen is for what people should read, so the neighbours log elsewhere.
        structlog.configure(logger_factory=structlog.WriteLoggerFactory(file=log))
        async with running_stage(folder, slack_port=port) as stage, _bot_at(stage, folder, model) as bot:
            yield stage, bot


@asynccontextmanager
async def _bot_at(stage: Stage, folder: Path, model: bool) -> AsyncIterator[BotProcess]:
    environment = {**stage.environment(), **_where_data_is(), "HANDRAIL_RESOLVE": "true"}
    if model:
        environment |= stage.with_model()
    bot = BotProcess(environment, log_file=folder / "bot.log", cwd=ROOT)
    try:
        await bot.start()
        yield bot
    except BotNotStartedError as exc:
        kept = Path(tempfile.gettempdir()) / "handrail-demo-bot.log"
        shutil.copy(folder / "bot.log", kept)
        raise Unavailable(f"{exc}\nThe whole log is in {kept}") from exc
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


async def _break_again(stage: Stage, console: Console) -> None:
    try:
        if await stage.deployed() == "42":
            console.print("checkout 42 is live already: approve the rollback on the card.")
            return
        await stage.deploy("42", key=f"ci-run-{len(await stage.effects()) + 1}")
    except httpx.HTTPError as exc:
        console.print(f"checkout did not take the deploy ({exc}). Press Enter to try again.", markup=False)
        return
    console.print("checkout 42 is live again. A new card will follow.")


def _on_enter(loop: asyncio.AbstractEventLoop, pressed: asyncio.Event) -> None:
    stdin = sys.stdin.fileno()

    def read() -> None:
        if sys.stdin.readline():
            pressed.set()
        else:
            loop.remove_reader(
                stdin
            )  # Ctrl-D: there is nothing more to read, and that would be told forever.

    if sys.stdin.isatty():
        loop.add_reader(stdin, read)
