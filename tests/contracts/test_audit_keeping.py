"""What every store promises of its keys, its archive and the check of its tables."""

import asyncio
from datetime import timedelta
from pathlib import Path

import pytest

from adapters.store.archiving import _alone_in, archive
from adapters.store.keeping import rotate
from adapters.store.opening import Store, open_store
from adapters.store.segments import segments_in, write_segment
from adapters.store.signing import new_signer
from adapters.store.verification import Trust, verify_record
from bot.domain.errors import Tampered
from bot.domain.execution import Result, StepOutcome
from tests.builders import INCIDENT, NOW
from tests.contracts.stores import Bench, redact


def keeper(bench: Bench) -> Store:
    """Open the same record so that old entries may leave it; in memory they always may."""
    if bench.url is None:
        return bench.store
    return open_store(
        bench.url, redact=redact, kill_file=None, store_time=bench.time, signer=bench.signer, may_archive=True
    )


async def test_tables_and_chain_say_the_same_after_an_execution(bench: Bench, tmp_path: Path) -> None:
    step = await bench.started()
    await bench.store.gate.finish(step.effect_key, 1, StepOutcome(result=Result.DONE))
    await bench.store.outbox.claim("slack:summary", INCIDENT)
    await bench.store.outbox.sent("slack:summary")

    report = await verify_record(bench.store.transactions, tmp_path / "none", Trust(key=bench.signer.key))

    assert (report.first_bad, report.contradictions) == (None, ())
    assert report.signed == report.entries


async def test_old_entries_leave_and_the_claims_stay(bench: Bench, tmp_path: Path) -> None:
    await bench.started()
    last = (await bench.store.audit.entries(limit=1))[0].seq
    store = keeper(bench)

    moved = await archive(store.transactions, tmp_path / "archive", NOW + timedelta(days=1), "dana")
    await bench.store.audit.append("went_on", actor="x", incident=None, body={})
    report = await verify_record(bench.store.transactions, tmp_path / "archive", Trust())
    without = await verify_record(bench.store.transactions, tmp_path / "none", Trust())
    if store is not bench.store:
        await store.close()

    assert moved is not None
    assert [entry.seq for entry in await bench.store.audit.entries()] == [last, last + 1, last + 2]
    assert (report.is_intact, report.entries, report.signed) == (True, last + 2, last + 2)
    assert without.is_intact
    assert any(f"entries 1 to {last - 1} are not here" in note for note in without.notes)
    assert 1 == len(await bench.store.gate.claims(INCIDENT))


async def test_a_claim_can_be_made_after_entries_have_left(bench: Bench, tmp_path: Path) -> None:
    await bench.offered()
    store = keeper(bench)
    await archive(store.transactions, tmp_path / "archive", NOW + timedelta(days=1), "dana")
    if store is not bench.store:
        await store.close()

    await bench.store.audit.append("went_on", actor="x", incident=None, body={})

    assert (await verify_record(bench.store.transactions, tmp_path / "archive", Trust())).is_intact


async def test_a_rotate_the_chain_goes_on_with_a_rotated_key(bench: Bench, tmp_path: Path) -> None:
    await bench.store.audit.append("began", actor="x", incident=None, body={})

    entry = await bench.store.transactions.write(lambda tx: rotate(tx, new_signer(), "dana"))
    unsigned = await bench.store.audit.append("went_on", actor="x", incident=None, body={})

    assert entry.seal is not None
    assert entry.seal.key == bench.signer.key
    assert unsigned.seal is None  # This store still has the old key.
    report = await verify_record(bench.store.transactions, tmp_path / "none", Trust())
    assert (report.first_bad, report.key) == (unsigned.seq, entry.body_values()["new_key"])


async def test_what_an_interrupted_run_wrote_is_taken_up(bench: Bench, tmp_path: Path) -> None:
    """The file was whole, and then the bot died: the next run ends where that file ends."""
    for number in range(4):
        await bench.store.audit.append("counted", actor="x", incident=None, body={"n": number})
    left = (await bench.store.audit.entries())[:2]
    write_segment(tmp_path / "archive", left, 1, 2)
    store = keeper(bench)

    tomorrow = NOW + timedelta(days=1)
    first = await archive(store.transactions, tmp_path / "archive", tomorrow, "handrail")
    second = await archive(store.transactions, tmp_path / "archive", tomorrow, "handrail")
    report = await verify_record(bench.store.transactions, tmp_path / "archive", Trust())
    if store is not bench.store:
        await store.close()

    assert [2, 2] == [moved.entries for moved in (first, second) if moved is not None]
    assert [(1, 2), (3, 4)] == [(each.first, each.last) for each in segments_in(tmp_path / "archive")]
    assert (report.is_intact, report.entries) == (True, 6)


async def test_a_file_that_contradicts_the_database_moves_nothing(bench: Bench, tmp_path: Path) -> None:
    for number in range(4):
        await bench.store.audit.append("counted", actor="x", incident=None, body={"n": number})
    first, second, *_ = await bench.store.audit.entries()
    write_segment(tmp_path / "archive", [first, second.model_copy(update={"actor": "y"})], 1, 2)
    store = keeper(bench)

    with pytest.raises(Tampered, match="does not say what the database says"):
        await archive(store.transactions, tmp_path / "archive", NOW + timedelta(days=1), "handrail")
    if store is not bench.store:
        await store.close()

    assert 4 == len(await bench.store.audit.entries())


async def test_bots_that_move_the_same_entries_at_once_move_them_once(bench: Bench, tmp_path: Path) -> None:
    """Each in a folder of its own, where no lock keeps them apart: the record does, and raises no alarm."""
    for number in range(9):
        await bench.store.audit.append("counted", actor="x", incident=None, body={"n": number})
    store, tomorrow = keeper(bench), NOW + timedelta(days=1)

    moved = await asyncio.gather(
        *(archive(store.transactions, tmp_path / name, tomorrow, "handrail") for name in "abc")
    )
    if store is not bench.store:
        await store.close()

    assert [8] == [one.entries for one in moved if one is not None]
    assert ["counted", "archived"] == await bench.acts()


async def test_while_another_process_holds_the_folder_nothing_is_moved(bench: Bench, tmp_path: Path) -> None:
    for number in range(4):
        await bench.store.audit.append("counted", actor="x", incident=None, body={"n": number})
    store = keeper(bench)

    with _alone_in(tmp_path) as is_alone:
        moved = await archive(store.transactions, tmp_path, NOW + timedelta(days=1), "handrail")
    if store is not bench.store:
        await store.close()

    assert (True, None) == (is_alone, moved)
    assert [] == segments_in(tmp_path)
