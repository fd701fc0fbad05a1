"""`ChangeLedger` in memory, for tests and for trying things out."""

from collections.abc import Sequence, Set
from datetime import datetime

from bot.domain.change import ChangeEvent
from bot.domain.change_index import ChangeIndex
from bot.domain.ids import ChangeId, ServiceName

MOST_FOUND = 500
MOST_NEAR = 100


class MemoryChangeLedger:
    """Every change by its id; nothing is forgotten."""

    def __init__(self, changes: Sequence[ChangeEvent] = ()) -> None:
        self._index = ChangeIndex(changes)

    async def record(self, change: ChangeEvent) -> bool:
        """Store *change*; False when nothing but its report time differed, or a later report is known."""
        known = self._index.get(change.id)
        if known is not None:
            if known.reported_at > change.reported_at:
                return False
            if known.model_copy(update={"reported_at": change.reported_at}) == change:
                return False
        self._index.add(change)
        return True

    async def get(self, change: ChangeId) -> ChangeEvent | None:
        """Return the change as last reported."""
        return self._index.get(change)

    async def between(
        self, services: Sequence[ServiceName], start: datetime, end: datetime
    ) -> Sequence[ChangeEvent]:
        """Return the changes that were live in `[start, end]`, newest first, at most 500."""
        return tuple(self._index.between(services, start, end)[:MOST_FOUND])

    async def near(
        self, around: Sequence[Set[ServiceName]], start: datetime, end: datetime
    ) -> Sequence[ChangeEvent]:
        """Return the changes likeliest by time and distance, best first, at most 100."""
        return self._index.near(around, start, end, most=MOST_NEAR)
