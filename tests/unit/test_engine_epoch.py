"""Engine files: which one goes on, and when the epoch rises."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from adapters.engine.embedded.epoch import (
    EnginePlan,
    choose_engine_file,
    epoch_of,
    find_damage,
    remove_engine_file,
    retire_engine_files,
)
from adapters.engine.embedded.epoch import plan_engine_file as plan


def a_database(path: Path, rows: int = 2000) -> Path:
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA journal_mode=wal")
        connection.execute("CREATE TABLE executions (id INTEGER PRIMARY KEY, data TEXT)")
        connection.executemany(
            "INSERT INTO executions (data) VALUES (?)", (("x" * 200,) for _ in range(rows))
        )
        connection.commit()
    return path


def test_the_first_start_makes_the_first_epoch() -> None:
    assert plan([], [], cli_version="1.9.1", minimum_epoch=0) == EnginePlan(
        epoch=1, name="engine-1-1.9.1.db", is_new=True, retire=(), delete=()
    )


def test_a_sound_file_of_the_recorded_epoch_goes_on() -> None:
    assert plan(["engine-3-1.9.1.db"], [], cli_version="1.9.1", minimum_epoch=3) == EnginePlan(
        epoch=3, name="engine-3-1.9.1.db", is_new=False, retire=(), delete=()
    )


@pytest.mark.parametrize("version", ["1.10.0", "1.5.1"])
def test_another_version_up_or_down_raises_the_epoch(version: str) -> None:
    assert plan(["engine-3-1.9.1.db"], [], cli_version=version, minimum_epoch=3) == EnginePlan(
        epoch=4, name=f"engine-4-{version}.db", is_new=True, retire=("engine-3-1.9.1.db",), delete=()
    )


def test_going_back_to_an_earlier_version_does_not_bring_its_file_back() -> None:
    files = ["engine-3-1.9.1.db", "engine-4-1.5.1.db"]

    assert plan(files, [], cli_version="1.9.1", minimum_epoch=4).name == "engine-5-1.9.1.db"


def test_a_damaged_file_raises_the_epoch() -> None:
    name = "engine-3-1.9.1.db"

    assert plan([name], [], cli_version="1.9.1", minimum_epoch=3, damaged=[name]) == EnginePlan(
        epoch=4, name="engine-4-1.9.1.db", is_new=True, retire=(name,), delete=()
    )


def test_a_lost_file_raises_the_epoch_above_the_recorded_one() -> None:
    assert plan([], [], cli_version="1.9.1", minimum_epoch=7).name == "engine-8-1.9.1.db"


def test_a_file_older_than_the_recorded_epoch_is_not_used_again() -> None:
    """Somebody restored the data folder from a backup."""
    assert plan(["engine-5-1.9.1.db"], [], cli_version="1.9.1", minimum_epoch=7) == EnginePlan(
        epoch=8, name="engine-8-1.9.1.db", is_new=True, retire=("engine-5-1.9.1.db",), delete=()
    )


def test_a_file_whose_epoch_was_not_recorded_goes_on_and_is_still_new() -> None:
    """The bot died between making the file and recording its epoch."""
    assert plan(
        ["engine-3-1.9.1.db", "engine-4-1.9.1.db"], [], cli_version="1.9.1", minimum_epoch=3
    ) == EnginePlan(epoch=4, name="engine-4-1.9.1.db", is_new=True, retire=("engine-3-1.9.1.db",), delete=())


def test_two_files_of_the_highest_epoch_raise_it() -> None:
    files = ["engine-3-1.5.1.db", "engine-3-1.9.1.db"]

    assert plan(files, [], cli_version="1.9.1", minimum_epoch=3) == EnginePlan(
        epoch=4, name="engine-4-1.9.1.db", is_new=True, retire=tuple(files), delete=()
    )


def test_a_retired_epoch_never_comes_back() -> None:
    assert plan([], ["engine-9-1.9.1.db"], cli_version="1.9.1", minimum_epoch=0).epoch == 10


def test_the_last_two_retired_files_are_kept() -> None:
    retired = ["engine-2-1.9.1.db", "engine-10-1.9.1.db"]

    assert plan(["engine-11-1.9.1.db"], retired, cli_version="2.0.0", minimum_epoch=11).delete == (
        "engine-2-1.9.1.db",
    )


@pytest.mark.parametrize(
    "name", ["engine-0-1.9.1.db", "engine-1-.db", "engine-1-1.9.1.db-wal", "engine-1-../x.db", "audit.db"]
)
def test_other_files_are_left_alone(name: str) -> None:
    assert epoch_of(name) is None
    assert plan([name], [name], cli_version="1.9.1", minimum_epoch=0) == plan(
        [], [], cli_version="1.9.1", minimum_epoch=0
    )


@pytest.mark.parametrize("version", ["1.9.1", "1.5.1"])
@pytest.mark.parametrize("floor", range(6))
@pytest.mark.parametrize("existing", [[], ["engine-2-1.9.1.db"], ["engine-2-1.9.1.db", "engine-4-1.5.1.db"]])
def test_what_was_planned_goes_on_at_the_next_start(existing: list[str], floor: int, version: str) -> None:
    first = plan(existing, [], cli_version=version, minimum_epoch=floor)
    after = [first.name, *(name for name in existing if name not in first.retire and name != first.name)]

    second = plan(after, first.retire, cli_version=version, minimum_epoch=first.epoch)

    assert first.epoch >= floor
    assert second == EnginePlan(epoch=first.epoch, name=first.name, is_new=False, retire=(), delete=())


def test_a_whole_database_is_sound(tmp_path: Path) -> None:
    assert find_damage(a_database(tmp_path / "engine-1-1.9.1.db")) is None


def test_a_name_with_signs_of_an_address_is_read_as_a_path(tmp_path: Path) -> None:
    assert find_damage(a_database(tmp_path / "50%20?mode=ro#.db")) is None


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "it holds no tables"),
        (b"no database at all" * 100, "file is not a database"),
        (b"\0" * 8192, "file is not a database"),
    ],
)
def test_a_file_that_is_no_engine_is_damaged(tmp_path: Path, content: bytes, reason: str) -> None:
    file = tmp_path / "engine-1-1.9.1.db"
    file.write_bytes(content)

    assert find_damage(file) == f"engine-1-1.9.1.db: {reason}"


@pytest.mark.parametrize("keep", [0.25, 0.5, 0.95])
def test_a_truncated_database_is_damaged(tmp_path: Path, keep: float) -> None:
    file = a_database(tmp_path / "engine-1-1.9.1.db")
    content = file.read_bytes()
    file.write_bytes(content[: int(len(content) * keep)])

    assert find_damage(file) is not None


def test_overwritten_pages_are_damage(tmp_path: Path) -> None:
    file = a_database(tmp_path / "engine-1-1.9.1.db")
    content = bytearray(file.read_bytes())
    content[8192 : 8192 + 40_960] = b"\xa5" * 40_960
    file.write_bytes(content)

    assert find_damage(file) is not None


def test_a_database_that_someone_reads_is_not_damaged(tmp_path: Path) -> None:
    """A lock speaks of another process, not of the file."""
    file = a_database(tmp_path / "engine-1-1.9.1.db")
    with closing(sqlite3.connect(file)) as other:
        other.execute("PRAGMA locking_mode=exclusive")
        other.execute("BEGIN EXCLUSIVE")

        assert find_damage(file) is None


def test_a_damaged_file_in_the_folder_is_replaced_and_shelved(tmp_path: Path) -> None:
    (tmp_path / "engine-2-1.9.1.db").write_bytes(b"garbage" * 1000)
    chosen = choose_engine_file(tmp_path, cli_version="1.9.1", minimum_epoch=2)
    (tmp_path / "engine-2-1.9.1.db-wal").write_bytes(b"log")

    retire_engine_files(tmp_path, chosen)

    assert (chosen.epoch, chosen.name, chosen.is_new) == (3, "engine-3-1.9.1.db", True)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["retired"]
    assert sorted(path.name for path in (tmp_path / "retired").iterdir()) == [
        "engine-2-1.9.1.db",
        "engine-2-1.9.1.db-wal",
    ]


def test_a_file_that_let_no_server_start_is_replaced_though_it_looks_sound(tmp_path: Path) -> None:
    name = a_database(tmp_path / "engine-2-1.9.1.db").name

    trusted = choose_engine_file(tmp_path, cli_version="1.9.1", minimum_epoch=2)
    distrusted = choose_engine_file(tmp_path, cli_version="1.9.1", minimum_epoch=2, distrusted=[name])

    assert (trusted.epoch, distrusted.epoch) == (2, 3)


def test_the_third_oldest_file_leaves_the_shelf_with_its_log(tmp_path: Path) -> None:
    for version in ("1.1.0", "1.2.0", "1.3.0", "1.4.0"):
        chosen = choose_engine_file(tmp_path, cli_version=version, minimum_epoch=0)
        for old in chosen.retire:
            (tmp_path / f"{old}-wal").touch()
        retire_engine_files(tmp_path, chosen)
        a_database(tmp_path / chosen.name, rows=1)

    shelved = sorted(path.name for path in (tmp_path / "retired").iterdir())
    assert shelved == [
        "engine-2-1.2.0.db",
        "engine-2-1.2.0.db-wal",
        "engine-3-1.3.0.db",
        "engine-3-1.3.0.db-wal",
    ]


def test_removing_an_engine_file_takes_its_log_along(tmp_path: Path) -> None:
    file = a_database(tmp_path / "engine-1-1.9.1.db")
    file.with_name(file.name + "-wal").touch()
    (tmp_path / "other").touch()

    remove_engine_file(file)
    remove_engine_file(file)

    assert [path.name for path in tmp_path.iterdir()] == ["other"]
