"""Stop asking an endpoint that keeps failing, and try it again after a while."""

from collections import deque
from collections.abc import Callable
from typing import Final

FAILURES: Final = 3
WITHIN_S: Final = 300.0
OPEN_S: Final = 60.0


class Breaker:
    """Opens after 3 failures within 5 min; after 60 s one call may try, and its end decides."""

    def __init__(self, clock: Callable[[], float]) -> None:
        """*clock* gives seconds that never go backwards."""
        self._clock = clock
        self._failures: deque[float] = deque(maxlen=FAILURES)
        self._opened_at: float | None = None
        self._is_trying = False

    def admits(self) -> bool:
        """Say whether a call may be made now; after the pause only one caller is told so."""
        if self._opened_at is None:
            return True
        if self._is_trying or self._clock() - self._opened_at < OPEN_S:
            return False
        self._is_trying = True
        return True

    def succeeded(self) -> None:
        self._failures.clear()
        self._opened_at = None
        self._is_trying = False

    def failed(self) -> None:
        now = self._clock()
        self._failures.append(now)
        is_full = len(self._failures) == FAILURES and now - self._failures[0] <= WITHIN_S
        if self._is_trying or is_full:
            self._opened_at = now
        self._is_trying = False

    def abandoned(self) -> None:
        """Note that a call ended without telling anything about the endpoint."""
        self._is_trying = False
