"""How a metric went around an onset: its means before and after, and where it changed most."""

from collections.abc import Sequence
from math import log2
from typing import Final

from pydantic import AwareDatetime

from bot.domain.diagnosis import Sign
from bot.domain.frozen import Frozen
from bot.domain.sources import Point

_LEAST: Final = 3
"""Points on each side of a changepoint: fewer are an outlier, no level."""
_EXPLAINED: Final = 0.5
"""Our choice: a step must explain half of the variance, or the metric wavers rather than steps."""

_STEADY: Final = 0.3
"""Powers of two, our choice: a mean that moved by less than a quarter has not moved."""


class MetricWindow(Frozen):
    """A metric before and after an onset."""

    before_mean: float | None
    """None without points before."""
    after_mean: float | None
    highest: float | None
    changepoint_at: AwareDatetime | None
    """The first point of the new level; None when there is no clear step."""

    @property
    def sign(self) -> Sign | None:
        """Abnormal: a clear step that doubles or halves the mean; normal: no step and much the same mean."""
        if self.before_mean is None or self.after_mean is None:
            return None
        small = 0.01 * max(abs(self.before_mean), abs(self.after_mean))
        if small == 0.0:
            return Sign.NORMAL
        moved = abs(log2((abs(self.after_mean) + small) / (abs(self.before_mean) + small)))
        if self.changepoint_at is not None and moved >= 1.0:
            return Sign.ABNORMAL
        return Sign.NORMAL if self.changepoint_at is None and moved < _STEADY else None


def around(points: Sequence[Point], onset: AwareDatetime) -> MetricWindow:
    """Return the means of *points* before and from *onset* on, and the clearest step among all of them."""
    ordered = sorted(points, key=lambda point: point.at)
    return MetricWindow(
        before_mean=_mean([point.value for point in ordered if point.at < onset]),
        after_mean=_mean([point.value for point in ordered if point.at >= onset]),
        highest=max((point.value for point in ordered), default=None),
        changepoint_at=_changepoint(ordered),
    )


def _mean(values: Sequence[float]) -> float | None:
    return sum(values) / len(values) if values else None


def _changepoint(points: Sequence[Point]) -> AwareDatetime | None:
    """Return where two constant levels fit best: the split with the largest gain in squared error."""
    count = len(points)
    centre = _mean([point.value for point in points]) or 0.0
    values = [point.value - centre for point in points]
    spread = sum(value * value for value in values)
    best, where, left = 0.0, None, 0.0
    for index in range(1, count - _LEAST + 1):
        left += values[index - 1]
        gain = left * left * count / (index * (count - index))
        if index >= _LEAST and gain > best:
            best, where = gain, index
    return points[where].at if where is not None and best > _EXPLAINED * spread else None
