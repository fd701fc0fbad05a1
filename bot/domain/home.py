"""The home tab: what one person finds when they open the app, as values; and when they looked last."""

from datetime import datetime, timedelta
from typing import Final

from pydantic import AwareDatetime

from bot.domain.card import CardRef
from bot.domain.frozen import Frozen
from bot.domain.person import Duty

SAME_LOOK: Final = timedelta(minutes=10)
"""Our choice: who opens the tab twice within it still reads what the first opening told."""


class Look(Frozen):
    """When somebody looked, and since when they are told what changed."""

    since: AwareDatetime | None = None
    """The end of the look before this one; None at the first."""
    at: AwareDatetime

    def again(self, at: datetime) -> "Look":
        """Return the look at *at*: a new one, or this one going on."""
        if at - self.at < SAME_LOOK:
            return Look(since=self.since, at=max(self.at, at))
        return Look(since=self.at, at=at)


class HomeLink(Frozen):
    """Where a line leads; only addresses from the catalogue or PagerDuty."""

    label: str
    url: str


class HomeLine(Frozen):
    """One line. It is data: whoever shows it escapes it."""

    text: str
    state: str = ""
    """How the incident that *text* names stands."""
    card: CardRef | None = None
    """The card that it is about, where everything is decided."""
    links: tuple[HomeLink, ...] = ()
    expires_at: AwareDatetime | None = None


class Home(Frozen):
    """What one person may know at one moment. Nothing in it acts."""

    waiting: tuple[HomeLine, ...] = ()
    """Proposals that the person may approve."""
    open: tuple[HomeLine, ...] = ()
    open_count: int = 0
    """How many are open, also those that are not shown."""
    duties: tuple[Duty, ...] = ()
    since: AwareDatetime | None = None
    news: tuple[HomeLine, ...] = ()
    """What changed after *since*."""
    silenced: tuple[HomeLine, ...] = ()
    notes: tuple[str, ...] = ()
    """What could not be looked up, so that something may be missing, and what holds everything up."""
    made_at: AwareDatetime
