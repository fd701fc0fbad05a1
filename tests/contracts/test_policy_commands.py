"""`handrail policy`, as a person runs it."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from adapters.cli.main import app
from bot.domain.errors import Invalid, InvalidPolicy

ROOT = Path(__file__).parents[2]


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    policy = tmp_path / "policy.yaml"
    policy.write_text("limits:\n  executions_per_hour: 4\n")
    return {
        "HANDRAIL_SERVICES": str(ROOT / "services.example.yaml"),
        "HANDRAIL_PLAYBOOKS": str(ROOT / "playbooks"),
        "HANDRAIL_POLICY": str(policy),
        "HANDRAIL_DATA_DIR": str(tmp_path / "data"),
    }


def test_it_explains_a_playbook_for_a_service(environment: dict[str, str]) -> None:
    words = [
        "policy",
        "explain",
        "checkout",
        "rollback-deploy",
        "--user",
        "U0ALICE",
        "--at",
        "2026-11-27T18:00",
    ]
    found = CliRunner().invoke(app, words, env=environment)

    assert 0 == found.exit_code, found.output
    lines = found.output.splitlines()
    assert lines[0].startswith("rollback-deploy for checkout at 2026-11-27 18:00 UTC, risk medium")
    assert "U0ALICE: named approver" in lines
    assert lines[-1].startswith("the limits are not counted: ")


def test_a_time_that_is_none_is_refused(environment: dict[str, str]) -> None:
    words = ["policy", "explain", "checkout", "rollback-deploy", "--at", "tonight"]
    found = CliRunner().invoke(app, words, env=environment)

    assert isinstance(found.exception, Invalid)
    assert "'tonight' is no time" in str(found.exception)


STRANGER = "services:\n  chekout:\n    limits: {executions_per_hour: 1}\n"


def test_lint_refuses_what_the_start_refuses(environment: dict[str, str]) -> None:
    Path(environment["HANDRAIL_POLICY"]).write_text(STRANGER)
    found = CliRunner().invoke(app, ["policy", "lint"], env=environment)

    assert isinstance(found.exception, InvalidPolicy)
    assert "has no service chekout" in str(found.exception)


def test_lint_says_so_when_it_cannot_tell_which_services_there_are(environment: dict[str, str]) -> None:
    Path(environment["HANDRAIL_POLICY"]).write_text(STRANGER)
    nowhere = {**environment, "HANDRAIL_SERVICES": "/nowhere/services.yaml"}
    found = CliRunner().invoke(app, ["policy", "lint"], env=nowhere)

    assert (0, True) == (found.exit_code, found.output.startswith("policy ")), found.output
    assert "note: whether there are the services that it names is not checked: " in found.output
