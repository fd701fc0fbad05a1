"""Store what several callers hand in at once with one transaction, and tell each what came of theirs."""

import asyncio
from collections import deque
from dataclasses import dataclass, field

from redis.asyncio import Redis
from redis.exceptions import RedisError

from adapters.store.redis.client import translated
from bot.domain.errors import Unavailable

GROUP_SIZE = 256  # Our choice: at 6 KB a body this is 1.5 MB in one transaction.
SEEN_FOR_S = 691_200  # 8 days: the same signed delivery may be repeated for a week and must still be known.

# The mark is set after the entry: should XADD fail, the key was not "seen" and a retry is not swallowed.
_PUT = """
if redis.call('EXISTS', KEYS[2]) == 1 then return 0 end
local now = redis.call('TIME')
local micros = now[1] .. string.format('%06d', now[2])
redis.call('XADD', KEYS[1], '*', 'key', ARGV[1], 'at', micros, 'payload', ARGV[2])
redis.call('SET', KEYS[2], micros, 'EX', ARGV[3])
return 1
"""


@dataclass(frozen=True)
class _Put:
    stream_key: str
    seen_key: str
    key: str
    payload: bytes
    stored: asyncio.Future[bool] = field(default_factory=lambda: asyncio.get_running_loop().create_future())


class PutGroup:
    """One transaction in flight; whoever comes meanwhile waits for the next and shares it.

    So the price of an fsync is paid once for all of them.
    """

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self._waiting: deque[_Put] = deque()
        self._sender: asyncio.Task[None] | None = None

    async def put(self, stream_key: str, seen_key: str, key: str, payload: bytes) -> bool:
        """Return True once the entry is stored, False when *seen_key* existed.

        Raises:
            Unavailable: the transaction failed, or its answer was lost.
        """
        put = _Put(stream_key, seen_key, key, payload)
        self._waiting.append(put)
        if self._sender is None or self._sender.done():
            self._sender = asyncio.create_task(self._send_all(), name="inbox-puts")
        return await put.stored

    async def aclose(self) -> None:
        """Wait for what is under way."""
        if self._sender is not None:
            await asyncio.wait({self._sender})

    async def _send_all(self) -> None:
        while self._waiting:
            group = [self._waiting.popleft() for _ in range(min(GROUP_SIZE, len(self._waiting)))]
            try:
                results = await self._send(group)
            except Unavailable as exc:
                _fail(group, exc)
            except BaseException:
                # Nobody may wait for ever on a sender that is gone.
                _fail([*group, *self._waiting], Unavailable("The inbox stopped. Try again later."))
                self._waiting.clear()
                raise
            else:
                _answer(group, results)

    async def _send(self, group: list[_Put]) -> list[object]:
        with translated("storing messages"):
            async with self._redis.pipeline(transaction=True) as transaction:
                # Each carries the script: a digest alone would fail after a restart of the server.
                for put in group:
                    transaction.eval(_PUT, 2, put.stream_key, put.seen_key, put.key, put.payload, SEEN_FOR_S)
                return await transaction.execute(raise_on_error=False)


def _fail(group: list[_Put], error: Unavailable) -> None:
    for put in group:
        if not put.stored.done():
            put.stored.set_exception(Unavailable(*error.args))


def _answer(group: list[_Put], results: list[object]) -> None:
    for put, result in zip(group, results, strict=True):
        if put.stored.done():
            continue
        if isinstance(result, RedisError):
            failure = Unavailable(
                f"Redis refused to store a message ({type(result).__name__}). Try again later."
            )
            failure.__cause__ = result
            put.stored.set_exception(failure)
        else:
            put.stored.set_result(result == 1)
