"""The audit, boundary B8: changed, cut, out of order, written by several, without a key, with another key."""

import asyncio
import json
import sqlite3
import sys
from collections.abc import Callable
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import text

from adapters.store.archiving import archive
from adapters.store.keeping import replace_lost_key, rotate, vouch
from adapters.store.opening import Store, open_store
from adapters.store.segments import as_line, segments_in
from adapters.store.signing import (
    FileSigner,
    NoSigner,
    SeedSigner,
    Signer,
    new_signer,
    open_signer,
    verifies,
    write_seed,
)
from adapters.store.sql.log import SqlLog
from adapters.store.verification import Trust, verify_file, verify_record
from bot.domain.approval import Action, Reason
from bot.domain.audit import Act, Entry, chain
from bot.domain.chain_check import NOT_SIGNED, ChainReport
from bot.domain.checkpoint import Checkpoint, checkpoints_in
from bot.domain.errors import Invalid, Tampered
from bot.domain.execution import ApprovedStep, NotAdmitted, Result, StepOutcome
from bot.domain.ids import sha256_hex
from bot.domain.policy import FLOOR
from bot.domain.proposal import ProposalState, approval_statement
from tests.builders import CARD, INCIDENT, NOW, TEAM, a_click, a_person, a_plan, an_incident
from tests.conftest import Rounds
from tests.contracts.stores import ALLOWED, Bench, redact

DANA = a_person("U0ONCALL", name="Dana")
ROOT = Path(__file__).resolve().parents[2]

Change = Callable[[sqlite3.Connection], object]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "archive"


async def count(store: Store, entries: int) -> None:
    for number in range(entries):
        await store.audit.append("counted", actor="handrail", incident=INCIDENT, body={"number": number})


async def check(bench: Bench, folder: Path, trust: Trust | None = None) -> ChainReport:
    return await verify_record(bench.store.transactions, folder, trust or Trust())


def change(file: Path, work: Change) -> None:
    """Change the database as somebody would who may write to it: without the guards."""
    with closing(sqlite3.connect(file, isolation_level=None)) as raw:
        for (name,) in raw.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall():
            raw.execute(f"DROP TRIGGER {name}")
        work(raw)


def rehash(raw: sqlite3.Connection, first: int) -> None:
    """Give every entry from *first* on a hash that fits again; the signatures stay what they were."""
    (prev,) = raw.execute("SELECT hash FROM audit WHERE seq = ?", (first - 1,)).fetchone()
    for seq, at, incident, act, actor, body in raw.execute(
        "SELECT seq, at, incident, act, actor, body FROM audit WHERE seq >= ? ORDER BY seq", (first,)
    ).fetchall():
        fields = {"seq": seq, "at": at, "incident": incident, "act": act, "actor": actor, "body": body}
        entry = chain(
            **Entry.model_validate({**fields, "prev": prev, "hash": ""}).model_dump(exclude={"hash", "seal"})
        )
        raw.execute("UPDATE audit SET prev = ?, hash = ? WHERE seq = ?", (prev, entry.hash, seq))
        prev = entry.hash


def set_actor(raw: sqlite3.Connection) -> None:
    raw.execute("UPDATE audit SET actor = 'somebody else' WHERE seq = 5")


def set_actor_and_rehash(raw: sqlite3.Connection) -> None:
    set_actor(raw)
    rehash(raw, 5)


def set_actor_rehash_and_strip(raw: sqlite3.Connection) -> None:
    set_actor_and_rehash(raw)
    raw.execute("UPDATE audit SET key = NULL, signature = NULL WHERE seq >= 5")


def swap(raw: sqlite3.Connection) -> None:
    raw.execute("UPDATE audit SET seq = 99 WHERE seq = 5")
    raw.execute("UPDATE audit SET seq = 5 WHERE seq = 6")
    raw.execute("UPDATE audit SET seq = 6 WHERE seq = 99")


def insert(raw: sqlite3.Connection) -> None:
    raw.execute("UPDATE audit SET seq = seq + 100 WHERE seq >= 5")
    raw.execute(
        "INSERT INTO audit SELECT 5, at, incident, act, actor, body, prev, 'f', key, signature "
        "FROM audit WHERE seq = 4"
    )
    raw.execute("UPDATE audit SET seq = seq - 99 WHERE seq >= 100")


def sign_with_another_key(raw: sqlite3.Connection) -> None:
    """Re-write the entry and all after it with a key of one's own."""
    set_actor_and_rehash(raw)
    other = new_signer()
    for seq, digest in raw.execute("SELECT seq, hash FROM audit WHERE seq >= 5").fetchall():
        signature = other.sign(b"handrail entry v1\n" + digest.encode())
        raw.execute("UPDATE audit SET key = ?, signature = ? WHERE seq = ?", (other.key, signature, seq))


@pytest.mark.parametrize(
    ("work", "why"),
    [
        (set_actor, "its content was changed"),
        (lambda raw: raw.execute("DELETE FROM audit WHERE seq = 5"), "entry 5 is missing"),
        (swap, "it does not follow the one before"),
        (insert, "it does not follow the one before"),
        (set_actor_and_rehash, "its signature does not hold"),
        (set_actor_rehash_and_strip, NOT_SIGNED),
        (sign_with_another_key, "which is not the one in use"),
        (
            lambda raw: raw.execute("UPDATE audit SET signature = key WHERE seq = 5"),
            "its signature does not hold",
        ),
    ],
)
async def test_a_tamper(bench: Bench, file: Path, folder: Path, work: Change, why: str) -> None:
    """Whatever is done to an entry, the check names it first."""
    await count(bench.store, 9)
    change(file, work)

    report = await check(bench, folder)

    assert report.first_bad == 5
    assert why in report.why


async def test_a_tamper_under_what_the_bot_adds_later(bench: Bench, file: Path, folder: Path) -> None:
    """An entry of the bot on top of a changed one does not wash it clean."""
    await count(bench.store, 9)
    change(file, set_actor_and_rehash)
    await count(bench.store, 3)

    assert (await check(bench, folder)).first_bad == 5


@pytest.mark.parametrize(
    ("statement", "said"),
    [
        ("DELETE FROM claims", "the claim is gone"),
        ("DELETE FROM decisions", "the decision is gone"),
        ("UPDATE proposals SET state = 'approved'", "is approved, and entry"),
        (
            "UPDATE proposals SET approvals = replace(approvals, 'U0ONCALL', 'U0OTHER')",
            "has no entry that says",
        ),
        ("DELETE FROM posts", "and the row does not"),
        ("UPDATE claims SET entry = 1", "has no entry 1 of its own"),
        ("INSERT INTO posts VALUES ('slack:x', 'P1', 1, 0)", "has no entry that says the same"),
    ],
)
async def test_a_tamper_of_the_tables(
    bench: Bench, file: Path, folder: Path, statement: str, said: str
) -> None:
    """The chain is intact, and a row that decides does not say what it says."""
    step = await bench.started()
    await bench.store.gate.finish(step.effect_key, 1, StepOutcome(result=Result.DONE))
    await bench.store.outbox.claim("slack:summary", INCIDENT)
    assert (await check(bench, folder)).is_intact
    change(file, lambda raw: raw.execute(statement))

    report = await check(bench, folder)

    assert (report.first_bad, report.is_intact) == (None, False)
    assert any(said in contradiction for contradiction in report.contradictions), report.contradictions


async def kept(store: Store) -> Checkpoint:
    checkpoint = await store.audit.checkpoint()
    assert checkpoint is not None
    return checkpoints_in(f"Entry of the record:\n- {checkpoint.as_text()}\n")[0]


async def test_a_truncate(bench: Bench, file: Path, folder: Path) -> None:
    """A cut end shows only against a checkpoint; without one the check says that it cannot know."""
    await count(bench.store, 9)
    checkpoint = await kept(bench.store)
    change(file, lambda raw: raw.execute("DELETE FROM audit WHERE seq > 6"))

    without = await check(bench, folder)
    against = await check(bench, folder, Trust(checkpoints=[checkpoint]))

    assert without.is_intact
    assert any("no checkpoint was given" in note for note in without.notes)
    assert against.first_bad == 7
    assert "the end was cut off" in against.why


async def test_a_truncate_by_an_older_file_that_went_on(bench: Bench, file: Path, folder: Path) -> None:
    """An older copy in which as many entries were added since has another entry at the checkpoint's place."""
    await count(bench.store, 4)
    with closing(sqlite3.connect(file)) as now, closing(sqlite3.connect(file.with_suffix(".old"))) as old:
        now.backup(old)
    await count(bench.store, 4)
    checkpoint = await kept(bench.store)
    restored = open_store(
        f"sqlite:///{file.with_suffix('.old')}", redact=redact, kill_file=None, signer=bench.signer
    )
    await restored.audit.append("other", actor="handrail", incident=None, body={})
    await count(restored, 9)

    report = await verify_record(restored.transactions, folder, Trust(checkpoints=[checkpoint]))
    await restored.close()

    assert report.first_bad == 8
    assert "saw another entry here" in report.why


async def test_a_truncate_with_a_forged_checkpoint(bench: Bench, folder: Path) -> None:
    await count(bench.store, 3)
    true = await kept(bench.store)
    forged = true.model_copy(update={"at": true.at + timedelta(hours=1)})

    report = await check(bench, folder, Trust(checkpoints=[forged]))

    assert "not signed with a key that the record used" in report.why


@pytest.fixture
def keyless(bench: Bench) -> Store:
    return open_store(
        str(bench.url),
        redact=redact,
        kill_file=bench.kill_file,
        store_time=bench.time,
        signer=NoSigner("the key is gone"),
    )


async def test_a_down(bench: Bench, keyless: Store, folder: Path) -> None:
    """Without the key nothing is approved or started; a denial and a stop are worth more than a signature."""
    record = await bench.approved()
    refused = await keyless.gate.claim(record.id, 0, policy=FLOOR)
    approval = await keyless.gate.rule(a_click(by=DANA, nonce="2"), ALLOWED, DANA)
    again = await bench.offered(a_plan(number=2))
    press = a_click(Action.APPROVE, plan=a_plan(number=2), by=DANA, nonce="3")
    unsigned = await keyless.gate.rule(press, ALLOWED, DANA)
    denial = await keyless.gate.rule(
        a_click(Action.DENY, plan=a_plan(number=2), by=DANA, nonce="4"), ALLOWED, DANA
    )
    await keyless.gate.kill("dana", "no key")
    await keyless.close()

    assert isinstance(refused, NotAdmitted)
    assert "the key is gone" in refused.why
    assert not approval.is_accepted
    assert (unsigned.reason, "cannot be signed" in unsigned.text) == (Reason.STOPPED, True)
    assert denial.is_accepted
    assert (await bench.proposal(again)).state is ProposalState.DENIED
    assert await bench.store.gate.is_killed()
    report = await check(bench, folder)
    assert (report.is_intact, report.why) == (False, NOT_SIGNED)


async def test_a_down_is_vouched_for_by_a_person(bench: Bench, keyless: Store, folder: Path) -> None:
    await count(bench.store, 3)
    await keyless.gate.kill("dana", "no key")
    await keyless.close()
    assert (await check(bench, folder)).first_bad == 4

    await bench.store.transactions.write(lambda tx: vouch(tx, 4, "dana", "that was me"))

    assert (await check(bench, folder)).is_intact
    with pytest.raises(Invalid, match="is signed"):
        await bench.store.transactions.write(lambda tx: vouch(tx, 3, "dana", "that too"))


async def test_a_down_the_disk_is_full(bench: Bench) -> None:
    """The kill file needs no record at all."""
    record = await bench.approved()
    bench.kill_file.touch()

    assert isinstance(await bench.store.gate.claim(record.id, 0, policy=FLOOR), NotAdmitted)


WRITER = """
import asyncio, sys
from adapters.store.opening import open_store
from adapters.store.signing import FileSigner
from pathlib import Path

async def main(folder, name, count):
    store = open_store(f"sqlite:///{folder}/audit.db", redact=str, kill_file=None,
                       signer=FileSigner(Path(folder) / "audit.key"))
    for number in range(count):
        await store.audit.append("counted", actor=name, incident=None, body={"number": number})
    await store.close()

asyncio.run(main(sys.argv[1], sys.argv[2], int(sys.argv[3])))
"""


async def test_a_two_writers(tmp_path: Path, folder: Path, rounds: Rounds) -> None:
    """Three processes write at once: one chain, no fork, no gap, every entry of each in its order."""
    each = rounds(300, 1000)
    write_seed(tmp_path / "audit.key", bytes(range(32)))
    store = open_store(f"sqlite:///{tmp_path}/audit.db", redact=redact, kill_file=None)
    names = ("one", "two", "three")
    writers = [
        await asyncio.create_subprocess_exec(
            sys.executable, "-c", WRITER, str(tmp_path), name, str(each), cwd=ROOT
        )
        for name in names
    ]
    ended = [await writer.wait() for writer in writers]

    report = await verify_record(store.transactions, folder, Trust())
    entries = await store.audit.entries(limit=3 * each + 1)
    await store.close()

    assert ended == [0, 0, 0]
    assert (report.is_intact, report.entries, report.signed) == (True, 3 * each, 3 * each)
    for name in names:
        mine = [entry.body_values()["number"] for entry in entries if entry.actor == name]
        assert mine == list(range(each))


async def test_a_secrets(bench: Bench, file: Path) -> None:
    """What the redactor knows is in no column of any entry, nor anywhere else in the file's chain."""
    await bench.store.audit.append(
        "noted", actor="hunter2", incident=None, body={"header": "Authorization: Bearer hunter2"}
    )
    await bench.store.gate.kill("hunter2@host", "the password is hunter2")

    with closing(sqlite3.connect(file)) as raw:
        rows = raw.execute("SELECT * FROM audit").fetchall()
    assert len(rows) == 2
    assert "hunter2" not in str(rows)


async def test_a_prove_click(bench: Bench) -> None:
    """From the record alone: who approved exactly what, on which card, when, and what they were told."""
    plan = a_plan()
    await bench.store.incidents.see(an_incident())
    await bench.store.gate.propose(plan)
    record = await bench.store.gate.offer(plan.id, CARD, card_sha256=sha256_hex("the card"))
    click = a_click(by=DANA).model_copy(update={"action_ts": "1700000001.5", "trigger_id": "77.1.a"})
    await bench.store.gate.rule(click, ALLOWED, DANA)
    entries = await bench.store.audit.entries(INCIDENT)

    (approved,) = [entry for entry in entries if entry.act == Act.APPROVED]
    body = approved.body_values()
    (offered,) = [entry for entry in entries if entry.act == Act.OFFERED]
    proven = {
        name: body[name] for name in ("click", "user", "team", "channel", "message_ts", "digest", "answer")
    }
    assert proven == {
        "click": click.id,
        "user": DANA.id,
        "team": TEAM,
        "channel": CARD.channel,
        "message_ts": CARD.ts,
        "digest": record.digest,
        "answer": "accepted",
    }
    assert (body["action_ts"], body["trigger_id"]) == ("1700000001.5", "77.1.a")
    assert offered.body_values()["card_sha256"] == sha256_hex("the card")
    assert body["policy_version"] == "policy-1"
    assert body["received_at"] == click.received_at.isoformat()
    assert offered.body_values()["message_ts"] == CARD.ts
    approval = (await bench.proposal(record)).approvals[0]
    assert approval.seal is not None
    assert verifies(approval.seal.key, approval_statement(record, approval), approval.seal.signature)


@pytest.mark.parametrize(
    "forged",
    [
        "UPDATE proposals SET approvals = replace(approvals, 'U0ONCALL', 'U0OTHER')",
        "UPDATE proposals SET approvals = json_set(approvals, '$[0].seal', NULL)",
        "UPDATE proposals SET approvals = json_set(approvals, '$[0].click_id', 'another')",
    ],
)
async def test_a_forged_approval_starts_nothing_and_is_told(bench: Bench, file: Path, forged: str) -> None:
    record = await bench.approved()
    change(file, lambda raw: raw.execute(forged))

    answer = await bench.store.gate.claim(record.id, 0, policy=FLOOR)

    assert isinstance(answer, NotAdmitted)
    assert "does not carry our signature" in answer.why
    assert Act.TAMPERED in await bench.acts()
    assert (await bench.proposal(record)).state is ProposalState.CANCELLED


async def test_an_approval_of_another_proposal_starts_nothing(bench: Bench, file: Path) -> None:
    """Approvals that were given for one incident are no approvals of an equal plan for another."""
    await bench.approved(a_plan(incident="P1"))
    other = await bench.offered(a_plan(incident="P2"))
    change(
        file,
        lambda raw: raw.execute(
            "UPDATE proposals SET state = 'approved', "
            "approvals = (SELECT approvals FROM proposals WHERE incident = 'P1') WHERE incident = 'P2'"
        ),
    )

    answer = await bench.store.gate.claim(other.id, 0, policy=FLOOR)

    assert isinstance(answer, NotAdmitted)
    assert "does not carry our signature" in answer.why


async def test_a_log_inject(bench: Bench) -> None:
    """Whatever a name holds, an entry is one line."""
    nasty = 'Eve\n\x1b[31m{"act": "approved"}\r\u2028' + "x" * 1_000_000

    entry = await bench.store.audit.append("noted", actor=nasty, incident=None, body={"name": nasty})

    line = as_line(entry)
    rest = line.replace("\u2028", " ")  # Which ends no line of JSON, and no line of a terminal.
    assert [rest] == rest.splitlines()
    assert "\x1b" not in line
    assert json.loads(line)["seq"] == 1
    assert (await bench.store.audit.verify()).is_intact


async def test_a_rotate(bench: Bench, folder: Path) -> None:
    """The check follows the keys; a record that ends with a key that is not ours is refused."""
    await count(bench.store, 3)
    old, new = bench.signer, new_signer()
    await bench.store.transactions.write(lambda tx: rotate(tx, new, "dana"))
    bench.signer = new
    await count(bench.another(), 3)

    report = await check(bench, folder, Trust(key=new.key))
    stale = await check(bench, folder, Trust(key=old.key))

    assert (report.is_intact, report.entries, report.signed, report.key) == (True, 7, 7, new.key)
    assert "ours is" in stale.why


async def test_a_rotate_withdraws_approvals_that_wait(bench: Bench) -> None:
    record = await bench.approved()

    await bench.store.transactions.write(lambda tx: rotate(tx, new_signer(), "dana"))

    assert (await bench.proposal(record)).state is ProposalState.SUPERSEDED
    assert isinstance(await bench.store.gate.claim(record.id, 0, policy=FLOOR), NotAdmitted)


async def test_a_rotate_to_an_unknown_key_fails(bench: Bench, folder: Path) -> None:
    """A key that took over alone is unknown, until a person says that they know it."""
    await count(bench.store, 3)
    bench.signer = new_signer()
    finder = bench.another()
    await finder.transactions.write(lambda tx: replace_lost_key(tx, "dana"))
    await count(finder, 2)

    unknown = await check(bench, folder)
    accepted = await check(bench, folder, Trust(accepted=frozenset({bench.signer.key})))

    assert (unknown.first_bad, "which is not the one in use" in unknown.why) == (4, True)
    assert (accepted.is_intact, accepted.entries) == (True, 6)


async def test_a_rotate_that_was_interrupted_is_ended(tmp_path: Path, file: Path) -> None:
    """The record names the new key, and the file that holds it still has its waiting name."""
    old = open_signer(tmp_path, None, may_create=True)
    seed = bytes(range(32))
    write_seed(tmp_path / "audit.key.next", seed)
    store = open_store(f"sqlite:///{file}", redact=redact, kill_file=None, signer=old)
    before = old.key
    await store.transactions.write(lambda tx: rotate(tx, SeedSigner(seed), "dana"))

    after = await store.audit.append("went_on", actor="x", incident=None, body={})
    await store.close()

    assert after.seal is not None
    assert after.seal.key == FileSigner(tmp_path / "audit.key").key != before
    assert not (tmp_path / "audit.key.next").exists()


def test_a_key_that_others_can_read_is_refused(tmp_path: Path) -> None:
    write_seed(tmp_path / "audit.key", bytes(32))
    (tmp_path / "audit.key").chmod(0o644)

    with pytest.raises(Invalid, match="open to other users"):
        open_signer(tmp_path, None, may_create=True)


async def test_archived_entries_are_walked_with_the_live_ones(bench: Bench, folder: Path) -> None:
    step = await bench.started()
    await bench.store.gate.finish(step.effect_key, 1, StepOutcome(result=Result.DONE))
    last = (await bench.store.audit.entries(limit=1))[0].seq
    keeper = archiver(bench, bench.signer)

    moved = await archive(keeper.transactions, folder, NOW + timedelta(days=1), "dana")
    again = await archive(keeper.transactions, folder, NOW - timedelta(days=1), "dana")
    await keeper.close()

    assert moved is not None
    assert (moved.entries, again) == (last - 1, None)
    assert [segment.last for segment in segments_in(folder)] == [last - 1]
    report = await check(bench, folder)
    assert (report.is_intact, report.entries, report.signed) == (True, last + 1, last + 1)
    assert len(await bench.store.gate.claims(INCIDENT)) == 1
    with pytest.raises(Tampered, match="append-only"):
        await bench.store.transactions.write(lambda tx: drop_without_permission(tx.rows.log))


def archiver(bench: Bench, signer: Signer) -> Store:
    return open_store(
        str(bench.url),
        redact=redact,
        kill_file=None,
        store_time=bench.time,
        signer=signer,
        may_archive=True,
    )


def drop_without_permission(log: object) -> None:
    assert isinstance(log, SqlLog)
    log.connection.execute(text("DELETE FROM audit"))


async def test_a_missing_or_changed_archive_is_told(bench: Bench, folder: Path) -> None:
    await count(bench.store, 5)
    keeper = archiver(bench, bench.signer)
    moved = await archive(keeper.transactions, folder, NOW + timedelta(days=1), "dana")
    await keeper.close()
    assert moved is not None

    elsewhere = await check(bench, folder / "nowhere")
    moved.path.chmod(0o600)
    moved.path.write_text(moved.path.read_text().replace('"actor":"handrail"', '"actor":"somebody"', 1))
    changed = await check(bench, folder)

    assert elsewhere.is_intact
    assert any("entries 1 to 4 are not here" in note for note in elsewhere.notes)
    assert (changed.first_bad, changed.why) == (1, "its content was changed")


async def test_what_lacks_its_first_entries_without_an_archive_is_broken(
    bench: Bench, file: Path, folder: Path
) -> None:
    await count(bench.store, 5)
    change(file, lambda raw: raw.execute("DELETE FROM audit WHERE seq <= 2"))

    assert (await check(bench, folder)).first_bad == 1


async def test_an_exported_file_is_checked_by_itself(bench: Bench, tmp_path: Path) -> None:
    await count(bench.store, 5)
    entries = await bench.store.audit.entries(limit=3)
    exported = tmp_path / "audit.jsonl"
    exported.write_text("".join(f"{as_line(entry)}\n" for entry in entries))
    intact = verify_file(exported, Trust(key=bench.signer.key))
    lines = exported.read_text().splitlines()
    exported.write_text("\n".join([lines[0], lines[2]]) + "\n")

    assert (intact.is_intact, intact.entries) == (True, 5)
    assert verify_file(exported, Trust()).why == "entry 4 is missing"


async def test_news_tells_of_what_was_changed_behind_our_back(bench: Bench, file: Path) -> None:
    await count(bench.store, 3)
    await bench.store.audit.news()
    await count(bench.store, 2)
    assert [entry.seq for entry in await bench.store.audit.news()] == [4, 5]
    change(file, lambda raw: raw.execute("DELETE FROM audit WHERE seq = 5"))

    with pytest.raises(Tampered, match="cut off or replaced"):
        await bench.store.audit.news()
    assert [] == list(await bench.store.audit.news())


async def test_a_start_is_still_a_start(bench: Bench) -> None:
    """The other tests refuse; this one shows that nothing refuses by default."""
    assert isinstance(await bench.started(), ApprovedStep)
