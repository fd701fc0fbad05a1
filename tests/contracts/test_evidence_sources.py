"""The sources of an investigation: the same answers from memory and from each protocol, and bounded ones."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path

import httpx
import pytest

from adapters.evidence.exposition import Counters
from adapters.evidence.github import MOST_PATCH, GitHubDiffs
from adapters.evidence.logs import HttpLogs
from adapters.evidence.memory import MemoryDiffs, MemoryLogs, MemoryMetrics
from adapters.evidence.metrics import HttpMetrics
from adapters.evidence.source_http import MOST_LINES
from bot.domain.catalogue import ElasticLogs, ExpositionSignal, LogStore, LokiLogs, Metric
from bot.domain.diagnosis import Window
from bot.domain.errors import Invalid, NotFound, Unavailable
from bot.domain.ids import ServiceName
from bot.domain.sources import ChangeDiff, FileChange, FileStatus, LogLine, LogLines, Point, VersionShare
from bot.ports import Diffs, Logs, Metrics
from tests.builders import NOW
from tests.contracts.test_signals import PROMETHEUS, Seconds, SystemTime, a_prometheus, counters
from tests.evidence_servers import Neighbour, a_neighbour, asking
from tests.loopback import Answer, drips, loopback, never_answers, never_ends, says, stops_midway

CHECKOUT = ServiceName("checkout")
HOUR = Window(start=NOW - timedelta(hours=1), end=NOW)


def a_line(text: str, *, minutes_ago: int) -> LogLine:
    return LogLine(at=NOW - timedelta(minutes=minutes_ago), text=text)


def loki_at(url: str) -> LokiLogs:
    return LokiLogs(
        kind="loki", url=url, labels={"env": "production"}, headers={"X-Scope-OrgID": "secret:TENANT"}
    )


def elastic_at(url: str, *, level_field: str | None = "log.level") -> ElasticLogs:
    return ElasticLogs(
        kind="opensearch",
        url=url,
        index="logs-*",
        level_field=level_field,
        headers={"Authorization": "ApiKey secret:KEY"},
    )


@asynccontextmanager
async def logs_of(
    kind: str, client: httpx.AsyncClient, lines: Sequence[LogLine]
) -> AsyncIterator[tuple[Logs, LogStore]]:
    if kind == "memory":
        yield MemoryLogs({CHECKOUT: lines}), loki_at("http://127.0.0.1:1")
        return
    async with a_neighbour(Neighbour(logs={CHECKOUT: lines})) as neighbour:
        stores: dict[str, LogStore] = {
            "loki": loki_at(neighbour.url),
            "opensearch": elastic_at(neighbour.url),
            "opensearch by message": elastic_at(neighbour.url, level_field=None),
        }
        yield HttpLogs(asking(client, TENANT="team-a", KEY="k3y")), stores[kind]


@pytest.mark.parametrize("kind", ["memory", "loki", "opensearch", "opensearch by message"])
async def test_errors_of_a_window_come_oldest_first(kind: str, client: httpx.AsyncClient) -> None:
    first, second = a_line("error: tax", minutes_ago=40), a_line("error: cart", minutes_ago=5)
    lines = [second, first, a_line("error: of long ago", minutes_ago=90)]

    async with logs_of(kind, client, lines) as (logs, store):
        found = await logs.errors(CHECKOUT, store, HOUR)
        nothing = await logs.errors(ServiceName("payments"), store, HOUR)

    assert LogLines(lines=(first, second)) == found
    assert LogLines(lines=()) == nothing


@pytest.mark.parametrize("kind", ["loki", "opensearch"])
async def test_more_lines_than_are_taken_are_said_to_be_more(kind: str, client: httpx.AsyncClient) -> None:
    lines = [a_line(f"error {n}", minutes_ago=3) for n in range(MOST_LINES + 5)]

    async with logs_of(kind, client, lines) as (logs, store):
        found = await logs.errors(CHECKOUT, store, HOUR)

    assert (MOST_LINES, True) == (len(found.lines), found.is_cut)


@pytest.mark.parametrize(
    ("kind", "name", "value"),
    [("loki", "x-scope-orgid", "team-a"), ("opensearch", "authorization", "ApiKey k3y")],
)
async def test_a_secret_is_filled_in_for_the_wire_only(
    kind: str, name: str, value: str, client: httpx.AsyncClient
) -> None:
    async with a_neighbour(Neighbour()) as neighbour:
        store: LogStore = loki_at(neighbour.url) if kind == "loki" else elastic_at(neighbour.url)
        await HttpLogs(asking(client, TENANT="team-a", KEY="k3y")).errors(CHECKOUT, store, HOUR)
        with pytest.raises(NotFound, match="HANDRAIL_SECRET_"):
            await HttpLogs(asking(client)).errors(CHECKOUT, store, HOUR)

    assert [value] == [headers[name] for headers in neighbour.asked]


async def test_a_search_that_saw_only_a_part_is_no_answer(client: httpx.AsyncClient) -> None:
    """What was not found before would look new."""
    part = '{"timed_out": false, "_shards": {"failed": 1}, "hits": {"total": {"value": 0}, "hits": []}}'
    late = '{"timed_out": true, "hits": {"total": {"value": 0}, "hits": []}}'
    async with loopback(says(part), says(late)) as server:
        logs = HttpLogs(asking(client, KEY="k3y"))
        for _ in range(2):
            with pytest.raises(Unavailable, match="only a part"):
                await logs.errors(CHECKOUT, elastic_at(server.url), HOUR)


@pytest.mark.parametrize(
    "answer",
    [
        says("{}"),
        says("<html>"),
        says('{"status": "success", "data": {"resultType": "matrix", "result": []}}'),
        says("", status=302, Location="http://127.0.0.1:1/"),
        says("", status=500),
        stops_midway,
        never_answers,
        drips,
        never_ends,
    ],
)
async def test_whatever_a_source_does_it_is_unavailable_in_time(
    answer: Answer, client: httpx.AsyncClient
) -> None:
    async with loopback(answer) as server:
        quick = asking(client, TENANT="team-a", KEY="k3y", within_s=0.3)
        metrics = HttpMetrics(quick, Counters(client))
        for ask in (
            HttpLogs(quick).errors(CHECKOUT, loki_at(server.url), HOUR),
            HttpLogs(quick).errors(CHECKOUT, elastic_at(server.url), HOUR),
            metrics.by_version(Metric(url=server.url, query="up", by_version=True)),
        ):
            with pytest.raises(Unavailable):
                await ask


LOAD = tuple(Point(at=NOW - timedelta(minutes=minute), value=minute) for minute in (50, 20, 10))
SHARES = (VersionShare(version="2.3.0", failed=0.01), VersionShare(version="2.4.0", failed=0.4))


@asynccontextmanager
async def metrics_of(kind: str, client: httpx.AsyncClient) -> AsyncIterator[tuple[Metrics, str]]:
    if kind == "memory":
        yield MemoryMetrics({"load": LOAD}, {"ratio": SHARES}), "http://127.0.0.1:1"
        return
    known = Neighbour(
        series={"load": [LOAD], "load by pod": [LOAD, LOAD]},
        versions={
            "ratio": {"2.3.0": "0.01", "2.4.0": "0.4", "2.2.0": "NaN"},
            "requests": {"2.3.0": "31"},
            "endless": {"2.3.0": "+Inf"},
        },
    )
    async with a_neighbour(known) as neighbour:
        yield HttpMetrics(asking(client), Counters(client)), neighbour.url


@pytest.mark.parametrize("kind", ["memory", "prometheus"])
async def test_a_metric_is_read_over_a_window_and_by_version(kind: str, client: httpx.AsyncClient) -> None:
    async with metrics_of(kind, client) as (metrics, url):
        series = await metrics.series(Metric(url=url, query="load"), HOUR)
        late = await metrics.series(
            Metric(url=url, query="load"), HOUR.model_copy(update={"start": NOW - timedelta(minutes=30)})
        )
        shares = await metrics.by_version(Metric(url=url, query="ratio", by_version=True))

    assert (LOAD, LOAD[1:], SHARES) == (tuple(series), tuple(late), tuple(shares))


async def test_what_is_no_share_of_one_version_is_not_taken_for_it(client: httpx.AsyncClient) -> None:
    async with metrics_of("prometheus", client) as (metrics, url):
        with pytest.raises(Unavailable, match="no share from 0 to 1"):
            await metrics.by_version(Metric(url=url, query="requests", by_version=True))
        with pytest.raises(Unavailable, match="2 series, not one"):
            await metrics.series(Metric(url=url, query="load by pod"), HOUR)
        assert () == tuple(await metrics.by_version(Metric(url=url, query="endless", by_version=True)))


def by_version(**counted: tuple[int, int]) -> str:
    """Return counters of errors and requests by version, as a service serves them."""
    errors = "".join(f'errors_total{{version="{v}"}} {e}\n' for v, (e, _) in counted.items() if e)
    total = "".join(f'requests_total{{version="{v}"}} {t}\n' for v, (_, t) in counted.items())
    return f"# TYPE errors_total counter\n{errors}# TYPE requests_total counter\n{total}"


async def test_counters_tell_versions_apart_over_the_signals_window(client: httpx.AsyncClient) -> None:
    """A version without an error yet has no line of errors; one without requests is left out."""
    before, after = (
        by_version(v1=(5, 500), v2=(0, 10), v0=(3, 9)),
        by_version(v1=(6, 600), v2=(20, 50), v0=(3, 9)),
    )
    async with loopback(says(before), says(after)) as service:
        seconds = Seconds()
        metrics = HttpMetrics(asking(client), Counters(client, seconds))
        signal = ExpositionSignal(
            kind="exposition", url=f"{service.url}/metrics", errors="errors_total", total="requests_total"
        )
        at_first = await metrics.by_version(signal)
        seconds.at += 5
        later = await metrics.by_version(signal)

    assert () == tuple(at_first)
    assert (
        VersionShare(version="v1", failed=0.01, requests=100),
        VersionShare(version="v2", failed=0.5, requests=40),
    ) == tuple(later)


async def test_counters_without_versions_say_nothing_of_them(client: httpx.AsyncClient) -> None:
    async with loopback(says(counters(1, 8)), says("", status=500)) as service:
        metrics = HttpMetrics(asking(client), Counters(client))
        signal = ExpositionSignal(
            kind="exposition", url=f"{service.url}/metrics", errors="errors_total", total="requests_total"
        )
        assert () == tuple(await metrics.by_version(signal))
        with pytest.raises(Unavailable):
            await metrics.by_version(signal)


@pytest.mark.skipif(PROMETHEUS is None, reason="needs prometheus: apt-get install --yes prometheus")
async def test_a_real_prometheus_gives_series_and_versions(client: httpx.AsyncClient, tmp_path: Path) -> None:
    ratio = "sum by (version)(errors_total) / sum by (version)(requests_total)"
    async with (
        loopback(says(by_version(v1=(1, 100), v2=(4, 8)))) as service,
        a_prometheus(tmp_path, service.url) as url,
    ):
        metrics = HttpMetrics(asking(client), Counters(client))
        shares: Sequence[VersionShare] = ()
        while len(shares) < 2:
            try:
                shares = await metrics.by_version(Metric(url=url, query=ratio, by_version=True))
            except Unavailable:
                shares = ()  # The server is starting.
        now = SystemTime().now()
        series = await metrics.series(
            Metric(url=url, query="sum(requests_total)"),
            Window(start=now - timedelta(minutes=1), end=now + timedelta(seconds=5)),
        )

    assert [("v1", 0.01), ("v2", 0.5)] == [(share.version, share.failed) for share in shares]
    assert {108.0} == {point.value for point in series}


DIFF = ChangeDiff(
    base="2.3.0",
    head="2.4.0",
    files=(
        FileChange(
            name="src/tax.py", status=FileStatus.MODIFIED, added=1, removed=1, patch="@@ -1 +1 @@\n-a\n+b"
        ),
        FileChange(name="logo.png", status=FileStatus.ADDED, added=0, removed=0),
    ),
)
COMPARED = {
    "status": "ahead",
    "total_commits": 3,
    "commits": [{"sha": "0" * 40}],
    "files": [
        {
            "sha": "1" * 40,
            "filename": "src/tax.py",
            "status": "modified",
            "additions": 1,
            "deletions": 1,
            "changes": 2,
            "patch": "@@ -1 +1 @@\n-a\n+b",
        },
        {
            "sha": None,
            "filename": "logo.png",
            "status": "added",
            "additions": 0,
            "deletions": 0,
            "changes": 0,
        },
    ],
}


@asynccontextmanager
async def diffs_of(kind: str, client: httpx.AsyncClient) -> AsyncIterator[tuple[Diffs, Neighbour]]:
    if kind == "memory":
        yield MemoryDiffs({("shop/checkout", "2.3.0", "2.4.0"): DIFF}), Neighbour()
        return
    span = "2.3.0...2.4.0" if kind == "github" else "v2.3.0...v2.4.0"
    async with a_neighbour(Neighbour(compared={f"shop/checkout/{span}": COMPARED})) as neighbour:
        how = asking(client, GITHUB_TOKEN="gh-t0ken")
        yield GitHubDiffs(how, api_url=neighbour.url, token="Bearer secret:GITHUB_TOKEN"), neighbour


@pytest.mark.parametrize("kind", ["memory", "github", "github with v"])
async def test_a_change_is_shown_as_files_and_patches(kind: str, client: httpx.AsyncClient) -> None:
    async with diffs_of(kind, client) as (diffs, neighbour):
        found = await diffs.diff("shop/checkout", "2.3.0", "2.4.0")
        with pytest.raises(NotFound):
            await diffs.diff("shop/checkout", "2.3.0", "9.9.9")

    expected = {"base": "v2.3.0", "head": "v2.4.0"} if kind == "github with v" else {}
    assert DIFF.model_copy(update=expected) == found
    assert {"Bearer gh-t0ken"} >= {headers["authorization"] for headers in neighbour.asked}


async def test_a_huge_difference_is_cut_at_a_line_and_says_so(client: httpx.AsyncClient) -> None:
    huge = {**COMPARED["files"][0], "patch": "+x\n" * MOST_PATCH}  # type: ignore[index]
    neighbour = Neighbour(compared={"shop/checkout/2.3.0...2.4.0": {"files": [huge] * 60}})
    async with a_neighbour(neighbour):
        found = await GitHubDiffs(asking(client), api_url=neighbour.url, token=None).diff(
            "shop/checkout", "2.3.0", "2.4.0"
        )

    assert (50, True) == (len(found.files), found.is_cut)
    assert MOST_PATCH >= sum(len(file.patch) for file in found.files)
    assert {"+x", ""} == {line for file in found.files for line in file.patch.split("\n")}


@pytest.mark.parametrize(
    ("repository", "base"),
    [
        ("shop/checkout/../../user", "2.3.0"),
        ("shop", "2.3.0"),
        ("shop/..", "2.3.0"),
        ("shop/checkout", "2.3.0...main?x="),
        ("shop/checkout", "../../../user"),
        ("shop/checkout", "a..b"),
        ("shop/checkout", ""),
    ],
)
async def test_a_name_that_would_lead_elsewhere_is_not_asked_for(
    repository: str, base: str, client: httpx.AsyncClient
) -> None:
    async with diffs_of("github", client) as (diffs, neighbour):
        with pytest.raises(Invalid):
            await diffs.diff(repository, base, "2.4.0")

    assert [] == neighbour.asked
