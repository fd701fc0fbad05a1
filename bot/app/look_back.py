"""After a start, bring the cards up to date that the bot before may have left as they were.

Of which cards Slack was not told is known in memory alone: a bot that ends while Slack is silent takes it
along. With its card, an incident's summary in the thread is looked at again too.
"""

from dataclasses import dataclass, field
from datetime import timedelta
from typing import Final

from bot.app.world import World
from bot.domain.ids import IncidentId
from bot.domain.record import IncidentRecord

MOST: Final = 100
"""Our choice: older open incidents than these wait for their next change."""
AT_ONCE: Final = 3
"""Our choice, for each painting: under Slack's 50 edits a minute, and a new card never waits behind many."""
ENDED_LATELY: Final = timedelta(hours=1)  # Our choice: nobody acts by the card of one that is long over.


@dataclass
class LookBack:
    """Counts the cards of one start as overdue, a few with each step; it is done when none are left."""

    world: World
    _left: list[IncidentId] = field(default_factory=list)
    _has_looked: bool = False

    async def step(self) -> bool:
        """Count some more cards as overdue, the newest first; True while others are left."""
        if not self._has_looked:
            self._left = await self._in_doubt()
            self._has_looked = True
        now, self._left = self._left[:AT_ONCE], self._left[AT_ONCE:]
        self.world.overdue.update(now)
        return bool(self._left)

    async def _in_doubt(self) -> list[IncidentId]:
        now = self.world.clock.now()

        def is_watched(record: IncidentRecord) -> bool:
            ended = record.resolved_at
            return record.incident.is_open or (ended is not None and now - ended <= ENDED_LATELY)

        known = {record.id: record for record in await self.world.book.open()}
        known |= {record.id: record for record in await self.world.book.recent(MOST)}
        shown = [record for record in known.values() if record.card is not None and is_watched(record)]
        shown.sort(key=lambda record: record.seen_at, reverse=True)
        return [record.id for record in shown[:MOST]]
