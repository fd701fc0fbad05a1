"""What every audit log promises, also to those who write to its database directly."""

import asyncio
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy import create_engine, text
from sqlalchemy.exc import IntegrityError

from adapters.store.opening import Store, open_store
from bot.domain.audit import GENESIS, Entry, chain
from bot.domain.chain_check import ChainReport
from bot.domain.execution import Result, StepOutcome
from bot.domain.ids import IncidentId
from tests.builders import INCIDENT, NOW
from tests.contracts.stores import DATABASES, SECRET, Bench, redact

DONE = StepOutcome(result=Result.DONE)


async def write(store: Store, count: int, *, actor: str = "handrail") -> None:
    for number in range(count):
        await store.audit.append("counted", actor=actor, incident=INCIDENT, body={"number": number})


def unsealed(entry: Entry) -> Entry:
    return entry.model_copy(update={"seal": None})


async def test_an_entry_follows_the_one_before(bench: Bench) -> None:
    first = await bench.store.audit.append("began", actor="handrail", incident=None, body={"n": 1})
    second = await bench.store.audit.append(
        "ended", actor="handrail", incident=INCIDENT, body={"b": 2, "a": None}
    )

    assert unsealed(first) == chain(
        seq=1, at=NOW, incident=None, act="began", actor="handrail", body='{"n":1}', prev=GENESIS
    )
    assert unsealed(second) == chain(
        seq=2,
        at=NOW,
        incident=INCIDENT,
        act="ended",
        actor="handrail",
        body='{"a":null,"b":2}',
        prev=first.hash,
    )
    assert [first, second] == await bench.store.audit.entries()


async def test_entries_are_those_of_the_incident_and_the_last_ones(bench: Bench) -> None:
    for incident in ("P1", "P2", "P1", "P1"):
        await bench.store.audit.append("seen", actor="x", incident=IncidentId(incident), body={})

    assert [entry.seq for entry in await bench.store.audit.entries(IncidentId("P1"))] == [1, 3, 4]
    assert [entry.seq for entry in await bench.store.audit.entries(IncidentId("P1"), limit=2)] == [3, 4]
    assert [entry.seq for entry in await bench.store.audit.entries(limit=1)] == [4]
    assert [] == await bench.store.audit.entries(limit=0)


async def test_a_secrets_free_text_is_redacted_and_identifiers_are_kept(bench: Bench) -> None:
    body: dict[str, str | bool] = {"reason": f"the password is {SECRET}", "digest": SECRET, "ok": True}

    entry = await bench.store.audit.append("noted", actor=f"{SECRET}@host", incident=None, body=body)

    assert entry.body == f'{{"digest":"{SECRET}","ok":true,"reason":"the password is [secret]"}}'
    assert entry.actor == "[secret]@host"


async def test_text_that_no_database_takes_is_mended(bench: Bench) -> None:
    entry = await bench.store.audit.append(
        "noted", actor="a\x00b", incident=None, body={"said": "half \ud83d"}
    )

    assert (entry.actor, entry.body) == ("a\N{REPLACEMENT CHARACTER}b", '{"said":"half ?"}')
    assert (await bench.store.audit.verify()).is_intact


async def test_an_untouched_chain_verifies_over_several_pages(bench: Bench) -> None:
    await asyncio.gather(*(write(bench.store, 30) for _ in range(20)))

    last = (await bench.store.audit.entries(limit=1))[0]
    report = await bench.store.audit.verify()
    assert report.model_copy(update={"notes": ()}) == ChainReport(
        entries=600, head=last.hash, signed=600, key=bench.signer.key
    )


async def test_a_two_writers_three_writers_make_one_chain_without_gaps(bench: Bench) -> None:
    stores = [bench.store, bench.another(), bench.another()]

    await asyncio.gather(*(write(store, 200, actor=f"writer-{n}") for n, store in enumerate(stores)))

    entries = await bench.store.audit.entries()
    assert [entry.seq for entry in entries] == list(range(1, 601))
    assert (await bench.store.audit.verify()).is_intact


@pytest.mark.parametrize("store_url", DATABASES, indirect=True)
@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE audit SET actor = 'somebody else'",
        "DELETE FROM audit",
        "DELETE FROM claims",
        "UPDATE claims SET outcome = NULL, finished_at = NULL",
        "DELETE FROM decisions",
        "UPDATE decisions SET allowed = 1",
    ],
)
async def test_the_database_refuses_to_rewrite_the_record(bench: Bench, statement: str) -> None:
    step = await bench.started()
    await bench.store.gate.finish(step.effect_key, 1, DONE)
    engine = create_engine(str(bench.url))

    with pytest.raises(IntegrityError), engine.begin() as connection:
        connection.execute(text(statement))

    engine.dispose()
    assert (await bench.store.audit.verify()).is_intact


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "audit.db"


@pytest.fixture
def unguarded(file: Path) -> Iterator[sqlite3.Connection]:
    """The file of five entries with its triggers gone, as somebody with write access would make it."""

    async def fill() -> None:
        store = open_store(f"sqlite:///{file}", redact=redact, kill_file=None)
        await write(store, 5)
        await store.close()

    asyncio.run(fill())
    with closing(sqlite3.connect(file, isolation_level=None)) as raw:
        for (name,) in raw.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall():
            raw.execute(f"DROP TRIGGER {name}")
        yield raw


@pytest.mark.parametrize(
    ("statement", "first_bad", "why"),
    [
        ("UPDATE audit SET body = '{}' WHERE seq = 3", 3, "its content was changed"),
        ("UPDATE audit SET at = 'yesterday' WHERE seq = 3", 3, "its content was changed"),
        ("UPDATE audit SET incident = NULL WHERE seq = 4", 4, "its content was changed"),
        ("UPDATE audit SET body = x'00ff' WHERE seq = 2", 2, "its content was changed"),
        ("UPDATE audit SET hash = 'f' WHERE seq = 5", 5, "its content was changed"),
        ("DELETE FROM audit WHERE seq = 1", 1, "entry 1 is missing"),
        ("DELETE FROM audit WHERE seq = 4", 4, "entry 4 is missing"),
        (
            "INSERT INTO audit SELECT 0, at, incident, act, actor, body, prev, 'f', key, signature "
            "FROM audit WHERE seq = 1",
            1,
            "entry 1 is missing",
        ),
        (
            "INSERT INTO audit SELECT 6, at, incident, act, actor, body, prev, 'f', key, signature "
            "FROM audit WHERE seq = 5",
            6,
            "it does not follow the one before",
        ),
    ],
)
def test_a_check_names_the_first_entry_that_does_not_fit(
    unguarded: sqlite3.Connection, file: Path, statement: str, first_bad: int, why: str
) -> None:
    unguarded.execute(statement)

    async def verify() -> ChainReport:
        store = open_store(f"sqlite:///{file}", redact=redact, kill_file=None)
        report = await store.audit.verify()
        await store.close()
        return report

    report = asyncio.run(verify())
    assert (report.first_bad, report.why) == (first_bad, why)


def test_replacing_an_entry_is_refused_like_deleting_it(file: Path) -> None:
    async def fill() -> None:
        store = open_store(f"sqlite:///{file}", redact=redact, kill_file=None)
        await write(store, 1)
        await store.close()

    asyncio.run(fill())
    with closing(sqlite3.connect(file)) as raw, pytest.raises(sqlite3.IntegrityError, match="append-only"):
        raw.execute(
            "INSERT OR REPLACE INTO audit "
            "SELECT seq, at, NULL, act, actor, body, prev, hash, key, signature FROM audit"
        )


async def test_the_database_tells_the_time_when_nobody_else_does(tmp_path: Path) -> None:
    store = open_store(f"sqlite:///{tmp_path}/audit.db", redact=redact, kill_file=None)
    before = datetime.now(UTC)
    told = await store.gate.now()
    await store.close()

    assert abs((told - before).total_seconds()) < 60
    assert told.tzinfo is not None
