"""What the record does when its database is full, busy, gone, changed by others, or of another version."""

import asyncio
import os
import shutil
import sqlite3
from collections.abc import AsyncIterator
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import create_engine, text

from adapters.http import Health
from adapters.store.opening import Store, open_store
from adapters.store.sql.log import SqlLog
from adapters.store.transaction import Transaction
from bot.domain.approval import Action, Reason
from bot.domain.audit import Act
from bot.domain.errors import Invalid, Tampered, Unavailable
from bot.domain.execution import ApprovedStep, Claim, NotAdmitted
from bot.domain.ids import EffectKey
from bot.domain.policy import FLOOR
from bot.domain.proposal import ProposalState
from tests.builders import NOW, ManualTime, a_plan, an_incident, fresh
from tests.contracts.stores import DATABASES, POSTGRES, Bench, redact


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "audit.db"


@pytest.fixture
async def sqlite(file: Path, time: ManualTime, tmp_path: Path) -> AsyncIterator[Bench]:
    made = Bench(url=f"sqlite:///{file}", time=time, kill_file=tmp_path / "KILL")
    yield made
    await made.close()


def open_at(url: str) -> Store:
    return open_store(url, redact=redact, kill_file=None)


async def fill(bench: Bench) -> None:
    """Append entries until the database takes no more, large ones first, then small ones."""
    for size in (3000, 100, 1):
        with pytest.raises(Unavailable, match="full"):
            await append_for_ever(bench, "x" * size)


async def append_for_ever(bench: Bench, text: str) -> None:
    while True:
        await bench.store.audit.append("filled", actor="x", incident=None, body={"n": text})


async def run_raw(bench: Bench, statement: str) -> None:
    """Run *statement* as somebody with write access to the database would."""
    engine = create_engine(str(bench.url))
    with engine.begin() as connection:
        connection.execute(text(statement))
    engine.dispose()


async def set_pragma(bench: Bench, pragma: str) -> None:
    """Set *pragma* on the store's own connection."""

    def run(tx: Transaction) -> None:
        assert isinstance(tx.rows.log, SqlLog)
        tx.rows.log.connection.exec_driver_sql(f"PRAGMA {pragma}")

    await bench.store.transactions.read(run)


async def test_e_disk_full_a_full_disk_starts_nothing_and_leaves_nothing_half_done(sqlite: Bench) -> None:
    record = await sqlite.approved()
    await set_pragma(sqlite, "max_page_count=1")  # SQLite takes the present size for the smallest limit.
    await fill(sqlite)
    before = await sqlite.store.audit.verify()

    with pytest.raises(Unavailable, match="full"):
        await sqlite.store.gate.claim(record.id, 0, fresh(record, sqlite.time.at), policy=FLOOR)

    assert await sqlite.proposal(record) == record
    assert [] == await sqlite.store.gate.claims(record.incident)
    assert await sqlite.store.audit.verify() == before
    assert before.is_intact


async def test_e_disk_full_the_store_goes_on_once_there_is_room(sqlite: Bench) -> None:
    """And `/readyz`, which must write to know that, says so meanwhile and afterwards."""
    record = await sqlite.approved()
    health = Health(needed={"record": sqlite.store.probe}, degraded=list)
    before, _ = await health.report()
    await set_pragma(sqlite, "max_page_count=1")
    await fill(sqlite)
    with pytest.raises(Unavailable):
        await sqlite.store.gate.claim(record.id, 0, fresh(record, sqlite.time.at), policy=FLOOR)
    full, said = await health.report()
    await set_pragma(sqlite, "max_page_count=1000000")
    after = [(await health.report())[0] for _ in range(2)]

    assert (True, False, [True, True]) == (before, full, after)
    assert said["record"].startswith("Unavailable: ")
    assert [Act.WRITTEN_AGAIN] == (await sqlite.acts())[-1:]
    assert isinstance(
        await sqlite.store.gate.claim(record.id, 0, fresh(record, sqlite.time.at), policy=FLOOR), ApprovedStep
    )
    assert (await sqlite.store.audit.verify()).is_intact


async def test_a_click_on_a_full_disk_is_not_decided(sqlite: Bench) -> None:
    record = await sqlite.offered()
    await set_pragma(sqlite, "max_page_count=1")
    await fill(sqlite)

    with pytest.raises(Unavailable):
        await sqlite.press(Action.APPROVE)

    await set_pragma(sqlite, "max_page_count=1000000")
    assert await sqlite.proposal(record) == record
    assert (await sqlite.press(Action.APPROVE)).is_accepted


@pytest.mark.parametrize("change", ["delete", "replace"])
async def test_a_file_that_was_taken_away_is_noticed(sqlite: Bench, file: Path, change: str) -> None:
    record = await sqlite.approved()
    if change == "replace":
        shutil.copy(file, file.with_suffix(".old"))
        os.replace(file.with_suffix(".old"), file)
    else:
        os.unlink(file)

    with pytest.raises(Unavailable, match="moved or replaced"):
        await sqlite.store.gate.claim(record.id, 0, fresh(record, sqlite.time.at), policy=FLOOR)


async def test_a_file_that_is_locked_for_long_is_unavailable(sqlite: Bench, file: Path) -> None:
    record = await sqlite.approved()
    await set_pragma(sqlite, "busy_timeout=1")
    with closing(sqlite3.connect(file, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(Unavailable, match="locked"):
            await sqlite.store.gate.claim(record.id, 0, fresh(record, sqlite.time.at), policy=FLOOR)

    assert isinstance(
        await sqlite.store.gate.claim(record.id, 0, fresh(record, sqlite.time.at), policy=FLOOR), ApprovedStep
    )


async def test_a_closed_store_is_unavailable(file: Path) -> None:
    store = open_at(f"sqlite:///{file}")
    await store.close()

    with pytest.raises(Unavailable, match="closed"):
        await store.gate.now()


@pytest.mark.parametrize("store_url", DATABASES, indirect=True)
@pytest.mark.parametrize(
    "change",
    [
        "UPDATE proposals SET plan = CAST('{}' AS BLOB)",
        "UPDATE proposals SET expires_at = '2036-01-01T00:00:00.000000+00:00'",
        "UPDATE proposals SET digest = 'ffff'",
        "UPDATE proposals SET number = 5",
    ],
)
async def test_e_tamper_a_changed_proposal_neither_takes_a_click_nor_starts(
    bench: Bench, change: str
) -> None:
    offered = await bench.offered(a_plan(incident="P2"))
    approved = await bench.approved()
    blob = "bytea" if "postgres" in str(bench.url) else "BLOB"
    await run_raw(bench, change.replace("BLOB", blob))

    pressed = await bench.press(Action.APPROVE, a_plan(incident="P2"))
    claimed = await bench.store.gate.claim(approved.id, 0, fresh(approved, bench.time.at), policy=FLOOR)

    assert pressed.reason is Reason.OUT_OF_DATE
    assert isinstance(claimed, NotAdmitted)
    assert (await bench.proposal(offered)).state is ProposalState.PROPOSED


@pytest.mark.parametrize("store_url", DATABASES, indirect=True)
@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE proposals SET approvals = '[{}]'",
        "UPDATE proposals SET state = 'approved by me'",
        "UPDATE incidents SET snapshot = '{}'",
    ],
)
async def test_what_cannot_be_read_back_is_an_alarm(bench: Bench, statement: str) -> None:
    record = await bench.approved()
    await run_raw(bench, statement)

    with pytest.raises(Tampered):
        await bench.store.gate.claim(record.id, 0, fresh(record, bench.time.at), policy=FLOOR)


@pytest.mark.parametrize("store_url", DATABASES, indirect=True)
async def test_everything_is_there_after_opening_again(bench: Bench) -> None:
    step = await bench.started()
    head = await bench.store.audit.verify()
    await bench.close()

    again = bench.another()

    assert await again.audit.verify() == head
    assert [claim.effect_key for claim in await again.gate.claims(step.incident)] == [step.effect_key]
    assert [record.id for record in await again.incidents.open()] == [an_incident().id]


@pytest.mark.parametrize("store_url", DATABASES, indirect=True)
async def test_several_bots_may_open_an_empty_database_at_once(store_url: str) -> None:
    stores = await asyncio.gather(*(asyncio.to_thread(open_at, store_url) for _ in range(4)))
    for store in stores:
        await store.audit.append("opened", actor="handrail", incident=None, body={})

    assert (await stores[0].audit.verify()).entries == 4
    for store in stores:
        await store.close()


@pytest.mark.parametrize("store_url", DATABASES, indirect=True)
async def test_no_claim_can_be_stored_without_its_audit_entry(bench: Bench) -> None:
    record = await bench.approved()
    claim = Claim(
        effect_key=EffectKey("f" * 64), attempt=1, proposal_id=record.id, step_index=0, claimed_at=NOW
    )

    with pytest.raises(Tampered):
        await bench.store.transactions.write(
            lambda tx: tx.rows.claims.add(claim, incident=record.incident, entry=99)
        )
    assert [] == await bench.store.gate.claims(record.incident)


@pytest.mark.parametrize("store_url", DATABASES, indirect=True)
async def test_a_later_schema_is_refused(bench: Bench) -> None:
    await run_raw(bench, "UPDATE meta SET value = 2 WHERE key = 'schema'")

    with pytest.raises(Invalid, match="schema 2, and this Handrail knows schema 1 only"):
        bench.another()


def test_a_file_of_something_else_is_unavailable(file: Path) -> None:
    file.write_text("these are my notes, not a database\n" * 100)

    with pytest.raises(Unavailable, match="not a database"):
        open_at(f"sqlite:///{file}")


def test_a_missing_folder_is_unavailable(tmp_path: Path) -> None:
    with pytest.raises(Unavailable, match="cannot be opened"):
        open_at(f"sqlite:///{tmp_path}/nowhere/audit.db")


@pytest.mark.parametrize(
    "url", ["", "nonsense", "sqlite://", "sqlite:///:memory:", "mysql://me:hunter2@host/db"]
)
def test_an_address_of_no_known_database_is_refused_without_its_password(url: str) -> None:
    with pytest.raises(Invalid) as refusal:
        open_at(url)

    assert "hunter2" not in str(refusal.value)


async def test_only_the_owner_may_read_the_file(file: Path) -> None:
    store = open_at(f"sqlite:///{file}")
    await store.audit.append("noted", actor="x", incident=None, body={})

    assert {path.stat().st_mode & 0o777 for path in file.parent.glob("audit.db*")} == {0o600}
    await store.close()


@pytest.mark.skipif(
    "postgres" not in DATABASES, reason=f"needs Debian's postgresql or {POSTGRES}: SQLite alone is proven"
)
@pytest.mark.parametrize("store_url", ["postgres"], indirect=True)
async def test_postgresql_tells_its_own_time(store_url: str) -> None:
    store = open_at(store_url)
    told = await store.gate.now()
    await store.close()

    assert told.utcoffset() == timedelta(0)
