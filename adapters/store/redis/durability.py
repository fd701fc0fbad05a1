"""Whether a Redis server keeps what it acknowledged."""

from dataclasses import dataclass

from redis.asyncio import Redis
from redis.exceptions import ResponseError

from adapters.store.redis.client import translated


@dataclass(frozen=True)
class Durability:
    """How the server keeps what it acknowledged; None where it does not say, as managed servers often do."""

    append_only: bool | None
    fsync: str | None
    eviction: str | None

    @property
    def is_durable(self) -> bool | None:
        """Whether kill -9 and a full memory lose nothing; None when that cannot be known."""
        if self.append_only is None or self.eviction is None:
            return None
        return self.append_only and self.eviction == "noeviction"


async def read_durability(redis: Redis) -> Durability:
    """Ask the server for its settings. Raises `Unavailable` when it cannot be reached."""
    settings: dict[str, str] = {}
    with translated("reading the server's settings"):
        for name in ("appendonly", "appendfsync", "maxmemory-policy"):
            try:
                answer = await redis.config_get(name)
            except ResponseError:
                # CONFIG is forbidden or renamed: unknown is the honest answer.
                continue
            settings |= {str(key): str(value) for key, value in answer.items()}
    append_only = settings.get("appendonly")
    return Durability(
        append_only=None if append_only is None else append_only == "yes",
        fsync=settings.get("appendfsync"),
        eviction=settings.get("maxmemory-policy"),
    )
