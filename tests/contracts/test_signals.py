"""The services' signals: a value when there is one, and never one that was made up."""

import asyncio
import json
import re
import shutil
import subprocess
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from adapters.evidence.exposition import MAX_BYTES, Counters
from adapters.evidence.signals import ServiceSignals
from bot.domain.catalogue import ExpositionSignal, HttpSignal, PrometheusSignal, Signal
from bot.ports import Reading
from tests import loopback as server
from tests.builders import NOW, ManualTime
from tests.loopback import Answer, a_kept_port, loopback, says

PATIENCE_S = 60.0


class Seconds:
    """A clock that only goes forward, when it is told to."""

    def __init__(self) -> None:
        self.at = 1000.0

    def __call__(self) -> float:
        return self.at


def counters(errors: float | str, total: float | str) -> str:
    return (
        "# HELP requests_total Requests.\n# TYPE requests_total counter\n"
        f"requests_total {total}\n# TYPE errors_total counter\nerrors_total {errors}\n"
    )


def an_exposition(
    url: str, *, window_s: int = 5, labels: Mapping[str, str] | None = None
) -> ExpositionSignal:
    return ExpositionSignal(
        kind="exposition",
        url=f"{url}/metrics",
        errors="errors_total",
        total="requests_total",
        labels=dict(labels or {}),
        window_s=window_s,
    )


async def ratios(client: httpx.AsyncClient, *told: tuple[float, str], **labels: str) -> list[float | None]:
    """Return the ratio after each (second, exposition) pair."""
    clock = Seconds()
    seen = Counters(client, monotonic=clock)
    found: list[float | None] = []
    async with loopback(*(says(text) for _, text in told)) as service:
        for second, _ in told:
            clock.at = second
            found.append((await seen.ratio(an_exposition(service.url, labels=labels)))[0])
    return found


async def test_the_ratio_is_that_of_the_window(client: httpx.AsyncClient) -> None:
    assert [None, None, 0.5, 0.5, 0.3, 0.0] == await ratios(
        client,
        (0, counters(0, 0)),
        (2, counters(10, 20)),
        (4, counters(20, 40)),
        (5, counters(30, 60)),
        (9, counters(32, 80)),
        (14, counters(32, 180)),
    )


async def test_a_restart_of_the_service_begins_anew(client: httpx.AsyncClient) -> None:
    assert [None, 0.9, None, None, 0.0] == await ratios(
        client,
        (0, counters(0, 0)),
        (5, counters(90, 100)),
        (6, counters(0, 3)),
        (7, counters(0, 10)),
        (10, counters(0, 20)),
    )


async def test_without_requests_nobody_knows(client: httpx.AsyncClient) -> None:
    assert [None, None] == await ratios(client, (0, counters(5, 50)), (5, counters(5, 50)))


async def test_what_was_seen_before_a_long_silence_does_not_count(client: httpx.AsyncClient) -> None:
    """An hour in which nothing was read says nothing about the last five seconds."""
    assert [None, 0.0, None, 1.0] == await ratios(
        client,
        (0, counters(0, 0)),
        (5, counters(0, 10_000)),
        (3605, counters(10, 20_000)),
        (3610, counters(20, 20_010)),
    )


async def test_only_samples_with_the_labels_are_counted(client: httpx.AsyncClient) -> None:
    def told(errors: int, total: int) -> str:
        return "\n".join(
            f'{name}{{zone="{zone}",code="500"}} {value}'
            for zone, factor in (("a", 1), ("b", 0))
            for name, value in (("errors_total", errors * factor), ("requests_total", total))
        )

    assert [None, 0.2] == await ratios(client, (0, told(0, 0)), (5, told(20, 100)), zone="a")
    assert [None, 0.0] == await ratios(client, (0, told(0, 0)), (5, told(20, 100)), zone="b")
    assert [None, 0.1] == await ratios(client, (0, told(0, 0)), (5, told(20, 100)))
    assert [None, None] == await ratios(client, (0, told(0, 0)), (5, told(20, 100)), zone="c")


async def test_a_declared_error_counter_without_a_line_has_counted_nothing(client: httpx.AsyncClient) -> None:
    def told(total: int) -> str:
        return f"# TYPE errors_total counter\nrequests_total {total}\n"

    assert [None, 0.0] == await ratios(client, (0, told(0)), (5, told(100)))


@pytest.mark.parametrize(
    "broken",
    [
        "requests_total 100\n",
        "errors_total 0\n",
        "# TYPE errors_totals counter\nrequests_total 100\n",
        counters("NaN", 100),
        counters(0, "NaN"),
        counters(0, "+Inf"),
        counters(-1, 100),
        counters("many", 100),
        'errors_total{x="y" 1\nrequests_total 1\n',
        "errors_total\nrequests_total 100\n",
        "",
        "<html>errors_total</html>",
    ],
)
async def test_counters_that_are_missing_or_broken_give_no_value(
    client: httpx.AsyncClient, broken: str
) -> None:
    assert [None, 0.0, None] == await ratios(client, (0, counters(0, 0)), (5, counters(0, 10)), (10, broken))


UNUSABLE: list[Answer] = [
    server.hangs_up,
    server.stops_midway,
    server.speaks_gibberish,
    server.drips,
    server.drips_headers,
    server.never_answers,
    server.never_ends,
    says("x", status=500),
    says("", status=302, Location="http://127.0.0.1:1/"),
]


@pytest.mark.parametrize("answer", UNUSABLE)
@pytest.mark.parametrize("kind", ["exposition", "prometheus"])
async def test_an_answer_that_cannot_be_used_gives_no_value_and_never_raises(
    client: httpx.AsyncClient, answer: Answer, kind: str
) -> None:
    async with loopback(answer) as service:
        signals = ServiceSignals(client, ManualTime(), within_s=0.5)
        signal: Signal = an_exposition(service.url) if kind == "exposition" else a_query(service.url)
        reading = await signals.read(signal)

    assert (None, NOW) == (reading.value, reading.at)
    assert f"{signal.url} gave no" in reading.why


async def test_a_body_larger_than_the_limit_is_no_answer(client: httpx.AsyncClient) -> None:
    async with loopback(says("#" * (MAX_BYTES + 1))) as service:
        reading = await ServiceSignals(client, ManualTime(), within_s=PATIENCE_S).read(
            an_exposition(service.url)
        )

    assert f"{service.url}/metrics gave no counters (more than {MAX_BYTES} bytes)" == reading.why


async def test_nobody_listening_gives_no_value(client: httpx.AsyncClient) -> None:
    nowhere = await server.a_free_address()
    signals = ServiceSignals(client, ManualTime(), within_s=PATIENCE_S)

    assert [None, None, 0.0] == [
        (await signals.read(signal)).value
        for signal in (
            an_exposition(nowhere),
            a_query(nowhere),
            HttpSignal(kind="http", url=f"{nowhere}/healthz"),
        )
    ]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow], max_examples=50)
@given(st.text(alphabet=st.characters(exclude_categories=["Cs"])).map(lambda t: f"errors_total{t}\n{t}"))
async def test_no_exposition_makes_it_raise(client: httpx.AsyncClient, text: str) -> None:
    """What is no counter, or only one look at counters, is no ratio, and it is said why."""
    async with loopback(says(text)) as service:
        value, why = await Counters(client).ratio(an_exposition(service.url))

    assert (None, True) == (value, why != "")


def a_query(
    url: str, *, stale_after_s: int = 60, query: str = 'errors{service="checkout"}'
) -> PrometheusSignal:
    return PrometheusSignal(kind="prometheus", url=url, query=query, stale_after_s=stale_after_s)


def a_vector(*values: object, age_s: float = 0) -> str:
    at = NOW.timestamp() - age_s
    series = [{"metric": {"n": str(n)}, "value": [at, value]} for n, value in enumerate(values)]
    return json.dumps({"status": "success", "data": {"resultType": "vector", "result": series}})


async def asked(client: httpx.AsyncClient, answer: str | bytes, status: int = 200) -> Reading:
    async with loopback(says(answer, status=status)) as service:
        return await ServiceSignals(client, ManualTime(), within_s=PATIENCE_S).read(a_query(service.url))


async def test_one_fresh_value_is_the_answer(client: httpx.AsyncClient) -> None:
    scalar = {"status": "success", "data": {"resultType": "scalar", "result": [NOW.timestamp(), "2"]}}

    assert Reading(value=0.25, at=NOW) == await asked(client, a_vector("0.25"))
    assert Reading(value=0.25, at=NOW) == await asked(client, a_vector("0.25", age_s=59))
    assert 2.0 == (await asked(client, json.dumps(scalar))).value


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (a_vector(), "the query gave 0 series, not one"),
        (a_vector("0", "0"), "the query gave 2 series, not one"),
        (a_vector("0", age_s=61), "the value is 61 s old"),
        (a_vector("NaN"), "the value is NaN"),
        (a_vector("+Inf"), "the value is +Inf"),
        (a_vector("-Inf"), "the value is -Inf"),
        (a_vector("healthy"), "the value is no number"),
        (a_vector(""), "the value is no number"),
        (a_vector("0", age_s=1e30), "the value is 1"),
        (a_vector("0", age_s=-61), "the value is -61 s old"),
        (a_vector("0", age_s=float("nan")), "cannot be read"),
        (a_vector(None), "cannot be read"),
        ('{"status":"error","errorType":"bad_data","error":"parse"}', "cannot be read"),
        ('{"status":"success","data":{"resultType":"matrix","result":[]}}', "cannot be read"),
        ('{"status":"success","data":{"resultType":"vector","result":[{"metric":{}}]}}', "cannot be read"),
        ("[" * 100_000, "cannot be read"),
        ("", "cannot be read"),
        (b"\xff\xfe", "cannot be read"),
    ],
)
async def test_m_nan_an_answer_without_one_fresh_number_gives_no_value(
    client: httpx.AsyncClient, answer: str | bytes, why: str
) -> None:
    reading = await asked(client, answer)

    assert (None, True) == (reading.value, why in reading.why)


async def test_an_error_status_gives_no_value(client: httpx.AsyncClient) -> None:
    assert "status 422" in (await asked(client, a_vector("0"), status=422)).why


async def test_the_query_is_sent_as_one_parameter_with_its_limit_of_age(client: httpx.AsyncClient) -> None:
    async with loopback(says(a_vector("1"))) as service:
        await ServiceSignals(client, ManualTime(), within_s=PATIENCE_S).read(
            a_query(service.url, query="a & b=c", stale_after_s=30)
        )

    assert "GET /api/v1/query?query=a+%26+b%3Dc&lookback_delta=30s HTTP/1.1" == service.first_line()


@pytest.mark.parametrize(
    ("answer", "within_s", "value"),
    [
        (says("", status=200), PATIENCE_S, 1.0),
        (says("", status=503), PATIENCE_S, 0.0),
        (says("", status=302, Location="/"), PATIENCE_S, 0.0),
        (server.never_ends, PATIENCE_S, 1.0),
        (server.hangs_up, PATIENCE_S, 0.0),
        (server.speaks_gibberish, PATIENCE_S, 0.0),
        (server.never_answers, 0.5, 0.0),
        (server.drips_headers, 0.5, 0.0),
    ],
)
async def test_an_address_is_up_while_it_answers_as_wanted(
    client: httpx.AsyncClient, answer: Answer, within_s: float, value: float
) -> None:
    async with loopback(answer) as service:
        signal = HttpSignal(kind="http", url=f"{service.url}/healthz", expect_status=(200,))

        assert value == (await ServiceSignals(client, ManualTime(), within_s=within_s).read(signal)).value


async def test_counters_are_sampled_beside_so_that_a_reading_need_not_wait(client: httpx.AsyncClient) -> None:
    async with loopback(says(counters(0, 0)), says(counters(1, 10))) as service:
        signal = an_exposition(service.url, window_s=1)
        signals = ServiceSignals(client, ManualTime(), within_s=PATIENCE_S)
        watching = asyncio.create_task(signals.watch([signal]))
        while len(service.asked) < 2:  # noqa: ASYNC110 - The server has no event for its second request.
            await asyncio.sleep(0.01)
        watching.cancel()
        await asyncio.gather(watching, return_exceptions=True)
        reading = await signals.read(signal)

    assert 0.1 == reading.value


PROMETHEUS = shutil.which("prometheus")


def the_version(program: str | None) -> tuple[int, ...]:
    if program is None:
        return ()
    said = subprocess.run([program, "--version"], capture_output=True, text=True, check=True)
    found = re.search(r"version (\d+)\.(\d+)", said.stdout + said.stderr)
    return tuple(int(part) for part in found.groups()) if found else ()


class SystemTime:
    """The time of the machine, which a Prometheus server lives by."""

    def now(self) -> datetime:
        return datetime.now(UTC)


@asynccontextmanager
async def a_prometheus(folder: Path, scraped: str) -> AsyncIterator[str]:
    """Run a server that asks *scraped* every 3 s."""
    config = folder / "prometheus.yml"
    config.write_text(
        "scrape_configs:\n  - job_name: checkout\n    scrape_interval: 3s\n    scrape_timeout: 3s\n"
        f"    static_configs:\n      - targets: ['{scraped.removeprefix('http://')}']\n"
    )
    with a_kept_port() as port:
        process = await asyncio.create_subprocess_exec(
            str(PROMETHEUS),
            f"--config.file={config}",
            f"--storage.tsdb.path={folder / 'data'}",
            f"--web.listen-address=127.0.0.1:{port}",
            "--log.level=error",
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.DEVNULL,
        )
        try:
            yield f"http://127.0.0.1:{port}"
        finally:
            process.kill()
            await process.wait()


@pytest.mark.skipif(PROMETHEUS is None, reason="needs prometheus: apt-get install --yes prometheus")
async def test_a_real_prometheus_is_understood(client: httpx.AsyncClient, tmp_path: Path) -> None:
    async with loopback(says(counters(1, 8))) as service, a_prometheus(tmp_path, service.url) as url:
        signals = ServiceSignals(client, SystemTime(), within_s=PATIENCE_S)
        ratio = a_query(url, query="errors_total / requests_total")
        reading = await signals.read(ratio)
        while reading.value is None:
            reading = await signals.read(ratio)
            await asyncio.sleep(0.1)
        whys = [
            (await signals.read(a_query(url, query=query))).why
            for query in ("nothing_at_all", '{__name__=~"(errors|requests)_total"}', "0/0", "sum(")
        ]

    assert 0.125 == reading.value
    assert [
        "the query gave 0 series, not one",
        "the query gave 2 series, not one",
        "the value is NaN",
        f"{url} gave no value (status 400)",
    ] == whys


@pytest.mark.skipif(
    the_version(PROMETHEUS) < (2, 43),
    reason="needs Prometheus 2.43 or later: older ones give a silent series for 5 min",
)
async def test_a_series_that_a_real_prometheus_no_longer_gets_is_unknown(
    client: httpx.AsyncClient, tmp_path: Path
) -> None:
    """Asked plainly it would give the last sample for 5 min, under the time of the question."""
    lines = f"errors_total 1 {int((SystemTime().now() - timedelta(seconds=100)).timestamp() * 1000)}\n"
    async with loopback(says(lines)) as service, a_prometheus(tmp_path, service.url) as url:
        signals = ServiceSignals(client, SystemTime(), within_s=PATIENCE_S)
        old = a_query(url, query="errors_total", stale_after_s=600)
        reading = await signals.read(old)
        while reading.value is None:
            reading = await signals.read(old)
            await asyncio.sleep(0.1)
        fresh = await signals.read(a_query(url, query="errors_total", stale_after_s=60))

    assert (1.0, None) == (reading.value, fresh.value)
