"""What `handrail check` measures, each neighbour's own answer alone, and how it tells what it found."""

import asyncio
import re
from io import StringIO

from rich.console import Console

from adapters.checking import Stopwatch, look_in_turn
from adapters.cli.checked import table_of
from adapters.finding import Finding, Verdict
from bot.domain.errors import Unavailable


def test_the_latency_is_that_of_the_slowest_exchange_without_what_is_built_between() -> None:
    now = [0.0]
    watch = Stopwatch(lambda: now[0])

    now[0] += 400  # Loading a library.
    with watch.exchange():
        now[0] += 3
    now[0] += 400
    with watch.exchange():
        now[0] += 2

    assert 3 == watch.slowest_s


async def test_no_neighbour_is_asked_while_another_answers() -> None:
    """One that loads a large library at the side would be measured in all."""
    heard: list[str] = []

    async def slow(watch: Stopwatch) -> str:
        heard.append("slow begins")
        await asyncio.sleep(0)
        heard.append("slow ends")
        return "well"

    async def broken(watch: Stopwatch) -> str:
        heard.append("broken")
        raise Unavailable("no answer")

    findings = await look_in_turn({"slow": (slow, ""), "broken": (broken, "mend it"), "last": (slow, "")})

    assert ["slow begins", "slow ends", "broken", "slow begins", "slow ends"] == heard
    assert [("slow", "ok", None), ("broken", "failed", None), ("last", "ok", None)] == [
        (f.what, f.verdict, f.latency_ms) for f in findings
    ]


def test_nothing_is_cut_off_in_a_narrow_window() -> None:
    said = "PAGERDUTY_WEBHOOK_SECRETS_WITH_A_LONG_NAME: is blank; of [/it] and [red] nothing is a style"
    finding = Finding(what="settings", verdict=Verdict.FAILED, said=said, remedy="see README")
    shown = StringIO()

    Console(file=shown, width=60).print(table_of([finding]))

    cells = [line.split("│")[4].strip() for line in shown.getvalue().splitlines() if line.startswith("│")]
    assert re.sub(r"\s", "", said) == "".join(cells).replace(" ", "")
