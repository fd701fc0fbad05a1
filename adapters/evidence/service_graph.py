"""Call edges from OpenTelemetry's service-graph metrics, as a Prometheus server has them."""

from collections.abc import Sequence
from typing import Final

from adapters.evidence.prometheus_range import instant
from adapters.evidence.source_http import Asking
from bot.domain.catalogue import Catalogue, ServiceGraph
from bot.domain.ids import ServiceName

CLIENT: Final = "client"
SERVER: Final = "server"


class ServiceGraphMetrics:
    """Implements `GraphSource`. Names that the catalogue does not know are left out."""

    name = "OpenTelemetry"

    def __init__(self, asking: Asking, catalogue: Catalogue, graph: ServiceGraph) -> None:
        self._asking = asking
        self._catalogue = catalogue
        self._graph = graph

    async def edges(self) -> Sequence[tuple[ServiceName, ServiceName]]:
        found = await instant(self._asking, self._graph.url, self._graph.query, self._graph.headers)
        pairs = (
            (self._catalogue.by_name(labels.get(CLIENT, "")), self._catalogue.by_name(labels.get(SERVER, "")))
            for labels, value in found
            if value is not None and value > 0
        )
        return tuple((caller, callee) for caller, callee in pairs if caller and callee)
