"""`python -m tests.bench.http_load PORT PATH FIRST COUNT SECONDS`: post signed bodies, fast.

64 connections are kept alive, each with one request under way. The bodies are made and signed before the
clock starts. What was seen is printed as one JSON object.
"""

import asyncio
import gc
import json
import sys
import time
from dataclasses import dataclass, field
from typing import cast

import uvloop

from tests.bench.lines import percentile
from tests.bench.webhook import bodies

CONNECTIONS = 64


@dataclass
class Seen:
    requests: list[bytes]
    until: float = 0.0
    taken: list[float] = field(default_factory=list)
    wrong: int = 0

    def next(self) -> bytes | None:
        return self.requests.pop() if self.requests and time.perf_counter() < self.until else None


class Connection(asyncio.Protocol):
    """One connection; reads only what an answer with a Content-Length needs."""

    def __init__(self, seen: Seen) -> None:
        self._seen = seen
        self._buffer = b""
        self._sent_at = 0.0
        self._transport: asyncio.Transport | None = None
        self.ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's own class does not derive from it.

    def send(self) -> None:
        request = self._seen.next()
        if request is None or self._transport is None:
            if not self.ended.done():
                self.ended.set_result(None)
            return
        self._sent_at = time.perf_counter()
        self._transport.write(request)

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        head, found, body = self._buffer.partition(b"\r\n\r\n")
        if not found or len(body) < _length(head):
            return
        self._seen.taken.append(time.perf_counter() - self._sent_at)
        self._seen.wrong += not head.startswith(b"HTTP/1.1 202")
        self._buffer = b""
        self.send()

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.ended.done():
            self.ended.set_exception(exc or ConnectionError("the server hung up"))


def _length(head: bytes) -> int:
    return int(head.lower().partition(b"content-length:")[2].partition(b"\r\n")[0])


async def _load(port: int, path: str, first: int, count: int, seconds: float) -> None:
    seen = Seen([_request(path, body, signature) for body, signature in bodies(first, count)])
    loop = asyncio.get_running_loop()
    connections = [
        (await loop.create_connection(lambda: Connection(seen), "127.0.0.1", port))[1]
        for _ in range(CONNECTIONS)
    ]
    gc.freeze()  # Nothing of this is garbage; looking through it would disturb the load.
    start, busy = time.perf_counter(), time.process_time()
    seen.until = start + seconds
    for connection in connections:
        connection.send()
    await asyncio.gather(*(connection.ended for connection in connections))
    took, busy = time.perf_counter() - start, time.process_time() - busy
    answered = len(seen.taken)
    sys.stdout.write(
        json.dumps(
            {
                "per_s": answered / took,
                "p50_s": percentile(seen.taken, 50),
                "p99_s": percentile(seen.taken, 99),
                "load_core": busy / took,
                "answered": answered,
                "wrong": seen.wrong,
            }
        )
    )


def _request(path: str, body: bytes, signature: bytes) -> bytes:
    return (
        b"POST %b HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
        b"X-PagerDuty-Signature: %b\r\nContent-Length: %d\r\n\r\n" % (path.encode(), signature, len(body))
    ) + body


if __name__ == "__main__":
    port, path, first, count, seconds = sys.argv[1:]
    uvloop.run(_load(int(port), path, int(first), int(count), float(seconds)))
