"""Engine files: which one an epoch uses, and which are put away.

The state of the engine is disposable: a file is used only by the version that wrote it and only while it is
sound. Otherwise the epoch rises and an empty file starts; whoever keeps the incidents starts them again.
"""

import re
import sqlite3
from collections.abc import Collection
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import structlog

log = structlog.get_logger()

RETIRED_KEPT = 2  # Our choice: enough to look into what happened, and bounded.
_NAME = re.compile(r"engine-(?P<epoch>[1-9][0-9]*)-(?P<version>[0-9A-Za-z.+-]+)\.db")
_COMPANIONS = ("", "-wal", "-shm", "-journal")


@dataclass(frozen=True)
class EngineFile:
    """The SQLite file of one epoch; `is_new` says that no incident is known to have been started in it."""

    epoch: int
    path: Path
    is_new: bool


@dataclass(frozen=True)
class EnginePlan:
    """What to do with the engine files of a folder; names without folder."""

    epoch: int
    name: str
    is_new: bool
    retire: tuple[str, ...]
    delete: tuple[str, ...]


def plan_engine_file(
    existing: Collection[str],
    retired: Collection[str],
    *,
    cli_version: str,
    minimum_epoch: int,
    damaged: Collection[str] = (),
) -> EnginePlan:
    """Return the file to use, those to retire and those retired ones to delete.

    Only the file of the highest epoch can go on, and only when *cli_version* wrote it, it is not *damaged*
    and its epoch is not below *minimum_epoch*, the last epoch its keeper recorded (0: none). In every other
    case the epoch rises above all that was ever seen. A file of an unrecorded epoch is new to the keeper.
    Names that are not engine files are left alone.
    """
    present = {name: epoch for name in existing if (epoch := epoch_of(name)) is not None}
    put_away = {name: epoch for name in retired if (epoch := epoch_of(name)) is not None}
    highest = max([minimum_epoch, *present.values(), *put_away.values()])
    candidate = f"engine-{highest}-{cli_version}.db"
    rivals = [name for name, epoch in present.items() if epoch == highest and name != candidate]
    goes_on = candidate in present and candidate not in damaged and not rivals
    epoch = highest if goes_on else highest + 1
    name = f"engine-{epoch}-{cli_version}.db"
    retire = sorted((old for old in present if old != name), key=lambda old: (present[old], old))
    order = sorted(
        {**put_away, **{old: present[old] for old in retire}}.items(), key=lambda kv: (kv[1], kv[0])
    )
    return EnginePlan(
        epoch=epoch,
        name=name,
        is_new=not goes_on or epoch > minimum_epoch,
        retire=tuple(retire),
        delete=tuple(old for old, _ in order[:-RETIRED_KEPT]),
    )


def epoch_of(name: str) -> int | None:
    """Return the epoch in the name of an engine file, None for any other name."""
    match = _NAME.fullmatch(name)
    return int(match["epoch"]) if match else None


def find_damage(path: Path) -> str | None:
    """Return why the engine file *path* cannot be used, None when it is sound. Reads the whole file."""
    try:
        with closing(sqlite3.connect(f"file:{_quoted(path)}?mode=rw", uri=True, timeout=0)) as connection:
            verdict = [str(row[0]) for row in connection.execute("PRAGMA quick_check(1)")]
            tables = connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table'").fetchall()
    except sqlite3.DatabaseError as exc:
        # Only these two speak of the file; a lock, a full disk or a missing right the server reports itself.
        # An error without a code is of the sqlite3 module: text in the file that it cannot decode.
        code = getattr(exc, "sqlite_errorcode", sqlite3.SQLITE_CORRUPT) & 0xFF
        damaged = code in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)
        return f"{path.name}: {exc}" if damaged else None
    if verdict != ["ok"]:
        return f"{path.name}: {verdict[0] if verdict else 'no answer'}"
    # A server that was killed while it made the file leaves it without tables, and never completes it later.
    return None if tables else f"{path.name}: it holds no tables"


def choose_engine_file(
    folder: Path, *, cli_version: str, minimum_epoch: int, distrusted: Collection[str] = ()
) -> EnginePlan:
    """Look at the engine files in *folder* and return the plan; no server started with *distrusted* ones."""
    existing = _names_in(folder)
    damaged = set(distrusted)
    newest = max(existing, key=lambda name: epoch_of(name) or 0, default=None)
    if newest is not None and newest not in damaged and (damage := find_damage(folder / newest)) is not None:
        log.warning("engine_file_damaged", damage=damage)
        damaged.add(newest)
    return plan_engine_file(
        existing,
        _names_in(folder / "retired"),
        cli_version=cli_version,
        minimum_epoch=minimum_epoch,
        damaged=damaged,
    )


def retire_engine_files(folder: Path, plan: EnginePlan) -> None:
    """Move the files that *plan* retires to `retired/` and delete the ones it drops."""
    if not plan.retire and not plan.delete:
        return
    shelf = folder / "retired"
    shelf.mkdir(mode=0o700, exist_ok=True)
    for name in plan.retire:
        # The write-ahead log first: a main file without its log is a damaged engine, a log alone is nothing.
        for companion in reversed(_COMPANIONS):
            part = folder / (name + companion)
            if part.exists():
                part.rename(shelf / part.name)
    for name in plan.delete:
        remove_engine_file(shelf / name)


def remove_engine_file(path: Path) -> None:
    """Delete one engine file with its write-ahead log."""
    for companion in _COMPANIONS:
        path.with_name(path.name + companion).unlink(missing_ok=True)


def _names_in(folder: Path) -> list[str]:
    if not folder.is_dir():
        return []
    return sorted(path.name for path in folder.iterdir() if epoch_of(path.name) is not None)


def _quoted(path: Path) -> str:
    return str(path).replace("%", "%25").replace("?", "%3f").replace("#", "%23")
