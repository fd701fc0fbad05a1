"""The numbers by which a ranking, a confidence and a grouping are judged."""

import pytest

from bot.domain.measures import (
    Bin,
    GroupingScore,
    Judged,
    auroc,
    brier,
    expected_calibration_error,
    keeping_confidence,
    mean_reciprocal_rank,
    negatives_blamed,
    negatives_named,
    reliability,
    score_grouping,
    top,
)


def right(confidence: float) -> Judged:
    return Judged(("a", "b"), confidence, "a", "a")


def second(confidence: float) -> Judged:
    return Judged(("b", "a"), confidence, "a", "b")


def innocent(confidence: float, named: str | None = None) -> Judged:
    return Judged(("b",), confidence, None, named)


def test_top_counts_positive_cases_only() -> None:
    cases = [right(0.9), second(0.4), innocent(0.3)]

    assert (0.5, 1.0) == (top(cases, 1), top(cases, 3))
    assert top([innocent(0.1)], 1) is None


def test_reciprocal_rank_gives_nothing_for_a_culprit_that_is_not_ranked() -> None:
    assert mean_reciprocal_rank([right(0.9), second(0.5), Judged(("b",), 0.2, "a")]) == pytest.approx(0.5)


def test_auroc_is_the_chance_that_right_has_more_confidence_than_wrong() -> None:
    assert auroc([right(0.9), right(0.5), innocent(0.5), innocent(0.1)]) == pytest.approx(3.5 / 4)
    assert auroc([right(0.9)]) is None


def test_four_of_five_right_answers_are_kept() -> None:
    cases = [right(confidence) for confidence in (0.9, 0.8, 0.7, 0.6, 0.2)]

    assert keeping_confidence(cases) == 0.6
    assert keeping_confidence([second(0.9)]) is None


def test_a_negative_is_blamed_when_it_reaches_the_confidence() -> None:
    cases = [right(0.9), innocent(0.6), innocent(0.5), Judged((), 0.0, None)]

    assert negatives_blamed(cases, confidence=0.6) == pytest.approx(1 / 3)
    assert negatives_blamed([right(0.9)], confidence=0.5) is None


def test_a_negative_without_candidates_blames_nobody_at_any_confidence() -> None:
    assert negatives_blamed([Judged((), 0.0, None)], confidence=0.0) == 0.0


def test_named_negatives_are_counted_apart() -> None:
    assert negatives_named([innocent(0.9, named="b"), innocent(0.2)]) == 0.5


def test_brier_is_the_squared_distance_from_the_truth() -> None:
    assert brier([right(0.8), innocent(0.4)]) == pytest.approx((0.04 + 0.16) / 2)
    assert brier([]) is None


def test_reliability_bins_hold_claim_and_truth() -> None:
    found = reliability([right(0.75), right(0.75), second(0.15)])

    assert found == (Bin(0.15, 0.0, 1), Bin(0.75, 1.0, 2))


def test_calibration_error_weighs_bins_by_their_size() -> None:
    error = expected_calibration_error([right(1.0), right(1.0), second(0.3)])

    assert error == pytest.approx(0.1)


def test_grouping_counts_pairs_and_mixed_groups() -> None:
    made = {"1": "x", "2": "x", "3": "x", "4": "x", "5": "y"}
    truth = {"1": "A", "2": "A", "3": "A", "4": "B", "5": "B"}

    assert score_grouping(made, truth) == GroupingScore(
        reduction=0.6, precision=0.5, recall=0.75, f1=0.6, mixed=0.5
    )


def test_grouping_without_labels_has_no_score() -> None:
    assert score_grouping({"1": "x"}, {}) is None
