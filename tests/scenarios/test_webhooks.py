"""What senders post: genuine, forged, twice, late, out of order, and about services nobody mapped."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime

import pytest
import pytest_asyncio

from adapters.sandbox.stage import PAGERDUTY_SERVICE
from tests.scenarios.running import OFFERED, WITHIN_S, Rig, running

pytestmark = [
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.xdist_group("webhooks"),
    pytest.mark.timeout(300),
]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def rig(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Rig]:
    async with running(tmp_path_factory.mktemp("webhooks")) as running_rig:
        yield running_rig


def an_event(incident: str, *, event_id: str, service: str = PAGERDUTY_SERVICE) -> dict[str, object]:
    """Return a trigger with nothing more than PagerDuty's documentation promises."""
    now = datetime.now(UTC).isoformat()
    return {
        "id": event_id,
        "event_type": "incident.triggered",
        "occurred_at": now,
        "data": {
            "id": incident,
            "type": "incident",
            "title": f"something about {incident}",
            "status": "triggered",
            "created_at": now,
            "service": {"id": service},
        },
    }


async def test_a_forged_webhook_is_refused_and_leaves_nothing(rig: Rig) -> None:
    answer = await rig.webhook(an_event("QFORGED", event_id="01FORGED"), secret="another-secret")
    incident = rig.page()
    await rig.card(incident.id)

    assert answer.status_code == 401
    assert rig.cards("QFORGED") == []
    assert await rig.ask("status QFORGED") == "There is no incident QFORGED on record."


async def test_a_webhook_delivered_many_times_makes_one_card(rig: Rig) -> None:
    event = an_event("QTWICE", event_id="01TWICE")

    answers = await asyncio.gather(*(rig.webhook(event) for _ in range(5)))
    await rig.card("QTWICE", "something about QTWICE")
    later = await rig.webhook({**event, "id": "01TWICE2"})
    await rig.card(rig.page().id)

    assert [answer.status_code for answer in (*answers, later)] == [202] * 6
    assert len(rig.cards("QTWICE")) == 1


async def test_a_ping_and_events_of_unknown_types_are_taken_and_change_nothing(rig: Rig) -> None:
    pagerduty = rig.stage.pagerduty
    incident = rig.page()
    card = await rig.card(incident.id)

    sent = {
        pagerduty.ping("PWEBHK1"),
        pagerduty.publish("incident.something_new.invented", incident.id, {"id": incident.id}),
        pagerduty.publish("incident.conference_bridge.updated", incident.id, {"shape": ["unknown"]}),
    }
    await pagerduty.wait_for(lambda: sent <= {d.event_id for d in pagerduty.deliveries}, timeout=WITHIN_S)

    assert {d.status for d in pagerduty.deliveries if d.event_id in sent} == {202}
    assert [c.ts for c in rig.cards(incident.id)] == [card.ts]
    assert "triggered" in await rig.ask(f"status {incident.id}")


async def test_pd_out_of_order_events_that_come_in_the_wrong_order_end_in_what_is_true(rig: Rig) -> None:
    """The resolve arrives first, and the trigger after it opens no card for what is over."""
    pagerduty = rig.stage.pagerduty
    pagerduty.drop_webhooks(2)
    incident = rig.page()
    pagerduty.resolve(incident.id, "PALICE1")
    triggered, resolved = [d.event_id for d in pagerduty.deliveries if d.outcome == "lost"][-2:]

    for event_id in (resolved, triggered):
        pagerduty.redeliver(event_id)
        await pagerduty.wait_for(
            lambda event_id=event_id: any(  # type: ignore[misc]
                d.event_id == event_id and d.outcome == "delivered" for d in pagerduty.deliveries
            ),
            timeout=WITHIN_S,
        )
    await rig.card(rig.page().id)

    assert rig.cards(incident.id) == []


async def test_pd_out_of_order_a_late_trigger_does_not_reopen_a_resolved_incident(rig: Rig) -> None:
    pagerduty = rig.stage.pagerduty
    incident = rig.page()
    await rig.card(incident.id)
    triggered = next(d.event_id for d in pagerduty.deliveries if d.event_type == "incident.triggered")
    pagerduty.resolve(incident.id, "PALICE1")
    await rig.card(incident.id, "Resolved · checkout")

    pagerduty.redeliver(triggered)
    late = await rig.webhook(an_event(incident.id, event_id="01LATE"))
    await rig.card(rig.page().id)

    assert late.status_code == 202
    assert len(rig.cards(incident.id)) == 1
    assert (await rig.card(incident.id)).shown_text.startswith("Resolved · checkout")


async def test_a_reopened_incident_lives_again_on_the_same_card(rig: Rig) -> None:
    pagerduty = rig.stage.pagerduty
    incident = rig.page()
    card = await rig.card(incident.id)
    pagerduty.resolve(incident.id, "PALICE1")
    await rig.card(incident.id, "Resolved · checkout")

    pagerduty.reopen(incident.id)
    await rig.card(incident.id, without="Resolved · checkout")

    assert [c.ts for c in rig.cards(incident.id)] == [card.ts]


async def test_pd_unknown_service_a_service_that_nobody_mapped_gets_a_card_that_names_the_missing_entry(
    rig: Rig,
) -> None:
    await rig.webhook(an_event("QUNMAPPED", event_id="01UNMAPPED", service="PNOBODY"))

    card = await rig.card("QUNMAPPED", "No entry of services.yaml maps PagerDuty service PNOBODY")

    assert OFFERED not in card.shown_text
    assert "something about QUNMAPPED" in card.shown_text


async def test_people_ask_where_things_stand_and_are_answered_privately(rig: Rig) -> None:
    incident, _ = await rig.offered()

    status = await rig.ask(f"status {incident.id}")
    context = await rig.ask(f"context {incident.id}")
    changes = await rig.ask("changes checkout 2h")

    assert "Probably the deploy of checkout 42" in status
    assert "Roll checkout back to 41" in status
    assert "On call: Alice Novak" in status
    assert "checkout 42 · deploy by chris" in context
    assert "nothing changed" in context
    assert "checkout calls payments" in context
    assert changes.startswith("Changes of checkout in the last 2 h")
    assert "checkout 42 · deploy by chris" in changes


@pytest.mark.parametrize(
    ("typed", "answered"),
    [
        ("help", "What /incident can do"),
        ("", "What /incident can do"),
        ("stauts", "There is no command “stauts”. Did you mean /incident status?"),
        ("status a b", "Too many words."),
        ("changes chekout", "“chekout” is neither a service nor a time such as 2h. Did you mean checkout?"),
    ],
)
async def test_sl_args_what_is_not_understood_is_answered_with_the_usage(
    rig: Rig, typed: str, answered: str
) -> None:
    assert (await rig.ask(typed)).startswith(answered)


async def test_pd_replay_an_old_page_that_pagerduty_does_not_know_is_closed_and_not_asked_for_again(
    rig: Rig,
) -> None:
    event = an_event("QOLD001", event_id="01OLD", service="PUNMAPPED")
    data = {**event["data"], "created_at": None}  # type: ignore[dict-item]
    answer = await rig.webhook({**event, "occurred_at": "1999-01-01T00:00:00Z", "data": data})
    said = ""
    while "Closed: PagerDuty does not know this incident" not in said:
        said = await rig.ask("status QOLD001")
    entries = await rig.handrail("audit", "show", "QOLD001")

    assert (answer.status_code, rig.cards("QOLD001")) == (202, [])
    assert "unknown_to_pager" in entries.out
