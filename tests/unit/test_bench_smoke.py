"""The benchmark's code runs. What it measures is for `make bench`: a test says nothing about speed."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.bench.report import Results

LINES = {
    "intake.ratio",
    "intake.ratio_each",
    "intake.webhooks_pagerduty",
    "intake.bare_grouped",
    "intake.bare_each",
    "life.card",
    "life.refused",
    "life.answered",
    "life.step",
    "life.card_model_dead",
    "life.card_model_slow",
    "life.neighbours",
    "life.card_cpu",
    "asking.commands",
    "asking.home",
    "footprint.cold_start",
    "footprint.idle",
    "footprint.incident_bot",
    "footprint.incident_all",
    "thinking.ranking",
    "thinking.ranking_lookup",
    "thinking.ranking_rank",
    "thinking.ranking_growth",
    "thinking.ranking_ledger",
    "thinking.ranking_ledger_rank",
    "thinking.ranking_memory",
    "thinking.grouping",
    "thinking.redaction",
    "thinking.redaction_dense",
    "thinking.redaction_lines",
    "thinking.card",
    "record.append",
    "record.verify",
    "record.claim",
    "record.read",
}


@pytest.mark.heavy
def test_a_quick_run_measures_every_line(tmp_path: Path) -> None:
    file = tmp_path / "results.json"

    run = subprocess.run(
        [sys.executable, "-m", "tests.bench", "--quick", "--out", str(file)],
        capture_output=True,
        text=True,
        check=False,
    )

    assert (run.returncode, run.stderr.count("Traceback")) == (0, 0), run.stderr[-2000:]
    results = Results.model_validate_json(file.read_text())
    assert {line.name for line in results.lines} == LINES
    assert all(line.samples > 0 for line in results.lines)
    assert results.is_quick
