"""What every incident book promises."""

from datetime import timedelta

import pytest

from bot.domain.card import Cause
from bot.domain.errors import NotFound
from bot.domain.ids import ChangeId, IncidentId, SlackUserId, sha256_hex
from bot.domain.incident import IncidentStatus
from bot.domain.record import Assessment, IncidentRecord, OnCallTold
from tests.builders import CARD, INCIDENT, NOW, an_incident
from tests.contracts.stores import Bench

RESOLVED = an_incident(status=IncidentStatus.RESOLVED)


def an_assessment() -> Assessment:
    return Assessment(
        cause=Cause(
            headline="Probably the deploy of checkout 42",
            confidence_percent=80,
            confidence_word="likely",
            suspects=(),
            nothing_changed_percent=10,
            speaker="rules only",
        ),
        suspect=ChangeId("deploy-checkout-42"),
        evidence_digest=sha256_hex("evidence"),
        assessed_at=NOW,
    )


async def test_an_incident_is_remembered_with_the_stores_time(bench: Bench) -> None:
    seen = await bench.store.incidents.see(an_incident())

    assert seen == IncidentRecord(incident=an_incident(), seen_at=NOW)
    assert await bench.store.incidents.get(INCIDENT) == seen


async def test_an_incident_nobody_saw_is_not_there(bench: Bench) -> None:
    assert await bench.store.incidents.get(INCIDENT) is None


async def test_seeing_it_again_refreshes_it_and_keeps_what_we_know(bench: Bench) -> None:
    await bench.store.incidents.see(an_incident())
    await bench.store.incidents.set_card(INCIDENT, CARD)
    bench.time.advance(timedelta(minutes=1))

    seen = await bench.store.incidents.see(an_incident(title="Worse", status=IncidentStatus.ACKNOWLEDGED))

    assert (seen.incident.title, seen.incident.status) == ("Worse", IncidentStatus.ACKNOWLEDGED)
    assert (seen.card, seen.life, seen.seen_at) == (CARD, 1, NOW)


async def test_the_delivery_that_told_of_it_first_names_its_story(bench: Bench) -> None:
    await bench.store.incidents.see(an_incident(), heard_as="01FIRST")
    await bench.store.incidents.see(RESOLVED, heard_as="01SECOND")
    await bench.store.incidents.reopen(INCIDENT)
    found = await bench.store.incidents.see(an_incident("Q2"))
    first = await bench.store.incidents.get(INCIDENT)

    assert first is not None
    assert ("01FIRST", "incident-Q2") == (first.correlation_id, found.correlation_id)


async def test_a_resolution_is_dated_by_the_store_once(bench: Bench) -> None:
    await bench.store.incidents.see(an_incident())
    bench.time.advance(timedelta(minutes=5))
    await bench.store.incidents.see(RESOLVED)
    bench.time.advance(timedelta(minutes=5))

    seen = await bench.store.incidents.see(RESOLVED)

    assert seen.resolved_at == NOW + timedelta(minutes=5)
    assert await bench.acts() == ["seen", "resolved"]


async def test_reopening_begins_the_next_life_and_keeps_the_card(bench: Bench) -> None:
    await bench.store.incidents.see(an_incident())
    await bench.store.incidents.set_card(INCIDENT, CARD)
    await bench.store.incidents.see(RESOLVED)

    again = await bench.store.incidents.reopen(INCIDENT)

    assert (again.life, again.resolved_at, again.card) == (2, None, CARD)
    assert again.incident.status is IncidentStatus.TRIGGERED
    assert await bench.store.incidents.get(INCIDENT) == again


async def test_reopening_twice_begins_one_life(bench: Bench) -> None:
    await bench.store.incidents.see(RESOLVED)
    await bench.store.incidents.reopen(INCIDENT)

    assert (await bench.store.incidents.reopen(INCIDENT)).life == 2


async def test_a_late_open_status_alone_reopens_nothing(bench: Bench) -> None:
    await bench.store.incidents.see(RESOLVED)
    await bench.store.incidents.see(an_incident())

    assert [] == await bench.store.incidents.open()
    assert (await bench.store.incidents.reopen(INCIDENT)).life == 2


async def test_open_incidents_come_oldest_first(bench: Bench) -> None:
    for name, minutes in (("P1", 3), ("P2", 1), ("P3", 2)):
        await bench.store.incidents.see(an_incident(name, opened_at=NOW - timedelta(minutes=minutes)))
    await bench.store.incidents.see(an_incident("P3", status=IncidentStatus.RESOLVED))

    assert [record.id for record in await bench.store.incidents.open()] == ["P1", "P2"]


async def test_recent_incidents_come_last_seen_first(bench: Bench) -> None:
    for name in ("P1", "P2", "P3", "P1"):
        await bench.store.incidents.see(an_incident(name))
    await bench.store.incidents.set_card(IncidentId("P2"), CARD)

    assert [record.id for record in await bench.store.incidents.recent(2)] == ["P1", "P3"]


async def test_an_assessment_and_the_people_on_call_are_kept(bench: Bench) -> None:
    await bench.store.incidents.see(an_incident())
    assessment = an_assessment()
    told = OnCallTold(users=(SlackUserId("U0ONCALL"),), names=("Dana",))

    learned = await bench.store.incidents.learn(an_incident(), assessment, told)

    assert learned == await bench.store.incidents.get(INCIDENT)
    assert (learned.assessment, learned.on_call, learned.on_call_names) == (
        assessment,
        ("U0ONCALL",),
        ("Dana",),
    )
    later = await bench.store.incidents.learn(an_incident(), assessment, None)
    assert (later.on_call, later.on_call_names) == (("U0ONCALL",), ("Dana",))


async def test_what_is_learned_late_does_not_open_a_resolved_incident(bench: Bench) -> None:
    await bench.store.incidents.see(an_incident())
    await bench.store.incidents.see(an_incident(status=IncidentStatus.RESOLVED))

    learned = await bench.store.incidents.learn(an_incident(), an_assessment(), None)

    assert not learned.incident.is_open


async def test_nothing_can_be_said_of_an_incident_nobody_saw(bench: Bench) -> None:
    with pytest.raises(NotFound, match=INCIDENT):
        await bench.store.incidents.set_card(INCIDENT, CARD)
    with pytest.raises(NotFound, match=INCIDENT):
        await bench.store.incidents.reopen(INCIDENT)
