"""`ChangeLedger` in memory, for tests and for trying things out."""

from collections.abc import Sequence
from datetime import datetime

from bot.domain.change import ChangeEvent
from bot.domain.ids import ChangeId, ServiceName

MOST_FOUND = 500


class MemoryChangeLedger:
    """Every change by its id; nothing is forgotten."""

    def __init__(self, changes: Sequence[ChangeEvent] = ()) -> None:
        self._changes = {change.id: change for change in changes}

    async def record(self, change: ChangeEvent) -> bool:
        """Store *change*; False when nothing but its report time differed, or a later report is known."""
        known = self._changes.get(change.id)
        if known is not None:
            if known.reported_at > change.reported_at:
                return False
            if known.model_copy(update={"reported_at": change.reported_at}) == change:
                return False
        self._changes[change.id] = change
        return True

    async def get(self, change: ChangeId) -> ChangeEvent | None:
        """Return the change as last reported."""
        return self._changes.get(change)

    async def between(
        self, services: Sequence[ServiceName], start: datetime, end: datetime
    ) -> Sequence[ChangeEvent]:
        """Return the changes that were live in `[start, end]`, newest first, at most 500."""
        wanted = set(services)
        found = [
            change
            for change in self._changes.values()
            if wanted & {change.service, *change.also_touches} and start <= change.live_at <= end
        ]
        found.sort(key=lambda change: (-change.live_at.timestamp(), change.id))
        return tuple(found[:MOST_FOUND])
