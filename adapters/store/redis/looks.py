"""`Looks` in Redis: one key a person, forgotten after a quarter of a year."""

from typing import Final

from pydantic import ValidationError
from redis.asyncio import Redis

from adapters.store.redis.client import translated
from bot.domain.home import Look
from bot.domain.ids import SlackUserId

KEPT_S: Final = 90 * 86_400
"""Our choice: whoever did not look for longer reads the list of open incidents, not the news."""


class RedisLooks:
    """Implements `Looks`."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis

    async def last(self, user: SlackUserId) -> Look | None:
        with translated("reading when somebody looked"):
            found = await self._redis.get(_key(user))
        try:
            return Look.model_validate_json(found) if found else None
        except ValidationError:
            return None  # Of another version; the look that follows replaces it.

    async def keep(self, user: SlackUserId, look: Look) -> None:
        with translated("keeping when somebody looked"):
            await self._redis.set(_key(user), look.model_dump_json(), ex=KEPT_S)


def _key(user: SlackUserId) -> str:
    return f"{{looks}}:{user}"
