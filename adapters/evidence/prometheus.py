"""Instant queries against a Prometheus server."""

import math
from datetime import datetime
from typing import Literal

import httpx
from pydantic import BaseModel, FiniteFloat, ValidationError

from adapters.evidence.fetching import NoAnswer, fetch
from bot.domain.catalogue import PrometheusSignal

MAX_BYTES = 5 * 1024 * 1024


class _Vector(BaseModel):
    value: tuple[FiniteFloat, str]


class _Data(BaseModel):
    resultType: Literal["vector", "scalar"]  # noqa: N815 - Prometheus's own name.
    result: list[_Vector] | tuple[FiniteFloat, str]


class _Answer(BaseModel):
    status: Literal["success"]
    data: _Data


async def query(
    client: httpx.AsyncClient, signal: PrometheusSignal, now: datetime, *, within_s: float
) -> tuple[float | None, str]:
    """Return the query's one value, or None and why there is none: an empty, doubled, stale or NaN answer."""
    try:
        raw = await fetch(
            client,
            f"{signal.url.rstrip('/')}/api/v1/query",
            # The time in an answer is that of the question; only this keeps old samples out of it.
            params={"query": signal.query, "lookback_delta": f"{signal.stale_after_s}s"},
            within_s=within_s,
            most=MAX_BYTES,
        )
        result = _Answer.model_validate_json(raw).data.result
    except NoAnswer as exc:
        return None, f"{signal.url} gave no value ({exc})"
    except ValidationError:
        return None, f"{signal.url} gave no value (its answer cannot be read)"
    points = [result] if isinstance(result, tuple) else [series.value for series in result]
    if len(points) != 1:
        return None, f"the query gave {len(points)} series, not one"
    at_s, text = points[0]
    age_s = now.timestamp() - at_s
    if abs(age_s) > signal.stale_after_s:
        return None, f"the value is {age_s:.3g} s old"
    try:
        value = float(text)
    except ValueError:
        return None, "the value is no number"
    return (value, "") if math.isfinite(value) else (None, f"the value is {text}")
