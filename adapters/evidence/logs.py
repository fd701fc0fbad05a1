"""Error lines from wherever a service's logs are kept."""

from typing import assert_never

from adapters.evidence import elastic, loki
from adapters.evidence.source_http import Asking
from bot.domain.catalogue import ElasticLogs, LogStore, LokiLogs
from bot.domain.diagnosis import Window
from bot.domain.ids import ServiceName
from bot.domain.sources import LogLines


class HttpLogs:
    """Implements `Logs` over Loki, Elasticsearch and OpenSearch."""

    def __init__(self, asking: Asking) -> None:
        self._asking = asking

    async def errors(self, service: ServiceName, store: LogStore, window: Window) -> LogLines:
        match store:
            case LokiLogs():
                return await loki.error_lines(self._asking, service, store, window)
            case ElasticLogs():
                return await elastic.error_lines(self._asking, service, store, window)
            case _:
                assert_never(store)
