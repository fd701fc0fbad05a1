"""Who calls whom, read in the background from several sources and put together with the catalogue."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Final, Protocol

import structlog

from bot.domain.catalogue import Catalogue
from bot.domain.errors import HandrailError, Invalid, NotFound
from bot.domain.ids import ServiceName
from bot.domain.topology import Edge, Topology

log = structlog.get_logger()

EVERY_S: Final = 600.0
SOON_S: Final = 60.0
"""After a source failed it is asked again this soon."""
FRESH_S: Final = 3600.0
"""Our choice: calls between services change with releases, not by the minute."""


class GraphSource(Protocol):
    """One source of call edges."""

    @property
    def name(self) -> str:
        """In words for people, such as `PagerDuty`."""
        ...

    async def edges(self) -> Sequence[tuple[ServiceName, ServiceName]]:
        """Return caller and callee of each edge between services of the catalogue. Raises `Unavailable`."""
        ...


class SeenCallGraph:
    """Implements `CallGraph`: the catalogue's edges, and the last that each source told."""

    def __init__(
        self,
        catalogue: Catalogue,
        sources: Sequence[GraphSource],
        *,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._catalogue = catalogue
        self._sources = tuple(sources)
        self._monotonic = monotonic
        self._told: dict[str, tuple[Edge, ...]] = {}
        self._read_at: dict[str, float] = {}
        self._topology = catalogue.topology()

    def topology(self) -> Topology:
        return self._topology

    def answered(self) -> Sequence[str]:
        return tuple(_named(source) for source in self._sources if self._is_fresh(source))

    def silent(self) -> Sequence[str]:
        return tuple(_named(source) for source in self._sources if not self._is_fresh(source))

    async def refresh(self) -> None:
        """Ask every source once, one after the other; one that fails keeps what it told before."""
        for source in self._sources:
            try:
                pairs = await source.edges()
            except (NotFound, Invalid):
                pairs = ()  # It has no such thing: an answer too.
            except HandrailError as exc:
                log.warning("call_graph_not_read", source=source.name, error=str(exc))
                continue
            self._told[source.name] = tuple(Edge(*pair, source.name) for pair in pairs)
            self._read_at[source.name] = self._monotonic()
        declared = (
            Edge(*pair, source)
            for pair, sources in self._catalogue.topology().told_by.items()
            for source in sources
        )
        self._topology = Topology.told((*declared, *(edge for told in self._told.values() for edge in told)))

    async def watch(self) -> None:
        """Refresh for ever, sooner again after a failure."""
        while True:
            await self.refresh()
            await asyncio.sleep(SOON_S if self.silent() else EVERY_S)

    def _is_fresh(self, source: GraphSource) -> bool:
        read_at = self._read_at.get(source.name)
        return read_at is not None and self._monotonic() - read_at <= FRESH_S


@asynccontextmanager
async def watched_graph(
    catalogue: Catalogue, sources: Sequence[GraphSource]
) -> AsyncIterator[SeenCallGraph | None]:
    """Yield the graph and keep it fresh for the length of the block; None without a source."""
    if not sources:
        yield None
        return
    graph = SeenCallGraph(catalogue, sources)
    task = asyncio.create_task(graph.watch())
    try:
        yield graph
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


def _named(source: GraphSource) -> str:
    return f"service dependencies of {source.name}"
