"""`/readyz` says the truth about what is down, and `/metrics` nothing about whom it is down for."""

from datetime import timedelta

import httpx
import pytest

from adapters.http import Health, Probe, http_app
from adapters.telemetry import PrometheusTelemetry
from bot.domain.approval import Action
from bot.domain.errors import Unavailable
from tests.app.world import a_bot, with_world
from tests.builders import an_incident
from tests.conftest import Rounds

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


async def test_h_labels_ten_thousand_incidents_make_no_more_series_than_twenty(rounds: Rounds) -> None:
    telemetry = PrometheusTelemetry()
    ids = [f"Q5CANARY{number:06d}" for number in range(rounds(100, 10_000))]
    pages = [an_incident(each, title=f"canary of {each}") for each in ids]
    bot = with_world(a_bot(incidents=pages), telemetry=telemetry)
    for incident in ids[:20]:
        await bot.begin(incident)
        bot.signals.values = [0.0]
        await bot.press(Action.APPROVE, incident=incident)
    few = _series(telemetry)
    for incident in ids[20:]:
        await bot.hear(incident=incident)
        bot.world.telemetry.card_shown(timedelta(seconds=1))
    many = _series(telemetry)

    assert (len(few), True) == (len(many), 10 < len(many) <= 200)
    assert [] == [line for line in many if "canary" in line.lower()]


def _series(telemetry: PrometheusTelemetry) -> list[str]:
    return [line for line in telemetry.render().decode().splitlines() if not line.startswith("#")]
