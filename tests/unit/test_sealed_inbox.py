"""Whoever can write to the queue has pressed nothing: a press carries the seal of who heard it from Slack."""

import asyncio
from contextlib import aclosing
from datetime import timedelta

import pytest

from adapters.intake.sealing import FORGED, SealedInbox, sealing_key
from adapters.store.memory_inbox import MemoryInbox, MemoryQueues
from bot.domain.errors import Unavailable
from bot.ports import Stream
from tests.builders import NOW, ManualTime

KEY = sealing_key("xoxb-of-this-app")


class Both:
    """The queue as the bot sees it, the same queue as its server holds it, and what was reported."""

    def __init__(self, *, key: bytes = KEY) -> None:
        self.time = ManualTime()
        self.raw = MemoryInbox(MemoryQueues(self.time))
        self.reported: list[str] = []
        self.is_record_down = False
        self.bot = SealedInbox(self.raw, key, clock=self.time, report=self._report)

    async def _report(self, why: str) -> None:
        if self.is_record_down:
            raise Unavailable("the record is silent")
        self.reported.append(why)

    async def first(self, stream: Stream = Stream.ACTIONS) -> bytes:
        async with asyncio.timeout(60), aclosing(self.bot.messages(stream)) as messages:  # type: ignore[type-var]
            async for message in messages:
                await self.bot.done(message)
                return message.payload
        raise AssertionError("the queue has ended")


@pytest.mark.parametrize("stream", list(Stream))
async def test_what_the_bot_stored_is_handed_out_as_it_was(stream: Stream) -> None:
    both = Both()
    await both.bot.put(stream, "one", b"approve")

    assert (b"approve", []) == (await both.first(stream), both.reported)


@pytest.mark.parametrize("forged", [b"", b"approve", b"\0" * 32 + b"approve"])
async def test_e_tamper_a_press_that_somebody_else_stored_is_dropped_and_told_once(forged: bytes) -> None:
    both = Both()
    await both.raw.put(Stream.ACTIONS, "forged", forged)
    await both.raw.put(Stream.ACTIONS, "forged too", forged)
    await both.bot.put(Stream.ACTIONS, "real", b"deny")

    assert (b"deny", [FORGED]) == (await both.first(), both.reported)


async def test_e_tamper_a_press_under_another_name_or_with_other_bytes_is_dropped() -> None:
    seen = Both()
    await seen.bot.put(Stream.ACTIONS, "one", b"approve 1")
    async with aclosing(seen.raw.messages(Stream.ACTIONS)) as messages:
        stored = (await anext(messages)).payload
    both = Both()
    await both.raw.put(Stream.ACTIONS, "two", stored)
    await both.raw.put(Stream.ACTIONS, "one", stored[:-1] + b"2")
    await both.bot.put(Stream.ACTIONS, "three", b"deny")

    assert b"deny" == await both.first()


async def test_e_tamper_another_apps_token_seals_nothing_here() -> None:
    other, both = Both(key=sealing_key("xoxb-of-another")), Both()
    other.bot, other.raw = (
        SealedInbox(both.raw, sealing_key("xoxb-of-another"), clock=both.time, report=other._report),
        both.raw,
    )
    await other.bot.put(Stream.ACTIONS, "one", b"approve")
    await both.bot.put(Stream.ACTIONS, "two", b"deny")

    assert (b"deny", [FORGED]) == (await both.first(), both.reported)
    assert "a bot of an earlier version or with another SLACK_BOT_TOKEN" in FORGED


async def test_while_the_record_is_down_a_forged_press_holds_up_nobody_and_is_told_later() -> None:
    both = Both()
    both.is_record_down = True
    await both.raw.put(Stream.ACTIONS, "forged", b"approve")
    await both.bot.put(Stream.ACTIONS, "real", b"deny")
    async with asyncio.timeout(60), aclosing(both.bot.messages(Stream.ACTIONS)) as messages:  # type: ignore[type-var]
        real = await anext(messages)
        await both.bot.done(real)
        untold = list(both.reported)
        both.is_record_down = False
        both.time.advance(timedelta(hours=1))
        await both.bot.put(Stream.ACTIONS, "second", b"deny too")
        second = await anext(messages)

    assert (b"deny", 1, []) == (real.payload, real.deliveries, untold)
    assert (b"deny too", [FORGED]) == (second.payload, both.reported)


async def test_e_tamper_a_press_that_somebody_queues_again_is_as_old_as_it_was() -> None:
    """Whoever reads and writes the queue has genuine presses: the gate refuses them by their age."""
    both = Both()
    await both.bot.put(Stream.ACTIONS, "one", b"approve")
    async with aclosing(both.raw.messages(Stream.ACTIONS)) as messages:
        genuine = await anext(messages)
    await both.raw.done(genuine)
    both.time.advance(timedelta(hours=1))
    again = MemoryInbox(MemoryQueues(both.time))  # One that does not remember the key.
    await again.put(Stream.ACTIONS, "one", genuine.payload)
    bot = SealedInbox(again, KEY, clock=both.time, report=both._report)
    async with aclosing(bot.messages(Stream.ACTIONS)) as messages:  # type: ignore[type-var]
        replayed = await anext(messages)

    assert (b"approve", NOW, []) == (replayed.payload, replayed.received_at, both.reported)
