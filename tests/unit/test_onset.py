"""When the trouble began, and how fast it follows its cause."""

from datetime import timedelta

import pytest

from bot.domain.onset import SymptomClass, find_onset, symptom_class
from tests.correlation_builders import ONSET, alert


def test_the_onset_is_the_earliest_symptom_not_the_latest_page() -> None:
    assert find_onset((alert(minutes_later=7), alert("web"), alert(minutes_later=3))) == ONSET


def test_a_lone_alert_hours_before_the_burst_is_another_story() -> None:
    alerts = (alert(minutes_later=-180), alert(), alert(minutes_later=2))

    assert find_onset(alerts) == ONSET


def test_among_bursts_of_equal_size_the_earliest_counts() -> None:
    assert find_onset((alert(minutes_later=-180), alert())) == ONSET - timedelta(hours=3)


@pytest.mark.parametrize(
    ("title", "expected"),
    [
        ("5xx rate above 3 %", SymptomClass.FAST),
        ("memory of search pods above 90 %", SymptomClass.SLOW),
        ("disk /var is 95 % full", SymptomClass.SLOW),
        ("out of memory errors", SymptomClass.FAST),
        ("Users are logged out after a few minutes", SymptomClass.TOLD),
    ],
)
def test_the_words_of_an_alert_tell_its_pace(title: str, expected: SymptomClass) -> None:
    assert symptom_class((alert(title=title),)) is expected


def test_what_reached_no_service_was_probably_told_by_a_person() -> None:
    assert symptom_class((alert(None, "Export of reports hangs since this morning"),)) is SymptomClass.TOLD
    assert symptom_class((alert(None, "payments: elevated error rate since deploy"),)) is SymptomClass.FAST
