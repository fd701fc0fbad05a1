"""Commands over a whole bot: typed in the channel, by mention in the thread, and by the message shortcut."""

import json
from pathlib import Path

import pytest

from adapters.sandbox.slack import SandboxSlack, View
from adapters.sandbox.stage import ALICE, BEN, CHANNEL, GUEST
from tests.scenarios.running import Rig, running

pytestmark = [pytest.mark.heavy, pytest.mark.timeout(300)]


async def mentioned(rig: Rig, user: str, text: str, thread_ts: str) -> str:
    """Mention the bot in a thread; return what *user* alone is told there."""
    before = len(rig.heard(user))
    delivery = await rig.slack.mention(user, CHANNEL, text, thread_ts)
    said = await rig.told(user, before)
    assert delivery.ok
    assert {thread_ts} == {m.thread_ts for m in rig.slack.ephemerals(user) if m.shown_text == said}
    return said


async def opened_home(rig: Rig, user: str) -> str:
    """Open the home tab; return what stands there once it is drawn anew."""
    before = rig.slack.homes.get(user)

    def drawn(slack: SandboxSlack) -> View | None:
        home = slack.homes.get(user)
        return home if home != before else None

    assert (await rig.slack.open_home(user)).ok
    return (await rig.seen(drawn)).shown_text


async def test_commands_by_every_way_and_what_they_have_done(tmp_path: Path) -> None:
    async with running(tmp_path) as rig:
        incident, card = await rig.offered()

        # The home tab of one who may approve, and of one who may not.
        # The proposal is registered a moment after its card stands.
        while "Roll checkout back to 41 ·" not in (home := await opened_home(rig, ALICE.id)):
            assert incident.id in home
        home = await opened_home(rig, BEN.id)
        assert incident.id in home
        assert "No approval waits for you." in home

        # In words, in the thread: the incident of the thread is meant.
        assert "42" in await mentioned(rig, BEN.id, "did checkout change today?", card.ts)
        assert "On call" in await mentioned(rig, BEN.id, "who is on call", card.ts)

        # A mention that writes: once, however often Slack sends the event; and not for a guest.
        refused = await mentioned(rig, GUEST.id, "ack", card.ts)
        assert "guests do not count" in refused
        before = len(rig.heard(ALICE.id))
        delivery = await rig.slack.mention(ALICE.id, CHANNEL, "note we look at 42", card.ts)
        assert f"The note is in {incident.id}." in await rig.told(ALICE.id, before)
        for _ in range(3):
            assert (await rig.slack.deliver("event", json.loads(delivery.body))).ok
        assert f"{incident.id} is acknowledged" in await rig.ask(f"ack {incident.id}")
        notes = [n.content for n in rig.stage.pagerduty.notes(incident.id) if "we look at 42" in n.content]
        assert 1 == len(notes)
        assert "[handrail pagerduty:note:" in notes[0]

        # The shortcut on the card.
        before = len(rig.heard(BEN.id))
        await rig.slack.shortcut(BEN.id, CHANNEL, card.ts, "handrail.commands")
        assert "Incident commands" in await rig.told(BEN.id, before)

        # A playbook that a person asks for goes onto the same card, and runs nothing by itself.
        effects = await rig.stage.effects()
        assert "restart-service is proposed" in await rig.ask("propose restart-service", BEN.id)
        await rig.card(incident.id, "Restart")
        assert effects == await rig.stage.effects()

        # Shared: for all, once, in the channel.
        await rig.slack.command(ALICE.id, CHANNEL, "timeline --share")
        shared = await rig.seen(
            lambda slack: [m for m in slack.messages(CHANNEL) if "Timeline of" in m.shown_text] or None
        )
        assert 1 == len(shared)
