"""Store what several callers hand in at once with one script call, and tell each what came of theirs."""

import asyncio
from collections import deque
from typing import NamedTuple, cast

from redis.asyncio import Redis

from adapters.store.redis.client import translated
from bot.domain.errors import Unavailable

GROUP_SIZE = 256  # Our choice: at 6 KB a body this is 1.5 MB in one call.
SEEN_FOR_S = 691_200  # 8 days: the same signed delivery may be repeated for a week and must still be known.

# KEYS: for each put the stream and the mark "seen".
# ARGV: how long marks last (s), then for each put key and payload.
# A mark is set after its entry: should XADD fail, the key was not "seen" and a retry is not swallowed.
_PUT_ALL = """
local now = redis.call('TIME')
local micros = now[1] .. string.format('%06d', now[2])
local results = {}
for i = 1, #KEYS, 2 do
  local result = 0
  if redis.call('EXISTS', KEYS[i + 1]) == 0 then
    local added = redis.pcall('XADD', KEYS[i], '*', 'key', ARGV[i + 1], 'at', micros, 'payload', ARGV[i + 2])
    if type(added) == 'table' and added.err then
      result = added.err
    else
      redis.call('SET', KEYS[i + 1], micros, 'EX', ARGV[1])
      result = 1
    end
  end
  results[#results + 1] = result
end
return results
"""


class _Put(NamedTuple):
    stream_key: str
    seen_key: str
    key: str
    payload: bytes
    stored: asyncio.Future[bool]


class PutGroup:
    """One script call in flight; whoever comes meanwhile waits for the next and shares it.

    So the prices of a round trip and of an fsync are paid once for all of them. The call is one transaction.
    """

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self._waiting: deque[_Put] = deque()
        self._sender: asyncio.Task[None] | None = None

    async def put(self, stream_key: str, seen_key: str, key: str, payload: bytes) -> bool:
        """Return True once the entry is stored, False when *seen_key* existed.

        Raises:
            Unavailable: the call failed, or its answer was lost.
        """
        stored: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self._waiting.append(_Put(stream_key, seen_key, key, payload, stored))
        if self._sender is None or self._sender.done():
            self._sender = asyncio.create_task(self._send_all(), name="inbox-puts")
        return await stored

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
        keys = [name for put in group for name in (put.stream_key, put.seen_key)]
        values = [value for put in group for value in (put.key, put.payload)]
        with translated("storing messages"):
            # The script's text goes along: its digest alone would fail after a restart of the server.
            results = await self._redis.eval(_PUT_ALL, len(keys), *keys, SEEN_FOR_S, *values)
        return cast("list[object]", results)


def _fail(group: list[_Put], error: Unavailable) -> None:
    for put in group:
        if not put.stored.done():
            put.stored.set_exception(Unavailable(*error.args))


def _answer(group: list[_Put], results: list[object]) -> None:
    for put, result in zip(group, results, strict=True):
        if put.stored.done():
            continue
        if isinstance(result, int):
            put.stored.set_result(result == 1)
        else:
            put.stored.set_exception(Unavailable(f"Redis refused to store a message: {_reason(result)}"))


def _reason(result: object) -> str:
    return result.decode(errors="replace") if isinstance(result, bytes) else type(result).__name__
