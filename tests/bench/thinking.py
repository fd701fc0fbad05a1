"""Ranking, grouping, redaction and drawing: what the processor does beside waiting."""

import gc
import os
import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta

from adapters.slack.views.card import card_blocks
from adapters.store.redis.client import open_redis
from adapters.store.redis.ledger import RedisChangeLedger
from bot.app.wording import cause_in_words
from bot.domain.alert import Alert
from bot.domain.card import Card, Offer
from bot.domain.change import ChangeEvent
from bot.domain.change_index import ChangeIndex, rings
from bot.domain.correlation import Case, Ranking, rank_suspects
from bot.domain.document import Line as Sentence
from bot.domain.grouping import Grouper, GroupingRules
from bot.domain.ids import AlertId, ServiceName
from bot.domain.plan import plan_digest
from bot.domain.proposal import ProposalState
from bot.domain.redaction import Redactor
from bot.domain.topology import Topology
from bot.domain.weights import load_weights
from tests.bench.changes import fill, many_changes, names_of, tree
from tests.bench.footprint import Memory
from tests.bench.lines import Goal, Line, Scale, latencies, percentile
from tests.bench.ops_log import ops_log
from tests.bench.timing import timed
from tests.builders import NOW, a_change, a_plan, an_alert, an_incident
from tests.redis_server import redis_server

LOOKBACK = timedelta(hours=24)
SERVICES = 5_000
WEIGHTS = load_weights()


async def measure(scale: Scale) -> Sequence[Line]:
    return [*await _ranking(scale), _grouping(scale), *_redaction(scale), _card(scale)]


async def _ranking(scale: Scale) -> Sequence[Line]:
    """Find and rank in memory over two sets of different size, then ask the ledger as the bot does."""
    many, few = scale.of(1_000_000, 2_000), scale.of(10_000, 500)
    services = scale.of(SERVICES, 50)
    small = _rank_over(few, services, scale)
    large = _rank_over(many, services, scale)
    asked = await _ask_ledger(many, services, scale)
    growth = percentile(large.whole, 50) / percentile(small.whole, 50)
    told = f"{many:,} changes of {services:,} services, graph of depth 3"
    return [
        latencies(
            "thinking.ranking", f"alert → ranking, CPU time, over {told}", large.whole, goals={"p99": 3.0}
        ),
        latencies("thinking.ranking_lookup", "of it the look-up in the index in memory", large.found),
        latencies("thinking.ranking_rank", "of it rank_suspects, texts not read before", large.ranked),
        Line(
            name="thinking.ranking_growth",
            what=f"t({many:,}) / t({few:,}) at p50",
            unit="",
            figures={"ratio": growth},
            goals={"ratio": Goal(bound=10)},
            samples=len(large.whole),
        ),
        Line(
            name="thinking.ranking_memory",
            what=f"{many:,} changes in memory, 250 characters of text each",
            unit="MB",
            figures={"changes": large.changes_mb, "index": large.index_mb},
            samples=1,
        ),
        latencies("thinking.ranking_ledger", f"the same look-up in Redis, {told}", asked.found),
        latencies("thinking.ranking_ledger_rank", "rank_suspects of what Redis found", asked.ranked),
    ]


@dataclass(frozen=True)
class _Taken:
    """Seconds for each alert; the first, which warms up, is left out."""

    found: Sequence[float]
    ranked: Sequence[float]
    changes_mb: float = 0.0
    index_mb: float = 0.0

    @property
    def whole(self) -> Sequence[float]:
        return [sum(pair) for pair in zip(self.found, self.ranked, strict=True)]


def _rank_over(changes: int, services: int, scale: Scale) -> _Taken:
    topology, known = tree(services), frozenset(names_of(services))
    empty = Memory(os.getpid()).rss / 1e6
    recorded = list(many_changes(changes, services))
    filled = Memory(os.getpid()).rss / 1e6
    index = ChangeIndex(recorded)
    indexed = Memory(os.getpid()).rss / 1e6
    del recorded
    gc.collect()
    gc.freeze()  # As a process with a large, lasting index would: a full collection walks all of it.
    try:
        taken = [
            _rank_once(index, topology, known, service)
            for service in _some_services(services, scale.of(1_000, 3) + 1)
        ]
    finally:
        gc.unfreeze()
    found, ranked = zip(*taken[1:], strict=True)
    return _Taken(found, ranked, filled - empty, indexed - filled)


def _rank_once(
    index: ChangeIndex, topology: Topology, known: frozenset[ServiceName], service: ServiceName
) -> tuple[float, float]:
    alert = an_alert(service=service)
    start = time.process_time()  # Of the processor: what else runs on the machine is not what is ranked.
    changes = index.near(rings([service], topology), NOW - LOOKBACK, NOW)
    found = time.process_time()
    _rank(alert, changes, topology, known)
    return found - start, time.process_time() - found


def _rank(
    alert: Alert, changes: Sequence[ChangeEvent], topology: Topology, known: frozenset[ServiceName]
) -> None:
    case = Case(alerts=(alert,), changes=tuple(changes), topology=topology, services=known)
    rank_suspects(case, WEIGHTS)


async def _ask_ledger(changes: int, services: int, scale: Scale) -> _Taken:
    topology, known = tree(services), frozenset(names_of(services))
    taken: list[tuple[float, float]] = []
    with redis_server("--appendonly", "no") as server:
        redis = open_redis(server.url)
        try:
            await fill(redis, changes, services)
            ledger = RedisChangeLedger(redis)
            for service in _some_services(services, scale.of(300, 3) + 1):
                start = time.perf_counter()
                near = await ledger.near(tuple(rings([service], topology)), NOW - LOOKBACK, NOW)
                found = time.perf_counter()
                _rank(an_alert(service=service), near, topology, known)
                taken.append((found - start, time.perf_counter() - found))
        finally:
            await redis.aclose()
    found_s, ranked_s = zip(*taken[1:], strict=True)
    return _Taken(found_s, ranked_s)


def _some_services(services: int, count: int) -> Sequence[ServiceName]:
    return random.Random(7).choices(names_of(services), k=count)  # noqa: S311 - The same alerts in each run.


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


def _redaction(scale: Scale) -> Sequence[Line]:
    size, redactor = scale.of(1_000_000, 5_000), Redactor(b"bench", known_secrets=("a-secret-that-we-hold",))
    some, dense = ops_log(size), ops_log(size, secret_share=1.0)
    lines = dense.split("\n")
    return [
        _pace("thinking.redaction", "ops-log text", some, lambda: redactor.redact(some), scale),
        _pace(
            "thinking.redaction_dense", "a secret on every line", dense, lambda: redactor.redact(dense), scale
        ),
        _pace(
            "thinking.redaction_lines",
            "the same, as lines",
            dense,
            lambda: redactor.redact_lines(lines),
            scale,
        ),
    ]


def _pace(name: str, what: str, text: str, redact: Callable[[], object], scale: Scale) -> Line:
    taken = timed(redact, scale.of(5, 1), clock=time.process_time)
    return Line(
        name=name,
        what=f"redaction, CPU time: {what}",
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
