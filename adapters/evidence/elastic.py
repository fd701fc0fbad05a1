"""Error lines from Elasticsearch or OpenSearch: one `_search` a window."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Final

from pydantic import BaseModel, Field, JsonValue

from adapters.evidence.source_http import LONGEST_LINE, MOST_LINES, Asking
from bot.domain.catalogue import ElasticLogs
from bot.domain.diagnosis import Window
from bot.domain.errors import Unavailable
from bot.domain.ids import ServiceName
from bot.domain.sources import LogLine, LogLines

WORDS: Final = "error exception fatal panic critical traceback"
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


class _Hit(BaseModel):
    fields: dict[str, tuple[JsonValue, ...]] = Field(default_factory=dict)


class _Total(BaseModel):
    value: int


class _Hits(BaseModel):
    total: _Total
    hits: tuple[_Hit, ...]


class _Shards(BaseModel):
    failed: int = 0


class _Answer(BaseModel):
    timed_out: bool
    shards: _Shards = Field(default_factory=_Shards, alias="_shards")
    hits: _Hits


async def error_lines(asking: Asking, service: ServiceName, logs: ElasticLogs, window: Window) -> LogLines:
    """Return the lines of *service* in *window* at an error level, oldest first.

    Raises:
        NotFound, Unavailable: the store did not give them.
    """
    answer = await asking.ask(
        _Answer,
        f"{logs.url.rstrip('/')}/{logs.index}/_search",
        headers=logs.headers,
        json=json.dumps(search_body(service, logs, window)).encode(),
    )
    if answer.timed_out or answer.shards.failed:
        # Part of an answer would make errors look new that were only not found before.
        raise Unavailable(f"{logs.url} searched only a part of {logs.index}")
    lines = [line for hit in answer.hits.hits if (line := _line(hit, logs)) is not None]
    return LogLines(
        lines=tuple(sorted(lines, key=lambda line: line.at)),
        is_cut=answer.hits.total.value > len(answer.hits.hits),
    )


def search_body(service: ServiceName, logs: ElasticLogs, window: Window) -> Mapping[str, JsonValue]:
    """Return the query: every value stands in a field of JSON, where it is nothing but a value."""
    level: JsonValue = (
        {"terms": {logs.level_field: list(logs.levels)}}
        if logs.level_field is not None
        else {"match": {logs.message_field: {"query": WORDS, "operator": "or"}}}
    )
    span: JsonValue = {"gte": _millis(window.start), "lte": _millis(window.end), "format": "epoch_millis"}
    return {
        "size": MOST_LINES,
        "timeout": "4s",
        "track_total_hits": MOST_LINES + 1,
        "_source": False,
        "fields": [logs.message_field, {"field": logs.time_field, "format": "epoch_millis"}],
        "sort": [{logs.time_field: "desc"}],
        "query": {
            "bool": {
                "filter": [
                    {"term": {logs.service_field: logs.value or service}},
                    {"range": {logs.time_field: span}},
                    level,
                ]
            }
        },
    }


def _line(hit: _Hit, logs: ElasticLogs) -> LogLine | None:
    said = next(iter(hit.fields.get(logs.message_field, ())), None)
    at = next(iter(hit.fields.get(logs.time_field, ())), None)
    if not isinstance(said, str) or not isinstance(at, str | int | float):
        return None
    try:
        time = _EPOCH + timedelta(milliseconds=float(at))  # A field in nanoseconds has a fraction.
    except (ValueError, OverflowError):
        return None
    return LogLine(at=time, text=said[:LONGEST_LINE])


def _millis(at: datetime) -> int:
    return (at - _EPOCH) // timedelta(milliseconds=1)
