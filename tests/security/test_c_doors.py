"""Every way in beside the card, and that none of them approves or starts anything."""

import importlib
import inspect
from collections.abc import Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import typer.main

import adapters.slack
from adapters.cli.main import app as commands
from adapters.settings import Settings
from adapters.store.memory_ledger import MemoryChangeLedger
from bot.domain.ids import ServiceName
from tests.builders import NOW, a_change

COMMANDS = {
    "run",
    "demo",
    "check",
    "eval",
    "fit",
    "replay",
    "drift",
    "redact",
    "kill",
    "revive",
    "reference",
    "playbooks",
    "policy",
    "audit",
    "labels",
}
"""Each was looked at: none leads to an approval or a start. A new one fails here until somebody has."""


def test_c_no_side_door_every_command_is_one_that_was_looked_at() -> None:
    group = typer.main.get_command(commands)

    assert set(_inner(group)) == COMMANDS


def test_c_no_side_door_no_command_can_reach_a_ruling_or_a_claim() -> None:
    """The words of the gate's deciding methods stand nowhere in the commands' own modules."""
    group = typer.main.get_command(commands)
    modules = {inspect.getmodule(command.callback) for command in _leaves(group) if command.callback}
    sources = {module.__name__: inspect.getsource(module) for module in modules if module is not None}

    assert len(sources) > 5
    for name, source in sources.items():
        for word in ("gate.rule(", "gate.claim(", "gate.resume(", "handle_click"):
            assert word not in source, f"{name} calls {word}"


def test_c_no_side_door_no_setting_approves() -> None:
    assert [name for name in Settings.model_fields if "auto" in name or "approve" in name] == []


def _inner(command: object) -> Mapping[str, Any]:
    """Return the commands below a group; typer's groups are no longer click's."""
    inner: Mapping[str, Any] = getattr(command, "commands", {})
    return inner


def _leaves(command: Any) -> Sequence[Any]:
    if not _inner(command):
        return [command]
    return [leaf for each in _inner(command).values() for leaf in _leaves(each)]


@pytest.mark.parametrize("module", ["adapters.cli.replay", "adapters.cli.replaying"])
def test_c_replay_tool_replaying_knows_no_runner_and_no_gate(module: str) -> None:
    source = inspect.getsource(importlib.import_module(module))

    for word in ("adapters.runners", "running_bot", ".claim(", "run_step"):
        assert word not in source


def test_sl_response_url_is_never_called() -> None:
    """Slack names an address in each press; whoever forged one would have us call theirs."""
    sources = {file: file.read_text() for file in Path(adapters.slack.__file__).parent.rglob("*.py")}

    assert len(sources) > 10
    assert [
        file for file, source in sources.items() if "response_url" in source or "respond(" in source
    ] == []


async def test_dep_burst_ten_thousand_deploys_leave_a_bounded_window() -> None:
    ledger = MemoryChangeLedger()
    for number in range(10_000):
        await ledger.record(
            a_change(version=str(number), finished_at=NOW - timedelta(milliseconds=6 * number))
        )
    hour = timedelta(hours=1)

    near = await ledger.near([{ServiceName("checkout")}], NOW - hour, NOW + hour)
    between = await ledger.between([ServiceName("checkout")], NOW - hour, NOW + hour)

    assert (len(near), len(between)) == (100, 500)
