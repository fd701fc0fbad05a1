"""`/readyz` says the truth: ready without a model, and not ready without the record, queue or engine."""

import httpx
import pytest

from adapters.http import Health, Probe, http_app
from adapters.telemetry import PrometheusTelemetry
from bot.domain.errors import Unavailable

RULES_ONLY = "no model is configured: rules only"


async def fine() -> None:
    return


async def down() -> None:
    raise Unavailable("the database is locked")


async def ready(**needed: Probe) -> tuple[int, dict[str, object]]:
    health = Health(needed=needed, degraded=lambda: [RULES_ONLY])
    app = http_app([], health=health, telemetry=PrometheusTelemetry())
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://bot") as client:
        assert (
            200 == (await client.get("/healthz")).status_code
        )  # Alive in any case: a restart mends nothing.
        answer = await client.get("/readyz")
    return answer.status_code, answer.json()


async def test_h_truth_without_a_model_it_is_ready_and_says_what_it_does_without() -> None:
    parts = {"queue": "ok", "record": "ok", "engine": "ok"}

    assert (200, {"ready": True, "parts": parts, "degraded": [RULES_ONLY]}) == await ready(
        queue=fine, record=fine, engine=fine
    )


@pytest.mark.parametrize("part", ["queue", "record", "engine"])
async def test_h_truth_what_is_down_makes_it_not_ready_and_is_named(part: str) -> None:
    status, told = await ready(**{"queue": fine, "record": fine, "engine": fine, part: down})

    expected = dict.fromkeys(("queue", "record", "engine"), "ok")
    expected[part] = "Unavailable: the database is locked"
    assert (503, False, expected) == (status, told["ready"], told["parts"])
