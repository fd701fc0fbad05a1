"""What `handrail check` measures: each neighbour's own answer, and nothing of the others."""

import asyncio

from adapters.checking import Stopwatch, look_in_turn
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
