"""What a benchmark answers with: lines of figures, each figure with its goal."""

import math
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass

from pydantic import BaseModel, ConfigDict, computed_field


@dataclass(frozen=True)
class Scale:
    """How much is measured: in full, or just enough to see that the code runs."""

    is_quick: bool

    def of(self, full: int, quick: int) -> int:
        return quick if self.is_quick else full


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True)


class Goal(_Frozen):
    """A bound for one figure, in the line's unit."""

    bound: float
    at_least: bool = False

    def is_met(self, value: float) -> bool:
        return value >= self.bound if self.at_least else value <= self.bound

    def __str__(self) -> str:
        return f"{'≥' if self.at_least else '≤'} {figure(self.bound)}"


class Line(_Frozen):
    """One measurement: named figures in one unit, how many samples made them, and what they should be."""

    name: str
    what: str
    unit: str
    figures: Mapping[str, float]
    """Such as `p50` and `p99`, or `ratio`."""
    goals: Mapping[str, Goal] = {}
    samples: int
    note: str = ""

    @computed_field  # type: ignore[prop-decorator]
    @property
    def is_met(self) -> bool | None:
        """Whether every goal is met; None without a goal."""
        if not self.goals:
            return None
        return all(goal.is_met(self.figures[name]) for name, goal in self.goals.items())

    @computed_field  # type: ignore[prop-decorator]
    @property
    def command(self) -> str:
        """The command that measures this line again."""
        return f"python -m tests.bench --only {self.name.partition('.')[0]}"


Measure = Callable[[Scale], Awaitable[Sequence[Line]]]


def percentile(values: Sequence[float], percent: float) -> float:
    """Return the smallest of *values* that at least *percent* of them do not exceed; NaN for none."""
    if not values:
        return math.nan
    ordered = sorted(values)
    return ordered[max(0, math.ceil(percent / 100 * len(ordered)) - 1)]


def latencies(
    name: str,
    what: str,
    seconds: Sequence[float],
    *,
    unit: str = "ms",
    goals: Mapping[str, float] | None = None,
) -> Line:
    """Return p50 and p99 of *seconds* in milliseconds; *goals* are upper bounds in that unit."""
    return Line(
        name=name,
        what=what,
        unit="ms",
        figures={f"p{p}": percentile(seconds, p) * 1e3 for p in (50, 99)},
        goals={which: Goal(bound=bound) for which, bound in (goals or {}).items()},
        samples=len(seconds),
    )


def figure(value: float) -> str:
    """Return *value* with three significant digits, and no exponent."""
    if not math.isfinite(value):
        return "–"
    if abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.3g}"
