"""A running bot keeps its record's size by itself: once a day, old entries leave for files."""

import asyncio
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from adapters.background import ARCHIVE_AFTER_S, ARCHIVE_EVERY_S, archive_for_ever
from adapters.store import archivist as module
from adapters.store.archivist import Archivist
from adapters.store.entries import Draft
from adapters.store.opening import Store, open_store
from adapters.store.segments import segments_in, write_segment
from adapters.store.signing import new_signer
from adapters.store.verification import Trust, verify_record, walk
from tests.builders import NOW, ManualTime

DAYS = timedelta(days=183)


def counted(number: int) -> Draft:
    return Draft(act="counted", incident=None, facts={"n": number}, actor="x", is_actor_known=False)


class Keeping:
    """A record of some old entries and a new one, and who keeps its size."""

    def __init__(self, tmp_path: Path, *, folder: Path | None) -> None:
        self.time, self._signer, self._url = ManualTime(NOW), new_signer(), f"sqlite:///{tmp_path}/audit.db"
        self.store = self._open(may_archive=False)
        self.archivist = Archivist(
            lambda: self._open(may_archive=True), folder=folder, retention=DAYS, now=self.time
        )

    def _open(self, *, may_archive: bool) -> Store:
        return open_store(
            self._url,
            redact=str,
            kill_file=None,
            store_time=self.time,
            signer=self._signer,
            may_archive=may_archive,
        )

    async def fill(self, old: int) -> None:
        await self.store.transactions.write(lambda tx: [tx.append(counted(n)) for n in range(old)])
        self.time.advance(DAYS)
        await self.store.audit.append("counted", actor="x", incident=None, body={"n": old})
        self.time.advance(timedelta(seconds=1))

    async def seqs(self) -> Sequence[int]:
        return [entry.seq for entry in await self.store.audit.entries()]


async def test_all_that_is_old_enough_leaves_in_segments(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "SEGMENT", 3)
    keeping = Keeping(tmp_path, folder=tmp_path / "archive")
    await keeping.fill(7)

    with capture_logs() as logs:
        moved = await keeping.archivist.look()
    report = await verify_record(keeping.store.transactions, tmp_path / "archive", Trust())

    assert 7 == moved
    assert [(1, 3), (4, 6), (7, 7)] == [(s.first, s.last) for s in segments_in(tmp_path / "archive")]
    assert [3, 3, 1] == [line["entries"] for line in logs if line["event"] == "archived"]
    assert [8, 9, 10, 11] == await keeping.seqs()
    assert (True, 11) == (report.is_intact, report.entries)
    assert 0 == await keeping.archivist.look()
    await keeping.store.close()


async def test_a_longer_file_that_an_interrupted_command_left_is_taken_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`handrail audit archive` writes longer files than the bot does."""
    monkeypatch.setattr(module, "SEGMENT", 3)
    keeping = Keeping(tmp_path, folder=tmp_path / "archive")
    await keeping.fill(7)
    write_segment(tmp_path / "archive", (await keeping.store.audit.entries())[:5], 1, 5)

    moved = await keeping.archivist.look()
    await keeping.store.close()

    assert 7 == moved
    assert [(1, 5), (6, 7)] == [(s.first, s.last) for s in segments_in(tmp_path / "archive")]


async def test_a_file_of_entries_that_are_not_old_yet_is_waited_for_and_told(tmp_path: Path) -> None:
    keeping = Keeping(tmp_path, folder=tmp_path / "archive")
    await keeping.fill(4)
    path = write_segment(tmp_path / "archive", await keeping.store.audit.entries(), 1, 5)

    with capture_logs() as logs:
        moved = await keeping.archivist.look()
    await keeping.store.close()

    told = {"event": "archive_waits", "log_level": "warning", "file": str(path), "entries": 5, "old": 4}
    assert (0, [told]) == (moved, logs)


async def test_without_a_folder_that_lasts_nothing_leaves(tmp_path: Path) -> None:
    keeping = Keeping(tmp_path, folder=None)
    await keeping.fill(3)

    with capture_logs() as logs:
        assert 0 == await keeping.archivist.look()

    assert ["archive_has_no_folder"] == [line["event"] for line in logs]
    assert [1, 2, 3, 4] == await keeping.seqs()
    await keeping.store.close()


async def test_a_folder_that_takes_nothing_is_told_and_tried_again_the_next_day(tmp_path: Path) -> None:
    (tmp_path / "archive").write_text("")  # No folder can be made where a file stands.
    keeping = Keeping(tmp_path, folder=tmp_path / "archive")
    await keeping.fill(3)
    slept: list[float] = []

    async def sleep(seconds: float) -> None:
        slept.append(seconds)
        if len(slept) == 2:
            assert [1, 2, 3, 4] == await keeping.seqs()
            (tmp_path / "archive").unlink()
        if len(slept) == 3:
            raise asyncio.CancelledError

    with capture_logs() as logs, pytest.raises(asyncio.CancelledError):
        await archive_for_ever(keeping.archivist, sleep=sleep)

    assert [ARCHIVE_AFTER_S, ARCHIVE_EVERY_S, ARCHIVE_EVERY_S] == slept
    assert ["archive_postponed", "archived"] == [line["event"] for line in logs]
    assert [4, 5] == await keeping.seqs()
    await keeping.store.close()


async def test_a_check_that_runs_meanwhile_reads_from_the_file_what_leaves(tmp_path: Path) -> None:
    keeping = Keeping(tmp_path, folder=tmp_path / "archive")
    await keeping.fill(600)

    seen: list[int] = []
    async for page in walk(keeping.store.transactions, tmp_path / "archive"):
        if not seen:
            await keeping.archivist.look()
        seen += [entry.seq for entry in page]

    assert list(range(1, 603)) == seen
    await keeping.store.close()


async def test_old_entries_that_do_not_fit_stay_and_are_on_record(tmp_path: Path) -> None:
    keeping = Keeping(tmp_path, folder=tmp_path / "archive")
    await keeping.fill(3)
    with closing(sqlite3.connect(tmp_path / "audit.db", isolation_level=None)) as raw:
        raw.execute("DROP TRIGGER audit_update")
        raw.execute("UPDATE audit SET actor = 'y' WHERE seq = 2")

    async def sleep(seconds: float) -> None:
        if seconds == ARCHIVE_EVERY_S:
            raise asyncio.CancelledError

    with capture_logs() as logs, pytest.raises(asyncio.CancelledError):
        await archive_for_ever(keeping.archivist, sleep=sleep)

    assert [("archive_postponed", "Entry 2: its content was changed. Nothing was moved.")] == [
        (line["event"], line["error"]) for line in logs
    ]
    assert [1, 2, 3, 4, 5] == await keeping.seqs()
    assert "tampered" == (await keeping.store.audit.entries(limit=1))[0].act
    await keeping.store.close()
