"""The day's budget of a model in Redis: shared by every bot, and kept over restarts."""

from collections.abc import Callable
from datetime import date
from typing import Final

import structlog
from redis.asyncio import Redis

from adapters.llm.budget import Caps, Reservation, today_utc
from adapters.store.redis.client import translated
from bot.domain.errors import Unavailable

log = structlog.get_logger()

KEPT_S: Final = 172_800
"""Two days: a call that ends after midnight still finds the day on which it began."""
# KEYS: the day's tokens and calls. ARGV: tokens wanted, both caps, how long the day is kept (s).
_RESERVE: Final = """
local tokens = tonumber(redis.call('GET', KEYS[1]) or '0')
local calls = tonumber(redis.call('GET', KEYS[2]) or '0')
if tokens + tonumber(ARGV[1]) > tonumber(ARGV[2]) or calls >= tonumber(ARGV[3]) then
  return 0
end
redis.call('INCRBY', KEYS[1], ARGV[1])
redis.call('EXPIRE', KEYS[1], ARGV[4])
redis.call('INCR', KEYS[2])
redis.call('EXPIRE', KEYS[2], ARGV[4])
return 1
"""


class RedisDayBudget:
    """Implements `DayBudget`. When Redis does not answer, nothing is granted."""

    def __init__(self, redis: Redis, caps: Caps, today: Callable[[], date] = today_utc) -> None:
        self._redis = redis
        self._caps = caps
        self._today = today
        self._reserve = redis.register_script(_RESERVE)

    async def reserve(self, tokens: int) -> Reservation | None:
        day = self._today()
        try:
            with translated("reserving a model's tokens"):
                granted = await self._reserve(
                    keys=[_key("tokens", day), _key("calls", day)],
                    args=[tokens, self._caps.tokens, self._caps.calls, KEPT_S],
                )
        except Unavailable as exc:
            log.warning("model_budget_unknown", error=str(exc))
            return None
        return Reservation(day, tokens) if granted else None

    async def settle(self, reservation: Reservation, used: int) -> None:
        try:
            with translated("settling a model's tokens"):
                await self._redis.incrby(_key("tokens", reservation.day), used - reservation.tokens)
        except Unavailable as exc:
            # It stays charged as reserved, which is more than was used in nearly every case.
            log.warning("model_budget_not_settled", error=str(exc))


def _key(what: str, day: date) -> str:
    return f"{{model}}:{what}:{day.isoformat()}"
