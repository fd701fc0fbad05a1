"""What every outbox promises."""

import asyncio
from collections import Counter

import pytest

from bot.domain.errors import NotFound
from bot.ports import PostState
from tests.builders import INCIDENT
from tests.contracts.stores import Bench

KEY = "note:Q1INCIDENT0001:summary"


async def test_the_first_claim_may_send(bench: Bench) -> None:
    assert await bench.store.outbox.claim(KEY, INCIDENT) is PostState.FIRST
    assert await bench.acts() == ["post_claimed"]


async def test_a_claim_that_never_ended_is_in_doubt(bench: Bench) -> None:
    await bench.store.outbox.claim(KEY, INCIDENT)

    assert await bench.another().outbox.claim(KEY, INCIDENT) is PostState.IN_DOUBT


async def test_what_was_sent_stays_sent(bench: Bench) -> None:
    await bench.store.outbox.claim(KEY, INCIDENT)
    await bench.store.outbox.sent(KEY)
    await bench.store.outbox.sent(KEY, possibly_double=True)

    assert await bench.store.outbox.claim(KEY, INCIDENT) is PostState.SENT
    assert await bench.acts() == ["post_claimed", "post_sent"]
    assert await bench.last_body() == {"key": KEY, "possibly_double": False}


async def test_a_possibly_double_post_is_on_record(bench: Bench) -> None:
    await bench.store.outbox.claim(KEY, INCIDENT)
    await bench.store.outbox.sent(KEY, possibly_double=True)

    assert await bench.last_body() == {"key": KEY, "possibly_double": True}


async def test_what_nobody_claimed_cannot_be_sent(bench: Bench) -> None:
    with pytest.raises(NotFound, match=KEY):
        await bench.store.outbox.sent(KEY)


async def test_of_many_claims_at_once_one_is_first(bench: Bench) -> None:
    other = bench.another()
    claims = [store.outbox.claim(KEY, INCIDENT) for store in (bench.store, other) for _ in range(5)]

    assert Counter(await asyncio.gather(*claims)) == {PostState.FIRST: 1, PostState.IN_DOUBT: 9}
