"""An older copy of the record is put in place: what was approved in it starts nothing."""

import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

from adapters.store.last_seen import LastSeen
from bot.domain.approval import Action, Reason
from bot.domain.execution import ApprovedStep, NotAdmitted
from bot.domain.policy import FLOOR
from tests.builders import a_plan, fresh
from tests.contracts.stores import Bench


def last_seen(bench: Bench, file: Path) -> LastSeen:
    return LastSeen(file.with_name("last-seen"), bench.store.transactions)


def a_copy(file: Path) -> Path:
    copy = file.with_name("backup.db")
    with closing(sqlite3.connect(file)) as source, closing(sqlite3.connect(copy)) as target:
        source.backup(target)
    return copy


async def put_back(bench: Bench, copy: Path, file: Path) -> None:
    """Put the copy in the record's place while no bot runs, and open it as the next one does."""
    await bench.close()
    for part in ("", "-wal", "-shm"):
        file.with_name(file.name + part).unlink(missing_ok=True)
    shutil.copy(copy, file)
    bench.store = bench.another()


async def test_e_rollback_an_older_record_is_known_at_the_start_and_its_approvals_are_void(
    bench: Bench, file: Path
) -> None:
    """The step ran after the copy was made; by the copy alone it would run a second time."""
    waiting, record = await bench.offered(a_plan(incident="P2", target="other")), await bench.approved()
    copy = a_copy(file)
    claimed = await bench.store.gate.claim(record.id, 0, fresh(record, bench.time.at), policy=FLOOR)
    assert isinstance(claimed, ApprovedStep)
    await last_seen(bench, file).keep()
    await put_back(bench, copy, file)

    is_gone = await last_seen(bench, file).is_gone()
    await bench.store.gate.raise_epoch(await bench.store.gate.epoch() + 1)
    again = await bench.store.gate.claim(record.id, 0, fresh(record, bench.time.at), policy=FLOOR)
    pressed = await bench.press(Action.APPROVE, a_plan(incident="P2", target="other"))

    assert is_gone
    assert isinstance(again, NotAdmitted)
    assert pressed.reason is not Reason.ACCEPTED
    assert not (await bench.proposal(waiting)).approvals


async def test_e_rollback_without_it_the_copy_would_act_again(bench: Bench, file: Path) -> None:
    """The control: the copy alone is whole, signed and approved."""
    record = await bench.approved()
    copy = a_copy(file)
    await bench.store.gate.claim(record.id, 0, fresh(record, bench.time.at), policy=FLOOR)
    await put_back(bench, copy, file)

    again = await bench.store.gate.claim(record.id, 0, fresh(record, bench.time.at), policy=FLOOR)

    assert isinstance(again, ApprovedStep)


async def test_e_rollback_an_older_record_that_went_on_is_known_too(bench: Bench, file: Path) -> None:
    record = await bench.approved()
    copy = a_copy(file)
    await bench.store.audit.append("first", actor="x", incident=None, body={"n": 1})
    await last_seen(bench, file).keep()
    await put_back(bench, copy, file)
    for _ in range(3):
        await bench.store.audit.append("other", actor="x", incident=None, body={"n": 2})

    assert await last_seen(bench, file).is_gone()
    assert await bench.proposal(record) == record


async def test_e_rollback_a_record_that_only_went_on_is_no_older_one(bench: Bench, file: Path) -> None:
    seen = last_seen(bench, file)
    assert not await seen.is_gone()  # Nothing was ever noted.
    await seen.keep()  # And there is nothing to note.
    await bench.approved()
    await seen.keep()
    await bench.store.audit.append("more", actor="x", incident=None, body={})
    await bench.close()
    bench.store = bench.another()

    assert not await last_seen(bench, file).is_gone()
    assert 0o600 == file.with_name("last-seen").stat().st_mode & 0o777
