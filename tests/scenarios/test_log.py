"""A bot's log tells an incident's story under one correlation id, and no secret with it."""

import json
from pathlib import Path

import pytest

from adapters.sandbox.stage import ALICE, BEN
from tests.scenarios.running import WITHIN_S, Rig, running

CANARY = "xoxb-1234567890-CANARYcanaryCANARY"
STORY = [
    "webhook_stored",
    "incident_seen",
    "suspects_ranked",
    "proposed",
    "card_shown",
    "clicked not_allowed",
    "clicked accepted",
    "claimed",
    "step_finished",
    "proposal_moved_on",
    "verified",
    "note_written slack",
    "note_written pagerduty",
    "incident_resolved",
]
FACTS = {fact.partition(" ")[0] for fact in STORY}


def lines_of(rig: Rig, folder: Path) -> list[dict[str, object]]:
    written = (folder / "bot.log").read_text().splitlines()
    return [json.loads(line) for line in written if line.startswith("{")]


def fact(line: dict[str, object]) -> str:
    """Return what the line says happened, with what tells two of a kind apart."""
    return " ".join(str(word) for word in (line["event"], line.get("reason") or line.get("where")) if word)


@pytest.mark.timeout(300)
async def test_one_correlation_id_leads_from_the_webhook_to_the_note(tmp_path: Path) -> None:
    async with running(tmp_path, settings={"HANDRAIL_RESOLVE": "true"}) as rig:
        await rig.break_checkout()
        incident = rig.page(f"checkout fails for {CANARY}")
        card = await rig.card(incident.id, "Approve rollback to 41")
        await rig.press_and_hear(BEN.id, card)
        await rig.press(ALICE.id, card)
        pagerduty = rig.stage.pagerduty
        await pagerduty.wait_for(lambda: not pagerduty.incident(incident.id).is_open, timeout=WITHIN_S)
        await rig.card(incident.id, "Recovered")
        await rig.ask(f"status {incident.id}")
        while "incident_resolved" not in (tmp_path / "bot.log").read_text():
            await rig.ask(f"status {incident.id}")
        lines = lines_of(rig, tmp_path)
        written = (tmp_path / "bot.log").read_text()
        secrets = [value for name, value in rig.environment.items() if name.endswith(("_TOKEN", "_SECRET"))]

    id_ = next(line["correlation_id"] for line in lines if line["event"] == "webhook_stored")
    story = [line for line in lines if line.get("correlation_id") == id_]
    assert [fact(line) for line in story if line["event"] in FACTS] == STORY
    assert {line.get("incident_id") for line in story} == {incident.id}
    decided = [line for line in story if line["event"] in ("proposed", "clicked", "claimed", "verified")]
    assert {line.get("proposal_id") for line in decided} == {f"{incident.id}-1"}
    assert len(secrets) > 3
    assert [secret for secret in (CANARY, *secrets) if secret in written] == []
