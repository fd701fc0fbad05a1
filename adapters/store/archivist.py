"""Once a day, by itself: what is older than the retention leaves the database for a file."""

import asyncio
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

import structlog

from adapters.store.archiving import Archived, archive
from adapters.store.opening import Store

log = structlog.get_logger()

BY: Final = "handrail"
SEGMENT: Final = 5_000  # Our choice: about 2 s of CPU to check, and 0.1 s that others wait for the chain.


class Archivist:
    """Moves old entries out of the record of a running bot.

    Args:
        opened: opens the record once more so that entries may leave it; it blocks.
        folder: where the files go; None: nothing is moved, for there is no folder that lasts.
        retention: how long entries stay in the database.
        now: the time, by the store's clock.
    """

    def __init__(
        self,
        opened: Callable[[], Store],
        *,
        folder: Path | None,
        retention: timedelta,
        now: Callable[[], datetime],
    ) -> None:
        self._opened = opened
        self._folder = folder
        self._retention = retention
        self._now = now

    async def look(self) -> int:
        """Move all that is old enough, a segment at a time, and return how many entries that was.

        Raises:
            Tampered: entries do not fit; those are not moved.
            Unavailable: a file or the database cannot be written, or the database is another owner's.
        """
        if self._folder is None:
            log.warning("archive_has_no_folder", remedy="set HANDRAIL_AUDIT_ARCHIVE")
            return 0
        store, moved = await asyncio.to_thread(self._opened), 0
        try:
            while done := await self._move(store, self._folder):
                moved += done.entries
                log.info("archived", entries=done.entries, file=str(done.path))
        finally:
            await store.close()
        return moved

    async def _move(self, store: Store, folder: Path) -> Archived | None:
        before = self._now() - self._retention
        return await archive(store.transactions, folder, before, BY, most=SEGMENT)
