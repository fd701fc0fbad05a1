"""The life of an incident, seen from outside: page to card, press to answer, press to first step.

Times are those of the neighbours, which run in this process: when a page or a press left, and when the bot's
call for it had arrived and was recorded.
"""

import hashlib
import hmac
import json
import tempfile
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Literal

import httpx

from adapters.sandbox.slack import Call, SandboxSlack
from tests.bench.lines import Goal, Line, Scale, latencies, percentile
from tests.bench.neighbourhood import (
    ALICE,
    BEN,
    Neighbourhood,
    channel,
    neighbourhood,
    pagerduty_service,
    service,
)

_WITHIN_S = 30.0
_WARM_UP = 2  # Incidents that are not counted: first imports, first connections.


@dataclass
class Taken:
    """Seconds of each incident."""

    card: list[float] = field(default_factory=list)
    refused: list[float] = field(default_factory=list)
    answered: list[float] = field(default_factory=list)
    step: list[float] = field(default_factory=list)


async def measure(scale: Scale) -> Sequence[Line]:
    plain = await _lives(scale, 60, "none")
    # A start costs seconds: a quick run has one for all.
    dead = plain if scale.is_quick else await _lives(scale, 30, "dead")
    slow = plain if scale.is_quick else await _lives(scale, 30, "slow")
    told = "neighbours that answer at once, a channel for each incident"
    return [
        latencies("life.card", f"page → card, {told}", plain.card, goals={"p50": 100, "p99": 300}),
        latencies("life.refused", "press → refusal that the person sees", plain.refused, goals={"p99": 300}),
        latencies("life.answered", "press → the card says approved", plain.answered, goals={"p99": 300}),
        latencies(
            "life.step", "approval → first step at its target", plain.step, goals={"p50": 40, "p99": 150}
        ),
        _unchanged("life.card_model_dead", "nobody at the model's address", plain, dead),
        _unchanged("life.card_model_slow", "a model that never answers", plain, slow),
    ]


def _unchanged(name: str, model: str, plain: Taken, other: Taken) -> Line:
    """Return how the card's time compares; the median, because a p99 of few incidents is their worst one."""
    return Line(
        name=name,
        what=f"page → card with {model}, to that without a model",
        unit="",
        figures={
            "ratio": percentile(other.card, 50) / percentile(plain.card, 50),
            "p50 ms": percentile(other.card, 50) * 1e3,
            "p99 ms": percentile(other.card, 99) * 1e3,
        },
        goals={"ratio": Goal(bound=1.2)},
        samples=len(other.card),
    )


async def _lives(scale: Scale, incidents: int, model: Literal["none", "dead", "slow"]) -> Taken:
    """Play incidents one after the other, with such a model."""
    taken, warm_up = Taken(), scale.of(_WARM_UP, 0)
    played = scale.of(incidents, 1) + warm_up
    with tempfile.TemporaryDirectory(prefix="hr-") as folder:
        async with neighbourhood(Path(folder), played) as around:
            settings: dict[str, Mapping[str, str]] = {
                "none": {},
                "dead": around.with_dead_model(),
                "slow": around.with_slow_model(),
            }
            async with running(around, settings[model]):
                for number in range(played):
                    if number == warm_up:
                        taken = Taken()
                    await _live(around, number, taken)
    return taken


@asynccontextmanager
async def running(around: Neighbourhood, further: Mapping[str, str]) -> AsyncIterator[int]:
    """Run a bot for the length of the block; yield its process id."""
    bot = around.bot(further)
    await bot.start()
    try:
        yield bot.pid
    finally:
        await bot.stop()


async def _live(around: Neighbourhood, number: int, taken: Taken) -> None:
    """Play one incident: a deploy, a page, a card, a press of somebody not allowed, and an approval."""
    slack, room = around.slack, channel(number)
    await report_deploy(around, number)
    paged = time.time()
    around.pagerduty.trigger(pagerduty_service(number), f"shop-{number}: error ratio above 5 %")
    posted = await _call(slack, "chat.postMessage", room)
    taken.card.append(posted.at - paged)
    card = await slack.wait_for(
        lambda s: next((m for m in s.messages(room) if "handrail.approve" in _actions(m.buttons)), None),
        timeout=_WITHIN_S,
    )
    pressed = time.time()
    await slack.press(BEN.id, room, card.ts, "handrail.approve")
    taken.refused.append((await _call(slack, "chat.postEphemeral", room)).at - pressed)
    pressed = time.time()
    await slack.press(ALICE.id, room, card.ts, "handrail.approve")
    taken.answered.append((await _call(slack, "chat.update", room, since=pressed)).at - pressed)
    deployed = around.target.deployed_at
    await slack.wait_for(lambda _: service(number) in deployed, timeout=_WITHIN_S)
    taken.step.append(deployed[service(number)] - pressed)


async def report_deploy(around: Neighbourhood, number: int) -> None:
    """Post the change event of a deploy that went live a minute ago."""
    now = datetime.now(UTC)
    body = json.dumps(
        {
            "id": f"deploy-{number}",
            "service": service(number),
            "version": "42",
            "previous_version": "41",
            "started_at": (now - timedelta(seconds=90)).isoformat(),
            "finished_at": (now - timedelta(seconds=60)).isoformat(),
            "author": "dana",
            "title": "Retry payments twice",
        }
    ).encode()
    signature = hmac.new(around.changes_secret.encode(), body, hashlib.sha256).hexdigest()
    async with httpx.AsyncClient(trust_env=False, timeout=10) as client:
        answer = await client.post(
            f"{around.bot_url}/webhooks/changes/generic",
            content=body,
            headers={"X-Handrail-Signature": f"sha256={signature}"},
        )
    answer.raise_for_status()


async def _call(slack: SandboxSlack, method: str, room: str, *, since: float = 0.0) -> Call:
    """Return the first call of *method* for the channel after *since*."""
    return await slack.wait_for(
        lambda s: next(
            (
                call
                for call in reversed(s.calls)
                if call.method == method and call.args.get("channel") == room and call.at > since
            ),
            None,
        ),
        timeout=_WITHIN_S,
    )


def _actions(buttons: Sequence[Mapping[str, object]]) -> set[object]:
    return {button.get("action_id") for button in buttons}
