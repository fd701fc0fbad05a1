"""Failures that a test orders for coming Web API calls."""

from collections import deque
from dataclasses import dataclass


@dataclass(frozen=True)
class Fault:
    """What happens to one call: wait *delay* seconds, then refuse, or work and lose the answer."""

    error: str | None
    status: int
    retry_after: int
    drop_answer: bool
    delay: float

    @property
    def is_rate_limit(self) -> bool:
        return self.status == 429 or self.error == "ratelimited"


class Faults:
    """The ordered failures of each method, first in, first out; those of "*" strike any method."""

    def __init__(self) -> None:
        self._ordered: dict[str, deque[Fault]] = {}

    def order(self, method: str, fault: Fault, times: int) -> None:
        self._ordered.setdefault(method, deque()).extend([fault] * times)

    def next_for(self, method: str) -> Fault | None:
        for key in (method, "*"):
            if self._ordered.get(key):
                return self._ordered[key].popleft()
        return None

    def clear(self) -> None:
        self._ordered.clear()
