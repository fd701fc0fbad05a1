"""Range queries and shares by version, from a Prometheus server."""

import math
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Final, Literal

from pydantic import BaseModel, Field, FiniteFloat

from adapters.evidence.source_http import Asking
from bot.domain.catalogue import Metric
from bot.domain.diagnosis import Window
from bot.domain.errors import Unavailable
from bot.domain.sources import Point, VersionShare

POINTS: Final = 240  # Prometheus refuses more than 11,000 for a series; a step needs far fewer to be seen.
LEAST_STEP_S: Final = 5.0
VERSION: Final = "version"
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


class _Series(BaseModel):
    values: tuple[tuple[FiniteFloat, str], ...]


class _Matrix(BaseModel):
    resultType: Literal["matrix"]  # noqa: N815 - Prometheus's own name.
    result: tuple[_Series, ...]


class _RangeAnswer(BaseModel):
    status: Literal["success"]
    data: _Matrix


class _Sample(BaseModel):
    metric: dict[str, str] = Field(default_factory=dict)
    value: tuple[FiniteFloat, str]


class _Vector(BaseModel):
    resultType: Literal["vector"]  # noqa: N815 - Prometheus's own name.
    result: tuple[_Sample, ...]


class _InstantAnswer(BaseModel):
    status: Literal["success"]
    data: _Vector


async def series(asking: Asking, metric: Metric, window: Window) -> tuple[Point, ...]:
    """Return the finite values of the query's one series, none when it has no series.

    Raises:
        NotFound, Unavailable: no answer, or more than one series.
    """
    step_s = max(LEAST_STEP_S, (window.end - window.start) / timedelta(seconds=1) / POINTS)
    answer = await asking.ask(
        _RangeAnswer,
        f"{metric.url.rstrip('/')}/api/v1/query_range",
        params={
            "query": metric.query,
            "start": f"{window.start.timestamp():.3f}",
            "end": f"{window.end.timestamp():.3f}",
            "step": f"{step_s:g}",
        },
        headers=metric.headers,
    )
    if len(answer.data.result) > 1:
        raise Unavailable(f"the query at {metric.url} gave {len(answer.data.result)} series, not one")
    return tuple(
        Point(at=_EPOCH + timedelta(seconds=at), value=value)
        for one in answer.data.result
        for at, text in one.values
        if (value := _finite(text)) is not None
    )


async def by_version(asking: Asking, metric: Metric) -> Sequence[VersionShare]:
    """Return the share of failed requests of each version; one without requests (NaN) is left out.

    Raises:
        NotFound, Unavailable: no answer, or values that are no shares.
    """
    shares: dict[str, float] = {}
    for labels, failed in await instant(asking, metric.url, metric.query, metric.headers):
        version = labels.get(VERSION)
        if version is None or version in shares:
            raise Unavailable(f"the query at {metric.url} does not give one series for each {VERSION}")
        if failed is None:
            continue
        if not 0 <= failed <= 1:
            raise Unavailable(f"the query at {metric.url} gives {failed:g}, which is no share from 0 to 1")
        shares[version] = failed
    return tuple(VersionShare(version=name, failed=failed) for name, failed in sorted(shares.items()))


async def instant(
    asking: Asking, url: str, query: str, headers: Mapping[str, str]
) -> Sequence[tuple[Mapping[str, str], float | None]]:
    """Return labels and value of every series that *query* gives now; None for a value that is not finite.

    Raises:
        NotFound, Unavailable: no answer.
    """
    answer = await asking.ask(
        _InstantAnswer, f"{url.rstrip('/')}/api/v1/query", params={"query": query}, headers=headers
    )
    return [(sample.metric, _finite(sample.value[1])) for sample in answer.data.result]


def _finite(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) else None
