"""Log lines: one JSON object each, with the time in UTC, whatever the values are."""

import json
import logging
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest
import structlog

from adapters.logs import configure_logs
from bot.domain.redaction import Redactor


@pytest.fixture(autouse=True)
def logs_as_before() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level, before = root.handlers, root.level, structlog.get_config()
    yield
    root.handlers, root.level = handlers, level
    structlog.configure(**before)


def told(capsys: pytest.CaptureFixture[str], **values: object) -> dict[str, object]:
    configure_logs("info", lambda text: text.replace("secret", "***"))
    structlog.get_logger().info("something_happened", **values)
    line: dict[str, object] = json.loads(capsys.readouterr().err)
    return line


def test_a_line_has_its_time_in_utc(capsys: pytest.CaptureFixture[str]) -> None:
    before = datetime.now(UTC)
    stamp = told(capsys)["timestamp"]

    assert isinstance(stamp, str)
    assert before <= datetime.fromisoformat(stamp) <= datetime.now(UTC)


def test_values_are_redacted_and_ids_are_not(capsys: pytest.CaptureFixture[str]) -> None:
    line = told(capsys, text="a secret", event_id="secret-1", size=3)

    assert ("something_happened", "a ***", "secret-1", 3) == (
        line["event"],
        line["text"],
        line["event_id"],
        line["size"],
    )


def test_half_a_pair_of_surrogates_is_told_as_an_escape(capsys: pytest.CaptureFixture[str]) -> None:
    assert told(capsys, text="cut \ud83d")["text"] == "cut \ud83d"


def test_a_secret_in_the_reason_of_a_failure_is_not_told(capsys: pytest.CaptureFixture[str]) -> None:
    token = "xoxb-1234567890-CANARYcanaryCANARY"
    redactor = Redactor(b"key", known_secrets=["s3cr3t-deploy-token"])
    configure_logs("info", lambda text: redactor.redact(text).text)
    with structlog.contextvars.bound_contextvars(incident_id="Q1", correlation_id="01FIRST"):
        structlog.get_logger().warning("activity_failed", why=f"answered 500: {token} s3cr3t-deploy-token")
        logging.getLogger("temporalio.activity").warning("Timed out with %s", token)
    lines = [json.loads(line) for line in capsys.readouterr().err.splitlines()]

    assert [("Q1", "01FIRST")] * 2 == [(line["incident_id"], line["correlation_id"]) for line in lines]
    assert "CANARY" not in str(lines)
    assert "s3cr3t" not in str(lines)
    assert lines[0]["why"].startswith("answered 500: ")
