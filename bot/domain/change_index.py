"""The recorded changes in memory, so that an alert finds its candidates among a million of them."""

from bisect import bisect_left, bisect_right, insort
from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from heapq import nlargest
from math import log2
from typing import NamedTuple

from bot.domain.change import ChangeEvent
from bot.domain.ids import ChangeId, ServiceName
from bot.domain.topology import MAX_HOPS, Topology

MOST_CANDIDATES = 50  # Our choice: as many as are read.
_PER_SERVICE = 200  # Our choice: of one service, only the newest changes of the look-back are weighed.
_HOP_HALVINGS = 1.0  # Our choice: a call further away counts as a change twice as old.
_HALF_LIFE_S = 900.0
_ENOUGH = 2  # Our choice: with twice as many as asked, no call further is looked at; a hub reaches thousands.


class _Entry(NamedTuple):
    at: float
    """When it was live, in seconds since 1970."""
    id: ChangeId


class ChangeIndex:
    """Changes by service, in order of time.

    A look-up costs two bisections a service near the alert, however many changes are known. Beside the
    changes themselves the index takes about 250 bytes a change.
    """

    def __init__(self, changes: Iterable[ChangeEvent] = ()) -> None:
        self._changes: dict[ChangeId, ChangeEvent] = {}
        self._by_service: dict[ServiceName, list[_Entry]] = {}
        for change in changes:
            self._changes[change.id] = change
        for change in self._changes.values():
            for service in _reached(change):
                self._by_service.setdefault(service, []).append(_entry(change))
        for entries in self._by_service.values():
            entries.sort()

    def __len__(self) -> int:
        return len(self._changes)

    def add(self, change: ChangeEvent) -> None:
        """Record *change*; one with the same id is replaced."""
        self.remove(change.id)
        self._changes[change.id] = change
        for service in _reached(change):
            insort(self._by_service.setdefault(service, []), _entry(change))

    def remove(self, change_id: ChangeId) -> None:
        """Forget the change, if it is known."""
        change = self._changes.pop(change_id, None)
        if change is None:
            return
        for service in _reached(change):
            entries = self._by_service[service]
            del entries[bisect_left(entries, _entry(change))]
            if not entries:
                del self._by_service[service]

    def candidates(
        self,
        services: Iterable[ServiceName],
        topology: Topology,
        *,
        at: datetime,
        lookback: timedelta,
        most: int = MOST_CANDIDATES,
    ) -> tuple[ChangeEvent, ...]:
        """Return at most *most* changes live in `[at - lookback, at]` near *services*, the likeliest first.

        Near is what *services* call or what calls them, over at most three calls.
        """
        start, end = (at - lookback).timestamp(), at.timestamp()
        scored: dict[ChangeId, float] = {}
        for hops, near in enumerate(_rings(services, topology)):
            for service in near:
                for entry in self._window(service, start, end):
                    score = -log2(1.0 + (end - entry.at) / _HALF_LIFE_S) - _HOP_HALVINGS * hops
                    if score > scored.get(entry.id, float("-inf")):
                        scored[entry.id] = score
            if len(scored) >= _ENOUGH * most:
                break
        best = nlargest(most, scored.items(), key=lambda pair: (pair[1], pair[0]))
        return tuple(self._changes[change_id] for change_id, _ in best)

    def _window(self, service: ServiceName, start: float, end: float) -> list[_Entry]:
        entries = self._by_service.get(service)
        if entries is None:
            return []
        last = bisect_right(entries, end, key=_time_of)
        first = bisect_left(entries, start, 0, last, key=_time_of)
        return entries[max(first, last - _PER_SERVICE) : last]


def _rings(services: Iterable[ServiceName], topology: Topology) -> Iterator[set[ServiceName]]:
    """Yield *services*, then what one more call leads to from them or to them, three calls far."""
    down = up = seen = set(services)
    yield seen
    for _ in range(MAX_HOPS):
        down = {name for service in down for name in topology.callees.get(service, ())}
        up = {name for service in up for name in topology.callers.get(service, ())}
        ring = (down | up) - seen
        seen = seen | ring
        yield ring


def _entry(change: ChangeEvent) -> _Entry:
    return _Entry(change.live_at.timestamp(), change.id)


def _time_of(entry: _Entry) -> float:
    return entry.at


def _reached(change: ChangeEvent) -> tuple[ServiceName, ...]:
    return tuple(dict.fromkeys((change.service, *change.also_touches)))
