"""The life of an incident, seen from outside: page to card, press to answer, press to first step.

Times are those of the neighbours, which run in this process: when a page or a press left, and when the bot's
call for it had arrived and was recorded.
"""

import asyncio
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

from adapters.sandbox.bot_process import RUN
from adapters.sandbox.slack import Call, SandboxSlack
from tests.bench.family import cpu_s
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
from tests.bench.spans import Wait

_WITHIN_S = 30.0
_WARM_UP = 5  # Incidents that are not counted: first imports, first connections, threads, caches.
_SETTLE_S = 0.25  # What a wait leaves to be done afterwards must not be measured in the next.
_TICK_S = 0.005


@dataclass
class Played:
    """What was waited for in the incidents that count, and how late the neighbours were meanwhile."""

    waits: list[Wait] = field(default_factory=list)
    lag: list[float] = field(default_factory=list)
    """Seconds by which the neighbours' loop, which is this one, missed each tick."""
    cpu_s: Mapping[str, float] = field(default_factory=dict)
    """CPU seconds of the bot and of each of its children, for each incident from its page to its card."""

    def seconds(self, name: str) -> list[float]:
        return [wait.seconds for wait in self.waits if wait.name == name]


@dataclass(frozen=True)
class Incident:
    """One that was paged: its number, and the message that is its card."""

    number: int
    ts: str


async def measure(scale: Scale) -> Sequence[Line]:
    plain = await _alone(scale, "none")
    # A start costs seconds: a quick run has one for all.
    dead = plain if scale.is_quick else await _alone(scale, "dead")
    slow = plain if scale.is_quick else await _alone(scale, "slow")
    told = "neighbours that answer at once, a channel for each incident"
    return [
        latencies("life.card", f"page → card, {told}", plain.seconds("card"), goals={"p50": 100, "p99": 300}),
        latencies(
            "life.refused",
            "press → refusal that the person sees",
            plain.seconds("refused"),
            goals={"p99": 300},
        ),
        latencies(
            "life.answered", "press → the card says approved", plain.seconds("answered"), goals={"p99": 300}
        ),
        latencies(
            "life.step",
            "approval → first step at its target",
            plain.seconds("step"),
            goals={"p50": 40, "p99": 150},
        ),
        _unchanged("life.card_model_dead", "nobody at the model's address", plain, dead),
        _unchanged("life.card_model_slow", "a model that never answers", plain, slow),
        latencies("life.neighbours", "how late the neighbours' own loop is, all the while", plain.lag),
        Line(
            name="life.card_cpu",
            what="CPU from a page to its card, of the bot and its children",
            unit="ms",
            figures={name: seconds * 1e3 for name, seconds in plain.cpu_s.items()},
            samples=len(plain.seconds("card")),
        ),
    ]


def _unchanged(name: str, model: str, plain: Played, other: Played) -> Line:
    """Return how the card's time compares; the median, because a p99 of few incidents is their worst one."""
    cards = other.seconds("card")
    return Line(
        name=name,
        what=f"page → card with {model}, to that without a model",
        unit="",
        figures={
            "ratio": percentile(cards, 50) / percentile(plain.seconds("card"), 50),
            "p50 ms": percentile(cards, 50) * 1e3,
            "p99 ms": percentile(cards, 99) * 1e3,
        },
        goals={"ratio": Goal(bound=1.2)},
        samples=len(cards),
    )


async def _alone(scale: Scale, model: Literal["none", "dead", "slow"]) -> Played:
    """Play incidents with such a model; without one also what people press."""
    warm_up, cards = scale.of(_WARM_UP, 0), scale.of(60 if model == "none" else 30, 1)
    with tempfile.TemporaryDirectory(prefix="hr-") as folder:
        async with neighbourhood(Path(folder), warm_up + cards) as around:
            settings: dict[str, Mapping[str, str]] = {
                "none": {},
                "dead": around.with_dead_model(),
                "slow": around.with_slow_model(),
            }
            async with running(around, settings[model]) as pid:
                approvals = scale.of(30, 1) if model == "none" else 0
                return await play(around, pid, warm_up=warm_up, cards=cards, approvals=approvals)


async def play(around: Neighbourhood, pid: int, *, warm_up: int, cards: int, approvals: int) -> Played:
    """Play incidents one after the other, in rounds: all pages, then all refusals, then some approvals.

    The warm-up goes through all of it before anything counts.
    """
    for number in range(warm_up + cards):
        await _report_deploy(around, number)
    await _rounds(around, pid, range(warm_up), min(warm_up, approvals))
    return await _rounds(around, pid, range(warm_up, warm_up + cards), approvals)


async def _rounds(around: Neighbourhood, pid: int, numbers: range, approvals: int) -> Played:
    played, before = Played(), cpu_s(pid)
    ticking = asyncio.create_task(_note_lag(played.lag))
    shown = [await _page(around, number, played) for number in numbers]
    played.cpu_s = {name: (used - before[name]) / len(shown) for name, used in cpu_s(pid).items() if shown}
    for incident in shown[:approvals]:
        await _refuse(around, incident, played)
    for incident in shown[:approvals]:
        await _approve(around, incident, played)
    ticking.cancel()
    return played


async def _note_lag(lag: list[float]) -> None:
    while True:
        due = time.perf_counter() + _TICK_S
        await asyncio.sleep(_TICK_S)
        lag.append(max(0.0, time.perf_counter() - due))


@asynccontextmanager
async def running(
    around: Neighbourhood, further: Mapping[str, str], *, command: Sequence[str] = RUN
) -> AsyncIterator[int]:
    """Run a bot for the length of the block; yield its process id."""
    bot = around.bot(further, command=command)
    await bot.start()
    try:
        yield bot.pid
    finally:
        await bot.stop()


async def _page(around: Neighbourhood, number: int, played: Played) -> Incident:
    slack, room = around.slack, channel(number)
    paged = time.time()
    around.pagerduty.trigger(pagerduty_service(number), f"shop-{number}: error ratio above 5 %")
    posted = await _call(slack, "chat.postMessage", room)
    played.waits.append(Wait("card", paged, posted.at))
    card = await slack.wait_for(
        lambda s: next((m for m in s.messages(room) if "handrail.approve" in _actions(m.buttons)), None),
        timeout=_WITHIN_S,
    )
    await asyncio.sleep(_SETTLE_S)
    return Incident(number, card.ts)


async def _refuse(around: Neighbourhood, incident: Incident, played: Played) -> None:
    """Have somebody press who may not."""
    slack, room = around.slack, channel(incident.number)
    pressed = time.time()
    await slack.press(BEN.id, room, incident.ts, "handrail.approve")
    told = await _call(slack, "chat.postEphemeral", room)
    played.waits.append(Wait("refused", pressed, told.at))
    await asyncio.sleep(_SETTLE_S)


async def _approve(around: Neighbourhood, incident: Incident, played: Played) -> None:
    """Have somebody press who may; return once the incident's summary stands in the card's thread."""
    slack, room, name = around.slack, channel(incident.number), service(incident.number)
    pressed = time.time()
    await slack.press(ALICE.id, room, incident.ts, "handrail.approve")
    edited = await _call(slack, "chat.update", room, since=pressed)
    played.waits.append(Wait("answered", pressed, edited.at))
    deployed = around.target.deployed_at
    await slack.wait_for(lambda _: name in deployed, timeout=_WITHIN_S)
    played.waits.append(Wait("step", pressed, deployed[name]))
    await slack.wait_for(lambda s: any(m.is_reply for m in s.messages(room)), timeout=_WITHIN_S)
    await asyncio.sleep(_SETTLE_S)


async def _report_deploy(around: Neighbourhood, number: int) -> None:
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
