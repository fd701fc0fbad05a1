"""Tokens: how many a text is about, and what they cost."""

from collections.abc import Mapping
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
