"""Saying where the bot listens, and that it is ready only once it is."""

import asyncio
import contextlib
from collections.abc import Callable

from adapters.http import Health

LOOK_EVERY_S = 1.0


async def announce(
    url: str,
    health: Health,
    stopping: asyncio.Event,
    *,
    say: Callable[[str], None],
    every_s: float = LOOK_EVERY_S,
) -> None:
    """Say that the bot is ready; until it is, say what is missing, again whenever that changes.

    It returns when the bot is ready, or *stopping* is set.
    """
    said = ""
    while not stopping.is_set():
        is_ready, parts = await health.report()
        if is_ready:
            say(f"handrail is ready at {url}")
            return
        reasons = "; ".join(f"{part}: {word}" for part, word in parts.items() if word != "ok")
        if reasons != said:
            said = reasons
            say(f"handrail is listening at {url}, not ready: {reasons}")
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(stopping.wait(), every_s)
