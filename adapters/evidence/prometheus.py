"""Instant queries against a Prometheus server."""

import math
from datetime import UTC, datetime, timedelta
from typing import Literal

import httpx
from pydantic import BaseModel, ValidationError

from bot.domain.catalogue import PrometheusSignal

QUERY_S = 5.0
MAX_BYTES = 5 * 1024 * 1024


class _Vector(BaseModel):
    value: tuple[float, str]


class _Data(BaseModel):
    resultType: Literal["vector", "scalar"]  # noqa: N815 - Prometheus's own name.
    result: list[_Vector] | tuple[float, str]


class _Answer(BaseModel):
    status: Literal["success"]
    data: _Data


async def query(
    client: httpx.AsyncClient, signal: PrometheusSignal, now: datetime
) -> tuple[float | None, str]:
    """Return the query's one value, or None and why there is none: an empty, doubled, stale or NaN answer."""
    try:
        answer = await client.get(
            f"{signal.url.rstrip('/')}/api/v1/query",
            params={"query": signal.query},
            timeout=QUERY_S,
            follow_redirects=False,
        )
        answer.raise_for_status()
        parsed = _Answer.model_validate_json(answer.content[:MAX_BYTES])
    except (httpx.HTTPError, ValidationError) as exc:
        return None, f"{signal.url} gave no value ({type(exc).__name__})"
    result = parsed.data.result
    points = [result] if isinstance(result, tuple) else [series.value for series in result]
    if len(points) != 1:
        return None, f"the query gave {len(points)} series, not one"
    at, text = datetime.fromtimestamp(points[0][0], UTC), points[0][1]
    if now - at > timedelta(seconds=signal.stale_after_s):
        return None, f"the value is {round((now - at).total_seconds())} s old"
    value = float(text)
    return (value, "") if math.isfinite(value) else (None, f"the value is {text}")
