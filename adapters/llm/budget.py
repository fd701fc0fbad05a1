"""What a day may use of a model: calls and tokens, counted before a call starts and corrected after it."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Protocol


@dataclass(frozen=True)
class Caps:
    """Most calls and tokens (in and out) of one day in UTC."""

    tokens: int
    calls: int


@dataclass(frozen=True)
class Reservation:
    """Tokens set aside for one call, on the day on which it began."""

    day: date
    tokens: int


class DayBudget(Protocol):
    """The day's caps. A call reserves its estimate first, so that no two can pass them together."""

    async def reserve(self, tokens: int) -> Reservation | None:
        """Set *tokens* and one call aside; None when the day does not leave so much, or nobody can say."""
        ...

    async def settle(self, reservation: Reservation, used: int) -> None:
        """Replace a reservation by what was really used. What is never settled stays charged as reserved."""
        ...


def today_utc() -> date:
    """Return the day on which calls are charged now."""
    return datetime.now(UTC).date()


class MemoryDayBudget:
    """Implements `DayBudget` in this process alone: it begins at zero with it."""

    def __init__(self, caps: Caps, today: Callable[[], date] = today_utc) -> None:
        self._caps = caps
        self._today = today
        self._day = today()
        self._tokens = 0
        self._calls = 0

    @property
    def tokens(self) -> int:
        """Tokens used or reserved today."""
        self._turn_the_page()
        return self._tokens

    async def reserve(self, tokens: int) -> Reservation | None:
        self._turn_the_page()
        if self._tokens + tokens > self._caps.tokens or self._calls >= self._caps.calls:
            return None
        self._tokens += tokens
        self._calls += 1
        return Reservation(self._day, tokens)

    async def settle(self, reservation: Reservation, used: int) -> None:
        self._turn_the_page()
        if reservation.day == self._day:
            self._tokens = max(0, self._tokens - reservation.tokens + used)

    def _turn_the_page(self) -> None:
        today = self._today()
        if today != self._day:
            self._day, self._tokens, self._calls = today, 0, 0
