"""What the reader of a question sees while the answer comes about: each look-up, as it is made."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Final

import structlog

from bot.app.world import World
from bot.domain.card import CardRef
from bot.domain.errors import HandrailError
from bot.domain.ids import ServiceName
from bot.domain.reply import LookUp, LookUpTool

log = structlog.get_logger()

_WORDS: Final = {
    LookUpTool.LIST_CHANGES: "Looking at the changes{of}…",
    LookUpTool.GET_CHANGE_DIFF: "Looking at what a change changed…",
    LookUpTool.GET_ALERT_TIMELINE: "Looking at the alerts{of}…",
    LookUpTool.GET_ERROR_SIGNATURES: "Looking at the new errors in the logs{of}…",
    LookUpTool.GET_METRIC_WINDOW: "Looking at the measures{of}…",
    LookUpTool.GET_DEPENDENCIES: "Looking at the neighbours{of}…",
    LookUpTool.FIND_SIMILAR_INCIDENTS: "Looking at earlier incidents{of}…",
    LookUpTool.GET_PLAYBOOKS: "Looking at the playbooks…",
    LookUpTool.WHO_IS_ON_CALL: "Looking at who is on call…",
}


@asynccontextmanager
async def unfolding(
    world: World, ref: CardRef, service: ServiceName | None
) -> AsyncIterator[Callable[[LookUp], None]]:
    """Give what to tell of each look-up; *service* is the one that is meant when a look-up names none.

    Telling waits for nobody. What Slack does not take is lost: the answer comes either way.
    """
    said: asyncio.Queue[str] = asyncio.Queue()

    async def grow() -> None:
        with contextlib.suppress(HandrailError):
            while True:
                lines = [await said.get()]
                while not said.empty():
                    lines.append(said.get_nowait())
                await world.chat.grow(ref, lines)

    growing = asyncio.create_task(grow(), name=f"unfolding-{ref.ts}")
    try:
        yield lambda look_up: said.put_nowait(_line(look_up, service))
    finally:
        growing.cancel()
        (ended,) = await asyncio.gather(growing, return_exceptions=True)
        if isinstance(ended, Exception):  # A fault of ours: the answer comes all the same.
            log.error("look_ups_not_told", exc_info=ended)


def _line(look_up: LookUp, service: ServiceName | None) -> str:
    """Return our own words; the only name in them is of a service that was offered."""
    name = look_up.service or service
    return _WORDS[look_up.tool].format(of=f" of {name}" if name else "")
