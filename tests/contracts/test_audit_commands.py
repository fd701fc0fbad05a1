"""`handrail audit`, as a person types it on a record of one started proposal."""

import asyncio
import json
import sqlite3
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from adapters.cli.main import app
from adapters.store.opening import open_store
from adapters.store.signing import FileSigner, NoSigner, open_signer
from bot.domain.errors import Invalid, NotFound
from bot.domain.execution import Result as Ended
from bot.domain.execution import StepOutcome
from tests.builders import INCIDENT, NOW, ManualTime
from tests.contracts.stores import Bench

PROPOSAL = f"{INCIDENT}-1"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A data folder whose record holds a proposal that was approved, ran and ended."""
    signer = open_signer(tmp_path, None, may_create=True)

    async def fill() -> str:
        bench = Bench(url=f"sqlite:///{tmp_path}/audit.db", time=ManualTime(NOW), kill_file=tmp_path / "KILL")
        await bench.close()
        bench.signer = signer
        bench.store = bench.another()
        step = await bench.started()
        await bench.store.gate.finish(
            step.effect_key, 1, StepOutcome(result=Ended.DONE, detail="answered 200")
        )
        checkpoint = await bench.store.audit.checkpoint()
        await bench.close()
        assert checkpoint is not None
        return checkpoint.as_text()

    (tmp_path / "kept.txt").write_text(f"posted at noon:\n- {asyncio.run(fill())}\n")
    return tmp_path


def run(folder: Path, *arguments: str, **environment: str) -> Result:
    return CliRunner().invoke(
        app, ["audit", *arguments], env={"HANDRAIL_DATA_DIR": str(folder), **environment}
    )


def objects(result: Result) -> list[dict[str, object]]:
    return [json.loads(line) for line in result.stdout.splitlines()]


def test_verify_says_intact_and_what_it_cannot_know(folder: Path) -> None:
    alone, against = run(folder, "verify"), run(folder, "verify", "--checkpoint", str(folder / "kept.txt"))

    assert (alone.exit_code, against.exit_code) == (0, 0)
    assert alone.stdout.startswith("intact: ")
    assert "no checkpoint was given" in alone.stderr
    assert "no checkpoint was given" not in against.stderr


def test_verify_names_the_first_entry_and_exits_with_1(folder: Path) -> None:
    with closing(sqlite3.connect(folder / "audit.db", isolation_level=None)) as raw:
        raw.execute("DROP TRIGGER audit_delete")
        raw.execute("PRAGMA foreign_keys=OFF")
        (last,) = raw.execute("SELECT max(seq) FROM audit").fetchone()
        raw.execute("DELETE FROM audit WHERE seq = ?", (last,))

    ended = run(folder, "verify", "--checkpoint", str(folder / "kept.txt"))

    assert ended.exit_code == 1
    assert ended.stdout.startswith(f"BROKEN at entry {last}: the end was cut off")


def test_verify_cannot_be_done_with_what_is_no_checkpoint(folder: Path) -> None:
    """Exit code 2 is what `main` makes of this error."""
    (folder / "kept.txt").write_text("nothing of it\n")

    assert isinstance(run(folder, "verify", "--checkpoint", str(folder / "kept.txt")).exception, Invalid)
    assert isinstance(run(folder, "verify", "--checkpoint", str(folder / "none.txt")).exception, Invalid)


def test_verify_refuses_a_record_that_ends_with_another_key(folder: Path) -> None:
    other = open_signer(folder.parent, None, may_create=True).key

    ended = run(folder, "verify", "--key", other)

    assert ended.exit_code == 1
    assert "ours is" in ended.stdout


def test_search_finds_by_act_actor_incident_time_and_text(folder: Path) -> None:
    def acts(*options: str) -> list[object]:
        return [entry["act"] for entry in objects(run(folder, "search", *options, "--json"))]

    assert acts("--act", "approved") == ["approved"]
    assert acts("--text", "ANSWERED 200") == ["finished"]
    assert acts("--incident", "P404") == []
    assert acts("--since", f"{NOW.year + 1}-01-01") == []
    assert "claimed" in acts("--actor", "handrail", "--incident", INCIDENT)
    assert run(folder, "search", "--act", "approved").stdout.count("\n") == 1


def test_show_tells_a_proposal_from_the_event_to_the_end(folder: Path) -> None:
    said = run(folder, "show", PROPOSAL).stdout
    whole = objects(run(folder, "show", PROPOSAL, "--json"))[0]

    headings = ("Event", "Evidence", "Prompt and model", "Plan", "Card", "Clicks", "Run", "Signals")
    places = [said.index(f"\n{heading}\n") for heading in headings]
    assert places == sorted(places)
    assert "the approval by U0ONCALL is signed with" in said
    assert "(holds)" in said
    assert whole["is_plan_faithful"] is True


def test_show_of_an_incident_prints_its_entries(folder: Path) -> None:
    assert {entry["incident"] for entry in objects(run(folder, "show", INCIDENT))} == {INCIDENT}


def test_what_is_exported_is_checked_again_as_a_file(folder: Path) -> None:
    file = folder / "export.jsonl"
    file.write_text(run(folder, "export").stdout)
    intact = run(folder, "verify", "--file", str(file), "--checkpoint", str(folder / "kept.txt"))
    file.write_text(file.read_text().replace("answered 200", "answered 500"))

    assert intact.exit_code == 0
    assert run(folder, "verify", "--file", str(file)).exit_code == 1


def test_the_key_is_rotated_and_both_are_followed(folder: Path) -> None:
    before = FileSigner(folder / "audit.key").key

    ended = run(folder, "rotate")

    after = FileSigner(folder / "audit.key").key
    assert f"names the new key {after}" in ended.stdout
    assert before != after
    assert run(folder, "verify", "--checkpoint", str(folder / "kept.txt")).exit_code == 0


def test_a_lost_key_is_replaced_and_must_be_accepted(folder: Path) -> None:
    (folder / "audit.key").unlink()

    assert "names the new key" in run(folder, "rotate", "--lost").stdout

    key = FileSigner(folder / "audit.key").key
    assert run(folder, "verify").exit_code == 1
    assert run(folder, "verify", "--accept", key).exit_code == 0


def test_an_entry_without_a_signature_is_vouched_for(folder: Path) -> None:
    async def write() -> int:
        store = open_store(
            f"sqlite:///{folder}/audit.db", redact=str, kill_file=None, signer=NoSigner("it is away")
        )
        entry = await store.audit.append("killed", actor="dana", incident=None, body={})
        await store.close()
        return entry.seq

    seq = asyncio.run(write())
    before = run(folder, "verify")
    run(folder, "vouch", str(seq), "--reason", "that was me")

    assert (before.exit_code, run(folder, "verify").exit_code) == (1, 0)


def test_old_entries_move_to_a_file_and_are_still_found(tmp_path: Path) -> None:
    async def write() -> None:
        store = open_store(
            f"sqlite:///{tmp_path}/audit.db",
            redact=str,
            kill_file=None,
            store_time=ManualTime(datetime(2020, 1, 1, tzinfo=UTC)),
            signer=open_signer(tmp_path, None, may_create=True),
        )
        for number in range(5):
            await store.audit.append("counted", actor="x", incident=None, body={"n": number})
        await store.close()

    asyncio.run(write())
    everything = run(tmp_path, "search", "--json").stdout

    moved, again = run(tmp_path, "archive"), run(tmp_path, "archive")

    assert moved.stdout == f"moved 4 entries to {tmp_path}/archive/audit-000000001-000000004.jsonl\n"
    assert again.stdout.startswith("moved 1 entries")
    assert run(tmp_path, "archive").stdout == "nothing is old enough\n"
    assert run(tmp_path, "search", "--json").stdout.startswith(everything)
    assert run(tmp_path, "verify").exit_code == 0


def test_what_people_typed_moves_no_cursor_and_begins_no_line(folder: Path) -> None:
    async def write() -> None:
        signer = open_signer(folder, None, may_create=False)
        store = open_store(f"sqlite:///{folder}/audit.db", redact=str, kill_file=None, signer=signer)
        await store.audit.append(
            "answered",
            actor="Dana\n9 2026-01-01 approved by Omar",
            incident=INCIDENT,
            body={"proposal": PROPOSAL, "text": "\x1b[2J\u202egnp"},
        )
        await store.close()

    asyncio.run(write())
    found, told = run(folder, "search", "--act", "answered").stdout, run(folder, "show", PROPOSAL).stdout

    assert 1 == found.count("\n")
    assert (r"Dana\n9 2026-01-01" in found, r"\x1b[2J\u202egnp" in found) == (True, True)
    assert r"Dana\n9 2026-01-01" in told
    assert not {"\x1b", "\u202e"} & set(found + told)


def test_what_is_not_on_record_is_said(folder: Path) -> None:
    for which in ("nope", "", f"{INCIDENT}-9", "Q" * 5000):
        assert isinstance(run(folder, "show", which).exception, NotFound)
    assert 2 == run(folder, "show", "--limit", "99999999999999999999").exit_code


def test_a_changed_plan_is_shown_as_it_stands(folder: Path) -> None:
    with closing(sqlite3.connect(folder / "audit.db", isolation_level=None)) as raw:
        for (name,) in raw.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall():
            raw.execute(f"DROP TRIGGER {name}")
        raw.execute("UPDATE proposals SET plan = ?", (b"\xff no plan",))

    (shown,) = objects(run(folder, "show", PROPOSAL, "--json"))

    assert (r"\xff no plan", False) == (shown["plan"], shown["is_plan_faithful"])
    assert "DOES NOT HOLD" in run(folder, "show", PROPOSAL).stdout


def test_a_check_of_what_is_no_file_of_entries_says_so(folder: Path) -> None:
    """Nothing of it may look as if a record had been checked: exit code 2 is what `main` makes of these."""
    file = folder / "export.jsonl"
    whole = run(folder, "export").stdout
    for text in ("", "\n", whole[:-40], whole.replace('"seq":1', '"seq":2,"seq":1', 1)):
        file.write_text(text)
        assert isinstance(run(folder, "verify", "--file", str(file)).exception, Invalid)
    file.write_bytes(b"\xff\xfe")
    assert isinstance(run(folder, "verify", "--checkpoint", str(file)).exception, Invalid)
    assert isinstance(run(folder, "verify", "--key", "x").exception, Invalid)
