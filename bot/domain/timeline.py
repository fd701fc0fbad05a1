"""What the picture of an incident shows: how its metric went, and what happened beside it."""

from enum import StrEnum

from pydantic import AwareDatetime

from bot.domain.frozen import Frozen
from bot.domain.sources import Point


class MarkKind(StrEnum):
    """What happened at one time."""

    CHANGE = "change"
    ALERT = "alert"
    APPROVAL = "approval"
    STEP = "step"
    RECOVERY = "recovery"
    END = "end"


class Mark(Frozen):
    """One thing that happened."""

    kind: MarkKind
    at: AwareDatetime
    text: str
    """A few words, already redacted; untrusted all the same."""


class Timeline(Frozen):
    """A metric over time with its marks, in order of time."""

    title: str
    metric: str
    """Such as `error_ratio of checkout`."""
    points: tuple[Point, ...]
    marks: tuple[Mark, ...]
    threshold: float | None = None
    """Where the metric becomes healthy; None when nobody said."""
    is_healthy_below: bool = True

    def alt_text(self) -> str:
        """Return the picture in words."""
        said = [f"{self.title}. {self.metric}"]
        if self.points:
            first, last = self.points[0], self.points[-1]
            highest = max(self.points, key=lambda point: point.value)
            said[0] += (
                f": {first.value:.3g} at {first.at:%H:%M:%S}, highest {highest.value:.3g} at "
                f"{highest.at:%H:%M:%S}, {last.value:.3g} at {last.at:%H:%M:%S} UTC"
            )
        said += [f"{mark.at:%H:%M:%S} {mark.kind.value}: {mark.text}" for mark in self.marks]
        return ". ".join(said)
