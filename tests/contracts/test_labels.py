"""What every store of diagnoses and labels promises."""

import sqlite3
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import create_engine, text

from adapters.store.opening import open_store
from bot.domain.approval import Reason
from bot.domain.diagnosed import Opined, opinion_id
from bot.domain.diagnosis import Silence
from bot.domain.errors import NotFound, Tampered
from bot.domain.ids import IncidentId
from bot.domain.label import LabelSource, Permitted, Verdict
from bot.domain.snapshot import digest_of
from tests.builders import CARD, INCIDENT, NOW, a_person, an_incident
from tests.contracts.stores import Bench, redact
from tests.label_builders import OTHER, SNAPSHOT, SUSPECT, a_diagnosis, a_feedback, a_label

ALLOWED = Permitted(allowed=True)
OMAR = a_person("U0OMAR", name="Omar")


@pytest.fixture
async def diagnosed(bench: Bench) -> Bench:
    """A store with one incident on its card, diagnosed."""
    await bench.store.incidents.see(an_incident())
    await bench.store.incidents.set_card(INCIDENT, CARD)
    assert await bench.store.diagnoses.record(a_diagnosis(), SNAPSHOT)
    return bench


async def test_a_diagnosis_is_kept_with_what_it_was_thought_from(diagnosed: Bench) -> None:
    store = diagnosed.another()

    assert [a_diagnosis()] == list(await store.diagnoses.all())
    assert a_diagnosis() == await store.diagnoses.get(a_diagnosis().id)
    assert SNAPSHOT == await store.diagnoses.snapshot(a_diagnosis().id)


async def test_the_same_diagnosis_is_recorded_once(diagnosed: Bench) -> None:
    again = a_diagnosis(at=NOW + timedelta(minutes=1))

    assert not await diagnosed.store.diagnoses.record(again, SNAPSHOT)
    assert [a_diagnosis()] == list(await diagnosed.store.diagnoses.all())


async def test_diagnoses_are_found_by_incident_and_time_in_order(diagnosed: Bench) -> None:
    later = a_diagnosis(evidence="more", at=NOW + timedelta(hours=1))
    elsewhere = a_diagnosis("Q2", at=NOW - timedelta(hours=1))
    await diagnosed.store.diagnoses.record(later, SNAPSHOT)
    await diagnosed.store.diagnoses.record(elsewhere, SNAPSHOT)
    diagnoses = diagnosed.store.diagnoses

    assert [elsewhere, a_diagnosis(), later] == list(await diagnoses.all())
    assert [a_diagnosis(), later] == list(await diagnoses.all(incident=INCIDENT))
    assert [later] == list(await diagnoses.all(since=NOW + timedelta(minutes=1)))


async def test_bytes_that_are_not_the_named_ones_are_refused(bench: Bench) -> None:
    with pytest.raises(Tampered, match="not the one"):
        await bench.store.diagnoses.record(a_diagnosis(), b"something else")

    assert await bench.store.diagnoses.snapshot(a_diagnosis().id) is None


async def test_an_opinion_is_kept_beside_its_diagnosis(diagnosed: Bench) -> None:
    dossier = b'{"what":"the model was given"}'
    opinion = Opined(
        id=opinion_id(a_diagnosis().id, NOW),
        diagnosis=a_diagnosis().id,
        incident=INCIDENT,
        at=NOW,
        model="gpt-5-mini",
        prompt="rank@v1+0123456789ab",
        input_sha256=digest_of(dossier),
        calls=(),
        dropped_claims=2,
        first=OTHER,
        snapshot_sha256=digest_of(dossier),
    )
    silent = opinion.model_copy(
        update={"id": "later", "at": NOW + timedelta(seconds=1), "silence": Silence.TIMEOUT, "first": None}
    )
    diagnoses = diagnosed.store.diagnoses

    await diagnoses.record_opinion(opinion, dossier)
    await diagnoses.record_opinion(opinion, dossier)
    await diagnoses.record_opinion(silent, None)

    assert [opinion, silent] == list(await diagnoses.opinions(incident=INCIDENT))
    assert (dossier, None) == (await diagnoses.dossier(opinion), await diagnoses.dossier(silent))


async def test_a_press_becomes_a_label_audited_with_what_it_speaks_of(diagnosed: Bench) -> None:
    ruling = await diagnosed.store.labels.say(a_feedback(), a_person(), ALLOWED)

    (label,) = await diagnosed.store.labels.of(INCIDENT)
    assert ruling.label == label
    assert (label.diagnosis, label.change, label.verdict, label.source, label.by, label.name, label.at) == (
        a_diagnosis().id,
        SUSPECT,
        Verdict.WAS_IT,
        LabelSource.PERSON,
        "U0ONCALL",
        "Dana",
        NOW,
    )
    body = await diagnosed.last_body()
    assert (body["diagnosis"], body["snapshot_sha256"], body["verdict"], body["change"]) == (
        a_diagnosis().id,
        digest_of(SNAPSHOT),
        "was_it",
        SUSPECT,
    )
    assert (await diagnosed.acts())[-1] == "labelled"


async def test_the_same_press_again_gets_its_first_answer_and_no_second_label(diagnosed: Bench) -> None:
    first = await diagnosed.store.labels.say(a_feedback(), a_person(), ALLOWED)
    diagnosed.time.advance(timedelta(minutes=10))

    again = await diagnosed.another().labels.say(a_feedback(), a_person(), ALLOWED)

    assert again == first
    assert len(await diagnosed.store.labels.of(INCIDENT)) == 1


async def test_a_later_word_of_the_same_person_is_kept_beside_the_first(diagnosed: Bench) -> None:
    await diagnosed.store.labels.say(a_feedback(), a_person(), ALLOWED)
    diagnosed.time.advance(timedelta(seconds=30))
    changed = a_feedback(Verdict.NOT_IT, at=diagnosed.time.at)

    ruling = await diagnosed.store.labels.say(changed, a_person(), ALLOWED)

    assert "replaces what you said before" in ruling.text
    assert [Verdict.WAS_IT, Verdict.NOT_IT] == [
        label.verdict for label in await diagnosed.store.labels.of(INCIDENT)
    ]


async def test_saying_the_same_twice_is_answered_and_kept_once(diagnosed: Bench) -> None:
    await diagnosed.store.labels.say(a_feedback(), a_person(), ALLOWED)

    ruling = await diagnosed.store.labels.say(a_feedback(nonce="2"), a_person(), ALLOWED)

    assert (True, None) == (ruling.is_accepted, ruling.label)
    assert "said so already" in ruling.text
    assert len(await diagnosed.store.labels.of(INCIDENT)) == 1


@pytest.mark.parametrize(
    ("press", "permitted", "reason"),
    [
        (a_feedback(), Permitted(allowed=False, grounds="guests do not count"), Reason.NOT_ALLOWED),
        (a_feedback(at=NOW - timedelta(seconds=61)), ALLOWED, Reason.TOO_LATE),
        (a_feedback(card=CARD.model_copy(update={"ts": "1.2"})), ALLOWED, Reason.WRONG_CARD),
        (a_feedback(on=a_diagnosis(evidence="of another day")), ALLOWED, Reason.OUT_OF_DATE),
        (a_feedback(on=a_diagnosis("Q9UNKNOWN")), ALLOWED, Reason.OUT_OF_DATE),
        (a_feedback(change="nobody-thought-of-it"), ALLOWED, Reason.OUT_OF_DATE),  # type: ignore[arg-type]
    ],
    ids=["not a member", "too late", "another card", "another diagnosis", "another incident", "no suspect"],
)
async def test_a_refused_press_leaves_no_label_and_stands_in_the_record(
    diagnosed: Bench, press: object, permitted: Permitted, reason: Reason
) -> None:
    before = len(await diagnosed.acts())

    ruling = await diagnosed.store.labels.say(press, a_person(), permitted)  # type: ignore[arg-type]

    assert (reason, None) == (ruling.reason, ruling.label)
    assert [] == list(await diagnosed.store.labels.of(INCIDENT))
    assert ["refused"] == (await diagnosed.acts())[before:]


async def test_a_press_from_details_needs_no_card(diagnosed: Bench) -> None:
    ruling = await diagnosed.store.labels.say(a_feedback(change=OTHER, card=None), a_person(), ALLOWED)

    assert ruling.is_accepted


async def test_nobody_presses_in_the_name_of_another(diagnosed: Bench) -> None:
    with pytest.raises(Tampered):
        await diagnosed.store.labels.say(a_feedback(by=a_person()), OMAR, ALLOWED)


async def test_what_happened_by_itself_is_a_label_once(diagnosed: Bench) -> None:
    label = a_label(source=LabelSource.RECOVERY)

    assert await diagnosed.store.labels.add(label)
    assert not await diagnosed.another().labels.add(label)

    assert [label] == list(await diagnosed.store.labels.since(NOW))
    assert [] == list(await diagnosed.store.labels.since(NOW + timedelta(seconds=1)))
    assert 1 == (await diagnosed.acts()).count("labelled")


async def test_a_label_without_its_diagnosis_is_refused(bench: Bench) -> None:
    with pytest.raises(NotFound):
        await bench.store.labels.add(a_label(source=LabelSource.RECOVERY))

    assert [] == list(await bench.store.labels.of(IncidentId(INCIDENT)))


async def test_a_database_of_before_gets_the_tables_and_their_guards(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/audit.db"
    await open_store(url, redact=redact, kill_file=None).close()
    engine = create_engine(url)
    with engine.begin() as connection:
        for table in ("labels", "feedback", "diagnoses", "opinions"):
            connection.execute(text(f"DROP TABLE {table}"))
    engine.dispose()

    store = open_store(url, redact=redact, kill_file=None)
    await store.diagnoses.record(a_diagnosis(), SNAPSHOT)
    await store.labels.add(a_label(source=LabelSource.RECOVERY))
    await store.close()

    with (
        sqlite3.connect(tmp_path / "audit.db") as raw,
        pytest.raises(sqlite3.IntegrityError, match="append-only"),
    ):
        raw.execute("DELETE FROM labels")
    raw.close()


async def test_a_snapshot_that_somebody_changed_is_not_given_out(tmp_path: Path) -> None:
    store = open_store(f"sqlite:///{tmp_path}/audit.db", redact=redact, kill_file=None)
    await store.diagnoses.record(a_diagnosis(), SNAPSHOT)
    with sqlite3.connect(tmp_path / "audit.db") as connection:
        connection.execute("DROP TRIGGER diagnoses_update")
        connection.execute("UPDATE diagnoses SET snapshot = x'00'")
    connection.close()

    with pytest.raises(Tampered):
        await store.diagnoses.snapshot(a_diagnosis().id)
    await store.close()
