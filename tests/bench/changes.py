"""A ledger as large as asked for, written as the ledger itself would have written it."""

import random
from collections.abc import Iterator
from datetime import datetime, timedelta
from functools import cache

from redis.asyncio import Redis

from adapters.store.redis.ledger import RedisChangeLedger
from bot.domain.change import ChangeEvent
from bot.domain.ids import ChangeId, ServiceName
from bot.domain.topology import Topology
from tests.builders import NOW, a_change

SPREAD = timedelta(days=30)
FAN_OUT = 17  # 17 + 17² + 17³ services below the first: 5,000 of them stand at most three calls deep.
_BATCH = 1_000
_TITLES = (
    "Retry payments twice",
    "Raise the pool of database connections",
    "Cache the price list for a minute",
    "Update the base image",
    "Move totals to the new library",
    "Log the request id",
    "Remove the old discount code",
    "Time out calls to inventory after 2 s",
)
# Calling `record` a million times takes minutes; the test of this is that the ledger reads them back.
# KEYS: none. ARGV: the five parts of a body around id, service, time and title, then for each change its id,
# service, time as text, time (s) and title.
_FILL = """
for i = 6, #ARGV, 5 do
  local id, service, at, seconds, title = ARGV[i], ARGV[i + 1], ARGV[i + 2], ARGV[i + 3], ARGV[i + 4]
  local body = ARGV[1] .. id .. ARGV[2] .. service .. ARGV[3] .. at .. ARGV[4] .. title .. ARGV[5]
  redis.call('HSET', '{changes}:change:' .. id, 'body', body, 'fingerprint', id, 'reported', seconds,
             'sets', '{changes}:service:' .. service .. '\\n{changes}:all')
  redis.call('ZADD', '{changes}:service:' .. service, seconds, id)
  redis.call('ZADD', '{changes}:all', seconds, id)
end
redis.call('ZREMRANGEBYRANK', '{changes}:all', 0, -20001)
"""


@cache
def names_of(services: int) -> tuple[ServiceName, ...]:
    return tuple(ServiceName(f"service-{number:04d}") for number in range(services))


def tree(services: int) -> Topology:
    """Return a dependency graph in which each service but the first is called by one other."""
    names = names_of(services)
    return Topology.of((names[(number - 1) // FAN_OUT], names[number]) for number in range(1, services))


def many_changes(changes: int, services: int) -> Iterator[ChangeEvent]:
    """Yield *changes* of *services*, spread as in the ledger, no two of the same text."""
    names = names_of(services)
    rng = random.Random(5)  # noqa: S311 - The same changes in each run.
    base = a_change()
    for number in range(changes):
        at = NOW - SPREAD * rng.random()
        yield base.model_copy(
            update={
                "id": ChangeId(f"c-{number}"),
                "service": rng.choice(names),
                "version": None,
                "previous_version": None,
                "started_at": None,
                "finished_at": at,
                "reported_at": at,
                "title": f"{rng.choice(_TITLES)} in {rng.choice(_PARTS)} of build {number}",
                "body": " ".join(rng.choices(_PARTS, k=12)),
                "files": (f"{rng.choice(_PARTS)}/{rng.choice(_PARTS)}.py",),
            }
        )


_PARTS = tuple(
    f"{first}{second}"
    for first in ("order", "price", "stock", "ship", "mail", "user", "report", "search", "media", "tax")
    for second in ("Reader", "Writer", "Cache", "Table", "Worker", "Client", "Limit", "Schedule", "Filter")
)


async def fill(redis: Redis, changes: int, services: int) -> None:
    """Write *changes* of *services*, spread evenly over the 30 days before `NOW`."""
    parts = _template()
    for first in range(0, changes, _BATCH):
        rows = _rows(first, min(_BATCH, changes - first), services)
        await redis.eval(_FILL, 0, *parts, *rows)
    if await RedisChangeLedger(redis).get(ChangeId("c-0")) is None:
        raise RuntimeError("the ledger does not read what the benchmark wrote: its layout has changed")


def _template() -> list[str]:
    at = datetime.fromisoformat("2001-02-03T04:05:06.000007+00:00")
    made = a_change(service="@service", finished_at=at, title="@title")
    change = made.model_copy(update={"id": "@id", "started_at": None, "reported_at": at})
    text = change.model_dump_json()
    time = '"finished_at":"' + text.partition('"finished_at":"')[2].partition('"')[0]
    moment = time.removeprefix('"finished_at":"')
    parts = []
    for marker in ("@id", "@service", moment, "@title"):
        before, _, text = text.partition(marker)
        parts.append(before)
    return [*parts, text]


def _rows(first: int, count: int, services: int) -> Iterator[str]:
    names = names_of(services)
    rng = random.Random(first)  # noqa: S311 - The same ledger in each run.
    for number in range(first, first + count):
        at = NOW - SPREAD * rng.random()
        yield f"c-{number}"
        yield rng.choice(names)
        yield at.isoformat()
        yield f"{at.timestamp():.6f}"
        yield rng.choice(_TITLES)
