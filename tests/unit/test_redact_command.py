"""`handrail redact`, as a person types it."""

import sys
from dataclasses import dataclass
from types import ModuleType

import pytest
from typer.testing import CliRunner, Result

from adapters.cli.main import app

TEXT = "opened with badge seven seven, password=hunter2hunter2\n"


@dataclass
class Finding:
    rule_id: str
    secret: str


@pytest.fixture
def library(monkeypatch: pytest.MonkeyPatch) -> None:
    """A library that knows one vendor's badge."""
    module = ModuleType("betterleaks")
    setattr(module, "scan_string", lambda text: [Finding("acme-badge", "badge seven seven")])  # noqa: B010
    monkeypatch.setitem(sys.modules, "betterleaks", module)


def redacted(**environment: str) -> Result:
    env: dict[str, str | None] = {"HANDRAIL_DETECTOR": None, **environment}
    return CliRunner().invoke(app, ["redact"], input=TEXT, env=env)


@pytest.mark.usefixtures("library")
def test_what_the_further_detector_would_take_out_is_shown() -> None:
    alone, beside = redacted().stdout, redacted(HANDRAIL_DETECTOR="betterleaks").stdout

    assert ("badge seven seven" in alone, "hunter2" in alone) == (True, False)
    assert ("badge seven seven" in beside, "hunter2" in beside) == (False, False)


def test_a_detector_that_nobody_knows_is_refused_and_nothing_is_printed() -> None:
    result = redacted(HANDRAIL_DETECTOR="os")

    assert (True, "") == (result.exit_code != 0, result.stdout)
    assert "HANDRAIL_DETECTOR: is none of betterleaks" in str(result.exception) + result.stderr
