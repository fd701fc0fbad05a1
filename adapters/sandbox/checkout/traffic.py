"""Customers: a steady stream of requests that a slow service cannot pile up."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import httpx

TIMEOUT_S = 5.0
LONGEST_LAG_S = 1.0  # After a longer stall the stream goes on at its rate, without a burst to catch up.


class Traffic:
    """Sends *rate* requests a second, at most *max_in_flight* at once; what is over is shed and counted."""

    def __init__(
        self,
        base_url: str,
        *,
        rate: float = 50.0,
        max_in_flight: int = 32,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._url = f"{base_url.rstrip('/')}/checkout"
        self._interval_s = 1.0 / rate
        self._max_in_flight = max_in_flight
        self._sleep = sleep
        self._in_flight = 0
        self.answered = 0
        self.failed = 0
        """Answered with 5xx, or not at all."""
        self.shed = 0

    @asynccontextmanager
    async def flowing(self) -> AsyncIterator[None]:
        """Send in the background until the block ends."""
        stream = asyncio.create_task(self.run(), name="traffic")
        try:
            yield
        finally:
            stream.cancel()
            await asyncio.gather(stream, return_exceptions=True)

    async def run(self) -> None:
        """Send until cancelled."""
        loop = asyncio.get_running_loop()
        next_at = loop.time()
        limits = httpx.Limits(max_connections=self._max_in_flight)
        async with (
            httpx.AsyncClient(timeout=TIMEOUT_S, limits=limits, trust_env=False) as client,
            asyncio.TaskGroup() as requests,
        ):
            while True:
                await self._sleep(max(0.0, next_at - loop.time()))
                next_at = max(next_at + self._interval_s, loop.time() - LONGEST_LAG_S)
                if self._in_flight >= self._max_in_flight:
                    self.shed += 1
                    continue
                self._in_flight += 1
                requests.create_task(self._request(client))

    async def _request(self, client: httpx.AsyncClient) -> None:
        try:
            response = await client.get(self._url)
            self.failed += response.status_code >= 500
        except httpx.HTTPError:
            # A killed or restarting service is part of the play; the count says it.
            self.failed += 1
        finally:
            self.answered += 1
            self._in_flight -= 1
