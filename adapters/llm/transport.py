"""HTTP for talking to a model: no redirects, no proxy of the environment, and no answer without a limit."""

from collections.abc import AsyncIterator
from typing import Final

import httpx2

LARGEST_ANSWER: Final = 2_000_000
"""Bytes; an answer of 4,000 tokens has some 20,000."""


class AnswerTooLarge(httpx2.TransportError):
    """The server sends more than any answer can hold."""


class _Bounded(httpx2.AsyncByteStream):
    def __init__(self, stream: httpx2.AsyncByteStream, limit: int) -> None:
        self._stream = stream
        self._left = limit

    async def __aiter__(self) -> AsyncIterator[bytes]:
        async for chunk in self._stream:
            self._left -= len(chunk)
            if self._left < 0:
                raise AnswerTooLarge("The answer is larger than any that can be right.")
            yield chunk

    async def aclose(self) -> None:
        await self._stream.aclose()


class _BoundedTransport(httpx2.AsyncBaseTransport):
    def __init__(self, inner: httpx2.AsyncBaseTransport, limit: int) -> None:
        self._inner = inner
        self._limit = limit

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        # A compressed answer could be small on the wire and huge in memory.
        request.headers["accept-encoding"] = "identity"
        response = await self._inner.handle_async_request(request)
        if not isinstance(response.stream, httpx2.AsyncByteStream):
            raise httpx2.TransportError("The answer is no stream.")
        if response.headers.get("content-encoding", "identity") != "identity":
            await response.aclose()
            raise AnswerTooLarge("The answer is compressed although that was not asked for.")
        response.stream = _Bounded(response.stream, self._limit)
        return response

    async def aclose(self) -> None:
        await self._inner.aclose()


def model_client(timeout_s: float) -> httpx2.AsyncClient:
    """Return a client for one analyst; whoever asked for it closes it."""
    return httpx2.AsyncClient(
        transport=_BoundedTransport(httpx2.AsyncHTTPTransport(), LARGEST_ANSWER),
        timeout=timeout_s,
        follow_redirects=False,
    )
