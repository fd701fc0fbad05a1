"""A neighbour is gone, silent or forgetful: nothing is lost, nothing starts in doubt, and it heals."""

import os
import signal
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import timedelta

import pytest
import pytest_asyncio

from adapters.sandbox.pagerduty.models import Incident
from adapters.sandbox.stage import ALICE
from tests.scenarios.running import OFFERED, WITHIN_S, Rig, running

pytestmark = [
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.xdist_group("outages"),
    pytest.mark.timeout(300),
]

QUEUE = "-server"
ENGINE = "temporal"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def rig(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Rig]:
    async with running(tmp_path_factory.mktemp("outages")) as running_rig:
        yield running_rig


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def watchful(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Rig]:
    """A bot that looks at PagerDuty every second, and resolves what has recovered."""
    settings = {"HANDRAIL_RECONCILE_S": "1", "HANDRAIL_RESOLVE": "true"}
    async with running(tmp_path_factory.mktemp("watchful"), settings=settings) as running_rig:
        yield running_rig


@dataclass(frozen=True)
class Page:
    """A page, and how the webhook about it fared."""

    rig: Rig
    incident: Incident
    earlier: frozenset[str]
    """Events that were delivered before it."""

    @property
    def answers(self) -> list[int | None]:
        found = self.rig.stage.pagerduty.deliveries
        return [delivery.status for delivery in found if delivery.event_id not in self.earlier]

    async def was_answered(self, status: int) -> None:
        await self.rig.stage.pagerduty.wait_for(lambda: self.answers[-1:] == [status], timeout=WITHIN_S)


def page(rig: Rig) -> Page:
    earlier = frozenset(delivery.event_id for delivery in rig.stage.pagerduty.deliveries)
    return Page(rig, rig.page(), earlier)


async def test_h_truth_a_silent_queue_means_503_and_the_webhook_sent_again_is_handled(rig: Rig) -> None:
    queue = rig.child(QUEUE)
    os.kill(queue, signal.SIGSTOP)
    paged = page(rig)
    await paged.was_answered(503)
    ready = await rig.get("/readyz")
    os.kill(queue, signal.SIGCONT)

    await paged.was_answered(202)
    await rig.card(paged.incident.id)

    assert ready.status_code == 503
    assert ready.json()["parts"]["queue"] != "ok"
    assert len(rig.cards(paged.incident.id)) == 1


async def test_e_redis_kill_a_killed_queue_comes_back_with_what_it_held(rig: Rig) -> None:
    """Stopped first, so that the page surely meets the outage; the kill then loses the connection as well."""
    queue = rig.child(QUEUE)
    os.kill(queue, signal.SIGSTOP)
    paged = page(rig)
    await paged.was_answered(503)
    os.kill(queue, signal.SIGKILL)

    await paged.was_answered(202)
    await rig.card(paged.incident.id)

    assert rig.child(QUEUE) != queue
    assert (await rig.ask(f"context {paged.incident.id}")).startswith("Context of")
    assert len(rig.cards(paged.incident.id)) == 1


async def test_webhooks_are_taken_without_an_engine_and_handled_once_it_is_back(rig: Rig) -> None:
    engine = rig.child(ENGINE)
    os.kill(engine, signal.SIGSTOP)
    paged = page(rig)
    await paged.was_answered(202)
    ready = await rig.get("/readyz")
    os.kill(engine, signal.SIGKILL)

    await rig.card(paged.incident.id)

    assert paged.answers == [202]
    assert ready.status_code == 503
    assert ready.json()["parts"]["engine"] != "ok"
    assert rig.child(ENGINE) != engine


@pytest.mark.parametrize("fault", ["refuses", "is silent"])
async def test_nobody_is_allowed_while_pagerduty_cannot_say_who_is_on_call(rig: Rig, fault: str) -> None:
    incident, card = await rig.offered()
    effects = await rig.stage.effects()
    pagerduty = rig.stage.pagerduty
    if fault == "refuses":
        pagerduty.fail("/oncalls", status=503, times=100)
    else:
        pagerduty.fail("/oncalls", delay=timedelta(minutes=5), times=100)

    refusal = await rig.press_and_hear(ALICE.id, card)
    pagerduty.heal()

    assert refusal.startswith("You cannot decide this: PagerDuty could not say who is on call")
    assert OFFERED in (await rig.card(incident.id)).shown_text
    assert await rig.stage.effects() == effects


async def test_pd_lost_what_webhooks_missed_is_found_by_looking(watchful: Rig) -> None:
    pagerduty = watchful.stage.pagerduty
    earlier = len(pagerduty.deliveries)
    pagerduty.drop_webhooks(1_000)
    incident = watchful.page()
    card = await watchful.card(incident.id)
    pagerduty.resolve(incident.id, "PALICE1")

    resolved = await watchful.card(incident.id, "Resolved")
    pagerduty.heal()

    assert resolved.ts == card.ts
    lost = [d.event_type for d in pagerduty.deliveries[earlier:] if d.outcome == "lost"]
    assert {"incident.triggered", "incident.resolved"} <= set(lost)


async def test_a_note_whose_answer_was_lost_stands_once(watchful: Rig) -> None:
    incident, card = await watchful.offered()
    pagerduty = watchful.stage.pagerduty
    pagerduty.fail(f"/incidents/{incident.id}/notes", method="POST", drop_answer=True)

    await watchful.press(ALICE.id, card)
    await pagerduty.wait_for(lambda: not pagerduty.incident(incident.id).is_open, timeout=WITHIN_S)

    assert len(pagerduty.notes(incident.id)) == 1
    replies = [m for m in watchful.slack.thread(card.channel, card.ts) if m.is_reply]
    assert len(replies) == 1
