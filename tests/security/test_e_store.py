"""The queue and the record when they forget, are full, or answer into the void."""

from collections.abc import Sequence
from pathlib import Path

import httpx
import pytest
from pydantic import SecretStr
from redis.asyncio import Redis
from starlette.applications import Starlette

from adapters.intake.signatures import SigningSecrets
from adapters.pagerduty.route import pagerduty_route
from adapters.policy.durable import DurableQueue
from adapters.policy.memory import MemoryReferee
from adapters.store.redis.durability import Durability, read_durability
from adapters.store.redis.inbox import RedisInbox
from bot.app.remediate import run_step
from bot.domain.approval import Action
from bot.domain.errors import Unavailable
from bot.domain.execution import ApprovedStep
from bot.domain.proposal import ProposalState
from bot.ports import Gate
from tests.app.world import DANA, Bot, a_bot, with_world
from tests.redis_server import redis_server
from tests.unit.test_pagerduty_webhook import ADDRESS, SECRET, a_body, signature

ROOT = Path(__file__).parents[2]
KEEPS = Durability(append_only=True, fsync="always", eviction="noeviction")
FORGETS = Durability(append_only=False, fsync="always", eviction="noeviction")
SILENT = Durability(append_only=None, fsync=None, eviction=None)


class Queue:
    """A queue's server whose settings somebody changes while it runs."""

    def __init__(self, *found: Durability | None) -> None:
        self.found = list(found)

    async def __call__(self) -> Durability:
        found = self.found.pop(0) if len(self.found) > 1 else self.found[0]
        if found is None:
            raise Unavailable("the queue does not answer")
        return found


async def test_e_volatile_store_what_forgets_lets_nothing_be_approved() -> None:
    """It is proposed all the same; once the server keeps what it takes, the same card's button works."""
    queue = Queue(FORGETS, None, KEEPS)
    bot = with_world(a_bot(), referee=DurableQueue(MemoryReferee(), queue))
    await bot.begin()

    refused, unsure = await bot.press(Action.APPROVE), await bot.press(Action.APPROVE)
    started_meanwhile = list(bot.runner.ran)
    accepted = await bot.press(Action.APPROVE, follow=False)

    assert [False, False, True] == [one.is_accepted for one in (refused, unsure, accepted)]
    assert [] == started_meanwhile
    first, second = bot.told(DANA)
    assert "only proposes while its queue forgets what it took (appendonly no" in first
    assert "does not say whether it keeps" in second


@pytest.mark.parametrize("found", [KEEPS, SILENT], ids=["keeps", "does not tell"])
async def test_e_volatile_store_the_other_referee_is_asked_all_the_same(found: Durability) -> None:
    other = MemoryReferee(says=("a freeze",))
    bot = with_world(a_bot(), referee=DurableQueue(other, Queue(found)))
    await bot.begin()

    ruling = await bot.press(Action.APPROVE)

    assert (False, 1) == (ruling.is_accepted, len(other.asked))


@pytest.mark.parametrize(
    ("options", "is_refused"),
    [
        ((), False),
        (("--appendonly", "no"), True),
        (("--maxmemory-policy", "allkeys-lru"), True),
    ],
    ids=["safe", "no appendonly", "evicting"],
)
async def test_e_volatile_store_a_real_server_is_asked(options: Sequence[str], is_refused: bool) -> None:
    with redis_server(*options) as server:
        redis: Redis = Redis.from_url(server.url)
        queue = DurableQueue(MemoryReferee(), lambda: read_durability(redis))

        assert is_refused is bool(await queue.look())
        await redis.aclose()


class LosesClaims:
    """A gate of which one answer to a claim is lost after it was written."""

    def __init__(self, gate: Gate) -> None:
        self._gate = gate
        self.loses = 1

    def __getattr__(self, name: str) -> object:
        return getattr(self._gate, name)

    async def claim(self, *args: object, **more: object) -> object:
        claimed = await self._gate.claim(*args, **more)  # type: ignore[arg-type]
        if self.loses and isinstance(claimed, ApprovedStep):
            self.loses -= 1
            raise Unavailable("the connection was lost after the commit")
        return claimed


async def an_approved_bot() -> Bot:
    bot = a_bot()
    await bot.begin()
    bot.signals.values = [0.3, 0.0]
    await bot.press(Action.APPROVE, follow=False)
    return with_world(bot, gate=LosesClaims(bot.world.gate))


async def test_e_lost_answer_the_retry_knows_that_the_claim_is_its_own() -> None:
    """The engine calls again: the step runs once, under the key of the claim that was written unheard."""
    bot = await an_approved_bot()
    record = await bot.the_last()
    with pytest.raises(Unavailable):
        await run_step(bot.world, record.id, 0)
    ran_before = list(bot.runner.ran)

    await bot.follow()

    (claim,) = await bot.world.gate.claims(record.incident)
    assert [] == ran_before
    assert [f"{claim.effect_key}-1"] == bot.runner.keys
    assert ProposalState.VERIFIED is await bot.state()
    assert 1 == (await bot.acts()).count("claimed")


async def test_e_oom_a_webhook_is_answered_503_and_taken_once_there_is_room() -> None:
    body = a_body()
    with redis_server() as server:
        redis: Redis = Redis.from_url(server.url)
        inbox = RedisInbox(server.url, consumer="bot")
        secrets = SigningSecrets("PAGERDUTY_WEBHOOK_SECRETS", [SecretStr(SECRET)])
        app = Starlette(routes=[pagerduty_route(inbox, secrets)])
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="http://bot") as client:

            async def posted() -> int:
                headers = {"x-pagerduty-signature": signature(body)}
                return (await client.post(ADDRESS, content=body, headers=headers)).status_code

            await redis.config_set("maxmemory", "1")
            full = await posted()
            await redis.config_set("maxmemory", "0")
            statuses = [full, await posted(), await posted()]

        stored = sum([await redis.xlen(key) async for key in redis.scan_iter(_type="stream")])
        await inbox.aclose()
        await redis.aclose()

    assert [503, 202, 202] == statuses
    assert 1 == stored


def test_e_tamper_nothing_that_is_stored_is_unpickled() -> None:
    """Whoever may write to the queue or the database would otherwise run what they like."""
    sources = {file: file.read_text() for part in ("bot", "adapters") for file in (ROOT / part).rglob("*.py")}

    assert len(sources) > 200
    for word in ("pickle", "marshal", "shelve", "dill", "yaml.load(", "yaml.unsafe_load", "eval(", "exec("):
        found = [f for f, text in sources.items() for line in text.splitlines() if _calls(line, word)]
        assert found == [], word


def _calls(line: str, word: str) -> bool:
    """Say whether a line of code imports *word* or calls it as a name of its own."""
    code = line.split("#")[0]
    if not word.endswith("("):
        return f"import {word}" in code or f"from {word}" in code
    before, found, _ = code.partition(word)
    return bool(found) and not before[-1:].isalnum() and before[-1:] not in ("_", ".", '"', "`")
