"""`handrail kill` and `revive`, on a disk and a machine that do not help."""

import asyncio
import getpass
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from adapters.cli.main import app
from adapters.store.opening import open_store
from bot.domain.errors import Unavailable


def run(folder: Path, *arguments: str) -> Result:
    return CliRunner().invoke(app, arguments, env={"HANDRAIL_DATA_DIR": str(folder), "DATABASE_URL": None})


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "data"
    made.mkdir(mode=0o700)
    return made


def is_killed(folder: Path) -> bool:
    """Say whether the record stops every start, whatever the file does."""

    async def ask() -> bool:
        store = open_store(f"sqlite:///{folder}/audit.db", redact=str, kill_file=None)
        try:
            return await store.gate.is_killed()
        finally:
            await store.close()

    return asyncio.run(ask())


def test_the_file_is_this_users_alone(folder: Path) -> None:
    ended = run(folder, "kill", "--reason", "wrong playbook")

    assert (0, 0o600) == (ended.exit_code, (folder / "KILL").stat().st_mode & 0o777)


def test_a_user_without_a_name_can_stop_it(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A container may run as a number that no list of users holds."""

    def nobody() -> str:
        raise KeyError("getpwuid(): uid not found: 12345")

    monkeypatch.setattr(getpass, "getuser", nobody)

    assert 0 == run(folder, "kill").exit_code
    assert " uid " in (folder / "KILL").read_text()


@pytest.mark.parametrize("what", ["folder", "link"])
def test_whatever_stands_in_its_place_stops_and_the_record_is_told(folder: Path, what: str) -> None:
    if what == "folder":
        (folder / "KILL").mkdir()
    else:
        (folder / "KILL").symlink_to(folder / "nowhere")

    ended = run(folder, "kill")

    assert (0, True, False) == (ended.exit_code, is_killed(folder), (folder / "nowhere").exists())


def test_without_the_file_the_record_stops_it(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("adapters.cli.kill.KILL_FILE", "none/such")

    ended = run(folder, "kill")

    assert (1, True) == (ended.exit_code, is_killed(folder))
    assert ended.stdout == "stopped: the record says so\n"


def test_when_nothing_could_be_written_it_says_that_it_is_not_stopped(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("adapters.cli.kill.KILL_FILE", "none/such")
    (folder / "audit.db").mkdir()

    ended = run(folder, "kill")

    assert (1, "") == (ended.exit_code, ended.stdout)
    assert "NOT stopped: end the bot itself" in ended.stderr


def test_a_revival_that_cannot_remove_the_file_says_so(folder: Path) -> None:
    run(folder, "kill")
    (folder / "KILL").unlink()
    (folder / "KILL").mkdir()

    assert isinstance(run(folder, "revive").exception, Unavailable)
