"""How signals went, from counters that are sampled, from a Prometheus server and in memory."""

from datetime import timedelta

import httpx

from adapters.evidence.exposition import Counters
from adapters.evidence.history import SignalHistories
from adapters.evidence.memory import MemoryHistories
from adapters.evidence.source_http import Asking
from bot.domain.catalogue import ExpositionSignal, HttpSignal, PrometheusSignal, Signal
from bot.domain.diagnosis import Window
from bot.domain.sources import Point
from bot.ports import Histories
from tests.builders import NOW, ManualTime
from tests.evidence_servers import Neighbour, a_neighbour
from tests.loopback import loopback, says

POINTS = tuple(Point(at=NOW + timedelta(minutes=i), value=float(i)) for i in range(3))
HOUR = Window(start=NOW - timedelta(minutes=30), end=NOW + timedelta(minutes=30))


async def seen(histories: Histories, signal: Signal) -> tuple[tuple[Point, ...], tuple[Point, ...]]:
    """Return the points of the hour, and of the last minute of them."""
    late = HOUR.model_copy(update={"start": POINTS[1].at})
    return tuple(await histories.points(signal, HOUR)), tuple(await histories.points(signal, late))


async def test_a_prometheus_signal_is_read_over_the_window(client: httpx.AsyncClient) -> None:
    async with a_neighbour(Neighbour(series={"load": [POINTS]})) as neighbour:
        histories = SignalHistories(Asking(client, {}), Counters(client), ManualTime(NOW))
        found = await seen(histories, PrometheusSignal(kind="prometheus", url=neighbour.url, query="load"))

    assert (POINTS, POINTS[1:]) == found


async def test_the_twin_gives_the_points_of_the_window() -> None:
    signal = HttpSignal(kind="http", url="http://127.0.0.1:1/healthz")

    assert (POINTS, POINTS[1:]) == await seen(MemoryHistories({signal.url: POINTS}), signal)


class Seconds:
    at = 100.0

    def __call__(self) -> float:
        return self.at


def counters(errors: int, total: int) -> str:
    return f"# TYPE e_total counter\ne_total {errors}\n# TYPE t_total counter\nt_total {total}\n"


async def test_what_the_counters_told_is_kept_through_a_restart_of_the_service(
    client: httpx.AsyncClient,
) -> None:
    answers = [counters(0, 0), counters(5, 10), counters(0, 1), counters(1, 11)]
    async with loopback(*map(says, answers)) as service:
        seconds, clock = Seconds(), ManualTime(NOW)
        kept = Counters(client, seconds)
        signal = ExpositionSignal(
            kind="exposition", url=f"{service.url}/metrics", errors="e_total", total="t_total"
        )
        for _ in answers:
            await kept.ratio(signal)
            seconds.at += 5
            clock.advance(timedelta(seconds=5))
        found = await SignalHistories(Asking(client, {}), kept, clock).points(signal, HOUR)

    assert [
        Point(at=NOW + timedelta(seconds=5), value=0.5),
        Point(at=NOW + timedelta(seconds=15), value=0.1),
    ] == list(found)


async def test_whether_an_address_answered_is_not_kept(client: httpx.AsyncClient) -> None:
    histories = SignalHistories(Asking(client, {}), Counters(client), ManualTime(NOW))

    assert ((), ()) == await seen(histories, HttpSignal(kind="http", url="http://127.0.0.1:1/healthz"))
