"""Look at logs and at versions, so that the ranking rests on more than alerts and changes."""

import asyncio
import re
from collections.abc import Awaitable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, TypeVar

from bot.app.world import World
from bot.domain.catalogue import ExpositionSignal, LogStore, Metric
from bot.domain.diagnosis import Window
from bot.domain.errors import HandrailError
from bot.domain.evidence import ErrorPattern, VersionEvidence
from bot.domain.ids import ServiceName
from bot.domain.log_templates import error_patterns
from bot.domain.sources import LogLines, VersionShare
from bot.ports import Logs, Metrics

T = TypeVar("T")

LEAD: Final = timedelta(minutes=5)  # Our choice: monitors fire minutes after what they saw began.
LONGEST: Final = timedelta(minutes=15)
MOST_SERVICES: Final = 6
HOPS: Final = 2
_VERSION: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+/-]{0,63}")


@dataclass(frozen=True)
class Observed:
    """What logs and versions showed, and which of them answered."""

    patterns: tuple[ErrorPattern, ...] = ()
    versions: tuple[VersionEvidence, ...] = ()
    answered: tuple[str, ...] = ()
    unreachable: tuple[str, ...] = ()


async def observe(world: World, service: ServiceName | None, onset: datetime, *, within_s: float) -> Observed:
    """Ask the sources of *service* and of what it calls, all at once, each for at most *within_s* seconds."""
    if service is None:
        return Observed()
    graph = world.sources.graph
    span = around_onset(onset, world.clock.now())
    places = neighbourhood(world, service)
    async with asyncio.TaskGroup() as group:
        asked = {
            **{
                f"logs of {name}": group.create_task(_within(_look(world, logs, name, store, span), within_s))
                for name, logs, store in _log_stores(world, places)
            },
            **{
                f"{key} of {name}": group.create_task(_within(_compare(metrics, name, source), within_s))
                for name, key, metrics, source in _version_metrics(world, places)
            },
        }
        # A service that is down serves no counters: that is a symptom, and no source that is missing.
        counters = [
            group.create_task(_within(_compare(metrics, name, signal), within_s))
            for name, metrics, signal in _counters(world, places)
        ]
    found = {name: task.result() for name, task in asked.items()}
    seen = [one for answer in (*found.values(), *(t.result() for t in counters)) for one in answer or ()]
    return Observed(
        patterns=tuple(one for one in seen if isinstance(one, ErrorPattern)),
        versions=tuple(one for one in seen if isinstance(one, VersionEvidence)),
        answered=(
            *(name for name, answer in found.items() if answer is not None),
            *(graph.answered() if graph else ()),
        ),
        unreachable=(
            *(name for name, answer in found.items() if answer is None),
            *(graph.silent() if graph else ()),
        ),
    )


def around_onset(onset: datetime, now: datetime) -> Window:
    """Return the window from shortly before *onset* until *now*, or until it is long enough."""
    start = onset - LEAD
    return Window(start=start, end=min(max(now, onset), start + LONGEST))


def before(span: Window) -> Window:
    """Return the window of the same length that ends where *span* starts."""
    return Window(start=span.start - (span.end - span.start), end=span.start)


def neighbourhood(world: World, service: ServiceName) -> tuple[ServiceName, ...]:
    """Return *service* and the services it calls, the nearest first, at most six."""
    below = world.topology().dependencies_of(service, hops=HOPS)
    near = sorted(below, key=lambda name: (below[name], name))
    return tuple(dict.fromkeys((service, *near)))[:MOST_SERVICES]


async def new_errors(
    world: World, logs: Logs, name: ServiceName, store: LogStore, span: Window
) -> tuple[ErrorPattern, ...]:
    """Return the redacted error signatures in *span*, with how many more they are than before it."""
    after, usual = await asyncio.gather(
        logs.errors(name, store, span), logs.errors(name, store, before(span))
    )
    return await asyncio.to_thread(_patterns, world, name, after, usual)


def _patterns(world: World, name: ServiceName, after: LogLines, usual: LogLines) -> tuple[ErrorPattern, ...]:
    return error_patterns(name, after, usual, redact=lambda text: world.redactor.redact(text).text)


def version_rows(service: ServiceName, shares: Sequence[VersionShare]) -> tuple[VersionEvidence, ...]:
    """Return the contrast between versions; one version alone says nothing of itself.

    A counter does not say who called, so the edge is that of the service with itself.
    """
    plain = [share for share in shares if _VERSION.fullmatch(share.version)]
    if len(plain) < 2:
        return ()
    return tuple(
        VersionEvidence(
            caller=service,
            callee=service,
            observed_at=service,
            version=share.version,
            success_rate=100.0 * (1.0 - share.failed),
            samples=share.requests,
        )
        for share in plain
    )


def _log_stores(world: World, places: Sequence[ServiceName]) -> list[tuple[ServiceName, Logs, LogStore]]:
    logs = world.sources.logs
    services = [(name, world.catalogue.services.get(name)) for name in places]
    return [(name, logs, one.logs) for name, one in services if logs and one and one.logs]


def _version_metrics(
    world: World, places: Sequence[ServiceName]
) -> list[tuple[ServiceName, str, Metrics, Metric]]:
    metrics = world.sources.metrics
    services = [(name, world.catalogue.services.get(name)) for name in places]
    return [
        (name, key, metrics, metric)
        for name, service in services
        if metrics and service
        for key, metric in service.metrics.items()
        if metric.by_version
    ]


def _counters(
    world: World, places: Sequence[ServiceName]
) -> list[tuple[ServiceName, Metrics, ExpositionSignal]]:
    metrics = world.sources.metrics
    services = [(name, world.catalogue.services.get(name)) for name in places]
    return [
        (name, metrics, signal)
        for name, service in services
        if metrics and service
        for signal in service.signals.values()
        if isinstance(signal, ExpositionSignal)
    ]


async def _look(
    world: World, logs: Logs, name: ServiceName, store: LogStore, span: Window
) -> Sequence[ErrorPattern | VersionEvidence]:
    return await new_errors(world, logs, name, store, span)


async def _compare(
    metrics: Metrics, name: ServiceName, source: ExpositionSignal | Metric
) -> Sequence[ErrorPattern | VersionEvidence]:
    return version_rows(name, await metrics.by_version(source))


async def _within(answer: Awaitable[T], within_s: float) -> T | None:
    """Return the answer, or None when it does not come in time."""
    try:
        async with asyncio.timeout(within_s):
            return await answer
    except (TimeoutError, HandrailError):
        return None
