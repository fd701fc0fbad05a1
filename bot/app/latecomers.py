"""Work that nobody waits for, kept until it ends."""

import asyncio
from collections.abc import Coroutine
from dataclasses import dataclass, field


@dataclass
class Latecomers:
    """Holds on to tasks: the loop alone would let them be collected."""

    _tasks: set[asyncio.Task[None]] = field(default_factory=set)

    def keep(self, work: Coroutine[object, object, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def ended(self) -> None:
        """Return once all that was kept has ended."""
        await asyncio.gather(*self._tasks, return_exceptions=True)
