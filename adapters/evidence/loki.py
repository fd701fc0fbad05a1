"""Error lines from Grafana Loki: one `query_range` a window."""

import math
from datetime import UTC, datetime, timedelta
from typing import Final, Literal

from pydantic import BaseModel, TypeAdapter, ValidationError

from adapters.evidence.source_http import LONGEST_LINE, MOST_LINES, Asking
from bot.domain.catalogue import LokiLogs, Name
from bot.domain.diagnosis import Window
from bot.domain.errors import Invalid
from bot.domain.ids import ServiceName
from bot.domain.sources import LogLine, LogLines

ERRORS: Final = "(?i)(error|exception|fatal|panic|critical|traceback)"
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_NAME: Final = TypeAdapter[str](Name)


class _Stream(BaseModel):
    values: tuple[tuple[str, str], ...]
    """Nanoseconds since 1970 and the line."""


class _Data(BaseModel):
    resultType: Literal["streams"]  # noqa: N815 - Loki's own name.
    result: tuple[_Stream, ...]


class _Answer(BaseModel):
    status: Literal["success"]
    data: _Data


async def error_lines(asking: Asking, service: ServiceName, logs: LokiLogs, window: Window) -> LogLines:
    """Return the lines of *service* in *window* that look like errors, oldest first.

    Raises:
        Invalid: a name would change the query.
        NotFound, Unavailable: Loki did not give them.
    """
    answer = await asking.ask(
        _Answer,
        f"{logs.url.rstrip('/')}/loki/api/v1/query_range",
        params={
            "query": selector(service, logs) + f' |~ "{ERRORS}"',
            "start": str(_nanoseconds(window.start)),
            "end": str(_nanoseconds(window.end)),
            "limit": str(MOST_LINES),
            "direction": "backward",
        },
        headers=logs.headers,
    )
    said = [(int(at), text) for stream in answer.data.result for at, text in stream.values if at.isdigit()]
    said.sort(key=lambda pair: pair[0])
    lines = tuple(LogLine(at=_time(at), text=text[:LONGEST_LINE]) for at, text in said[-MOST_LINES:])
    return LogLines(lines=lines, is_cut=len(said) >= MOST_LINES)


def selector(service: ServiceName, logs: LokiLogs) -> str:
    """Return the stream selector. Raises `Invalid` for a name that could end its quotes."""
    wanted = {logs.label: logs.value or service, **logs.labels}
    try:
        pairs = [f'{label}="{_NAME.validate_python(value)}"' for label, value in wanted.items()]
    except ValidationError as exc:
        raise Invalid("a service's name for Loki holds signs that names have not") from exc
    return "{" + ", ".join(pairs) + "}"


def _nanoseconds(at: datetime) -> int:
    return (at - _EPOCH) // timedelta(microseconds=1) * 1000


def _time(nanoseconds: int) -> datetime:
    return _EPOCH + timedelta(microseconds=math.floor(nanoseconds / 1000))
