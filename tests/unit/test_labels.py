"""What labels come to together, and how a period is measured from them."""

from datetime import timedelta
from decimal import Decimal

import pytest

from bot.domain.diagnosed import Opined
from bot.domain.diagnosis import ModelCall, Silence
from bot.domain.drift import Period, drift
from bot.domain.ids import ChangeId, IncidentId, sha256_hex
from bot.domain.label import Label, LabelSource, Settled, Verdict, settle, standing
from tests.builders import INCIDENT, NOW
from tests.label_builders import OTHER, SUSPECT, a_diagnosis, a_label

WAS, NOT = Verdict.WAS_IT, Verdict.NOT_IT
PERSON, RECOVERY = LabelSource.PERSON, LabelSource.RECOVERY


def later(seconds: int, verdict: Verdict, change: ChangeId = SUSPECT, by: str = "U0ONCALL") -> Label:
    return a_label(verdict, change, by=by, at=NOW + timedelta(seconds=seconds))


def test_the_last_word_of_a_person_about_a_change_counts() -> None:
    first, last = later(0, WAS), later(1, NOT)

    assert (last,) == standing([first, last])


def test_a_person_has_one_culprit() -> None:
    first, other, not_it = later(0, WAS), later(1, WAS, OTHER), later(2, NOT)

    assert (other,) == standing([first, other])
    assert (other, not_it) == standing([first, other, not_it])


def test_each_person_counts() -> None:
    dana, omar = later(0, WAS), later(1, NOT, by="U0OMAR")

    assert (dana, omar) == standing([dana, omar])


@pytest.mark.parametrize(
    ("labels", "expected"),
    [
        ([], Settled()),
        ([later(0, WAS)], Settled(right=SUSPECT, strength=1.0, sources=(PERSON,))),
        ([later(0, NOT)], Settled(wrong=(SUSPECT,), strength=1.0, sources=(PERSON,))),
        (
            [later(0, WAS), later(1, NOT, by="U0OMAR")],
            Settled(is_disputed=True, sources=(PERSON,)),
        ),
        (
            [later(0, WAS), later(1, WAS, OTHER, by="U0OMAR")],
            Settled(is_disputed=True, sources=(PERSON,)),
        ),
        (
            [later(0, NOT), later(1, WAS, OTHER)],
            Settled(right=OTHER, wrong=(SUSPECT,), strength=1.0, sources=(PERSON,)),
        ),
        (
            [a_label(NOT, source=LabelSource.NO_RECOVERY)],
            Settled(wrong=(SUSPECT,), strength=0.5, sources=(LabelSource.NO_RECOVERY,)),
        ),
        (
            [a_label(NOT, source=LabelSource.NO_RECOVERY), later(1, WAS)],
            Settled(right=SUSPECT, strength=0.5, sources=(LabelSource.NO_RECOVERY, PERSON)),
        ),
        (
            [a_label(WAS, source=RECOVERY), later(1, WAS)],
            Settled(right=SUSPECT, strength=1.0, sources=(RECOVERY, PERSON)),
        ),
    ],
    ids=[
        "nobody spoke",
        "it was it",
        "it was not",
        "one for, one against",
        "two culprits",
        "one ruled out, another named",
        "a recovery that failed is weak",
        "a person outweighs it",
        "a recovery and a person agree",
    ],
)
def test_labels_of_an_incident_come_to_one_answer(labels: list[Label], expected: Settled) -> None:
    assert expected == settle(labels)


def test_what_the_labels_do_not_tell_is_neither_right_nor_wrong() -> None:
    ruled_out, known = Settled(wrong=(SUSPECT,)), Settled(right=OTHER)

    assert (False, None, None) == (
        ruled_out.judges(SUSPECT),
        ruled_out.judges(OTHER),
        ruled_out.judges(None),
    )
    assert (True, False) == (known.judges(OTHER), known.judges(SUSPECT))


def a_call(milliseconds: int, cost: str | None) -> ModelCall:
    return ModelCall(
        model="m",
        prompt="rank@v1+0",
        input_sha256=sha256_hex("x"),
        tokens_in=1000,
        tokens_out=200,
        milliseconds=milliseconds,
        cost_usd=Decimal(cost) if cost else None,
    )


def an_opinion(name: str, *calls: ModelCall, days_ago: int, **changed: object) -> Opined:
    return Opined(
        id=name,
        diagnosis=a_diagnosis().id,
        incident=IncidentId(INCIDENT),
        at=NOW - timedelta(days=days_ago),
        model="m",
        prompt="rank@v1+0",
        input_sha256=None,
        calls=calls,
    ).model_copy(update=changed)


def test_a_week_is_measured_beside_a_month() -> None:
    diagnoses = [
        a_diagnosis("Q1", at=NOW - timedelta(days=1)),
        a_diagnosis("Q2", at=NOW - timedelta(days=2), named=None),
        a_diagnosis("Q3", at=NOW - timedelta(days=20), confidence=0.6),
        a_diagnosis("Q4", at=NOW - timedelta(days=40)),
    ]
    labels = [
        a_label(WAS, incident="Q1"),
        a_label(NOT, incident="Q3"),
        a_label(NOT, incident="Q4"),
    ]
    opinions = [
        an_opinion("a", a_call(1000, "0.01"), a_call(500, "0.02"), days_ago=1, dropped_claims=2),
        an_opinion("b", a_call(8000, None), days_ago=3, silence=Silence.TIMEOUT),
        an_opinion("c", a_call(2000, "0.03"), days_ago=29, dropped_claims=1),
    ]

    week, month = drift(diagnoses, opinions, labels, NOW)

    assert week == Period(
        days=7,
        diagnoses=2,
        named=1,
        labelled=1,
        accuracy=1.0,
        disputed=0,
        abstained=0.5,
        confidence=0.8,
        opinions=2,
        silent=0.5,
        opinion_accuracy=None,
        dropped_claims=2.0,
        tokens_in=1500.0,
        tokens_out=300.0,
        rules_ms=120,
        model_ms=1500,
        model_ms_p95=8000,
        cost_usd=Decimal("0.03"),
        calls_without_price=1,
    )
    assert (3, 2, 2, 0.5, 0.7) == (
        month.diagnoses,
        month.named,
        month.labelled,
        month.accuracy,
        month.confidence,
    )
    assert (3, Decimal("0.06"), 2000) == (month.opinions, month.cost_usd, month.model_ms)


def test_without_a_record_nothing_is_claimed() -> None:
    week, _ = drift([], [], [], NOW)

    assert (0, None, None, None, None) == (
        week.diagnoses,
        week.accuracy,
        week.abstained,
        week.model_ms,
        week.cost_usd,
    )
