"""The words that people read on the card, in the summary and in answers."""

from datetime import timedelta

import pytest

from bot.app.wording import counted, duration, percent, reasons, weighed
from bot.domain.correlation import Term

TERMS = (
    Term(name="recency", log_odds=0.8, sentence="finished 2 min before the first symptom"),
    Term(name="service", log_odds=2.58, sentence="changed checkout, which alerts"),
    Term(name="kind", log_odds=-1.2, sentence="is a rollback to an older version"),
    Term(name="size", log_odds=0.01, sentence="touches 2 files"),
    Term(name="change_count", log_odds=0.5, sentence=""),
)


def test_reasons_are_plain_sentences_the_strongest_first_and_say_what_speaks_against() -> None:
    assert (
        "changed checkout, which alerts",
        "against it: is a rollback to an older version",
        "finished 2 min before the first symptom",
    ) == reasons(TERMS)


def test_every_term_can_be_told_with_its_weight() -> None:
    assert [
        "+0.80 finished 2 min before the first symptom",
        "+2.58 changed checkout, which alerts",
        "-1.20 is a rollback to an older version",
        "+0.01 touches 2 files",
        "+0.50 change count",
    ] == [weighed(term) for term in TERMS]


@pytest.mark.parametrize(
    ("whole", "said"), [(0, "under 1 %"), (1, "1 %"), (83, "83 %"), (99, "99 %"), (100, "over 99 %")]
)
def test_a_share_is_never_said_to_be_none_or_all(whole: int, said: str) -> None:
    assert said == percent(whole)


def test_one_is_counted_as_one() -> None:
    assert ["1 change", "2 changes", "0 changes", "3 entries"] == [
        counted(1, "change"),
        counted(2, "change"),
        counted(0, "change"),
        counted(3, "entry", "entries"),
    ]


@pytest.mark.parametrize(
    ("span", "said"),
    [
        (timedelta(seconds=45), "45 s"),
        (timedelta(minutes=3), "3 min"),
        (timedelta(hours=2, minutes=5), "2 h 5 min"),
        (timedelta(hours=24), "24 h"),
        (timedelta(hours=76, minutes=10), "3 d 4 h"),
        (timedelta(days=30), "30 d"),
    ],
)
def test_a_length_of_time_has_at_most_two_units_and_none_of_zero(span: timedelta, said: str) -> None:
    assert said == duration(span)
