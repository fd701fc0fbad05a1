"""One case, read once: its order in time, its neighbourhood, its errors."""

from bisect import bisect_left, bisect_right
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property
from typing import assert_never

from bot.domain.change import ChangeEvent
from bot.domain.correlation_case import Case
from bot.domain.evidence import ErrorPattern
from bot.domain.ids import ServiceName
from bot.domain.names import named_among
from bot.domain.onset import SymptomClass
from bot.domain.symptoms import Symptoms
from bot.domain.weights import HalfLives

_Place = tuple[ServiceName, str]
_Around = tuple[Mapping[ServiceName, int], Mapping[ServiceName, int]]


@dataclass(frozen=True)
class Scene:
    """One case, read once, as every term but the text needs it."""

    case: Case
    symptoms: Symptoms
    half_life_s: float
    """Seconds after which a change is half as likely to be behind symptoms of this pace."""
    around: Mapping[ServiceName, _Around]
    """For each alerting service what it calls and what calls it, with the distance in calls."""
    timelines: Mapping[_Place, Sequence[ChangeEvent]]
    """The changes of one service in one environment, oldest first."""
    origins: frozenset[ServiceName]
    """The alerting services that call no other alerting service: where the trouble seems to start."""
    blame: Mapping[ErrorPattern, frozenset[ServiceName]]
    """The services that an error points at: those it names, else the one that logged it."""

    @classmethod
    def of(cls, case: Case, symptoms: Symptoms, half_lives: HalfLives) -> "Scene":
        changed = frozenset(change.service for change in case.changes if change.service)
        timelines: dict[_Place, list[ChangeEvent]] = {}
        for change in case.changes:
            timelines.setdefault((change.service, change.environment), []).append(change)
        for changes in timelines.values():
            if len(changes) > 1:
                changes.sort(key=lambda change: (change.live_at, change.id))
        around = {
            service: (case.topology.dependencies_of(service), case.topology.dependents_of(service))
            for service in symptoms.services
        }
        return cls(
            case=case,
            symptoms=symptoms,
            half_life_s=60.0 * _half_life_min(symptoms.pace, half_lives),
            around=around,
            origins=_origins(symptoms, around),
            timelines=timelines,
            blame={pattern: _blamed(pattern, changed) for pattern in case.evidence.patterns},
        )

    @cached_property
    def new_errors(self) -> Mapping[ErrorPattern, float]:
        """Return how many new errors of each pattern point at some service.

        A service whose callee has new errors too may only pass them on, so its own count less.
        """
        found = {
            p: p.novelty * p.count for p, named in self.blame.items() if named and p.novelty * p.count > 0
        }
        sources = {service for pattern in found for service in self.blame[pattern]}
        return {
            pattern: count * (_PASSED_ON if self._passes_on(self.blame[pattern], sources) else 1.0)
            for pattern, count in found.items()
        }

    def _passes_on(self, blamed: frozenset[ServiceName], sources: Set[ServiceName]) -> bool:
        calls = (self.case.topology.dependencies_of(service).keys() for service in blamed)
        return all(not (sources - blamed).isdisjoint(called) for called in calls)

    @cached_property
    def near(self) -> Set[ServiceName]:
        """Every service that alerts, is named, or has a path to or from what alerts."""
        found = set(self.symptoms.placed)
        for calls, called_by in self.around.values():
            found.update(calls, called_by)
        return found

    def is_known(self, service: ServiceName) -> bool:
        """Return whether any call edge names *service*."""
        return service in self.case.topology.callees or service in self.case.topology.callers

    def last_before(self, change: ChangeEvent) -> ChangeEvent | None:
        """Return the last change that was live before *change*, same service and environment."""
        changes = self.timelines[change.service, change.environment]
        if len(changes) == 1:
            return None
        index = bisect_left(changes, change.live_at, key=_live_at)
        return changes[index - 1] if index else None

    def next_after(self, change: ChangeEvent) -> ChangeEvent | None:
        """Return the first change that was live after *change*, same service and environment."""
        changes = self.timelines[change.service, change.environment]
        if len(changes) == 1:
            return None
        index = bisect_right(changes, change.live_at, key=_live_at)
        return changes[index] if index < len(changes) else None


def _live_at(change: ChangeEvent) -> datetime:
    return change.live_at


_PASSED_ON = 0.3  # Our choice: a caller often logs the failure of what it calls.


def _half_life_min(pace: SymptomClass, half_lives: HalfLives) -> float:
    match pace:
        case SymptomClass.FAST:
            return half_lives.fast_min
        case SymptomClass.SLOW:
            return half_lives.slow_min
        case SymptomClass.TOLD:
            return half_lives.told_min
        case _:
            assert_never(pace)


def _origins(symptoms: Symptoms, around: Mapping[ServiceName, _Around]) -> frozenset[ServiceName]:
    """Services that only say nothing arrives any more are left out: their callers fell silent first."""
    loud = symptoms.services.keys() - symptoms.quiet
    below = {service: around[service][0].keys() & loud for service in loud}
    return frozenset(
        service for service in loud if all(service in below[other] for other in below[service] - {service})
    )


def _blamed(pattern: ErrorPattern, changed: frozenset[ServiceName]) -> frozenset[ServiceName]:
    named = named_among(changed, pattern.signature)
    return named or (frozenset({pattern.service}) if pattern.service is not None else frozenset())


def touched_by(change: ChangeEvent) -> frozenset[ServiceName]:
    """Return every service that *change* reached."""
    return frozenset({change.service, *change.also_touches})


def spoken(gap: timedelta | float) -> str:
    """Return a length of time as people say it: `40 s`, `12 min`, `5 h 20 min`."""
    seconds = int(gap.total_seconds() if isinstance(gap, timedelta) else gap)
    if seconds < 90:
        return f"{seconds} s"
    minutes = round(seconds / 60)
    if minutes < 90:
        return f"{minutes} min"
    hours, rest = divmod(minutes, 60)
    return f"{hours} h {rest} min" if rest else f"{hours} h"
