"""First cards on their way: in the order in which they were asked for, over an outage too, each once."""

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from adapters.slack.errors import NeedsAPerson
from bot.domain.card import Card, CardRef
from bot.domain.errors import RateLimited, Unavailable, Unclear

FIRST_WAIT_S = 1.0
LONGEST_WAIT_S = 5.0  # Our choice: so long after Slack is back the first card goes out at the latest.
PATIENCE_S = 900.0  # Our choice: an outage of ten minutes, and what comes after it.

Send = Callable[[str, Card, str], Awaitable[CardRef]]
Find = Callable[[str, str], Awaitable[CardRef | None]]
Edit = Callable[[CardRef, Card], Awaitable[None]]


@dataclass
class _First:
    card: Card
    stands: asyncio.Task[CardRef]


class FirstCards:
    """Cards of one channel are posted one after the other. Each keeps its place while Slack is down.

    Args:
        send: posts a card in a channel under a key.
        find: looks for the card with that key, where the answer to a post was lost.
        edit: brings a card that stands up to date.
    """

    def __init__(
        self,
        send: Send,
        find: Find,
        edit: Edit,
        *,
        monotonic: Callable[[], float],
        sleep: Callable[[float], Awaitable[None]],
    ) -> None:
        self._send, self._find, self._edit = send, find, edit
        self._monotonic, self._sleep = monotonic, sleep
        self._queues: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)
        self._waiting: dict[tuple[str, str], _First] = {}

    async def put(self, channel: str, card: Card, key: str) -> CardRef:
        """Return where *card* stands, or a newer state of it. A caller that leaves stops nothing: asked
        again under the same *key* it waits for the same post.

        Raises:
            Unavailable, Unclear, Invalid: it does not stand, as far as is known.
        """
        first = self._waiting.get((channel, key))
        if first is None:
            task = asyncio.create_task(self._deliver(channel, key), name=f"first-{key}")
            task.add_done_callback(_look_at)
            first = self._waiting[channel, key] = _First(card, task)
        else:
            first.card = card
        return await asyncio.shield(first.stands)

    async def aclose(self) -> None:
        """Give up what waits; whoever goes on looks for each by its key."""
        tasks = [first.stands for first in self._waiting.values()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _deliver(self, channel: str, key: str) -> CardRef:
        try:
            async with self._queues[channel]:
                return await self._insist(channel, key)
        finally:
            del self._waiting[channel, key]

    async def _insist(self, channel: str, key: str) -> CardRef:
        until, wait, is_doubtful = self._monotonic() + PATIENCE_S, FIRST_WAIT_S, False
        while True:
            card = self._waiting[channel, key].card
            try:
                found = await self._find(channel, key) if is_doubtful else None
                if found is None:
                    return await self._send(channel, card, key)
                await self._edit(found, self._waiting[channel, key].card)
            except (Unavailable, Unclear) as exc:
                if isinstance(exc, NeedsAPerson):
                    raise
                is_doubtful = is_doubtful or isinstance(exc, Unclear)
                rest = exc.retry_after.total_seconds() if isinstance(exc, RateLimited) else wait
                if self._monotonic() + rest > until:
                    raise
                await self._sleep(rest)
                wait = min(2 * wait, LONGEST_WAIT_S)
            else:
                return found


def _look_at(task: asyncio.Task[CardRef]) -> None:
    if not task.cancelled():
        # Whoever still waits gets it; without this line asyncio warns about those who left.
        task.exception()
