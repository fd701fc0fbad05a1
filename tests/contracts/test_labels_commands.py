"""`labels`, `fit`, `replay` and `drift` on a data folder that a bot has written."""

import ast
import asyncio
import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from adapters.cli.main import app
from adapters.evaluation.reading import read_file
from adapters.files.weights import read_weights
from adapters.store.opening import Store, open_store
from bot.app.label import handle_feedback
from bot.domain.errors import Invalid
from bot.domain.ids import ChangeId, IncidentId
from bot.domain.label import LabelSource, Verdict
from bot.domain.weights import WeightName, Weights, load_weights
from tests.app.test_labelling import a_press
from tests.app.world import Bot, a_bot, a_service, with_world
from tests.builders import INCIDENT, NOW, a_change, an_incident
from tests.label_builders import SNAPSHOT, a_diagnosis, a_label

SUSPECT = ChangeId("deploy-checkout-42")
SECOND = IncidentId("Q2INCIDENT0002")


def on_disk(bot: Bot, store: Store) -> Bot:
    """Return *bot* with its record in *store*."""
    return with_world(
        bot,
        book=store.incidents,
        gate=store.gate,
        outbox=store.outbox,
        audit=store.audit,
        diagnoses=store.diagnoses,
        labels=store.labels,
    )


async def _live(folder: Path) -> None:
    """Live through an incident whose suspect people name, and one whose suspect they rule out."""
    changes = [
        a_change(),
        a_change(version="41", previous_version="40", finished_at=NOW - timedelta(hours=5)),
        a_change(service="payments", version="7", finished_at=NOW - timedelta(minutes=3)),
    ]
    incidents = [an_incident(), an_incident(SECOND)]
    services = {"checkout": a_service(), "payments": a_service(pagerduty=("PPAYMENTS",), names=())}
    bot = a_bot(changes=changes, incidents=incidents, services=services)
    store = open_store(
        f"sqlite:///{folder}/audit.db", redact=lambda text: text, kill_file=None, store_time=bot.time
    )
    bot = on_disk(bot, store)
    await bot.begin()
    assert (await handle_feedback(bot.world, a_press(bot, Verdict.WAS_IT))).is_accepted
    bot.chat.cards.clear()
    await bot.begin(SECOND)
    assert (await handle_feedback(bot.world, a_press(bot, Verdict.NOT_IT))).is_accepted
    await store.close()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder with two labelled incidents."""
    made = tmp_path_factory.mktemp("data")
    asyncio.run(_live(made))
    return made


def run(folder: Path, *arguments: str, environment: Mapping[str, str] | None = None) -> Result:
    given = {"HANDRAIL_DATA_DIR": str(folder), "COLUMNS": "200", **(environment or {})}
    return CliRunner().invoke(app, [*arguments], env=given)


def flat_weights(path: Path) -> Path:
    """Write weights under which the newest change of any service stands first."""
    shipped = load_weights()
    zero = {
        name: weight.model_copy(update={"value": 5.0 if name is WeightName.NOTHING else 0.0})
        for name, weight in shipped.weights.items()
    }
    other = Weights.model_validate(shipped.model_dump() | {"version": "nobody", "weights": zero})
    path.write_text(other.model_dump_json())
    return path


def test_labels_become_cases_that_eval_reads(folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "labels.jsonl"

    result = run(folder, "labels", "export", str(out))

    assert (0, f"{out}: 2 cases; 1 say which change it was, 1 only which it was not\n") == (
        result.exit_code,
        result.stdout,
    )
    cases, _ = read_file(out)
    by_incident = {case.name.rpartition("-")[0]: case for case in cases}
    first, second = by_incident[INCIDENT], by_incident[SECOND]
    assert first.truth is not None
    assert (SUSPECT, frozenset(), 1.0) == (first.truth.change, first.wrong, first.strength)
    assert (None, frozenset({SUSPECT})) == (second.truth, second.wrong)
    assert {"checkout", "payments"} <= first.case.services
    measured = run(folder, "eval", str(out), "--json")
    assert (1, 1.0) == ((report := json.loads(measured.stdout)[0])["positives"], report["top_1"])


def test_labels_since_a_time_leave_out_older_ones(folder: Path, tmp_path: Path) -> None:
    result = run(folder, "labels", "export", str(tmp_path / "none.jsonl"), "--since", "2030-01-01")

    assert "0 cases" in result.stdout


def test_a_time_that_is_none_is_refused(folder: Path, tmp_path: Path) -> None:
    result = run(folder, "labels", "export", str(tmp_path / "none.jsonl"), "--since", "yesterday")

    assert isinstance(result.exception, Invalid)
    assert "use such as 12h, 7d or 2026-11-01" in str(result.exception)


def test_replay_with_the_weights_of_then_says_the_same(folder: Path) -> None:
    result = run(folder, "replay", "--json")

    found = [json.loads(line) for line in result.stdout.splitlines()]
    assert {INCIDENT, SECOND} == {one["incident"] for one in found}
    for one in found:
        assert one["before"] | {"confidence": None} == one["after"] | {"confidence": None}
        assert one["before"]["confidence"] == pytest.approx(one["after"]["confidence"])
    assert {INCIDENT: True, SECOND: False} == {one["incident"]: one["before"]["is_right"] for one in found}


WATCHED = """
import sys
seen = []
EFFECTS = ("socket.connect", "socket.sendto", "subprocess.Popen", "os.system", "os.exec", "os.posix_spawn")
sys.addaudithook(lambda event, _: seen.append(event) if event in EFFECTS else None)
from adapters.cli.main import app
try:
    app(["replay", "--json"])
except SystemExit as done:
    assert not done.code, done.code
NEVER = ("adapters.runners", "adapters.slack", "bot.app.remediate")
loaded = [name for name in sys.modules if name.startswith(NEVER)]
print({"effects": seen, "loaded": loaded}, file=sys.stderr)
"""


def test_c_replay_tool_in_a_process_of_its_own_loads_no_runner_and_touches_nothing(folder: Path) -> None:
    """With all that a bot is given: what runs steps is not even there."""
    bots = {
        "HANDRAIL_DATA_DIR": str(folder),
        "SLACK_BOT_TOKEN": "xoxb-1",
        "PAGERDUTY_API_TOKEN": "token",
        "DEPLOY_TOKEN": "token",
    }
    before = hashlib.sha256((folder / "audit.db").read_bytes()).digest()
    done = subprocess.run(
        [sys.executable, "-c", WATCHED],
        env={"PATH": os.environ["PATH"], **bots},
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        check=True,
    )

    assert 2 == len(done.stdout.splitlines())
    assert {"effects": [], "loaded": []} == ast.literal_eval(done.stderr.splitlines()[-1])
    assert before == hashlib.sha256((folder / "audit.db").read_bytes()).digest()


def test_replay_shows_what_other_weights_change(folder: Path, tmp_path: Path) -> None:
    weights = flat_weights(tmp_path / "nobody.json")

    result = run(folder, "replay", INCIDENT, "--weights", str(weights))

    assert 0 == result.exit_code
    assert "right → named nobody" in result.stdout
    assert "1 recorded, 1 thought again with nobody" in result.stdout.replace("\n", " ")
    assert "1 right and 0 wrong then, 0 right and 0 wrong now" in " ".join(result.stdout.split())


def test_replay_uses_the_weights_in_use(folder: Path, tmp_path: Path) -> None:
    weights = flat_weights(tmp_path / "nobody.json")

    result = run(folder, "replay", "--json", environment={"HANDRAIL_WEIGHTS": str(weights)})

    assert {"nobody"} == {json.loads(line)["after"]["by"] for line in result.stdout.splitlines()}


def test_a_prompt_is_not_compared_with_weights(folder: Path, tmp_path: Path) -> None:
    weights = flat_weights(tmp_path / "nobody.json")

    result = run(folder, "replay", "--prompt", "v1", "--weights", str(weights))

    assert isinstance(result.exception, Invalid)


def test_fit_learns_from_files_and_labels_and_says_where_each_weight_came_from(
    folder: Path, tmp_path: Path
) -> None:
    out, cases = tmp_path / "team.json", tmp_path / "cases.jsonl"
    run(folder, "labels", "export", str(cases))

    result = run(folder, "fit", str(cases), "--labels", "-o", str(out), "--json")

    assert 0 == result.exit_code, result.exception
    measured = {one["file"]: one for one in json.loads(result.stdout)}
    assert {"cases": 2, "labels": 2} == {name: one["examples"] for name, one in measured.items()}
    assert all(one["left_out"] is not None for one in measured.values())
    learned = read_weights(out)
    assert learned.version.startswith("team of ")
    fitted = [weight for weight in learned.weights.values() if weight.fitted]
    assert all("fitted on cases, labels; drawn to version" in weight.source for weight in fitted)
    assert "Only 4 cases to learn from" in result.stderr
    assert f"HANDRAIL_WEIGHTS={out}" in result.stderr


def test_fit_shows_a_lone_file_without_leaving_it_out(folder: Path, tmp_path: Path) -> None:
    result = run(folder, "fit", "--labels", "-o", str(tmp_path / "w.json"))

    assert 0 == result.exit_code
    assert "before" in result.stdout
    assert "left out" not in result.stdout


def test_fit_without_a_label_is_refused(tmp_path: Path) -> None:
    asyncio.run(open_store(f"sqlite:///{tmp_path}/audit.db", redact=str, kill_file=None).close())

    result = run(tmp_path, "fit", "--labels", "-o", str(tmp_path / "w.json"))

    assert isinstance(result.exception, Invalid)
    assert not (tmp_path / "w.json").exists()


def test_weights_that_are_none_are_refused_by_name(folder: Path, tmp_path: Path) -> None:
    broken = tmp_path / "broken.json"
    broken.write_text('{"version": "1"}')

    result = run(folder, "replay", "--weights", str(broken))

    assert isinstance(result.exception, Invalid)
    assert str(broken) in str(result.exception)


async def _write_lately(folder: Path) -> None:
    lately = datetime.now(UTC) - timedelta(hours=1)
    store = open_store(f"sqlite:///{folder}/audit.db", redact=str, kill_file=None)
    named, silent = a_diagnosis("Q7", at=lately), a_diagnosis("Q8", at=lately, named=None)
    older = a_diagnosis("Q9", at=lately - timedelta(days=20))
    for diagnosis in (named, silent, older):
        await store.diagnoses.record(diagnosis, SNAPSHOT)
    await store.labels.add(a_label(source=LabelSource.RECOVERY, incident="Q7", at=lately, on=named.id))
    await store.close()


def test_drift_lays_the_week_beside_the_month(tmp_path: Path) -> None:
    asyncio.run(_write_lately(tmp_path))

    table, as_json = run(tmp_path, "drift"), run(tmp_path, "drift", "--json")

    week, month = json.loads(as_json.stdout)
    assert (7, 2, 1.0, 0.5) == (week["days"], week["diagnoses"], week["accuracy"], week["abstained"])
    assert (30, 3) == (month["days"], month["diagnoses"])
    assert "100% of 1 labelled" in table.stdout
