"""`handrail run`: be the bot until told to stop."""

import asyncio
import gc
import os
import signal

import typer

from adapters.settings import Settings, read_settings


def run() -> None:
    """Run the bot. Settings come from the environment; `handrail check` says what is wrong with them.

    Example: SLACK_BOT_TOKEN=… PAGERDUTY_API_TOKEN=… handrail run
    """
    settings = read_settings(os.environ)
    import uvloop  # Imported here: no other command needs it.

    uvloop.run(_run(settings))


async def _run(settings: Settings) -> None:
    from adapters.wiring import running_bot  # Imported late: it loads every neighbour's client.

    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stopping.set)
    async with running_bot(settings) as bot:
        gc.freeze()  # What was loaded stays for good: the collector need not walk through it at each look.
        typer.echo(f"handrail is ready at {bot.url}")
        await stopping.wait()
        typer.echo("handrail is stopping", err=True)
