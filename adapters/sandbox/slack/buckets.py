"""Token buckets: who called how often, and when the next call is welcome."""

import math
from collections.abc import Callable

from .limits import Rate


class Buckets:
    """One bucket for each key; full at its first use."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._levels: dict[tuple[str, ...], tuple[float, float]] = {}

    def take(self, key: tuple[str, ...], rate: Rate) -> int | None:
        """Take one call from *key*'s bucket; return the seconds to wait when it is empty, else None."""
        now = self._clock()
        level, since = self._levels.get(key, (float(rate.burst), now))
        level = min(float(rate.burst), level + max(0.0, now - since) * rate.per_s)
        if level < 1.0:
            self._levels[key] = (level, now)
            return max(1, math.ceil((1.0 - level) / rate.per_s))
        self._levels[key] = (level - 1.0, now)
        return None


class NoBuckets(Buckets):
    """No limit at all: for a workspace in which only the app's own speed is looked at."""

    def take(self, key: tuple[str, ...], rate: Rate) -> int | None:
        return None
