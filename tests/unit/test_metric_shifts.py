"""Metrics that moved, beside what is usual."""

import pytest

from adapters.evaluation.metrics import metric_shifts
from bot.domain.correlation import rank_suspects
from bot.domain.evidence import Evidence, MetricShift
from bot.domain.ids import ServiceName
from bot.domain.weights import load_weights
from tests.correlation_builders import alert, change, shop_case


def shift(service: str, metric: str, value: float, usual: float) -> MetricShift:
    return MetricShift(service=ServiceName(service), metric=metric, value=value, usual=usual)


@pytest.mark.parametrize(
    "raw",
    [
        [{"service": "cart", "metric": "cpu", "value": 0.9, "baseline": 0.3}],
        [{"service": "cart", "name": "cpu", "now": "0.9", "usual": 0.3}, {"service": "cart", "name": "odd"}],
        [{"service": "cart", "metric": "cpu", "value": 0.9, "delta_vs_baseline": "+0.6000"}],
        {"cart": {"cpu": {"after": 0.9, "before": 0.3}, "note": "text"}},
        {"cart": [{"metric": "cpu", "observed": 0.9, "normal": 0.3}, "text"]},
    ],
)
def test_metrics_are_read_in_several_forms(raw: object) -> None:
    (found,) = metric_shifts(raw)

    assert ("cart", "cpu") == (found.service, found.metric)
    assert (0.9, 0.3) == pytest.approx((found.value, found.usual))


@pytest.mark.parametrize("raw", [None, "text", 3, [], {}, [3], {"cart": 3}])
def test_anything_else_is_no_metric(raw: object) -> None:
    assert [] == list(metric_shifts(raw))


@pytest.mark.parametrize(
    ("value", "usual", "halvings"), [(0, 0, 0.0), (4, 4, 0.0), (1, 2, 1.0), (0, 5, 4.0), (9e9, 1, 4.0)]
)
def test_a_shift_is_counted_in_powers_of_two(value: float, usual: float, halvings: float) -> None:
    assert halvings == pytest.approx(shift("cart", "cpu", value, usual).halvings, abs=0.02)


def test_a_change_whose_metric_moved_ranks_first_and_says_so() -> None:
    case = shop_case(
        change("inventory", minutes_before=9),
        change("payments", minutes_before=10),
        alerts=[alert("checkout")],
        evidence=Evidence(
            metrics=(shift("payments", "p99_ms", 900, 40), shift("inventory", "p99_ms", 41, 40))
        ),
    )
    first = rank_suspects(case, load_weights()).suspects[0]

    assert "payments@10" == first.change.id
    assert "p99_ms of payments went from 40 to 900" in [term.sentence for term in first.terms]
