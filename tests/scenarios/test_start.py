"""Wrong settings and files: the bot does not start, names what is wrong, and leaves nothing behind."""

import asyncio
import os
import socket
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from adapters.engine.embedded.folder import DataFolder
from tests.scenarios.running import ROOT, handrail, quick_playbooks

pytestmark = pytest.mark.timeout(300)

A_CATALOGUE = "services:\n  checkout:\n    pagerduty: [PCHKOUT]\n"


def settings_for(folder: Path) -> dict[str, str]:
    """Return settings that are complete and right, with neighbours that nobody needs to reach."""
    (folder / "services.yaml").write_text(A_CATALOGUE)
    return {
        "SLACK_BOT_TOKEN": "xoxb-0123456789",
        "SLACK_SIGNING_SECRET": "0123456789abcdef",
        "SLACK_TEAM_ID": "T0SHOP",
        "SLACK_CHANNEL": "C0INCIDENTS",
        "SLACK_API_URL": "http://127.0.0.1:9/api/",
        "PAGERDUTY_API_TOKEN": "0123456789abcdef",
        "PAGERDUTY_WEBHOOK_SECRETS": "0123456789abcdef",
        "PAGERDUTY_FROM_EMAIL": "alice@shop.example",
        "PAGERDUTY_API_URL": "http://127.0.0.1:9",
        "HANDRAIL_PORT": "0",
        "HANDRAIL_DATA_DIR": str(folder / "data"),
        "HANDRAIL_SERVICES": str(folder / "services.yaml"),
        "HANDRAIL_PLAYBOOKS": str(quick_playbooks(folder)),
        "HANDRAIL_PROMPTS": str(ROOT / "prompts"),
    }


@pytest.mark.parametrize(
    ("wrong", "named"),
    [
        ({"PAGERDUTY_WEBHOOK_SECRETS": None}, "PAGERDUTY_WEBHOOK_SECRETS: is not set"),
        ({"SLACK_SIGNING_SECRET": " "}, "SLACK_SIGNING_SECRET: is blank"),
        ({"SLACK_SIGNING_SECRET": None}, "set SLACK_SIGNING_SECRET (HTTP) or SLACK_APP_TOKEN"),
        ({"HANDRAIL_APROVAL_MINUTES": "5"}, "Did you mean HANDRAIL_APPROVAL_MINUTES?"),
        ({"HANDRAIL_APPROVAL_MINUTES": "soon"}, "HANDRAIL_APPROVAL_MINUTES: "),
        ({"HANDRAIL_SERVICES": "/nowhere/services.yaml"}, "/nowhere/services.yaml"),
    ],
    ids=["missing", "blank", "no-way-in", "unknown", "not-a-number", "no-file"],
)
async def test_a_wrong_setting_is_named_and_nothing_starts(
    tmp_path: Path, wrong: dict[str, str | None], named: str
) -> None:
    given = {**settings_for(tmp_path), **wrong}
    ended = await handrail({name: value for name, value in given.items() if value is not None}, "run")

    assert (ended.code, ended.out) == (2, "")
    assert named in ended.err
    assert "Traceback" not in ended.err
    assert not (tmp_path / "data").exists()


async def test_a_broken_playbook_is_named_with_its_line(tmp_path: Path) -> None:
    settings = settings_for(tmp_path)
    broken = tmp_path / "playbooks" / "restart-service.yaml"
    lines = broken.read_text().splitlines()
    at = next(number for number, line in enumerate(lines, start=1) if line.startswith("risk:"))
    broken.write_text("\n".join([*lines[: at - 1], "risc: medium", *lines[at:]]))

    ended = await handrail(settings, "run")

    assert ended.code == 2
    assert f"restart-service.yaml:{at}" in ended.err
    assert "risc" in ended.err


def port_in_use(settings: dict[str, str]) -> AbstractContextManager[object]:
    taken = socket.create_server(("127.0.0.1", 0))
    settings["HANDRAIL_PORT"] = str(taken.getsockname()[1])
    return taken


def folder_in_use(settings: dict[str, str]) -> AbstractContextManager[object]:
    return DataFolder(Path(settings["HANDRAIL_DATA_DIR"]))


@pytest.mark.parametrize(
    ("trouble", "named"),
    [
        (port_in_use, "set HANDRAIL_PORT"),
        (folder_in_use, f"in use by process {os.getpid()}"),
    ],
    ids=["port", "folder"],
)
async def test_what_another_holds_is_named_and_no_process_is_left(
    tmp_path: Path, trouble: Callable[[dict[str, str]], AbstractContextManager[object]], named: str
) -> None:
    settings = settings_for(tmp_path)
    with trouble(settings):
        ended = await handrail(settings, "run")

    assert (ended.code, ended.out) == (2, "")
    assert named in ended.err
    assert await asyncio.to_thread(processes_about, tmp_path) == []


def processes_about(folder: Path) -> list[str]:
    """Return the command lines, on this machine, that name *folder*."""
    found = []
    for entry in Path("/proc").iterdir():
        try:
            command = (
                (entry / "cmdline").read_bytes().decode(errors="replace") if entry.name.isdigit() else ""
            )
        except OSError:
            continue  # It ended meanwhile.
        if str(folder) in command:
            found.append(command.replace("\0", " "))
    return found
