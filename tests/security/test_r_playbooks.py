"""Runners and playbooks, boundary B6: what a file, a fact or an edit can and cannot bring about."""

from pathlib import Path

import pytest

from adapters.files.playbooks import read_playbook, read_playbooks
from bot.domain.approval import Action
from bot.domain.change import ChangeKind
from bot.domain.errors import InvalidPlaybook
from bot.domain.ids import Digest
from bot.domain.proposal import ProposalState
from tests.app.test_remediating import FAILED, an_approved_bot
from tests.app.world import DONE, SHIPPED, a_bot, with_world
from tests.builders import a_change
from tests.unit.test_playbooks import GOOD

NASTY = (
    "41;id",
    "$(id)",
    "`id`",
    "41\nid",
    "41\x00",
    "-rf",
    "--kubeconfig=/x",
    "../../etc/passwd",
    "{{7*7}}",
    "${SLACK_BOT_TOKEN}",
    "%(x)s",
    "{0.__class__}",
    "{version}",
    "secret:DEPLOY_TOKEN",
    "４１",
    "41\u202e",
)


@pytest.mark.parametrize("version", NASTY, ids=ascii)
async def test_r_cmd_inj(version: str) -> None:
    """A version from outside that is no version leads to no plan, and the card says why."""
    bot = a_bot(changes=[a_change(previous_version=version)])
    await bot.begin()

    assert None is await bot.last()
    assert any("parameter 'to_version' may not be" in note.text for note in bot.card.notes)


@pytest.mark.parametrize("flag", NASTY, ids=ascii)
async def test_r_template(flag: str) -> None:
    """A flag's name from outside is data: nothing in it is ever evaluated."""
    change = a_change().model_copy(update={"kind": ChangeKind.FLAG, "flag": flag})
    bot = a_bot(changes=[change])
    await bot.begin()

    assert None is await bot.last()


@pytest.mark.parametrize(
    ("line", "found"),
    [
        ("x: !!python/object/apply:os.system [touch /tmp/x]", "the tag"),
        ("risk: low", "'risk' stands twice"),
        ("region: no", "`region` is no known key"),
        ("port: 22:22", "`port` is no known key"),
        ("x: &a [1]", "anchors"),
        ("x: *a", "aliases"),
    ],
)
def test_r_yaml(tmp_path: Path, line: str, found: str) -> None:
    path = tmp_path / "roll-back.yaml"
    path.write_text(f"{GOOD}{line}\n")

    with pytest.raises(InvalidPlaybook) as caught:
        read_playbook(path)

    assert str(caught.value).startswith(f"{path}:{GOOD.count(chr(10)) + 1}: ")
    assert found in str(caught.value)


def test_r_path(tmp_path: Path) -> None:
    """No id of a playbook leads out of the folder, and nothing in the folder leads out of it."""
    outside = tmp_path / "secret.yaml"
    outside.write_text(GOOD)
    folder = tmp_path / "playbooks"
    folder.mkdir()
    (folder / "roll-back.yaml").symlink_to(outside)

    with pytest.raises(InvalidPlaybook, match="is a link"):
        read_playbooks(folder)
    outside.write_text(GOOD.replace("id: roll-back", "id: ../../etc/passwd"))
    with pytest.raises(InvalidPlaybook, match="`id`"):
        read_playbook(outside)


async def test_r_toctou() -> None:
    """A playbook edited after the approval changes nothing that runs; the next plan has another digest."""
    bot = a_bot()
    await bot.begin()
    before = await bot.the_last()
    loaded = SHIPPED["rollback-deploy"]
    edited = loaded.model_copy(
        update={
            "sha256": Digest("e" * 64),
            "playbook": loaded.playbook.model_copy(update={"steps": loaded.playbook.undo.steps}),
        }
    )
    bot = with_world(bot, playbooks={"rollback-deploy": edited})
    await bot.press(Action.APPROVE, follow=False)
    bot.signals.values = [0.3]
    await bot.follow()
    await bot.press(Action.PROPOSE_AGAIN)
    after = await bot.the_last()

    assert ["roll-back"] == [step.action.name for step in bot.runner.ran]
    assert before.plan == bot.runner.ran[0].plan.to_bytes()
    assert (2, True) == (after.number, after.digest != before.digest)


async def test_r_toctou_in_the_store() -> None:
    """Bytes changed in the store between the approval and the start are not what was approved: no start."""
    bot = a_bot()
    await bot.begin()
    await bot.press(Action.APPROVE, follow=False)
    proposal = await bot.the_last()

    def spoil(tx: object) -> None:
        rows = tx.rows.proposals  # type: ignore[attr-defined]
        record = rows.get(proposal.id)
        rows.put(record.model_copy(update={"plan": record.plan.replace(b'\\"41\\"', b'\\"40\\"')}))

    await bot.store.transactions.write(spoil)
    await bot.follow()

    assert (ProposalState.CANCELLED, []) == (await bot.state(), bot.runner.ran)


async def test_r_partial() -> None:
    """What failed stops the rest; its undo runs only as a plan of its own that somebody approves."""
    bot = await an_approved_bot(steps=3)
    bot.runner.ends = [DONE, FAILED, DONE]
    await bot.follow()
    before, undo = len(bot.runner.ran), await bot.the_last()
    await bot.press(Action.APPROVE)

    assert (2, 2, ProposalState.PROPOSED) == (before, undo.number, undo.state)
    assert ["step-0", "step-1", "deploy-again"] == [run.step.action.name for run in bot.runner.ran]
