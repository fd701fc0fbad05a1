"""A metric around an onset: means on both sides, and the clearest step."""

from collections.abc import Sequence
from datetime import timedelta

import pytest

from bot.domain.series import MetricWindow, around
from bot.domain.sources import Point
from tests.builders import NOW


def points(values: Sequence[float]) -> tuple[Point, ...]:
    return tuple(Point(at=NOW + timedelta(seconds=15 * n), value=value) for n, value in enumerate(values))


def test_a_step_is_found_where_the_new_level_begins() -> None:
    seen = around(points([1, 2, 1, 2, 9, 10, 9, 10]), NOW + timedelta(seconds=90))

    assert (
        MetricWindow(
            before_mean=4.166666666666667,
            after_mean=9.5,
            highest=10,
            changepoint_at=NOW + timedelta(seconds=60),
        )
        == seen
    )


@pytest.mark.parametrize("values", [[], [3], [5] * 20, [1, 9] * 10, [1] * 10 + [50], [50] + [1] * 10])
def test_wavering_flat_short_and_spiky_series_have_no_step(values: list[float]) -> None:
    assert around(points(values), NOW).changepoint_at is None


def test_without_points_on_a_side_its_mean_is_unknown() -> None:
    seen = around(points([1, 2, 3]), NOW)

    assert (None, 2.0) == (seen.before_mean, seen.after_mean)
