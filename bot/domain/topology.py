"""Who calls whom: the dependency graph that correlation walks."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import NamedTuple

from bot.domain.ids import ServiceName

MAX_HOPS = 3  # Our choice: beyond three calls a path says little, and the walk grows with each.


class Edge(NamedTuple):
    """One call edge and who told of it."""

    caller: ServiceName
    callee: ServiceName
    source: str
    """In words for people, such as `services.yaml`."""


@dataclass(frozen=True)
class Topology:
    """Call edges `caller → callee`. Empty is allowed: it lowers coverage, it does not fail."""

    callees: Mapping[ServiceName, frozenset[ServiceName]] = field(default_factory=dict)
    callers: Mapping[ServiceName, frozenset[ServiceName]] = field(default_factory=dict)
    told_by: Mapping[tuple[ServiceName, ServiceName], tuple[str, ...]] = field(default_factory=dict)
    """Who told of an edge, where that is known."""

    @cached_property
    def services(self) -> frozenset[ServiceName]:
        """Return every service that an edge names."""
        return frozenset(self.callees).union(self.callers)

    @classmethod
    def of(cls, edges: Iterable[tuple[ServiceName, ServiceName]]) -> "Topology":
        """Build the graph from `(caller, callee)` pairs; a service that calls itself is left out."""
        down: dict[ServiceName, set[ServiceName]] = {}
        up: dict[ServiceName, set[ServiceName]] = {}
        for caller, callee in edges:
            if caller == callee:
                continue
            down.setdefault(caller, set()).add(callee)
            up.setdefault(callee, set()).add(caller)
        return cls(
            callees={name: frozenset(found) for name, found in down.items()},
            callers={name: frozenset(found) for name, found in up.items()},
        )

    @classmethod
    def told(cls, edges: Iterable[Edge]) -> "Topology":
        """Build the graph from *edges*, several sources of one edge put together in the order given."""
        told_by: dict[tuple[ServiceName, ServiceName], tuple[str, ...]] = {}
        for edge in edges:
            pair = edge.caller, edge.callee
            told_by[pair] = tuple(dict.fromkeys((*told_by.get(pair, ()), edge.source)))
        plain = cls.of(told_by)
        return cls(callees=plain.callees, callers=plain.callers, told_by=told_by)

    def dependencies_of(self, service: ServiceName, *, hops: int = MAX_HOPS) -> dict[ServiceName, int]:
        """Return what *service* calls, directly or not, with the least number of calls to it (≥ 1)."""
        return _walk(self.callees, service, hops)

    def dependents_of(self, service: ServiceName, *, hops: int = MAX_HOPS) -> dict[ServiceName, int]:
        """Return what calls *service*, directly or not, with the least number of calls from it (≥ 1)."""
        return _walk(self.callers, service, hops)


def _walk(
    edges: Mapping[ServiceName, frozenset[ServiceName]], start: ServiceName, hops: int
) -> dict[ServiceName, int]:
    distance: dict[ServiceName, int] = {}
    frontier = {start}
    for hop in range(1, hops + 1):
        frontier = {name for seen in frontier for name in edges.get(seen, ())} - distance.keys() - {start}
        if not frontier:
            break
        distance.update(dict.fromkeys(frontier, hop))
    return distance
