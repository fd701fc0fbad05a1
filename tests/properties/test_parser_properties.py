"""Whatever is sent, a parser returns what it is for or raises what it declares, and nothing else.

Bodies are heaps of bytes, JSON of any shape, and true ones of which any part was replaced.
"""

import json
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from adapters.changes.generic import parse_generic
from adapters.files.playbooks import read_playbook
from adapters.pagerduty.webhook import Ignored, Ping, parse_webhook
from adapters.slack.actions import (
    ButtonPressed,
    from_bytes,
    parse_button,
    parse_command,
    to_bytes,
    who_and_where,
)
from bot.domain.catalogue import Catalogue
from bot.domain.change import ChangeEvent
from bot.domain.errors import Invalid, InvalidPlaybook
from bot.domain.incident import IncidentEvent

NOW = datetime(2026, 11, 22, tzinfo=UTC)
PLAYBOOK = (Path(__file__).parents[2] / "playbooks" / "rollback-deploy.yaml").read_text()

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=12), inner, max_size=4),
    max_leaves=15,
)

EVENT = {
    "event": {
        "id": "01E",
        "event_type": "incident.triggered",
        "occurred_at": "2026-11-22T03:00:00Z",
        "data": {
            "id": "Q1",
            "type": "incident",
            "title": "checkout",
            "status": "triggered",
            "service": {"id": "P1", "summary": "Checkout"},
        },
    }
}
VALUE = {"p": "Q1-1", "d": "0" * 64}
PRESS = {
    "type": "block_actions",
    "team": {"id": "T1"},
    "user": {"id": "U1"},
    "trigger_id": "1.2",
    "container": {"type": "message", "message_ts": "1.1", "channel_id": "C1"},
    "channel": {"id": "C1"},
    "actions": [
        {"action_id": "handrail.approve", "action_ts": "1.3", "value": json.dumps(VALUE)},
    ],
}
COMMAND = {
    "command": "/incident",
    "text": "status",
    "user_id": "U1",
    "channel_id": "C1",
    "trigger_id": "1.2",
}
CATALOGUE = Catalogue(services={})
CHANGE = {"id": "d1", "service": "checkout", "version": "42", "finished_at": "2026-11-22T03:00:00Z"}


@st.composite
def distorted(draw: st.DrawFn, true: Any) -> Any:
    """Return *true* with some of its parts left out or replaced by anything."""
    match draw(st.integers(0, 9)):
        case 0:
            return draw(json_values)
        case _ if isinstance(true, dict):
            kept = {key: draw(distorted(value)) for key, value in true.items() if draw(st.integers(0, 9))}
            return kept | draw(st.dictionaries(st.text(max_size=8), json_values, max_size=1))
        case _ if isinstance(true, list):
            return [draw(distorted(each)) for each in true]
        case _:
            return true


def bodies(true: Any) -> st.SearchStrategy[bytes]:
    return st.binary(max_size=200) | (json_values | distorted(true)).map(
        lambda value: json.dumps(value).encode()
    )


def test_the_true_bodies_are_read() -> None:
    """Else what is distorted below would be refused for nothing that was done to it."""
    told = parse_webhook(json.dumps(EVENT).encode(), received_at=NOW)

    assert isinstance(told, IncidentEvent)
    assert parse_generic(json.dumps(CHANGE).encode(), CATALOGUE, received_at=NOW).version == "42"
    assert isinstance(parse_button(PRESS), ButtonPressed)
    assert parse_command(COMMAND).text == "status"


@given(bodies(EVENT))
def test_a_webhook_is_read_or_refused(body: bytes) -> None:
    try:
        told = parse_webhook(body, received_at=NOW)
    except Invalid:
        return
    assert isinstance(told, IncidentEvent | Ping | Ignored)
    assert parse_webhook(body, received_at=NOW) == told


@given(bodies(CHANGE))
def test_a_change_is_read_or_refused(body: bytes) -> None:
    try:
        change = parse_generic(body, CATALOGUE, received_at=NOW)
    except Invalid:
        return
    assert change.reported_at == NOW
    assert ChangeEvent.model_validate_json(change.model_dump_json()) == change


@given(distorted(PRESS))
def test_a_press_is_read_or_refused_and_survives_the_queue(body: Any) -> None:
    if not isinstance(body, dict):
        return  # Bolt hands on nothing else.
    who_and_where(body)
    try:
        press = parse_button(body)
    except Invalid:
        return
    assert from_bytes(to_bytes(press)) == press


@given(distorted(COMMAND))
def test_a_command_is_read_or_refused_and_survives_the_queue(body: Any) -> None:
    if not isinstance(body, dict):
        return
    try:
        command = parse_command(body)
    except Invalid:
        return
    assert from_bytes(to_bytes(command)) == command


@given(bodies(json.loads(to_bytes(parse_button(PRESS)))))
def test_a_queued_action_is_read_or_refused(raw: bytes) -> None:
    try:
        action = from_bytes(raw)
    except Invalid:
        return
    assert from_bytes(to_bytes(action)) == action


@given(st.integers(0, len(PLAYBOOK)), st.integers(0, 40), st.text(max_size=40))
def test_a_playbook_is_read_or_refused_with_its_line(at: int, taken: int, put: str) -> None:
    with TemporaryDirectory() as folder:
        file = Path(folder) / "rollback-deploy.yaml"
        file.write_text(PLAYBOOK[:at] + put + PLAYBOOK[at + taken :], encoding="utf-8", errors="replace")
        problem = file.name
        try:
            read_playbook(file)
        except InvalidPlaybook as exc:
            problem = str(exc)
    assert file.name in problem
