"""What people ask meanwhile: `/incident …` to its answer, and the home tab from its opening.

Times are those of the sandbox Slack, which runs in this process: when somebody asked, and when the bot's call
with the answer had arrived.
"""

import asyncio
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from adapters.sandbox.slack import SandboxSlack
from tests.bench.life import play, running
from tests.bench.lines import Goal, Line, Scale, percentile
from tests.bench.neighbourhood import ALICE, channel, neighbourhood

COMMANDS = (
    "list",
    "status",
    "context",
    "changes 2h",
    "timeline",
    "suspects",
    "similar",
    "who",
    "runbook",
    "verify",
    "summary",
    "handover",
    "report",
    "muted",
    "help",
    "stauts",
)
"""All that read; what writes waits for PagerDuty, which is not ours to measure."""
WARM_UP = 2
_WITHIN_S = 30.0


async def measure(scale: Scale) -> Sequence[Line]:
    incidents, rounds, looks = scale.of(20, 1), scale.of(10, 1), scale.of(40, 1)
    with tempfile.TemporaryDirectory(prefix="hr-") as folder:
        async with neighbourhood(Path(folder), incidents) as around, running(around, {}) as pid:
            await play(around, pid, warm_up=0, cards=incidents, approvals=0)
            took = {text: [await _asked(around.slack, text) for _ in range(rounds)] for text in COMMANDS}
            opened = [await _opened(around.slack) for _ in range(looks)]
    return [
        _line("asking.commands", f"/incident … → its answer, {incidents} incidents open", took),
        _line("asking.home", f"the home tab, {incidents} incidents open in as many channels", {"": opened}),
    ]


def _line(name: str, what: str, took: dict[str, list[float]]) -> Line:
    """Return the figures over all of *took* but each first, which warms up, and which one was the slowest."""
    counted = {text: seconds[min(WARM_UP, len(seconds) - 1) :] for text, seconds in took.items()}
    every = [one for seconds in counted.values() for one in seconds]
    slowest = max(counted, key=lambda text: percentile(counted[text], 95))
    worst = f"slowest: /incident {slowest}, p95 {percentile(counted[slowest], 95) * 1e3:.0f} ms"
    return Line(
        name=name,
        what=what,
        unit="ms",
        figures={f"p{p}": percentile(every, p) * 1e3 for p in (50, 95, 99)},
        goals={"p95": Goal(bound=1_000)},
        samples=len(every),
        note=worst if slowest else "",
    )


async def _asked(slack: SandboxSlack, text: str) -> float:
    before, at = len(slack.ephemerals(ALICE.id)), time.perf_counter()
    await slack.command(ALICE.id, channel(0), text)
    await slack.wait_for(lambda s: len(s.ephemerals(ALICE.id)) > before, timeout=_WITHIN_S)
    return time.perf_counter() - at


async def _opened(slack: SandboxSlack) -> float:
    def published(s: SandboxSlack) -> int:
        return sum(call.method == "views.publish" for call in s.calls)

    before, at = published(slack), time.perf_counter()
    await slack.open_home(ALICE.id)
    await slack.wait_for(lambda s: published(s) > before, timeout=_WITHIN_S)
    took = time.perf_counter() - at
    await asyncio.sleep(0.05)  # What a look leaves to be kept must not be measured in the next.
    return took
