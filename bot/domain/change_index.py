"""The recorded changes in memory, so that an alert finds its candidates among a million of them."""

from bisect import bisect_left, bisect_right, insort
from collections.abc import Iterable, Iterator, Sequence, Set
from datetime import datetime
from heapq import nsmallest
from math import log2
from typing import NamedTuple

from bot.domain.change import ChangeEvent
from bot.domain.ids import ChangeId, ServiceName
from bot.domain.topology import MAX_HOPS, Topology

MOST_CANDIDATES = 50  # Our choice: as many as are weighed in full.
PER_SERVICE = 50  # Our choice: of one service, only the newest changes of the look-back are weighed.
HALF_LIFE_S = 900.0
RING_HALVINGS = (0.0, 1.5, 2.5, 3.0)
"""How much older a change counts for each call it is away: as the fitted weights see it, in halvings."""
ELSEWHERE_HALVINGS = 5.5
"""The same for a change with no path to what alerts."""
ENOUGH = 2  # Our choice: with twice as many as asked, no call further is looked at; a hub reaches thousands.
_HOUR_S = 3600.0


class _Entry(NamedTuple):
    at: float
    """When it was live, in seconds since 1970."""
    id: ChangeId


def rings(services: Iterable[ServiceName], topology: Topology) -> Iterator[Set[ServiceName]]:
    """Yield *services*, then what one more call leads to from them or to them, three calls far."""
    down = up = seen = set(services)
    yield seen
    for _ in range(MAX_HOPS):
        down = {name for service in down for name in topology.callees.get(service, ())}
        up = {name for service in up for name in topology.callers.get(service, ())}
        ring = (down | up) - seen
        seen = seen | ring
        yield ring


class ChangeIndex:
    """Changes by service and by hour, in order of time.

    A look-up costs two bisections a service near the alert, however many changes are known. Beside the
    changes themselves the index takes about 300 bytes a change.
    """

    def __init__(self, changes: Iterable[ChangeEvent] = ()) -> None:
        self._changes: dict[ChangeId, ChangeEvent] = {}
        self._by_service: dict[ServiceName, list[_Entry]] = {}
        self._by_hour: dict[int, list[_Entry]] = {}
        for change in changes:
            self._changes[change.id] = change
        for change in self._changes.values():
            entry = _entry(change)
            for entries in self._lists(change, entry):
                entries.append(entry)
        for entries in (*self._by_service.values(), *self._by_hour.values()):
            entries.sort()

    def __len__(self) -> int:
        return len(self._changes)

    def get(self, change_id: ChangeId) -> ChangeEvent | None:
        """Return the change as last recorded."""
        return self._changes.get(change_id)

    def add(self, change: ChangeEvent) -> None:
        """Record *change*; one with the same id is replaced."""
        self.remove(change.id)
        self._changes[change.id] = change
        entry = _entry(change)
        for entries in self._lists(change, entry):
            insort(entries, entry)

    def remove(self, change_id: ChangeId) -> None:
        """Forget the change, if it is known."""
        change = self._changes.pop(change_id, None)
        if change is not None:
            entry = _entry(change)
            for entries in self._lists(change, entry):
                del entries[bisect_left(entries, entry)]

    def between(self, services: Iterable[ServiceName], start: datetime, end: datetime) -> list[ChangeEvent]:
        """Return the changes of *services* live in `[start, end]`, newest first, ties by id."""
        first, last = start.timestamp(), end.timestamp()
        found = {entry for name in services for entry in _window(self._by_service.get(name), first, last)}
        return [self._changes[entry.id] for entry in sorted(found, key=lambda e: (-e.at, e.id))]

    def near(
        self,
        around: Iterable[Set[ServiceName]],
        start: datetime,
        end: datetime,
        *,
        most: int = MOST_CANDIDATES,
    ) -> tuple[ChangeEvent, ...]:
        """Return at most *most* changes live in `[start, end]`, the likeliest first, by time and distance.

        *around* is what `rings` gives: what alerts, then what is one call away, and so on. A change of no
        ring is further than all of them.
        """
        first, last = start.timestamp(), end.timestamp()
        costs: dict[ChangeId, float] = {}
        for halvings, near in zip(RING_HALVINGS, around, strict=False):
            for service in near:
                for at, change_id in _window(self._by_service.get(service), first, last)[-PER_SERVICE:]:
                    cost = log2(1.0 + (last - at) / HALF_LIFE_S) + halvings
                    if cost < costs.get(change_id, float("inf")):
                        costs[change_id] = cost
            if len(costs) >= ENOUGH * most:
                break
        for at, change_id in self._newest(first, last, most):
            costs.setdefault(change_id, log2(1.0 + (last - at) / HALF_LIFE_S) + ELSEWHERE_HALVINGS)
        best = nsmallest(most, costs.items(), key=lambda pair: (pair[1], pair[0]))
        return tuple([self._changes[change_id] for change_id, _ in best])

    def _newest(self, start: float, end: float, most: int) -> list[_Entry]:
        """Return the newest *most* entries of any service."""
        found: list[_Entry] = []
        hour, oldest = int(end // _HOUR_S), int(start // _HOUR_S)
        while hour >= oldest and len(found) < most:
            entries = _window(self._by_hour.get(hour), start, end)
            found += entries[: -(most - len(found)) - 1 : -1]
            hour -= 1
        return found

    def _lists(self, change: ChangeEvent, entry: _Entry) -> Iterator[list[_Entry]]:
        for service in dict.fromkeys((change.service, *change.also_touches)):
            yield self._by_service.setdefault(service, [])
        yield self._by_hour.setdefault(int(entry.at // _HOUR_S), [])


def _window(entries: Sequence[_Entry] | None, start: float, end: float) -> Sequence[_Entry]:
    if not entries:
        return ()
    last = bisect_right(entries, end, key=_time_of)
    return entries[bisect_left(entries, start, 0, last, key=_time_of) : last]


def _entry(change: ChangeEvent) -> _Entry:
    return _Entry(change.live_at.timestamp(), change.id)


def _time_of(entry: _Entry) -> float:
    return entry.at
