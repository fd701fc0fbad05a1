"""A record that is opened to be read: what is not there is said, and nothing is made or changed."""

import sqlite3
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from adapters.cli.main import app
from adapters.store.opening import open_record, open_store
from bot.domain.errors import HandrailError, Invalid, Unavailable


async def write(file: Path, entries: int) -> None:
    store = open_store(f"sqlite:///{file}", redact=str, kill_file=None)
    for number in range(entries):
        await store.audit.append("counted", actor="handrail", incident=None, body={"n": number})
    await store.close()


def run(environment: Mapping[str, str], *arguments: str) -> Result:
    return CliRunner().invoke(app, arguments, env=dict(environment))


@pytest.mark.parametrize("command", [("audit", "verify"), ("audit", "show"), ("drift",)])
def test_a_record_that_is_not_there_is_said_and_not_made(tmp_path: Path, command: tuple[str, ...]) -> None:
    """Exit code 2 is what `main` makes of this error."""
    ended = run({"HANDRAIL_DATA_DIR": str(tmp_path)}, *command)

    assert isinstance(ended.exception, HandrailError)
    assert str(ended.exception).startswith(f"{tmp_path}/audit.db: there is no such file.")
    assert [] == list(tmp_path.iterdir())


def test_a_file_without_the_record_is_no_intact_one(tmp_path: Path) -> None:
    file = tmp_path / "other.db"
    with closing(sqlite3.connect(file)) as other:
        other.execute("CREATE TABLE notes (text)")

    ended = run({"DATABASE_URL": f"sqlite:///{file}"}, "audit", "verify")

    assert isinstance(ended.exception, Invalid)
    assert str(ended.exception).endswith("holds no record: the table 'audit' is missing.")
    with closing(sqlite3.connect(file)) as other:
        assert [("notes",)] == other.execute("SELECT name FROM sqlite_master").fetchall()


async def test_what_was_written_is_read_and_cannot_be_changed(tmp_path: Path) -> None:
    file = tmp_path / "a name with blanks?&#.db"
    await write(file, 3)

    store = open_record(f"sqlite:///{file}")
    report = await store.audit.verify()
    with pytest.raises(Unavailable, match="readonly"):
        await store.audit.append("counted", actor="handrail", incident=None, body={})
    await store.close()

    assert (True, 3) == (report.is_intact, report.entries)


async def test_it_is_read_beside_a_bot_that_writes(tmp_path: Path) -> None:
    file = tmp_path / "audit.db"
    writing = open_store(f"sqlite:///{file}", redact=str, kill_file=None)
    reading = open_record(f"sqlite:///{file}")

    await writing.audit.append("counted", actor="handrail", incident=None, body={})
    report = await reading.audit.verify()
    await reading.close()
    await writing.close()

    assert 1 == report.entries
