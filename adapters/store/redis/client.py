"""Open connections to Redis with the settings that state changes need, and translate its errors."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

from bot.domain.errors import Unavailable

ANSWER_WITHIN = timedelta(
    seconds=2
)  # Our choice: PagerDuty waits 5 s for its 2xx, and a 503 must fit as well.


def open_redis(url: str, *, answer_within: timedelta = ANSWER_WITHIN) -> Redis:
    """Return a client that connects at first use; *url* is `redis://`, `rediss://` or `unix:///path`.

    redis-py repeats a command whose answer was lost ten times by default, which would run a state change
    twice; this client never repeats.
    """
    return Redis.from_url(
        url,
        retry=Retry(NoBackoff(), 0),
        socket_timeout=answer_within.total_seconds(),
        socket_connect_timeout=ANSWER_WITHIN.total_seconds(),
    )


@contextmanager
def translated(doing: str) -> Iterator[None]:
    """Raise `Unavailable`, naming what we were *doing*, for whatever Redis or the connection raises."""
    try:
        yield
    except (RedisError, OSError) as exc:
        raise Unavailable(f"Redis failed while {doing} ({type(exc).__name__}). Try again later.") from exc
