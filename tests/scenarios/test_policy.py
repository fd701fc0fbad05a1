"""Approvals as the policy shapes them, on a whole bot: typed, by two people, refused by name."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from adapters.sandbox.slack import Message, View
from adapters.sandbox.stage import ALICE, BEN
from tests.scenarios.running import OFFERED, Rig, quick_playbooks, running

pytestmark = [pytest.mark.heavy, pytest.mark.xdist_group("policy"), pytest.mark.timeout(300)]

POLICY = f"""\
email_domains: [shop.example]
authors:
  {{author}}: {BEN.id}
"""
TARGET = "deploy:checkout"
NOBODY = "somebody-else"


@asynccontextmanager
async def a_bot(folder: Path, risk: str, policy: str, *, users: str = "") -> AsyncIterator[Rig]:
    """Run a bot whose rollback has *risk*; Alice is on call, *users* are named approvers."""
    playbooks = quick_playbooks(folder)
    rollback = playbooks / "rollback-deploy.yaml"
    rollback.write_text(rollback.read_text().replace("risk: medium", f"risk: {risk}"))
    (folder / "policy.yaml").write_text(policy)
    named = f"on_call: true\n      users: [{users}]" if users else "on_call: true"
    services: Callable[[str], str] = lambda yaml: yaml.replace("on_call: true", named)  # noqa: E731
    settings = {"HANDRAIL_POLICY": str(folder / "policy.yaml")}
    async with running(folder, playbooks=playbooks, services=services, settings=settings) as rig:
        yield rig


async def window_of(rig: Rig, user: str) -> View:
    return await rig.seen(lambda slack: slack.views.get(user))


async def test_a_high_risk_is_approved_by_typing_the_targets_name_and_a_reason(tmp_path: Path) -> None:
    policy = POLICY.format(author="anna") + f"  boris: {BEN.id}\n  chris: {BEN.id}\n"
    async with a_bot(tmp_path, "high", policy, users=BEN.id) as rig:
        incident, card = await rig.offered()
        effects = await rig.stage.effects()

        refused = await rig.press_and_hear(BEN.id, card)
        await rig.press(ALICE.id, card)
        window = await window_of(rig, ALICE.id)
        await rig.slack.submit_view(ALICE.id, window.id, {"target": "checkout", "reason": "tax rules"})
        mistyped = (await window_of(rig, ALICE.id)).errors
        assert await rig.stage.effects() == effects
        await rig.slack.submit_view(ALICE.id, window.id, {"target": TARGET, "reason": "tax rules"})
        recovered = await rig.card(incident.id, "Recovered", without=OFFERED)

        assert refused.startswith(
            "You cannot decide this: the author of the suspect change does not count; only"
        )
        assert "(now Alice Novak)" in refused
        assert mistyped == (("target", f"That is not the target's name. Type {TARGET}"),)
        assert "on call): tax rules" in recovered.shown_text
        assert len(await rig.stage.effects()) == len(effects) + 1
        told = await rig.handrail("audit", "show", incident.id)
        assert "tax rules" in told.out + told.err


async def test_a_critical_risk_takes_two_different_people(tmp_path: Path) -> None:
    async with a_bot(tmp_path, "critical", POLICY.format(author=NOBODY), users=BEN.id) as rig:
        incident, card = await rig.offered()
        effects = await rig.stage.effects()

        await approve_typed(rig, ALICE.id, card, "first")
        half = await rig.card(incident.id, "1 of 2: Alice Novak; one more person")
        again = await rig.press_and_hear(ALICE.id, half)
        assert await rig.stage.effects() == effects
        await approve_typed(rig, BEN.id, half, "second")
        recovered = await rig.card(incident.id, "Recovered", without=OFFERED)

        assert again == "You have approved this already; someone else must too."
        assert "first" in recovered.shown_text
        assert "second" in recovered.shown_text
        assert len(await rig.stage.effects()) == len(effects) + 1


async def test_a_soft_freeze_is_overridden_with_a_reason(tmp_path: Path) -> None:
    frozen = (
        'freezes:\n  - name: the sale\n    dated: {from: "2000-01-01T00:00", to: "2100-01-01T00:00"}\n'
        "    level: soft\n"
    )
    async with a_bot(tmp_path, "low", "email_domains: [shop.example]\n" + frozen) as rig:
        incident, card = await rig.offered()

        await rig.press(ALICE.id, card)
        window = await window_of(rig, ALICE.id)
        await rig.slack.submit_view(ALICE.id, window.id, {"reason": "people cannot pay"})
        recovered = await rig.card(incident.id, "Recovered", without=OFFERED)

        assert "the sale" in str(window.payload)
        assert "on call): people cannot pay" in recovered.shown_text


async def approve_typed(rig: Rig, user: str, card: Message, reason: str) -> None:
    """Press Approve, and confirm it in the window with the target's name and *reason*."""
    await rig.press(user, card)
    window = await window_of(rig, user)
    await rig.slack.submit_view(user, window.id, {"target": TARGET, "reason": reason})
