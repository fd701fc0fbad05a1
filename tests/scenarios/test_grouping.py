"""Three services hurt for one cause, and a storm breaks: what the channel shows, and what people do."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import pytest_asyncio

from adapters.sandbox.pagerduty import Service
from adapters.sandbox.pagerduty.models import Incident
from adapters.sandbox.stage import ALICE, CHANNEL
from tests.scenarios.running import OFFERED, WITHIN_S, Rig, running

pytestmark = [
    pytest.mark.heavy,
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.xdist_group("grouping"),
    pytest.mark.timeout(300),
]

PAYMENTS, WEB = "PPAYMTS", "PWEBSHP"
STORM = 300
FIRST_CARDS = 5


def with_three_services(yaml: str) -> str:
    """The web shop calls checkout, which calls payments."""
    return (
        yaml.replace("    owner: payments team\n", f"    owner: payments team\n    pagerduty: [{PAYMENTS}]\n")
        + f"  web:\n    pagerduty: [{WEB}]\n    dependencies: [checkout]\n"
    )


def a_service(service_id: str, name: str) -> Service:
    return Service(id=service_id, name=name, escalation_policy_id="PESCSHP", integration_key=f"key-{name}")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def rig(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Rig]:
    async with running(
        tmp_path_factory.mktemp("grouping"),
        settings={"HANDRAIL_GROUP": "true", "HANDRAIL_STORM_INCIDENTS": "1000"},
        services=with_three_services,
        more_services=(a_service(PAYMENTS, "payments"), a_service(WEB, "web")),
    ) as running_rig:
        yield running_rig


def page(rig: Rig, service: str, *, ahead_s: int) -> Incident:
    """Page a little later than the first, which pages a second ahead of the clock."""
    at = datetime.now(UTC) + timedelta(seconds=ahead_s)
    return rig.stage.pagerduty.trigger(service, f"{service} answers slowly", at=at)


async def three(rig: Rig) -> tuple[Incident, Incident, Incident]:
    """Break checkout, and page for it and then for its neighbours."""
    first, card = await rig.offered()
    # PagerDuty tells whole seconds: of two in the same one, either might lead once the first is resolved.
    second, third = page(rig, PAYMENTS, ahead_s=2), page(rig, WEB, ahead_s=3)
    for one in (second, third):
        await rig.card(first.id, one.id)
    assert [card.ts] == [m.ts for m in rig.cards(first.id)]
    return first, second, third


def notes(rig: Rig, incident: str) -> Sequence[str]:
    return [note.content for note in rig.stage.pagerduty.notes(incident)]


async def test_three_services_of_one_cause_are_one_card_until_the_first_is_resolved(rig: Rig) -> None:
    first, second, third = await three(rig)
    card = await rig.card(first.id, OFFERED)

    assert "joined because payments is 1 hop from checkout" in card.shown_text
    assert "joined because web is 1 hop from checkout" in card.shown_text
    assert [] == [*rig.cards(second.id), *rig.cards(third.id)]
    ways_back = {f"/incident split {one.id}" for one in (second, third)}
    await rig.seen(
        lambda slack: all(
            any(way in reply.shown_text for reply in slack.thread(CHANNEL, card.ts)) for way in ways_back
        )
    )
    assert f"{second.id} merged into {first.id}: payments is 1 hop from checkout" in await rig.ask("muted")

    before = len(await rig.stage.effects())
    await rig.press(ALICE.id, card)
    await rig.card(first.id, "Recovered")
    await rig.stage.pagerduty.wait_for(lambda: bool(notes(rig, third.id)), timeout=WITHIN_S)

    assert before + 1 == len(await rig.stage.effects())
    assert [1, 1, 1] == [len(notes(rig, one.id)) for one in (first, second, third)]
    assert f"handled together with {first.id}" in notes(rig, second.id)[0]
    assert [True] * 3 == [rig.stage.pagerduty.incident(one.id).is_open for one in (first, second, third)]

    rig.stage.pagerduty.resolve(first.id, "PALICE1")
    released = await rig.card(second.id)

    assert f"{first.id} was resolved" in released.shown_text
    for one in (second, third):
        rig.stage.pagerduty.resolve(one.id, "PALICE1")
    await rig.card(second.id, "Resolved")


async def test_what_a_person_takes_out_has_its_own_card_and_is_never_merged_again(rig: Rig) -> None:
    first, second, third = await three(rig)

    said = await rig.ask(f"split {second.id}")
    own = await rig.card(second.id)
    shown = await rig.card(first.id, without=second.id)
    rig.stage.pagerduty.acknowledge(second.id, "PALICE1")
    await rig.ask("muted")

    assert "goes on by itself now" in said
    assert "Alice Novak took this out" in own.shown_text
    assert third.id in shown.shown_text
    assert [own.ts] == [m.ts for m in rig.cards(second.id)]
    assert f"{second.id} taken out of {first.id} by Alice Novak" in await rig.ask("muted")
    for one in (first, second, third):
        rig.stage.pagerduty.resolve(one.id, "PALICE1")
    await rig.card(first.id, "Resolved")


def a_page(number: int) -> dict[str, object]:
    now = datetime.now(UTC).isoformat()
    data = {
        "id": f"QSTORM{number:04d}",
        "type": "incident",
        "title": f"storm {number}",
        "status": "triggered",
        "created_at": now,
        "service": {"id": f"PSTORM{number}"},
    }
    return {"id": f"01STORM{number}", "event_type": "incident.triggered", "occurred_at": now, "data": data}


async def test_a_storm_of_hundreds_is_a_few_cards_and_one_for_the_rest(tmp_path: Path) -> None:
    settings = {"HANDRAIL_GROUP": "true", "HANDRAIL_STORM_INCIDENTS": str(FIRST_CARDS)}
    async with running(tmp_path, settings=settings) as rig:
        places = asyncio.Semaphore(20)

        async def post(number: int) -> int:
            async with places:
                return (await rig.webhook(a_page(number))).status_code

        answers = await asyncio.gather(*(post(number) for number in range(STORM)))
        hidden = STORM - FIRST_CARDS

        def storm(slack: object) -> str | None:
            roots = [m for m in rig.slack.messages(CHANNEL) if m.by_app and not m.is_reply]
            found = [m for m in roots if f"Storm · {hidden} open incidents" in m.shown_text]
            return found[0].ts if found else None

        ts = await rig.seen(storm)
        older = f"and {hidden - 60} older ones"
        await rig.seen(lambda slack: any(older in m.shown_text for m in slack.thread(CHANNEL, ts)))
        roots = [m for m in rig.slack.messages(CHANNEL) if m.by_app and not m.is_reply]
        sent = [call.method for call in rig.slack.calls if call.method in ("chat.postMessage", "chat.update")]

        assert {202} == set(answers)
        assert len(roots) == FIRST_CARDS + 1
        assert f"Without a card of their own: {hidden} open incidents" in await rig.ask("muted")
        assert len(sent) <= 100
