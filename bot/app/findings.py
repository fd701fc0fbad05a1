"""What the tools look at and what they find, before anything of it is redacted and numbered."""

import re
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from bot.app.observe import around_onset
from bot.app.world import World
from bot.domain.correlation import Suspect
from bot.domain.diagnosis import CandidateId, Sign, ToolName, ToolStatus, Trust, Window
from bot.domain.ids import ServiceName
from bot.domain.record import IncidentRecord

_PLAIN: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+/-]{0,63}")


@dataclass(frozen=True)
class Found:
    """What a tool found, before it is redacted and numbered."""

    tool: ToolName
    lines: tuple[str, ...]
    trust: Trust
    total: int
    window: Window | None = None
    about: CandidateId | None = None
    status: ToolStatus = ToolStatus.OK
    service: ServiceName | None = None
    sign: Sign | None = None


def anything(record: IncidentRecord) -> bool:
    """Say that every incident may be told of."""
    return True


@dataclass(frozen=True)
class Question:
    """What the tools look at."""

    record: IncidentRecord
    suspects: tuple[tuple[CandidateId, Suspect], ...]
    onset: Window
    """From the start of the look-back to the onset."""
    elsewhere: ServiceName | None = None
    """Look at this service, and not at that of the incident and its neighbours."""
    tells_of: Callable[[IncidentRecord], bool] = anything
    """Of which other incidents the answer may tell."""
    lead: timedelta | None = None
    """How long before the onset logs and measures are looked at; None: the usual minutes."""

    @property
    def service(self) -> ServiceName | None:
        """The service asked about."""
        return self.elsewhere or self.record.incident.service

    def span(self, world: World) -> Window:
        """Return the window around the onset in which logs and measures are looked at."""
        usual = around_onset(self.onset.end, world.clock.now())
        if self.lead is None:
            return usual
        return Window(start=min(usual.start, self.onset.end - self.lead), end=usual.end)


Tool = Callable[[World, Question], Awaitable[Sequence[Found]]]


def typed(value: str | None) -> str:
    """Return *value* if it is one plain word, so that no prose stands among our own facts."""
    if value is None:
        return "unknown"
    return value if _PLAIN.fullmatch(value) else "withheld"
