"""`handrail run`: be the bot until told to stop."""

import asyncio
import gc
import os
import signal
import sys
from importlib import import_module
from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from adapters.settings import Settings

# What is imported inside functions is large, and no other command needs it.
SWITCH_S = 0.0005


def run() -> None:
    """Run the bot. Settings come from the environment; `handrail check` says what is wrong with them.

    Example: SLACK_BOT_TOKEN=… PAGERDUTY_API_TOKEN=… handrail run
    """
    # Until we are ready everything is loaded for good: the collector would walk through it all, for nothing.
    gc.disable()
    from adapters.settings import read_settings

    # The record and PagerDuty are asked in threads: each turn of theirs would wait 5 ms for a loop at work.
    sys.setswitchinterval(SWITCH_S)
    settings = read_settings(os.environ)
    import uvloop

    uvloop.run(_run(settings))


async def _run(settings: "Settings") -> None:
    from adapters.ground import laid_ground

    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stopping.set)
    async with laid_ground(settings, meanwhile=lambda: import_module("adapters.wiring")) as ground:
        from adapters.cli.announcing import announce
        from adapters.wiring import running_bot

        async with running_bot(ground) as bot:
            gc.freeze()
            gc.enable()
            await announce(bot.url, bot.health, stopping, say=typer.echo)
            await stopping.wait()
            typer.echo("handrail is stopping", err=True)
