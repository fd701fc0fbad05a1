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
from adapters.pagerduty.webhook import parse_webhook
from adapters.slack.actions import from_bytes, parse_button, parse_command, who_and_where
from bot.domain.catalogue import Catalogue
from bot.domain.errors import Invalid, InvalidPlaybook

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
PRESS = {
    "type": "block_actions",
    "team": {"id": "T1"},
    "user": {"id": "U1"},
    "trigger_id": "1.2",
    "container": {"type": "message", "message_ts": "1.1", "channel_id": "C1"},
    "channel": {"id": "C1"},
    "actions": [
        {"action_id": "handrail.approve", "action_ts": "1.3", "value": '{"p":"Q1-1","d":"00"}'},
    ],
}
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


@given(bodies(EVENT))
def test_a_webhook_is_read_or_refused(body: bytes) -> None:
    try:
        parse_webhook(body, received_at=NOW)
    except Invalid:
        return


@given(bodies(CHANGE))
def test_a_change_is_read_or_refused(body: bytes) -> None:
    try:
        parse_generic(body, Catalogue(services={}), received_at=NOW)
    except Invalid:
        return


@given(distorted(PRESS))
def test_a_press_is_read_or_refused(body: Any) -> None:
    if not isinstance(body, dict):
        return  # Bolt hands on nothing else.
    who_and_where(body)
    try:
        parse_button(body)
    except Invalid:
        return


@given(
    st.dictionaries(st.sampled_from(["command", "text", "user_id", "channel_id", "trigger_id"]), json_values)
)
def test_a_command_is_read_or_refused(body: dict[str, Any]) -> None:
    try:
        parse_command(body)
    except Invalid:
        return


@given(st.binary(max_size=200) | json_values.map(lambda value: json.dumps(value).encode()))
def test_a_queued_action_is_read_or_refused(raw: bytes) -> None:
    try:
        from_bytes(raw)
    except Invalid:
        return


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
