"""What `handrail run` says of itself: the same as /readyz."""

import asyncio
from collections.abc import Iterator, Sequence

from adapters.cli.announcing import announce
from adapters.http import Health, Probe
from bot.domain.errors import Unavailable

URL = "http://127.0.0.1:8700"


def nothing_degraded() -> Sequence[str]:
    return ()


def a_probe(*answers: str) -> Probe:
    """Return a probe that fails with each of *answers* in turn, "" being well."""
    left: Iterator[str] = iter(answers)

    async def probe() -> None:
        if why := next(left):
            raise Unavailable(why)

    return probe


async def heard(**probes: Probe) -> list[str]:
    said: list[str] = []
    health = Health(needed=probes, degraded=nothing_degraded)
    await announce(URL, health, asyncio.Event(), say=said.append, every_s=0)
    return said


async def test_a_bot_that_is_ready_says_so_at_once() -> None:
    assert [f"handrail is ready at {URL}"] == await heard(record=a_probe(""), queue=a_probe(""))


async def test_a_bot_that_only_listens_names_what_is_missing_until_it_is_ready() -> None:
    said = await heard(
        record=a_probe("", "", "", ""), queue=a_probe("no answer", "no answer", "it is read-only", "")
    )

    assert [
        f"handrail is listening at {URL}, not ready: queue: Unavailable: no answer",
        f"handrail is listening at {URL}, not ready: queue: Unavailable: it is read-only",
        f"handrail is ready at {URL}",
    ] == said


async def test_a_bot_that_stops_before_it_is_ready_says_no_more() -> None:
    said: list[str] = []
    stopping = asyncio.Event()

    def say(line: str) -> None:
        said.append(line)
        stopping.set()

    health = Health(needed={"queue": a_probe("no answer")}, degraded=nothing_degraded)
    await announce(URL, health, stopping, say=say, every_s=60)

    assert [f"handrail is listening at {URL}, not ready: queue: Unavailable: no answer"] == said
