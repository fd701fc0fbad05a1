"""kill -9 in a burst of webhooks: what was answered with 202 has a card afterwards."""

import asyncio
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest

from adapters.sandbox.slack import SlackChannel
from adapters.sandbox.stage import CHANNEL
from tests.conftest import Rounds
from tests.scenarios.running import Rig, running

pytestmark = pytest.mark.timeout(300)

ROOMS = tuple(SlackChannel(f"C0ROOM{number}", f"room-{number}") for number in range(25))


def with_a_service_for_each_room(yaml: str) -> str:
    """Slack takes one message a second in each channel: many channels make the burst a short one."""
    services = "".join(
        f"  service-{room.id.lower()}:\n    pagerduty: [P{room.id}]\n    channel: {room.id}\n"
        for room in ROOMS
    )
    return yaml + services


async def post(rig: Rig, number: int) -> bool:
    """Post one trigger; return whether it was taken."""
    now = datetime.now(UTC).isoformat()
    data = {
        "id": f"QBURST{number}",
        "type": "incident",
        "title": f"burst {number}",
        "status": "triggered",
        "created_at": now,
        "service": {"id": f"P{ROOMS[number % len(ROOMS)].id}"},
    }
    event = {"id": f"01BURST{number}", "event_type": "incident.triggered", "occurred_at": now, "data": data}
    try:
        return (await rig.webhook(event)).status_code == 202
    except httpx.TransportError:
        return False  # The bot died before it answered: the sender would send this one again.


async def test_what_was_taken_in_a_burst_survives_a_kill(tmp_path: Path, rounds: Rounds) -> None:
    async with running(tmp_path, services=with_a_service_for_each_room, more_channels=ROOMS) as rig:
        posts = [
            asyncio.create_task(post(rig, number)) for number in range(rounds(len(ROOMS), 2 * len(ROOMS)))
        ]
        await rig.seen(lambda slack: any(slack.messages(room.id) for room in ROOMS) or None)
        await rig.kill()
        taken = [number for number, was_taken in enumerate(await asyncio.gather(*posts)) if was_taken]
        await rig.start()

        for number in taken:
            await rig.card(f"QBURST{number}")

        assert taken != []
        assert {number: len(rig.cards(f"QBURST{number}")) for number in taken} == dict.fromkeys(taken, 1)
        assert all(rig.cards(f"QBURST{number}")[0].channel != CHANNEL for number in taken)
