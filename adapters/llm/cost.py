"""Tokens: how many a day may use, how many were used, and what they cost."""

from collections.abc import Callable, Mapping
from datetime import date
from decimal import Decimal
from typing import Final

from adapters.llm.config import Price

MILLION: Final = Decimal(1_000_000)
CHARACTERS_A_TOKEN: Final = 3  # Our estimate, on the high side for English and logs; no vocabulary is loaded.


def estimated_tokens(*texts: str) -> int:
    """Return about how many tokens *texts* are, rather too many than too few."""
    return sum(len(text) for text in texts) // CHARACTERS_A_TOKEN + 1


def cost_usd(
    prices: Mapping[str, Price], model: str, *, tokens_in: int, cached: int, tokens_out: int
) -> Decimal | None:
    """Return what a call cost, or None without a price for *model*; *cached* is part of *tokens_in*."""
    price = prices.get(model)
    if price is None:
        return None
    for_cached = price.input if price.cached is None else price.cached
    total = (tokens_in - cached) * price.input + cached * for_cached + tokens_out * price.output
    return total / MILLION


class TokenLedger:
    """Counts the tokens of a day and refuses calls beyond the cap.

    A call reserves its estimate before it starts, so that calls at the same time cannot pass it together.
    It counts in this process alone and begins at zero with it.
    """

    def __init__(self, cap: int, today: Callable[[], date]) -> None:
        self._cap = cap
        self._today = today
        self._day = today()
        self._used = 0

    @property
    def used(self) -> int:
        """Tokens used or reserved today."""
        self._turn_the_page()
        return self._used

    def reserve(self, tokens: int) -> bool:
        """Set *tokens* aside; False when the day's cap does not leave so many."""
        self._turn_the_page()
        if self._used + tokens > self._cap:
            return False
        self._used += tokens
        return True

    def settle(self, reserved: int, used: int) -> None:
        """Replace a reservation by what was really used."""
        self._turn_the_page()
        self._used = max(0, self._used - reserved) + used

    def _turn_the_page(self) -> None:
        today = self._today()
        if today != self._day:
            self._day, self._used = today, 0
