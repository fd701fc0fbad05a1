"""Steps of type `ansible`: real runs of Ansible on this machine."""

import asyncio
import os
from pathlib import Path

import pytest

from adapters.runners.ansible import AnsibleRunner
from adapters.runners.family import members
from bot.domain.execution import ApprovedStep, Result
from bot.domain.target_actions import AnsibleRun
from tests.runner_builders import a_command, an_approved
from tests.scenarios.processes import ended

WRITE = """
- hosts: all
  gather_facts: false
  tasks:
    - name: Write the file
      ansible.builtin.copy:
        dest: "{{ target }}"
        content: "{{ words }}\\n"
        mode: "0600"
"""
pytestmark = [
    pytest.mark.skipif(
        not pytest.importorskip("ansible_runner", reason="needs the extra `ansible`"), reason="is there"
    ),
    pytest.mark.timeout(180),
]


@pytest.fixture
def runner(tmp_path: Path) -> AnsibleRunner:
    folder = tmp_path / "plays"
    folder.mkdir()
    return AnsibleRunner(folder=folder, path=os.environ["PATH"])


def a_play(
    play: str = WRITE, *, key_file: str | None = None, timeout_s: int = 120, **variables: str
) -> ApprovedStep:
    return an_approved(
        AnsibleRun(
            name="play",
            hosts=("localhost",),
            connection="local",
            key_file=key_file,
            play=play,
            variables=tuple(sorted(variables.items())),
            idempotent=False,
            timeout_s=timeout_s,
        )
    )


async def test_r_dry_run_check_mode_changes_nothing_and_the_run_after_it_does(
    runner: AnsibleRunner, tmp_path: Path
) -> None:
    """A run must not inherit the check mode of the one before, and must say what it changed."""
    target = tmp_path / "file"
    step = a_play(target=str(target), words="hello")
    shown = await runner.preview(step.action)
    was_there = target.exists()
    outcome = await runner.run(step)

    assert shown is not None
    assert ("", False) == (shown.missing, was_there)
    assert ["localhost: Write the file", "  + hello"] == [
        line for line in shown.text.splitlines() if line[:1] in "l " and "name" not in line
    ][:2]
    assert (Result.DONE, "1 hosts, 1 tasks that change something", "hello\n") == (
        outcome.result,
        outcome.detail,
        target.read_text(),
    )
    assert [] == list((tmp_path / "plays").iterdir())


async def test_a_task_that_fails_before_any_change_is_a_failure_with_its_words(runner: AnsibleRunner) -> None:
    play = "- hosts: all\n  gather_facts: false\n  tasks:\n    - name: Refuse\n      fail: {msg: because}\n"
    outcome = await runner.run(a_play(play))

    assert (Result.FAILED, "localhost: Refuse: because") == (outcome.result, outcome.output)


async def test_the_environment_of_the_bot_does_not_reach_a_play(
    runner: AnsibleRunner, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SLACK_BOT_TOKEN", "xoxb-canary")
    play = WRITE.replace("{{ words }}", "{{ lookup('env', 'SLACK_BOT_TOKEN') }}|{{ ansible_check_mode }}")
    await runner.run(a_play(play, target=str(tmp_path / "file")))

    assert "|False\n" == (tmp_path / "file").read_text()


async def test_a_key_that_others_can_read_starts_nothing(runner: AnsibleRunner, tmp_path: Path) -> None:
    key = tmp_path / "key"
    key.write_text("x")
    key.chmod(0o644)
    outcome = await runner.run(a_play(key_file=str(key), target=str(tmp_path / "file"), words="x"))

    assert (Result.FAILED, False) == (outcome.result, (tmp_path / "file").exists())
    assert "chmod 600" in outcome.detail


async def test_a_run_that_takes_too_long_is_unknown_and_nobody_is_left_here(runner: AnsibleRunner) -> None:
    play = "- hosts: all\n  gather_facts: false\n  tasks:\n    - command: sleep 600\n"
    step = a_play(play, timeout_s=6)
    outcome = await runner.run(step)

    await ended(await asyncio.to_thread(members, step.started.key))
    assert Result.UNKNOWN is outcome.result
    assert "stopped waiting after 6 s; what runs on the hosts goes on there" == outcome.detail


async def test_a_step_of_another_type_is_a_defect(runner: AnsibleRunner) -> None:
    with pytest.raises(TypeError, match="type command"):
        await runner.run(a_command("true"))
