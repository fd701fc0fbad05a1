"""Ranking, grouping, redaction and drawing: what the processor does beside waiting."""

import random
import time
from collections.abc import Sequence
from datetime import timedelta

from adapters.slack.views.card import card_blocks
from adapters.store.redis.client import open_redis
from adapters.store.redis.ledger import RedisChangeLedger
from bot.app.wording import cause_in_words
from bot.domain.alert import Alert
from bot.domain.card import Card, Offer
from bot.domain.correlation import Case, Ranking, rank_suspects
from bot.domain.document import Line as Sentence
from bot.domain.grouping import Grouper, GroupingRules
from bot.domain.ids import AlertId, ServiceName
from bot.domain.plan import plan_digest
from bot.domain.proposal import ProposalState
from bot.domain.redaction import Redactor
from bot.domain.topology import Topology
from bot.domain.weights import load_weights
from tests.bench.changes import fill, names_of, tree
from tests.bench.lines import Goal, Line, Scale, latencies, percentile
from tests.bench.ops_log import ops_log
from tests.bench.timing import timed
from tests.builders import NOW, a_change, a_plan, an_alert, an_incident
from tests.redis_server import redis_server

LOOKBACK = timedelta(hours=24)
SERVICES = 5_000


async def measure(scale: Scale) -> Sequence[Line]:
    return [*await _ranking(scale), _grouping(scale), _redaction(scale), _card(scale)]


async def _ranking(scale: Scale) -> Sequence[Line]:
    """Look up and rank as an investigation does, over two ledgers of different size."""
    many, few = scale.of(1_000_000, 2_000), scale.of(10_000, 500)
    services = scale.of(SERVICES, 50)
    small = await _rank_over(few, services, scale)
    large = await _rank_over(many, services, scale)
    whole = [sum(pair) for pair in large]
    told = f"{many:,} changes of {services:,} services, graph of depth 3"
    return [
        latencies("thinking.ranking", f"alert → ranking over {told}", whole, goals={"p99": 3.0}),
        latencies("thinking.ranking_lookup", "of it the look-up in the ledger", [pair[0] for pair in large]),
        latencies("thinking.ranking_rank", "of it rank_suspects", [pair[1] for pair in large]),
        Line(
            name="thinking.ranking_growth",
            what=f"t({many:,}) / t({few:,}) at p50",
            unit="",
            figures={"ratio": percentile(whole, 50) / percentile([sum(pair) for pair in small], 50)},
            goals={"ratio": Goal(bound=10)},
            samples=len(whole),
        ),
    ]


async def _rank_over(changes: int, services: int, scale: Scale) -> list[tuple[float, float]]:
    """Return for some alerts the seconds of the look-up and those of the ranking."""
    topology = tree(services)
    rng = random.Random(7)  # noqa: S311 - The same alerts in each run.
    with redis_server("--appendonly", "no") as server:
        redis = open_redis(server.url)
        try:
            await fill(redis, changes, services)
            ledger = RedisChangeLedger(redis)
            some = rng.choices(names_of(services), k=scale.of(200, 3) + 1)
            taken = [await _rank_once(ledger, topology, service) for service in some]
        finally:
            await redis.aclose()
    return taken[1:]  # The first one warms up.


async def _rank_once(
    ledger: RedisChangeLedger, topology: Topology, service: ServiceName
) -> tuple[float, float]:
    services = names_of(len(topology.callers) + 1)  # As an investigation asks: the whole catalogue.
    start = time.perf_counter()
    changes = await ledger.between(services, NOW - LOOKBACK, NOW)
    found = time.perf_counter()
    case = Case(
        alerts=(an_alert(service=service),),
        changes=tuple(changes),
        topology=topology,
        services=frozenset(services),
    )
    rank_suspects(case, load_weights())
    return found - start, time.perf_counter() - found


def _grouping(scale: Scale) -> Line:
    services, count = scale.of(SERVICES, 50), scale.of(20_000, 100)
    rng = random.Random(3)  # noqa: S311 - The same stream in each run.
    grouper = Grouper(tree(services), GroupingRules())
    taken = []
    for number in range(count):
        alert = Alert(
            id=AlertId(f"A{number}"),
            service=rng.choice(names_of(services)),
            title=rng.choice(("Error rate is 12 %", "p99 latency above 2 s", "Queue is 4,000 long")),
            at=NOW + timedelta(seconds=10 * number),
        )
        start = time.perf_counter()
        grouper.add(alert)
        taken.append(time.perf_counter() - start)
    mean = sum(taken) / len(taken) * 1e6
    p99 = percentile(taken, 99) * 1e6
    return Line(
        name="thinking.grouping",
        what=f"one alert of a stream over {services:,} services, one every 10 s",
        unit="µs",
        figures={"mean": mean, "p99": p99},
        goals={"mean": Goal(bound=50)},
        samples=count,
    )


def _redaction(scale: Scale) -> Line:
    text = ops_log(scale.of(1_000_000, 5_000))
    redactor = Redactor(b"bench", known_secrets=("a-secret-that-the-bot-holds",))
    taken = timed(lambda: redactor.redact(text), scale.of(5, 1))
    return Line(
        name="thinking.redaction",
        what="redaction of ops-log text",
        unit="MB/s",
        figures={"p50": len(text.encode()) / 1e6 / percentile(taken, 50)},
        goals={"p50": Goal(bound=1, at_least=True)},
        samples=len(taken),
    )


def _card(scale: Scale) -> Line:
    card = a_card()
    taken = timed(lambda: card_blocks(card), scale.of(500, 3))
    return latencies("thinking.card", "drawing a card with suspects and a plan", taken)


def a_card() -> Card:
    """Return a card with everything on it."""
    ranking, plan = _some_ranking(), a_plan()
    evidence = (Sentence(text="Alert: error rate is 12 %"), Sentence(text="error_ratio now: 0.12"))
    return Card(
        incident=an_incident(),
        status_line="Open · a playbook waits for approval",
        on_call=("Dana",),
        cause=cause_in_words(ranking, evidence),
        offer=Offer(id=plan.id, digest=plan_digest(plan.to_bytes()), plan=plan, state=ProposalState.PROPOSED),
        updated_at=NOW,
    )


def _some_ranking() -> Ranking:
    changes = tuple(
        a_change(version=str(version), finished_at=NOW - timedelta(minutes=50 - version))
        for version in range(40, 48)
    )
    return rank_suspects(Case(alerts=(an_alert(),), changes=changes), load_weights())
