"""The change ledger in Redis: one sorted set a service, scored by the time a change was live."""

import hashlib
from collections.abc import Sequence, Set
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Final, cast

import structlog
from pydantic import ValidationError
from redis.asyncio import Redis

from adapters.store.redis.client import translated
from bot.domain.change import ChangeEvent
from bot.domain.change_index import ELSEWHERE_HALVINGS, ENOUGH, HALF_LIFE_S, PER_SERVICE, RING_HALVINGS
from bot.domain.ids import ChangeId, ServiceName

log = structlog.get_logger()

RETENTION = timedelta(
    days=30
)  # Our choice: a change is rarely to blame after days, and never looked up after weeks.
MOST_PER_SERVICE = 5_000  # Our choice: bounds what a runaway pipeline can fill.
MOST_FOUND = 500
MOST_NEAR = 100  # Our choice: twice as many as the ranking weighs in full.
MOST_SERVICES = 500  # Our choice: a hub reaches thousands; the nearest are asked.
MOST_ELSEWHERE = 20_000  # Our choice: bounds the set of all changes.
_KEPT: Final = 500
"""Changes kept as read, by their very bytes: our choice. A press looks at those that its card looked at."""

# KEYS: the change, then the sets it belongs to.
# ARGV: id, body, fingerprint, reported (µs), live (s), retention (s), most in a service's set, most in the
# last set, which holds the changes of all services.
_RECORD = """
local known = redis.call('HMGET', KEYS[1], 'fingerprint', 'reported', 'sets')
if known[1] == ARGV[3] then return 0 end
if known[2] and tonumber(known[2]) > tonumber(ARGV[4]) then return 0 end
if known[3] then
  for set in string.gmatch(known[3], '[^\\n]+') do redis.call('ZREM', set, ARGV[1]) end
end
local sets = {}
local oldest = tonumber(redis.call('TIME')[1]) - tonumber(ARGV[6])
for i = 2, #KEYS do
  sets[i - 1] = KEYS[i]
  redis.call('ZADD', KEYS[i], ARGV[5], ARGV[1])
  redis.call('ZREMRANGEBYSCORE', KEYS[i], '-inf', '(' .. oldest)
  local most = (i == #KEYS) and ARGV[8] or ARGV[7]
  redis.call('ZREMRANGEBYRANK', KEYS[i], 0, -(tonumber(most) + 1))
  redis.call('EXPIRE', KEYS[i], ARGV[6])
end
redis.call('HSET', KEYS[1], 'body', ARGV[2], 'fingerprint', ARGV[3], 'reported', ARGV[4],
           'sets', table.concat(sets, '\\n'))
redis.call('EXPIRE', KEYS[1], ARGV[6])
return 1
"""

# KEYS: the sets. ARGV: start (s), end (s), most, prefix of the changes' keys.
_BETWEEN = """
local found, seen = {}, {}
for i = 1, #KEYS do
  local hits = redis.call('ZREVRANGEBYSCORE', KEYS[i], ARGV[2], ARGV[1], 'WITHSCORES', 'LIMIT', 0, ARGV[3])
  for j = 1, #hits, 2 do
    if not seen[hits[j]] then
      seen[hits[j]] = true
      found[#found + 1] = { hits[j], tonumber(hits[j + 1]) }
    end
  end
end
table.sort(found, function(a, b) if a[2] == b[2] then return a[1] < b[1] end return a[2] > b[2] end)
local bodies = {}
for i = 1, #found do
  if #bodies >= tonumber(ARGV[3]) then break end
  local body = redis.call('HGET', ARGV[4] .. found[i][1], 'body')
  if body then bodies[#bodies + 1] = body end
end
return bodies
"""

# KEYS: the services' sets, nearest first, then the set of all. ARGV: start (s), end (s), most, prefix of the
# changes' keys, half-life (s), most of a service, how many found are enough; then for each set how many
# halvings further it is than what alerts.
_NEAR = """
local at, cost, found = tonumber(ARGV[2]), {}, {}
local last = ARGV[8]
for i = 1, #KEYS do
  local far = ARGV[7 + i]
  if not (far ~= last and #found >= tonumber(ARGV[7]) and i < #KEYS) then
    last = far
    local limit = (i == #KEYS) and ARGV[3] or ARGV[6]
    local hits = redis.call('ZREVRANGEBYSCORE', KEYS[i], ARGV[2], ARGV[1], 'WITHSCORES', 'LIMIT', 0, limit)
    for j = 1, #hits, 2 do
      if not cost[hits[j]] then
        local gap = at - tonumber(hits[j + 1])
        cost[hits[j]] = math.log(1 + gap / tonumber(ARGV[5])) / math.log(2) + tonumber(far)
        found[#found + 1] = hits[j]
      end
    end
  end
end
table.sort(found, function(a, b) if cost[a] == cost[b] then return a < b end return cost[a] < cost[b] end)
local bodies = {}
for i = 1, #found do
  if #bodies >= tonumber(ARGV[3]) then break end
  local body = redis.call('HGET', ARGV[4] .. found[i], 'body')
  if body then bodies[#bodies + 1] = body end
end
return bodies
"""


class RedisChangeLedger:
    """`ChangeLedger` over a client from `open_redis`; forgets a change *retention* after its last report."""

    def __init__(
        self,
        redis: Redis,
        *,
        retention: timedelta = RETENTION,
        most_per_service: int = MOST_PER_SERVICE,
        namespace: str = "changes",
    ) -> None:
        self._redis = redis
        self._retention_s = round(retention.total_seconds())
        self._most_per_service = most_per_service
        self._tag = "{" + namespace + "}"  # One hash slot: a Redis Cluster runs scripts on one slot only.
        self._change_prefix = f"{self._tag}:change:"
        self._all = f"{self._tag}:all"

    async def record(self, change: ChangeEvent) -> bool:
        """Store *change*; False when nothing but its report time differed, or a later report is known."""
        sets = [self._set(service) for service in dict.fromkeys((change.service, *change.also_touches))]
        sets.append(self._all)
        with translated(f"recording change {change.id}"):
            stored = await self._redis.eval(
                _RECORD,
                1 + len(sets),
                self._change_prefix + change.id,
                *sets,
                change.id,
                change.model_dump_json(),
                _fingerprint(change),
                str(round(change.reported_at.timestamp() * 1_000_000)),
                _score(change.live_at),
                str(self._retention_s),
                str(self._most_per_service),
                str(MOST_ELSEWHERE),
            )
        return bool(stored == 1)

    async def get(self, change: ChangeId) -> ChangeEvent | None:
        """Return the change as last reported."""
        with translated(f"reading change {change}"):
            body = await self._redis.hget(self._change_prefix + change, "body")
        return None if body is None else _parsed(body)

    async def between(
        self, services: Sequence[ServiceName], start: datetime, end: datetime
    ) -> Sequence[ChangeEvent]:
        """Return the changes live in `[start, end]`, newest first, at most 500, in one round trip."""
        if not services:
            return ()
        sets = [self._set(service) for service in dict.fromkeys(services)]
        with translated("looking for changes"):
            bodies = await self._redis.eval(
                _BETWEEN, len(sets), *sets, _score(start), _score(end), str(MOST_FOUND), self._change_prefix
            )
        found = (_parsed(body) for body in cast("list[bytes]", bodies))
        return tuple(change for change in found if change is not None)

    async def near(
        self, around: Sequence[Set[ServiceName]], start: datetime, end: datetime
    ) -> Sequence[ChangeEvent]:
        """Return the changes likeliest by time and distance, best first, at most 100, in one round trip.

        *around* holds what alerts, then what is one call away, and so on; of a hub's thousands 500 are asked.
        """
        pairs = [
            (self._set(name), str(halvings))
            for halvings, ring in zip(RING_HALVINGS, around, strict=False)
            for name in sorted(ring)
        ][:MOST_SERVICES]
        sets = [*(key for key, _ in pairs), self._all]
        limits = (
            str(MOST_NEAR),
            self._change_prefix,
            str(HALF_LIFE_S),
            str(PER_SERVICE),
            str(ENOUGH * MOST_NEAR),
        )
        far = (*(halvings for _, halvings in pairs), str(ELSEWHERE_HALVINGS))
        with translated("looking for changes near"):
            bodies = await self._redis.eval(
                _NEAR, len(sets), *sets, _score(start), _score(end), *limits, *far
            )
        found = (_parsed(body) for body in cast("list[bytes]", bodies))
        return tuple(change for change in found if change is not None)

    def _set(self, service: ServiceName) -> str:
        return f"{self._tag}:service:{service}"


def _score(at: datetime) -> str:
    return f"{at.timestamp():.6f}"


def _fingerprint(change: ChangeEvent) -> str:
    """Return a digest of everything but the time of the report, which differs with each delivery."""
    return hashlib.sha256(change.model_dump_json(exclude={"reported_at"}).encode()).hexdigest()


def _parsed(body: bytes | str) -> ChangeEvent | None:
    try:
        return _read(body)
    except ValidationError as exc:
        # Written by another version, or by somebody else: one change less is better than no answer.
        log.warning("change_unreadable", errors=exc.error_count())
        return None


@lru_cache(maxsize=_KEPT)
def _read(body: bytes | str) -> ChangeEvent:
    return ChangeEvent.model_validate_json(body)
