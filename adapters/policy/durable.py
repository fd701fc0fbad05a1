"""Nothing is approved while the queue may forget: then Handrail proposes and does no more."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Final

import structlog

from adapters.store.redis.durability import Durability
from bot.domain.errors import Unavailable
from bot.domain.policy import Request
from bot.ports import Referee

log = structlog.get_logger()

PROPOSES_ONLY: Final = (
    "Handrail only proposes while its queue forgets what it took (appendonly {append_only}, "
    "maxmemory-policy {eviction}): set appendonly yes and maxmemory-policy noeviction"
)
"""What is set there stands in it, so that whoever presses knows what to mend."""


class DurableQueue:
    """The port `Referee`: objects while the queue's server does not keep what it acknowledged.

    A server that does not tell its settings, as managed ones often do not, is believed to keep it.
    """

    def __init__(self, other: Referee, read: Callable[[], Awaitable[Durability]]) -> None:
        self._other = other
        self._read = read
        self.said = ""
        """What was wrong when the server was last asked."""

    async def look(self) -> str:
        """Return what is wrong with the server now; blank when nothing is. Raises `Unavailable`."""
        found = await self._read()
        self.said = ""
        if found.is_durable is False:
            append_only = "yes" if found.append_only else "no"
            self.said = PROPOSES_ONLY.format(append_only=append_only, eviction=found.eviction)
            log.error("queue_forgets", append_only=append_only, eviction=found.eviction)
        return self.said

    async def objections(self, request: Request) -> Sequence[str]:
        """Ask the server, then the other referee."""
        try:
            why = await self.look()
        except Unavailable:
            why = "the queue does not say whether it keeps what it takes"
        return (*((why,) if why else ()), *await self._other.objections(request))
