"""Intake: the real webhook route against bare endpoints that do the same durable append."""

import asyncio
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from pydantic import BaseModel, ConfigDict

from tests.bench.intake_server import EACH, GROUPED, REAL
from tests.bench.lines import Goal, Line, Scale, percentile
from tests.redis_server import redis_server

_SECONDS = (
    2  # For each path and round: long enough for a p99, short enough that a noisy minute hits them all.
)
_ROUNDS = 3
_MOST = 20_000  # Bodies for one round; nothing here answers 10,000 a second.
_TOLD = {
    REAL: "the bot's route",
    GROUPED: "bare endpoint, appends grouped",
    EACH: "bare endpoint, one append a request",
}


class Round(BaseModel):
    """What one load run saw."""

    model_config = ConfigDict(frozen=True)

    per_s: float
    p50_s: float
    p99_s: float
    load_core: float
    """How much of a core the load took: near 1.0 the load would be what is measured."""
    answered: int
    wrong: int


async def measure(scale: Scale) -> Sequence[Line]:
    rounds = await _rounds(scale)
    lines = [_line(path, rounds[path]) for path in (REAL, GROUPED, EACH)]
    return [
        _ratio("intake.ratio", GROUPED, rounds, goal=0.65),
        _ratio("intake.ratio_each", EACH, rounds, goal=None),
        *lines,
    ]


async def _rounds(scale: Scale) -> dict[str, list[Round]]:
    """Load each path in turn, several times, so that what disturbs the machine disturbs all of them."""
    taken: dict[str, list[Round]] = {REAL: [], GROUPED: [], EACH: []}
    first = 1
    count, seconds = scale.of(_MOST, 200), scale.of(_SECONDS, 1)
    with redis_server() as server:
        async with _server(server.url) as port:
            # The first round is not counted: caches, connections, the stream's nodes.
            for _ in range(scale.of(_ROUNDS + 1, 1)):
                for path, seen in taken.items():
                    seen.append(await _load(port, path, first, count, seconds))
                    first += _MOST
    return {path: seen[-scale.of(_ROUNDS, 1) :] for path, seen in taken.items()}


@asynccontextmanager
async def _server(redis_url: str) -> AsyncIterator[str]:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "tests.bench.intake_server",
        redis_url,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:
        assert process.stdout is not None
        async with asyncio.timeout(30):
            port = (await process.stdout.readline()).decode().strip()
        if not port:
            raise RuntimeError("the server to be measured did not start")
        yield port
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def _load(port: str, path: str, first: int, count: int, seconds: float) -> Round:
    words = (sys.executable, "-m", "tests.bench.http_load", port, path, str(first), str(count), str(seconds))
    process = await asyncio.create_subprocess_exec(*words, stdout=asyncio.subprocess.PIPE)
    answer, _ = await process.communicate()
    seen = Round.model_validate_json(answer)
    if seen.wrong or not seen.answered:
        raise RuntimeError(f"{seen.wrong} of {seen.answered} requests to {path} were not answered with 202")
    return seen


def _line(path: str, rounds: Sequence[Round]) -> Line:
    return Line(
        name=f"intake.{path.strip('/').replace('/', '_')}",
        what=f"POST of 6 KB over 64 connections, {_TOLD[path]}, median of {len(rounds)} rounds",
        unit="",
        figures={
            "requests/s": percentile([seen.per_s for seen in rounds], 50),
            "p50 ms": percentile([seen.p50_s for seen in rounds], 50) * 1e3,
            "p99 ms": percentile([seen.p99_s for seen in rounds], 50) * 1e3,
            "core of the load": percentile([seen.load_core for seen in rounds], 50),
        },
        samples=sum(seen.answered for seen in rounds),
    )


def _ratio(name: str, bare: str, rounds: dict[str, list[Round]], *, goal: float | None) -> Line:
    pairs = zip(rounds[REAL], rounds[bare], strict=True)
    ratio = percentile([real.per_s / other.per_s for real, other in pairs], 50)
    return Line(
        name=name,
        what=f"requests/s of the bot's route to those of the {_TOLD[bare]}, median of rounds",
        unit="",
        figures={"ratio": ratio},
        goals={} if goal is None else {"ratio": Goal(bound=goal, at_least=True)},
        samples=sum(seen.answered for seen in rounds[REAL]),
    )
