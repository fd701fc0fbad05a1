"""The main job, from a bad deploy to the note in PagerDuty, over both ways that Slack talks to a bot."""

from collections.abc import Mapping
from pathlib import Path

import httpx
import pytest

from adapters.sandbox.slack import SandboxSlack
from adapters.sandbox.stage import ALICE, BEN, CHANNEL
from tests.scenarios.running import OFFERED, ROOT, WITHIN_S, running


@pytest.mark.timeout(300)
@pytest.mark.parametrize("socket_mode", [False, True], ids=["http", "socket-mode"])
async def test_a_bad_deploy_is_found_approved_rolled_back_and_proven(
    tmp_path: Path, socket_mode: bool
) -> None:
    async with running(
        tmp_path,
        socket_mode=socket_mode,
        is_watched=True,
        playbooks=ROOT / "playbooks",
        settings={"HANDRAIL_RESOLVE": "true", "HANDRAIL_GROUP": "true"},
    ) as rig:
        stage, slack, pagerduty = rig.stage, rig.slack, rig.stage.pagerduty
        await stage.deploy("42", key="ci-1")
        await pagerduty.wait_for(lambda: bool(pagerduty.incidents), timeout=WITHIN_S)
        incident = pagerduty.incidents[0]
        card = await rig.card(incident.id, OFFERED)

        assert "Probably the deploy of checkout 42" in card.shown_text
        assert "Nothing changed" in card.shown_text
        assert '{"version": "41"}' in card.shown_text
        assert "Cannot be undone" in card.shown_text
        assert f"<@{ALICE.id}>" in card.shown_text

        refusal = await rig.press_and_hear(BEN.id, card)
        who = "whoever is on call in PagerDuty (now Alice Novak)"
        assert refusal == f"You cannot decide this: only {who} may decide this."
        assert OFFERED in (await rig.card(incident.id)).shown_text
        assert [effect["after"] for effect in await stage.effects()] == ["42"]

        await rig.press(ALICE.id, card)
        done = await rig.card(incident.id, "Recovered")
        await pagerduty.wait_for(lambda: not pagerduty.incident(incident.id).is_open, timeout=WITHIN_S)

        assert done.ts == card.ts
        assert [a["after"] for a in await stage.effects()] == ["42", "41"]
        assert await stage.deployed() == "41"
        await slack.wait_for(lambda _: _files(slack, card.ts)[1:] or None, timeout=WITHIN_S)
        summary = [m.shown_text for m in slack.thread(CHANNEL, card.ts) if m.is_reply and not m.files]
        assert len(summary) == 1
        assert "approved “Roll checkout back to 41" in summary[0]
        notes = [note.content for note in pagerduty.notes(incident.id)]
        assert len(notes) == 1
        assert "approved “Roll checkout back to 41" in notes[0]
        roots = [m.ts for m in slack.messages(CHANNEL) if m.by_app and not m.is_reply]
        assert roots == [card.ts]
        transports = {delivery.transport for delivery in slack.deliveries}
        assert transports == {"socket" if socket_mode else "http"}

        picture, draft = _files(slack, card.ts)
        assert picture["name"] == f"timeline-{incident.id}-1.png"
        assert "error_ratio of checkout" in str(picture["alt_txt"])
        assert draft["name"] == f"postmortem-{incident.id}-1.md"
        async with httpx.AsyncClient(trust_env=False) as client:
            drawn = await client.get(str(picture["url_private"]))
            written = (await client.get(str(draft["url_private"]))).text
        assert (drawn.headers["content-type"], drawn.content[:4]) == ("image/png", b"\x89PNG")
        assert "approved “Roll checkout back to 41”" in written
        assert "and was refused: You cannot decide this" in written
        assert "## Proof of recovery" in written


def _files(slack: SandboxSlack, ts: str) -> list[Mapping[str, object]]:
    return [file for message in slack.thread(CHANNEL, ts) for file in message.files]
