"""What the topics of incidents' own channels say, as far as this bot knows."""

from dataclasses import dataclass, field

from pydantic import AwareDatetime

from bot.domain.ids import IncidentId


@dataclass(frozen=True)
class Topic:
    """What was last seen or set above one channel; without a channel, that none was found."""

    channel: str | None
    said: str
    at: AwareDatetime
    """When it was last looked at or edited, also in vain."""
    misses: int = 0
    """How often its channel was looked for in vain."""


@dataclass
class Topics:
    """Nothing in it is needed after a restart: a channel is found again by its name."""

    due: set[IncidentId] = field(default_factory=set)
    """Incidents of which something was drawn since their topic was looked at."""
    known: dict[IncidentId, Topic] = field(default_factory=dict)
