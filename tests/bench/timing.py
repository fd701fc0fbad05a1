"""Take the time of calls."""

import time
from collections.abc import Awaitable, Callable


def timed(
    call: Callable[[], object], times: int, *, clock: Callable[[], float] = time.perf_counter
) -> list[float]:
    """Return how long each of *times* calls took by *clock*, in seconds; one more call before warms up."""
    call()
    taken = []
    for _ in range(times):
        start = clock()
        call()
        taken.append(clock() - start)
    return taken


async def timed_await(call: Callable[[], Awaitable[object]]) -> float:
    """Return how long one call took, in seconds."""
    start = time.perf_counter()
    await call()
    return time.perf_counter() - start
