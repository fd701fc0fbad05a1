"""The services' signals by their kind, read on demand and sampled beside."""

import asyncio
from collections.abc import Iterable
from typing import assert_never

import httpx
import structlog

from adapters.evidence import prometheus
from adapters.evidence.exposition import Counters
from adapters.evidence.fetching import ANSWER_S
from bot.domain.catalogue import ExpositionSignal, HttpSignal, PrometheusSignal, Signal
from bot.ports import Clock, Reading

log = structlog.get_logger()

SAMPLE_EVERY_S = 1.0


class ServiceSignals:
    """Implements `Signals`. Counters are sampled all the time, so that a reading needs no waiting."""

    def __init__(self, client: httpx.AsyncClient, clock: Clock, *, within_s: float = ANSWER_S) -> None:
        self._client = client
        self._clock = clock
        self._within_s = within_s
        self.counters = Counters(client, within_s=within_s)

    async def read(self, signal: Signal) -> Reading:
        value, why = await self._value(signal)
        return Reading(value=value, at=self._clock.now(), why=why)

    async def watch(self, signals: Iterable[Signal]) -> None:
        """Sample the counters of *signals* until cancelled."""
        async with asyncio.TaskGroup() as group:
            for signal in signals:
                if isinstance(signal, ExpositionSignal):
                    group.create_task(self._watch(signal))

    async def _watch(self, signal: ExpositionSignal) -> None:
        was_silent = False
        while True:
            value, why = await self.counters.ratio(signal)
            is_silent = value is None
            if is_silent != was_silent:
                log.info("signal_changed", url=signal.url, is_silent=is_silent, why=why)
                was_silent = is_silent
            await asyncio.sleep(SAMPLE_EVERY_S)

    async def _value(self, signal: Signal) -> tuple[float | None, str]:
        match signal:
            case ExpositionSignal():
                return await self.counters.ratio(signal)
            case PrometheusSignal():
                return await prometheus.query(
                    self._client, signal, self._clock.now(), within_s=self._within_s
                )
            case HttpSignal():
                return await self._is_up(signal)
            case _:
                assert_never(signal)

    async def _is_up(self, signal: HttpSignal) -> tuple[float | None, str]:
        try:
            async with (
                asyncio.timeout(self._within_s),
                self._client.stream(
                    "GET", signal.url, timeout=self._within_s, follow_redirects=False
                ) as answer,
            ):
                return (1.0 if answer.status_code in signal.expect_status else 0.0), ""
        except (httpx.HTTPError, httpx.InvalidURL, TimeoutError) as exc:
            return 0.0, f"no answer ({type(exc).__name__})"
