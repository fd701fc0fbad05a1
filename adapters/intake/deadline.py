"""An HTTP connection on which a request must arrive whole within a time, however it drips in.

uvicorn itself waits without end for a head and for a body; a thousand such connections would use up its limit
and lock the senders of webhooks out.
"""

import asyncio
from datetime import timedelta

import structlog
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

log = structlog.get_logger()

ARRIVE_WITHIN = timedelta(seconds=10)  # Our choice: PagerDuty gives up on us after 5 s.
_TOO_SLOW = b"HTTP/1.1 408 Request Timeout\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"


class TimelyProtocol(HttpToolsProtocol):
    """uvicorn's protocol with a deadline from the connection, or a request's first byte, to the last byte.

    Who is late gets a 408, unless an answer has begun, and the connection is closed.
    """

    arrive_within = ARRIVE_WITHIN
    _deadline: asyncio.TimerHandle | None = None
    _is_arriving = True

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._watch()

    def data_received(self, data: bytes) -> None:
        self._is_arriving = True
        super().data_received(data)
        self._watch()

    def on_message_begin(self) -> None:
        self._is_arriving = True  # The next request may begin in the packet that ended the last.
        super().on_message_begin()

    def on_message_complete(self) -> None:
        self._is_arriving = False
        super().on_message_complete()

    def connection_lost(self, exc: Exception | None) -> None:
        self._is_arriving = False
        self._watch()
        super().connection_lost(exc)

    def _watch(self) -> None:
        """Let the time run while a request is on its way; one that came in a single packet needs no timer."""
        if not self._is_arriving:
            if self._deadline is not None:
                self._deadline.cancel()
                self._deadline = None
        elif self._deadline is None:
            self._deadline = self.loop.call_later(self.arrive_within.total_seconds(), self._give_up)

    def _give_up(self) -> None:
        if self.transport.is_closing():
            return
        log.info("request_too_slow", seconds=self.arrive_within.total_seconds())
        if self.cycle is None or self.cycle.response_complete or not self.cycle.response_started:
            self.transport.write(_TOO_SLOW)
        self.transport.close()


def timely_protocol(arrive_within: timedelta = ARRIVE_WITHIN) -> type[HttpToolsProtocol]:
    """Return the protocol class with that deadline: uvicorn makes its connections from a class."""
    return type("TimelyProtocol", (TimelyProtocol,), {"arrive_within": arrive_within})
