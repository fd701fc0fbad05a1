"""The intake queues on Redis streams: stored before they are acknowledged, handed out until they are done."""

from collections.abc import AsyncGenerator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TypedDict, cast

import structlog
from redis.exceptions import ResponseError

from adapters.store.redis.client import ANSWER_WITHIN, open_redis, translated
from adapters.store.redis.durability import Durability, read_durability
from adapters.store.redis.put_group import PutGroup
from bot.ports import Message, Stream

log = structlog.get_logger()

GROUP = "disp"
BATCH = 16  # Our choice: small, because a batch is handled one by one while its idle time already runs.
RECLAIM_AFTER = timedelta(seconds=5)
BLOCK = timedelta(
    seconds=1
)  # Our choice: how long one wait for news lasts before dead consumers are looked for.
LONGEST_BACKOFF = timedelta(
    minutes=10
)  # Our choice: with ten deliveries a message is tried for about 40 min.
MAX_DELIVERIES = 10
PATIENT_DELIVERIES = 5  # Our choice: what is postponed is tried again about every 80 s.


_Entries = list[tuple[bytes, dict[bytes, bytes]]]
"""What Redis answers when it is asked for entries and never told to decode."""


class _Pending(TypedDict):
    message_id: bytes
    times_delivered: int
    time_since_delivered: int


class RedisInbox:
    """`Inbox` over one Redis or Valkey server, for any number of processes.

    A message that is not `done` within *reclaim_after* is handed out again, to whoever asks; the wait doubles
    with each delivery. *consumer* names this process and should stay the same over restarts: what it left
    behind is then handed out at once.
    """

    def __init__(
        self,
        url: str,
        *,
        consumer: str,
        reclaim_after: timedelta = RECLAIM_AFTER,
        block: timedelta = BLOCK,
        namespace: str = "in",
    ) -> None:
        self._redis = open_redis(url)
        # A blocking read holds its connection, and its silence is no sign of trouble.
        self._reader = open_redis(url, answer_within=block + ANSWER_WITHIN)
        self._puts = PutGroup(self._redis)
        self._consumer = consumer
        self._reclaim_after = reclaim_after
        self._block_ms = max(1, round(block.total_seconds() * 1000))  # 0 would wait for ever.
        self._tag = "{" + namespace + "}"  # One hash slot: a Redis Cluster runs scripts on one slot only.
        # Made once: each webhook needs two of them, and putting an enum's member into a text is slow.
        self._keys = {stream: f"{self._tag}:{stream}" for stream in Stream}
        self._seen = {stream: f"{self._tag}:seen:{stream}:" for stream in Stream}

    async def put(self, stream: Stream, key: str, payload: bytes) -> bool:
        """Store *payload* durably; False when *key* was seen in the last 8 days.

        After `Unavailable` the payload may have been stored all the same. The sender's retry then gets
        False, which is as good as True: the message is there.
        """
        return await self._puts.put(self._keys[stream], self._seen[stream] + key, key, payload)

    async def messages(self, stream: Stream) -> AsyncGenerator[Message, None]:
        """Yield messages for ever, first what this consumer left behind.

        Raises:
            Unavailable: Redis is gone; ask again, and nothing is missed.
        """
        for message in await self._take_over(stream, own=True):
            yield message
        while True:
            for message in await self._take_over(stream, own=False):
                yield message
            for message in await self._wait_for_new(stream):
                yield message

    async def done(self, message: Message) -> None:
        """Forget *message*. Doing so twice is harmless."""
        with translated(f"finishing message {message.id}"):
            async with self._redis.pipeline(transaction=True) as transaction:
                transaction.xack(self._keys[message.stream], GROUP, message.id)
                transaction.xdel(self._keys[message.stream], message.id)
                await transaction.execute()

    async def postpone(self, message: Message) -> None:
        """Keep *message* for later; however often this is done, it is never given up."""
        if message.deliveries <= PATIENT_DELIVERIES:
            return
        with translated(f"postponing message {message.id}"):
            await self._redis.xclaim(
                self._keys[message.stream],
                GROUP,
                self._consumer,
                min_idle_time=0,
                message_ids=[message.id],
                retrycount=PATIENT_DELIVERIES,
                justid=True,
            )

    async def dead(self) -> Sequence[Mapping[bytes, bytes]]:
        """Return the messages that were given up, oldest first: stream, key, payload, deliveries, why."""
        with translated("reading the dead letters"):
            entries = await self._redis.xrange(f"{self._tag}:dead", count=1000)
        return [fields for _, fields in cast("_Entries", entries or [])]

    async def ping(self) -> None:
        """Raise `Unavailable` unless writes are accepted: a full or read-only server still answers PING."""
        with translated("trying a write"):
            await self._redis.set(f"{self._tag}:ping", b"1", ex=60)

    async def durability(self) -> Durability:
        """Return how the server keeps what it acknowledged."""
        return await read_durability(self._redis)

    async def aclose(self) -> None:
        """Finish the puts under way and close the connections."""
        await self._puts.aclose()
        await self._redis.aclose()
        await self._reader.aclose()

    async def _wait_for_new(self, stream: Stream) -> list[Message]:
        key = self._keys[stream]
        with translated(f"waiting for {stream}"):
            try:
                answer = await self._reader.xreadgroup(
                    GROUP, self._consumer, {key: ">"}, count=BATCH, block=self._block_ms
                )
            except ResponseError as exc:
                await self._create_group(key, exc)
                return []
        streams = cast("list[tuple[bytes, _Entries]]", answer)
        handed = [_Handed(entry, fields, 1) for _, entries in streams for entry, fields in entries]
        return await self._readable(stream, handed)

    async def _take_over(self, stream: Stream, *, own: bool) -> list[Message]:
        """Claim what waits too long for `done`, or with *own* all that this consumer was handed before."""
        # XAUTOCLAIM would do in one call, but it does not tell how often an entry was delivered.
        key, idle = self._keys[stream], timedelta(0) if own else self._reclaim_after
        with translated(f"reclaiming {stream}"):
            try:
                pending = await self._redis.xpending_range(
                    key,
                    GROUP,
                    min="-",
                    max="+",
                    count=1000,
                    consumername=self._consumer if own else None,
                    idle=None if own else _milliseconds(idle),
                )
            except ResponseError as exc:
                await self._create_group(key, exc)
                return []
            deliveries = {
                entry["message_id"]: entry["times_delivered"] + 1
                for entry in cast("list[_Pending]", pending)
                if own or entry["time_since_delivered"] >= self._patience_ms(entry["times_delivered"])
            }
            if not deliveries:
                return []
            chosen: list[int | bytes | str | memoryview] = list(deliveries if own else [*deliveries][:BATCH])
            claimed = await self._redis.xclaim(
                key, GROUP, self._consumer, min_idle_time=_milliseconds(idle), message_ids=chosen
            )
        entries = cast("_Entries", claimed)
        handed = [_Handed(entry, fields, deliveries[entry]) for entry, fields in entries if fields]
        if handed:
            log.info("messages_taken_over", stream=stream, count=len(handed), own=own)
        return await self._readable(stream, handed)

    def _patience_ms(self, deliveries: int) -> int:
        # Doubling keeps an outage of a neighbour from using up a message's deliveries within a minute.
        return _milliseconds(min(self._reclaim_after * 2 ** min(deliveries - 1, 20), LONGEST_BACKOFF))

    async def _create_group(self, key: str, cause: ResponseError) -> None:
        """Create the consumer group when its absence was the *cause*; else raise the cause."""
        if not str(cause).startswith("NOGROUP"):
            raise cause
        try:
            await self._redis.xgroup_create(key, GROUP, id="0", mkstream=True)
        except ResponseError as exc:
            if not str(exc).startswith("BUSYGROUP"):
                raise
        log.info("consumer_group_created", stream=key)

    async def _readable(self, stream: Stream, handed: Sequence["_Handed"]) -> list[Message]:
        """Return the messages to hand out; those past saving go to the dead letters."""
        messages: list[Message] = []
        for entry in handed:
            message = entry.message(stream)
            if message is None:
                await self._bury(stream, entry, why="not one of our entries")
            elif message.deliveries > MAX_DELIVERIES:
                await self._bury(stream, entry, why=f"not done after {MAX_DELIVERIES} deliveries")
            else:
                messages.append(message)
        return messages

    async def _bury(self, stream: Stream, entry: "_Handed", *, why: str) -> None:
        key, dead = self._keys[stream], f"{self._tag}:dead"
        with translated("moving a message to the dead letters"):
            async with self._redis.pipeline(transaction=True) as transaction:
                transaction.xadd(
                    dead,
                    {
                        **{name.decode(errors="replace"): value for name, value in entry.fields.items()},
                        "stream": str(stream),
                        "entry": entry.id,
                        "deliveries": entry.deliveries - 1,
                        "why": why,
                    },
                )
                transaction.xack(key, GROUP, entry.id)
                transaction.xdel(key, entry.id)
                await transaction.execute()
        log.error("message_given_up", stream=stream, entry=entry.id.decode(), why=why, kept_in=dead)


@dataclass(frozen=True)
class _Handed:
    id: bytes
    fields: dict[bytes, bytes]
    deliveries: int

    def message(self, stream: Stream) -> Message | None:
        try:
            return Message(
                id=self.id.decode(),
                stream=stream,
                key=self.fields[b"key"].decode(),
                payload=self.fields[b"payload"],
                received_at=datetime.fromtimestamp(0, UTC) + timedelta(microseconds=int(self.fields[b"at"])),
                deliveries=self.deliveries,
            )
        except (KeyError, ValueError, OverflowError):
            return None


def _milliseconds(span: timedelta) -> int:
    return round(span.total_seconds() * 1000)
