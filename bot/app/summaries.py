"""Which threads' summaries may be out of date, and what they say, as far as this bot knows."""

import asyncio
from dataclasses import dataclass, field
from weakref import WeakValueDictionary

from bot.domain.card import CardRef
from bot.domain.document import Document
from bot.domain.ids import IncidentId


@dataclass
class Summaries:
    """Nothing in it is needed after a restart: `bot.app.look_back` has cards drawn, and summaries follow."""

    due: set[IncidentId] = field(default_factory=set)
    """Incidents whose card was drawn since their summary was looked at."""
    shown: dict[str, tuple[CardRef, Document]] = field(default_factory=dict)
    """By key: where the summary of one life stands, and what it says."""
    doubted: set[str] = field(default_factory=set)
    """Keys of posts that may stand already: looked for once more before they are sent again."""
    _turns: WeakValueDictionary[str, asyncio.Lock] = field(default_factory=WeakValueDictionary)

    def turn_of(self, key: str) -> asyncio.Lock:
        """Return what is held while the summary is written: the last one must not be overwritten."""
        return self._turns.setdefault(key, asyncio.Lock())
