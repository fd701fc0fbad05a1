"""Cold start and memory, of the bot and of the children that it started. It needs Linux's /proc."""

import asyncio
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from tests.bench.family import family
from tests.bench.life import running
from tests.bench.lines import Goal, Line, Scale, percentile
from tests.bench.neighbourhood import Neighbourhood, channel, neighbourhood, pagerduty_service

_SETTLE_S = 5  # After this long nothing that belongs to the start is still running.
_CARDS_S = 300  # A channel takes a message a second; on a busy machine the bot is slower than that.
_MB = 1e6


async def measure(scale: Scale) -> Sequence[Line]:
    starts = [await _cold_start() for _ in range(scale.of(4, 0))]
    incidents, channels = scale.of(300, 2), scale.of(60, 2)
    with tempfile.TemporaryDirectory(prefix="hr-") as folder:
        async with neighbourhood(Path(folder), channels) as around:
            start = time.perf_counter()
            async with running(around, {}) as pid:
                starts.append(time.perf_counter() - start)
                await asyncio.sleep(scale.of(_SETTLE_S, 0))
                idle = _family(pid)
                # What the first ones bring along, once for all, belongs to no incident.
                await _open(around, range(channels), channels)
                await asyncio.sleep(scale.of(_SETTLE_S, 0))
                warm = _family(pid)
                await _open(around, range(channels, channels + incidents), channels)
                await asyncio.sleep(scale.of(_SETTLE_S, 0))
                busy = _family(pid)
    return [
        _started(starts),
        _idle(idle),
        _each("bot", warm, busy, incidents),
        _each("all", warm, busy, incidents),
    ]


async def _cold_start() -> float:
    with tempfile.TemporaryDirectory(prefix="hr-") as folder:
        async with neighbourhood(Path(folder), 1) as around:
            start = time.perf_counter()
            async with running(around, {}):
                return time.perf_counter() - start


def _started(starts: Sequence[float]) -> Line:
    return Line(
        name="footprint.cold_start",
        what="`handrail run` on an empty folder → it takes requests, children started",
        unit="s",
        figures={"p50": percentile(starts, 50), "worst": max(starts)},
        goals={"p50": Goal(bound=3)},
        samples=len(starts),
    )


def _idle(idle: Mapping[str, "Memory"]) -> Line:
    figures = {f"{name} PSS": memory.pss / _MB for name, memory in idle.items()}
    figures |= {f"{name} RSS": memory.rss / _MB for name, memory in idle.items()}
    figures |= {"all PSS": sum(memory.pss for memory in idle.values()) / _MB}
    figures |= {"all RSS": sum(memory.rss for memory in idle.values()) / _MB}
    return Line(
        name="footprint.idle",
        what="memory of the bot and its children, idle",
        unit="MB",
        figures=figures,
        goals={"all RSS": Goal(bound=300), "bot RSS": Goal(bound=140)},
        samples=1,
    )


def _each(who: str, warm: Mapping[str, "Memory"], busy: Mapping[str, "Memory"], incidents: int) -> Line:
    names = [name for name in warm if who in ("all", name)]
    grown = sum(busy[name].pss - warm[name].pss for name in names)
    goals = {"KB": Goal(bound=30)} if who == "bot" else {}
    return Line(
        name=f"footprint.incident_{who}",
        what=f"memory for each open incident, {'bot and children' if who == 'all' else 'the bot alone'}",
        unit="",
        figures={"KB": grown / incidents / 1e3},
        goals=goals,
        samples=incidents,
    )


async def _open(around: Neighbourhood, numbers: range, channels: int) -> None:
    """Open incidents and wait until each has its card."""
    for number in numbers:
        around.pagerduty.trigger(
            pagerduty_service(number % channels), f"error ratio above 5 %, number {number}"
        )
    rooms = [channel(number) for number in range(channels)]
    await around.slack.wait_for(
        lambda slack: sum(len(slack.messages(room)) for room in rooms) >= numbers.stop, timeout=_CARDS_S
    )


class Memory:
    """One process's memory, in bytes: resident, and with shared pages divided among those who share them."""

    def __init__(self, pid: int) -> None:
        rollup = Path(f"/proc/{pid}/smaps_rollup").read_text()
        found = {line.split(":")[0]: line.split() for line in rollup.splitlines()[1:]}
        self.rss = int(found["Rss"][1]) * 1024
        self.pss = int(found["Pss"][1]) * 1024


def _family(pid: int) -> dict[str, Memory]:
    """Return the memory of the bot and of each process below it, by the program's name."""
    return {name: Memory(each) for name, each in family(pid).items()}
