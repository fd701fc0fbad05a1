"""The breakable service, as a real process where that matters, with its traffic and its monitor."""

import asyncio
import hashlib
import hmac
import json
import random
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from adapters.sandbox.checkout import (
    AlertRule,
    CheckoutNotStartedError,
    CheckoutProcess,
    ErrorRateMonitor,
    Traffic,
)
from adapters.sandbox.checkout.app import CheckoutApp
from adapters.sandbox.checkout.business import Conditions, Failure, a_basket, check_out
from adapters.sandbox.checkout.monitor import ErrorWindow, Totals, parse_totals
from adapters.sandbox.checkout.operations import Operations
from adapters.sandbox.checkout.state import StateFile
from adapters.sandbox.serving import serving

TOKEN = "deploy-token"
SECRET = "change-secret"
LONG_AGO = datetime(2026, 11, 20, 10, 0, tzinfo=UTC)
LONG_ROLL_S = 4.0
"""Long enough for requests, or a kill, to come in between."""


@dataclass
class Shop:
    """A running service and a client with its token."""

    base_url: str
    client: httpx.AsyncClient

    async def deploy(self, version: str, key: str = "key-1", **params: str) -> httpx.Response:
        return await self.client.post(
            "/deploy", json={"version": version}, headers={"Idempotency-Key": key}, params=params
        )

    async def effects(self) -> list[tuple[str, str, str, str]]:
        """(key, kind, before, after) of every effect."""
        effects = (await self.client.get("/effects")).json()["effects"]
        return [(one["key"], one["kind"], one["before"], one["after"]) for one in effects]

    async def version(self) -> str:
        return str((await self.client.get("/deploy")).json()["version"])


def a_client(base_url: str) -> httpx.AsyncClient:
    return httpx.AsyncClient(
        base_url=base_url, headers={"Authorization": f"Bearer {TOKEN}"}, trust_env=False, timeout=60
    )


@asynccontextmanager
async def a_shop(folder: Path, *, roll_s: float = 0.05) -> AsyncIterator[Shop]:
    """Serve the service from here: only some tests are about its process."""
    operations = Operations(
        StateFile(folder / "state.json"),
        initial_version="41",
        environment="production",
        announces=False,
        roll_time=timedelta(seconds=roll_s),
        clock=lambda: datetime.now(UTC),
    )
    app = CheckoutApp(operations, token=TOKEN, webhook=None, chance=random.Random(1)).build()  # noqa: S311
    async with serving(app) as base_url, a_client(base_url) as client:
        yield Shop(base_url, client)


@pytest.fixture
async def shop(tmp_path: Path) -> AsyncIterator[Shop]:
    async with a_shop(tmp_path) as shop:
        yield shop


@dataclass
class Inbox:
    """Takes posted bodies; answers as told, then 202."""

    answers: list[int] = field(default_factory=list)
    bodies: list[bytes] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    taken: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def app(self) -> Starlette:
        return Starlette(routes=[Route("/{path:path}", self.receive, methods=["POST"])])

    @property
    def events(self) -> list[dict[str, object]]:
        return [json.loads(body) for body in self.bodies]

    async def receive(self, request: Request) -> Response:
        self.bodies.append(await request.body())
        self.headers.append(dict(request.headers))
        status = self.answers.pop(0) if self.answers else 202
        if status == 202:
            self.taken.set()
        return Response(status_code=status)


async def failure_ratio(version: str, *, flag: bool = False, stuck: bool = False) -> float:
    """Of 4,000 customers, how many fail."""
    chance = random.Random(5)  # noqa: S311 - repeatable chance is the point.
    conditions = Conditions(version=version, new_tax_engine=flag, stuck=stuck)
    results = [await check_out(a_basket(chance), conditions, chance) for _ in range(4000)]
    return sum(isinstance(one, Failure) for one in results) / len(results)


@pytest.mark.parametrize(
    ("version", "flag", "expected"),
    [("41", False, 0.002), ("42", False, 0.35), ("41", True, 0.2), ("40", False, 0.002)],
)
async def test_what_is_broken_decides_how_many_requests_fail(
    version: str, flag: bool, expected: float
) -> None:
    ratio = await failure_ratio(version, flag=flag)

    assert expected == pytest.approx(ratio, abs=0.025 if expected > 0.01 else 0.003)


async def test_a_failure_names_its_function() -> None:
    chance = random.Random(5)  # noqa: S311 - repeatable chance is the point.
    bad = Conditions(version="42", new_tax_engine=False, stuck=False)
    results = [await check_out(a_basket(chance), bad, chance) for _ in range(50)]

    signatures = {one.signature for one in results if isinstance(one, Failure)}
    assert "KeyError in apply_regional_tax: 'CH'" in signatures


async def test_a_deploy_answers_when_the_version_serves(shop: Shop) -> None:
    answer = await shop.deploy("42")

    body = answer.json()
    assert (200, "deploy", "succeeded", True, "42", "41") == (
        answer.status_code,
        *(body[key] for key in ("kind", "state", "changed", "version", "previous")),
    )
    assert "42" == await shop.version()
    assert [("key-1", "deploy", "41", "42")] == await shop.effects()


async def test_the_same_key_has_one_effect_and_one_answer(shop: Shop) -> None:
    answers = await asyncio.gather(*(shop.deploy("42") for _ in range(5)))
    await shop.deploy("41", "key-2")
    late = await shop.deploy("42")

    assert [answers[0].json()] * 5 == [one.json() for one in (*answers[1:], late)]
    assert "41" == await shop.version()
    assert [("key-1", "deploy", "41", "42"), ("key-2", "deploy", "42", "41")] == await shop.effects()


async def test_a_key_stands_for_one_request_only(shop: Shop) -> None:
    await shop.deploy("42")
    reused = await shop.deploy("40")

    assert (422, "key_reused", "42") == (reused.status_code, reused.json()["error"], await shop.version())


async def test_two_deploys_do_not_overlap(tmp_path: Path) -> None:
    async with a_shop(tmp_path, roll_s=LONG_ROLL_S) as shop:
        answers = await asyncio.gather(shop.deploy("42", "key-1"), shop.deploy("40", "key-2"))

        assert [200, 409] == sorted(one.status_code for one in answers)
        assert 1 == len(await shop.effects())


async def test_a_dry_run_says_what_would_change_and_changes_nothing(shop: Shop) -> None:
    dry = await shop.deploy("42", dry_run="true")

    expected = {"dry_run": True, "service": "checkout", "changed": True, "version": "42", "previous": "41"}
    assert (expected, "41", []) == (dry.json(), await shop.version(), await shop.effects())


async def test_a_deploy_of_the_running_version_has_no_effect(shop: Shop) -> None:
    answer = await shop.deploy("41")

    assert (False, []) == (answer.json()["changed"], await shop.effects())


async def test_wrong_requests_are_refused(shop: Shop) -> None:
    no_key = await shop.client.post("/deploy", json={"version": "42"})
    unknown = await shop.deploy("99")
    no_token = await shop.client.get("/deploy", headers={"Authorization": "Bearer wrong"})
    extra = await shop.client.post(
        "/deploy", json={"version": "42", "force": True}, headers={"Idempotency-Key": "k"}
    )
    no_flag = await shop.client.post("/flags/nope", json={"enabled": True}, headers={"Idempotency-Key": "k"})

    assert [
        (400, "idempotency_key_missing"),
        (422, "unknown_version"),
        (401, "unauthorized"),
        (400, "invalid_body"),
        (404, "unknown_flag"),
    ] == [(one.status_code, one.json()["error"]) for one in (no_key, unknown, no_token, extra, no_flag)]
    assert [] == await shop.effects()


async def test_whether_a_key_ran_can_be_asked_after_its_answer_was_lost(shop: Shop) -> None:
    await shop.client.post("/faults", json={"lose_answers": 1})
    with pytest.raises(httpx.RemoteProtocolError):
        await shop.deploy("42")

    ran = await shop.client.get("/deploy/operations/key-1")
    never = await shop.client.get("/deploy/operations/key-2")

    assert (200, "succeeded", "42") == (ran.status_code, ran.json()["state"], ran.json()["version"])
    assert (404, "unknown_operation") == (never.status_code, never.json()["error"])


async def test_a_refused_write_has_no_effect_and_may_be_sent_again(shop: Shop) -> None:
    await shop.client.post("/faults", json={"refuse": 1})

    assert [503, 200] == [(await shop.deploy("42")).status_code for _ in range(2)]
    assert [("key-1", "deploy", "41", "42")] == await shop.effects()


async def test_a_restart_cures_a_stuck_service(shop: Shop) -> None:
    await shop.client.post("/faults", json={"stuck": True})
    stuck = [(await shop.client.get("/checkout")).status_code for _ in range(20)]
    before = await start_time(shop)
    await shop.client.post("/restart", headers={"Idempotency-Key": "key-1"})
    cured = [(await shop.client.get("/checkout")).status_code for _ in range(20)]

    assert (True, False) == (500 in stuck, 500 in cured)
    assert before < await start_time(shop)
    assert [("key-1", "restart")] == [effect[:2] for effect in await shop.effects()]


async def start_time(shop: Shop) -> float:
    lines = (await shop.client.get("/metrics")).text.splitlines()
    return next(float(line.split()[1]) for line in lines if line.startswith("process_start_time_seconds "))


async def test_a_flag_is_switched_by_key(shop: Shop) -> None:
    for enabled, key in ((True, "key-1"), (False, "key-2")):
        await shop.client.post(
            "/flags/new_tax_engine", json={"enabled": enabled}, headers={"Idempotency-Key": key}
        )

    assert {"flags": {"new_tax_engine": False}} == (await shop.client.get("/flags")).json()
    assert [
        ("key-1", "flag", "new_tax_engine=False", "new_tax_engine=True"),
        ("key-2", "flag", "new_tax_engine=True", "new_tax_engine=False"),
    ] == await shop.effects()


async def test_both_versions_serve_while_a_deploy_rolls(tmp_path: Path) -> None:
    async with a_shop(tmp_path, roll_s=LONG_ROLL_S) as shop:
        rolling = asyncio.create_task(shop.deploy("42"))
        while (await shop.client.get("/deploy")).json()["serving"] == ["41"]:
            continue
        served = {(await shop.client.get("/checkout")).json()["version"] for _ in range(30)}
        await rolling

    assert {"41", "42"} == served


async def test_metrics_are_prometheus_text(shop: Shop) -> None:
    await shop.deploy("42")
    answers = Counter([(await shop.client.get("/checkout")).status_code for _ in range(40)])

    text = (await shop.client.get("/metrics")).text
    totals = parse_totals(text, at=LONG_AGO)

    assert (40, answers[500]) == (totals.requests, totals.errors.total())
    assert {"42"} == {version for version, _ in totals.errors}
    assert 'build_info{service="checkout",version="42"} 1.0' in text
    assert 'http_request_duration_seconds_count{service="checkout",version="42"} 40.0' in text


async def test_a_killed_service_keeps_its_version_and_journal(tmp_path: Path) -> None:
    process = CheckoutProcess(token=TOKEN, state_file=tmp_path / "state.json", roll_seconds=0.05)
    async with process, a_client(process.base_url) as client:
        shop = Shop(process.base_url, client)
        await shop.deploy("42")
        await process.kill()
        again = await process.start()
        repeated = await shop.deploy("42")

        assert shop.base_url == again
        assert ("42", "succeeded") == (await shop.version(), repeated.json()["state"])
        assert [("key-1", "deploy", "41", "42")] == await shop.effects()


async def test_a_deploy_cut_by_a_kill_is_finished_at_the_next_start(tmp_path: Path) -> None:
    process = CheckoutProcess(token=TOKEN, state_file=tmp_path / "state.json", roll_seconds=LONG_ROLL_S)
    async with process, a_client(process.base_url) as client:
        shop = Shop(process.base_url, client)
        rolling = asyncio.create_task(shop.deploy("42"))
        while not await shop.effects():
            continue
        await process.kill()
        with pytest.raises(httpx.TransportError):
            await rolling
        await process.start()
        answer = await shop.deploy("42")

        assert ("succeeded", "42") == (answer.json()["state"], await shop.version())
        assert [("key-1", "deploy", "41", "42")] == await shop.effects()


async def test_a_deploy_is_announced_with_a_signature_until_it_is_taken(tmp_path: Path) -> None:
    inbox = Inbox(answers=[503, 500])
    async with serving(inbox.app) as inbox_url:
        process = CheckoutProcess(
            token=TOKEN,
            state_file=tmp_path / "state.json",
            roll_seconds=0.01,
            change_url=f"{inbox_url}/changes",
            change_secret=SECRET,
        )
        async with process, a_client(process.base_url) as client:
            await Shop(process.base_url, client).deploy("42")
            await asyncio.wait_for(inbox.taken.wait(), 60)
            inbox.taken.clear()
            await Shop(process.base_url, client).deploy("41", "key-2")
            await asyncio.wait_for(inbox.taken.wait(), 60)

    assert 1 == len({inbox.bodies[attempt] for attempt in range(3)})
    digest = hmac.new(SECRET.encode(), inbox.bodies[0], hashlib.sha256).hexdigest()
    assert f"sha256={digest}" == inbox.headers[0]["x-handrail-signature"]
    names = ("service", "environment", "version", "previous_version", "kind", "status", "author")
    assert [
        ("checkout", "production", "42", "41", "deploy", "succeeded", "chris"),
        ("checkout", "production", "41", "42", "rollback", "succeeded", "deploy-api"),
    ] == [tuple(inbox.events[index][name] for name in names) for index in (2, 3)]
    assert ["checkout/tax.py", "checkout/rates.py"] == inbox.events[2]["files"]


async def test_no_secret_stands_among_the_arguments_that_anybody_can_read(tmp_path: Path) -> None:
    nowhere = "http://127.0.0.1:9/"
    process = CheckoutProcess(
        token=TOKEN, state_file=tmp_path / "state.json", change_url=nowhere, change_secret=SECRET
    )
    async with process:
        arguments = await asyncio.to_thread(Path(f"/proc/{process.pid}/cmdline").read_text)

    assert "--state" in arguments
    assert TOKEN not in arguments
    assert SECRET not in arguments


async def test_the_log_names_the_function_that_failed(tmp_path: Path) -> None:
    log_file = tmp_path / "checkout.log"
    process = CheckoutProcess(
        token=TOKEN, state_file=tmp_path / "state.json", version="42", seed=1, log_file=log_file
    )
    async with process, a_client(process.base_url) as client:
        for _ in range(20):
            await client.get("/checkout")

    entries = [json.loads(line) for line in log_file.read_text().splitlines()]
    functions = {one["function"] for one in entries if one["event"] == "checkout_failed"}
    assert {"apply_regional_tax"} == functions


async def test_a_start_on_a_taken_port_says_so(shop: Shop, tmp_path: Path) -> None:
    port = int(shop.base_url.rpartition(":")[2])
    second = CheckoutProcess(token=TOKEN, state_file=tmp_path / "other.json", port=port)

    with pytest.raises(CheckoutNotStartedError):
        await second.start()
    assert second.pid is None


def totals(minute: int, requests: int, errors: int) -> Totals:
    return Totals(
        at=LONG_AGO + timedelta(minutes=minute), requests=requests, errors=Counter({("42", "boom"): errors})
    )


def test_the_window_forgets_what_is_older() -> None:
    window = ErrorWindow(timedelta(minutes=2))
    readings = [window.add(totals(minute, minute * 100, min(minute, 2) * 50)) for minute in range(6)]

    assert [0.0, 0.5, 0.5, 0.25, 0.0, 0.0] == [reading.ratio for reading in readings]


def test_the_window_begins_again_when_the_counters_fall() -> None:
    window = ErrorWindow(timedelta(minutes=10))
    window.add(totals(0, 1000, 500))
    after_restart = window.add(totals(1, 10, 0))
    later = window.add(totals(2, 30, 5))

    assert (0, 0.25) == (after_restart.requests, later.ratio)


async def watched(shop: Shop, inbox: Inbox, rule: AlertRule, *versions: str) -> ErrorRateMonitor:
    """Deploy one version after another, with traffic on each, and let a monitor look at it."""
    moment = LONG_AGO

    def clock() -> datetime:
        nonlocal moment
        moment += timedelta(seconds=1)
        return moment

    async with serving(inbox.app) as events_url, httpx.AsyncClient(trust_env=False) as client:
        monitor = ErrorRateMonitor(
            service_url=shop.base_url,
            events_url=events_url,
            routing_key="r" * 32,
            rule=rule,
            clock=clock,
        )
        for number, version in enumerate(versions, 1):
            await shop.deploy(version, f"key-{number}")
            for _ in range(8):
                for _ in range(20):
                    await shop.client.get("/checkout")
                await monitor.look(client)
    return monitor


async def test_the_monitor_pages_once_and_resolves_once(shop: Shop) -> None:
    inbox = Inbox(answers=[500])
    monitor = await watched(shop, inbox, AlertRule(window=timedelta(seconds=3)), "42", "41")

    refused, trigger, resolve = inbox.events
    assert (refused["event_action"], "trigger", "resolve") == (
        "trigger",
        trigger["event_action"],
        resolve["event_action"],
    )
    assert ["checkout-error-rate"] * 3 == [event["dedup_key"] for event in inbox.events]
    payload = trigger["payload"]
    assert isinstance(payload, dict)
    assert ("critical", "42", "0.050") == (
        payload["severity"],
        payload["custom_details"]["version"],
        payload["custom_details"]["threshold"],
    )
    assert payload["custom_details"]["top_error"].startswith("KeyError in apply_regional_tax")
    assert not monitor.is_firing


async def test_a_monitor_that_does_not_resolve_still_pages_for_the_next_failure(shop: Shop) -> None:
    inbox = Inbox()
    await watched(shop, inbox, AlertRule(window=timedelta(seconds=3), resolves=False), "42", "41", "42")

    assert ["trigger", "trigger"] == [event["event_action"] for event in inbox.events]


async def test_traffic_flows_until_the_block_ends() -> None:
    seen = 0
    enough = asyncio.Event()

    async def count(_: Request) -> Response:
        nonlocal seen
        seen += 1
        if seen == 20:
            enough.set()
        return Response(status_code=500 if seen % 2 else 200)

    async with serving(Starlette(routes=[Route("/checkout", count)])) as url:
        traffic = Traffic(url, rate=500)
        async with traffic.flowing():
            await asyncio.wait_for(enough.wait(), 60)
        after = traffic.answered

    assert (after, True) == (traffic.answered, traffic.failed >= 9)


async def test_traffic_is_bounded_when_the_service_hangs() -> None:
    release, ticked = asyncio.Event(), asyncio.Event()
    ticks = 0

    async def hang(_: Request) -> Response:
        await release.wait()
        return Response()

    async def tick(_: float) -> None:
        nonlocal ticks
        ticks += 1
        if ticks > 50:
            ticked.set()
        await asyncio.sleep(0)

    async with serving(Starlette(routes=[Route("/checkout", hang)])) as url:
        traffic = Traffic(url, max_in_flight=4, sleep=tick)
        async with traffic.flowing():
            await asyncio.wait_for(ticked.wait(), 60)
        release.set()

    assert (True, True) == (traffic.answered <= 4, traffic.shed >= 46)
