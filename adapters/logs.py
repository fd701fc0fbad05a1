"""Log lines as JSON, each with the ids bound to its context, every text redacted."""

import json
import logging
import sys
import time
from collections.abc import Callable, MutableMapping
from typing import Any

import structlog
from pydantic_core import to_json

_LEVELS = {"debug": logging.DEBUG, "info": logging.INFO, "warning": logging.WARNING, "error": logging.ERROR}
# Fixed words and ids: without the ids nobody could follow one incident from its webhook to its note.
_OUR_WORDS = frozenset(
    {"level", "timestamp", "event", "event_id", "event_type", "stream", "correlation_id"}
    | {"incident_id", "proposal_id", "change_id", "delivery"}
)
_CHATTY = ("httpx", "httpcore", "slack_sdk", "slack_bolt", "openai", "langchain", "pdpyras", "urllib3")


class _Stamp:
    """Adds the time in UTC as structlog's own stamper does, but formats each second only once."""

    def __init__(self) -> None:
        self._second = -1
        self._prefix = ""

    def __call__(self, _: Any, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
        second, nanoseconds = divmod(time.time_ns(), 1_000_000_000)
        if second != self._second:
            self._second = second
            self._prefix = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(second))
        event["timestamp"] = f"{self._prefix}.{nanoseconds // 1000:06d}Z"
        return event


def log_aside() -> None:
    """Write what is logged to standard error: of a command, standard output is the answer."""
    # Looked up at each line, since whoever runs a command may put another stream there.
    structlog.configure(logger_factory=lambda *_: structlog.WriteLogger(sys.stderr))


def configure_logs(level: str, redact: Callable[[str], str]) -> None:
    """Send our lines and those of libraries to standard error, one JSON object a line."""

    def redacted(_: Any, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
        for key, value in event.items():
            if isinstance(value, str) and key not in _OUR_WORDS:
                event[key] = redact(value)
        return event

    def not_ours(_: Any, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
        event["event"] = redact(
            str(event.get("event", ""))
        )  # A library's sentence may quote what it was sent.
        return event

    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        _Stamp(),
        structlog.processors.format_exc_info,
        redacted,
    ]
    structlog.configure(
        processors=[*shared, structlog.processors.JSONRenderer(serializer=_json)],
        wrapper_class=structlog.make_filtering_bound_logger(_LEVELS[level]),
        logger_factory=structlog.WriteLoggerFactory(file=sys.stderr),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[*shared, not_ours],
            processor=structlog.processors.JSONRenderer(serializer=_json),
        )
    )
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(_LEVELS[level])
    for name in _CHATTY:
        # Their informational lines repeat what ours say, and some quote whole requests.
        logging.getLogger(name).setLevel(max(_LEVELS[level], logging.WARNING))


def _json(event: MutableMapping[str, Any], *, default: Callable[[Any], Any]) -> str:
    try:
        return to_json(event, fallback=default).decode()
    except ValueError:
        # Half a surrogate pair, or bytes that are no text: the escapes of `json` can say the first.
        return json.dumps(event, default=default)
