"""The gate in front of Bolt, byte for byte."""

import asyncio
import json
import logging
from typing import Any
from urllib.parse import quote

import pytest
import structlog

from adapters.slack.api import Installation
from adapters.slack.origin import reported_to
from adapters.slack.verify import MAX_BODY, Verified
from adapters.store.opening import open_memory_store
from bot.domain.audit import Entry
from bot.domain.errors import Invalid, Unavailable
from tests.slack_signing import (
    FORM,
    SECRET,
    US,
    Handler,
    SetClock,
    a_command_form,
    a_press,
    an_event,
    as_form,
    signed,
)

ON_GRID = US.model_copy(update={"enterprise_id": "E0US"})


@pytest.fixture
def clock() -> SetClock:
    return SetClock()


@pytest.fixture
def handler() -> Handler:
    return Handler()


def a_gate(handler: Handler, clock: SetClock, installation: Installation = US) -> Verified:
    return Verified(handler, signing_secret=SECRET, installation=installation, clock=clock)


@pytest.mark.parametrize("body", [as_form(a_press()), a_command_form()], ids=["press", "command"])
async def test_what_slack_signed_passes_unchanged(body: bytes, handler: Handler, clock: SetClock) -> None:
    assert 200 == await signed(body, clock).send_to(a_gate(handler, clock))
    assert [body] == handler.bodies


async def test_an_event_and_a_handshake_pass(handler: Handler, clock: SetClock) -> None:
    gate = a_gate(handler, clock)
    handshake = json.dumps({"type": "url_verification", "challenge": "x"}).encode()

    for body in (an_event(), handshake):
        assert 200 == await signed(body, clock, content_type=b"application/json").send_to(gate)
    assert [an_event(), handshake] == handler.bodies


async def test_sl_bad_sig_a_wrong_signature_is_refused_and_the_body_appears_in_no_log(
    handler: Handler, clock: SetClock, caplog: pytest.LogCaptureFixture
) -> None:
    body = as_form(a_press(secret_word="SWORDFISH"))

    with caplog.at_level(logging.DEBUG), structlog.testing.capture_logs() as logs:
        status = await signed(body, clock, secret="another").send_to(a_gate(handler, clock))

    assert 401 == status
    assert [] == handler.bodies
    assert [
        {"event": "slack_request_refused", "status": 401, "why": "signature", "log_level": "warning"}
    ] == logs
    assert "SWORDFISH" not in caplog.text


@pytest.mark.parametrize("position", [0, 20, -1])
async def test_one_changed_byte_breaks_the_signature(
    position: int, handler: Handler, clock: SetClock
) -> None:
    request = signed(as_form(a_press()), clock)
    changed = bytearray(request.body)
    changed[position] ^= 1
    forged = type(request)(bytes(changed), request.headers)

    assert 401 == await forged.send_to(a_gate(handler, clock))


@pytest.mark.parametrize(("ahead", "status"), [(-301, 401), (-300, 200), (60, 200), (61, 401)])
async def test_sl_ts_a_request_is_good_for_five_minutes(
    ahead: int, status: int, handler: Handler, clock: SetClock
) -> None:
    assert status == await signed(as_form(a_press()), clock, ahead=ahead).send_to(a_gate(handler, clock))


@pytest.mark.parametrize(
    "timestamp",
    [
        b"abc",
        b"",
        "١٧٦٣٧٨٠٤٠٠".encode(),
        b"1e9",
        b"1795316400 ",
        b" 1795316400",
        b"+1795316400",
        b"-1795316400",
        b"1_795_316_400",
        b"1795316400.0",
        b"9" * 400,
        b"\xff",
    ],
)
async def test_sl_ts_a_malformed_timestamp_is_refused(
    timestamp: bytes, handler: Handler, clock: SetClock
) -> None:
    request = signed(as_form(a_press()), clock).with_header(b"x-slack-request-timestamp", timestamp)

    assert 401 == await request.send_to(a_gate(handler, clock))


@pytest.mark.parametrize(
    "signature",
    [
        "v0=é".encode(),
        b"v0=\xe9",
        b"v0=" + b"A" * 64,
        b"v0=" + b"a" * 65,
        b"v0=" + b"a" * 63,
        b"v1=" + b"a" * 64,
        b"",
    ],
)
async def test_sl_sig_bytes_a_malformed_signature_is_refused(
    signature: bytes, handler: Handler, clock: SetClock
) -> None:
    request = signed(as_form(a_press()), clock).with_header(b"x-slack-signature", signature)

    assert 401 == await request.send_to(a_gate(handler, clock))


@pytest.mark.parametrize("name", [b"x-slack-signature", b"x-slack-request-timestamp"])
async def test_a_missing_or_doubled_header_is_refused(name: bytes, handler: Handler, clock: SetClock) -> None:
    request = signed(as_form(a_press()), clock)
    value = dict(request.headers)[name]

    assert 401 == await request.with_header(name).send_to(a_gate(handler, clock))
    assert 401 == await request.with_header(name, value, value).send_to(a_gate(handler, clock))


async def test_sl_sig_bytes_an_upper_case_signature_is_refused(handler: Handler, clock: SetClock) -> None:
    request = signed(as_form(a_press()), clock)
    shouted = b"v0=" + dict(request.headers)[b"x-slack-signature"][3:].upper()

    assert 401 == await request.with_header(b"x-slack-signature", shouted).send_to(a_gate(handler, clock))


async def test_sl_replay_the_same_bytes_reach_the_handler_once(handler: Handler, clock: SetClock) -> None:
    request, gate = signed(as_form(a_press()), clock), a_gate(handler, clock)

    assert [200, 200, 200] == [await request.send_to(gate) for _ in range(3)]
    assert 1 == len(handler.bodies)


async def test_the_same_bytes_at_the_same_moment_reach_the_handler_once(
    handler: Handler, clock: SetClock
) -> None:
    request, gate = signed(as_form(a_press()), clock), a_gate(handler, clock)

    assert [200] * 3 == await asyncio.gather(*(request.send_to(gate) for _ in range(3)))
    assert 1 == len(handler.bodies)


async def test_bytes_whose_handling_failed_may_come_again(clock: SetClock) -> None:
    handler = Handler(statuses=[503])
    request, gate = signed(as_form(a_press()), clock), a_gate(handler, clock)

    assert [503, 200, 200] == [await request.send_to(gate) for _ in range(3)]
    assert 2 == len(handler.bodies)


async def test_a_replay_stays_refused_until_its_time_is_over(handler: Handler, clock: SetClock) -> None:
    request, gate = signed(as_form(a_press()), clock), a_gate(handler, clock)
    await request.send_to(gate)

    clock.advance(300)
    assert 200 == await request.send_to(gate)
    clock.advance(61)
    assert 401 == await request.send_to(gate)
    assert 1 == len(handler.bodies)


FOREIGN = {
    "app": as_form(a_press(api_app_id="A0OTHER")),
    "no app": as_form(a_press(api_app_id=None)),
    "team": as_form(a_press(team={"id": "T0OTHER"})),
    "no team": as_form(a_press(team=None)),
    "enterprise": as_form(a_press(enterprise={"id": "E0OTHER"})),
    "view of another team": as_form(a_press(type="view_submission", team={"id": "T0OTHER"})),
    "command of another team": a_command_form(team_id="T0OTHER"),
    "command of another app": a_command_form(api_app_id="A0OTHER"),
    "command of an enterprise": a_command_form(enterprise_id="E0OTHER"),
}


@pytest.mark.parametrize("body", FOREIGN.values(), ids=FOREIGN.keys())
async def test_sl_foreign_team_another_app_team_or_enterprise_is_refused(
    body: bytes, handler: Handler, clock: SetClock
) -> None:
    assert 403 == await signed(body, clock).send_to(a_gate(handler, clock))
    assert [] == handler.bodies


@pytest.mark.parametrize(
    ("payload", "status"),
    [
        (a_press(enterprise={"id": "E0US"}, team={"id": "T0SISTER"}), 200),
        (a_press(enterprise={"id": "E0US"}, team=None), 200),
        (a_press(enterprise={"id": "E0OTHER"}), 403),
        (a_press(), 403),
    ],
)
async def test_sl_grid_on_a_grid_the_organisation_is_pinned(
    payload: dict[str, object], status: int, handler: Handler, clock: SetClock
) -> None:
    assert status == await signed(as_form(payload), clock).send_to(a_gate(handler, clock, ON_GRID))


@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        (b"", FORM),
        (b"payload=", FORM),
        (b"payload={", FORM),
        (b"payload=" + b"[" * 100_000, FORM),
        (b"payload=[]", FORM),
        (b"payload=%ff", FORM),
        (b"\xff\xfe", FORM),
        (a_command_form() + b"&team_id=T0US", FORM),
        (b"&".join(b"a%d=1" % i for i in range(200)), FORM),
        (b"[]", b"application/json"),
        (b"{", b"application/json"),
        (b'{"type":NaN}' + b" " * 10, b"text/plain"),
        (quote("payload={}").encode(), b""),
    ],
)
async def test_a_signed_body_that_cannot_be_read_is_refused(
    body: bytes, content_type: bytes, handler: Handler, clock: SetClock
) -> None:
    request = signed(body, clock, content_type=content_type)

    assert 401 == await request.send_to(a_gate(handler, clock))
    assert [] == handler.bodies


async def test_a_body_beyond_the_limit_is_refused(handler: Handler, clock: SetClock) -> None:
    assert 413 == await signed(b"a" * (MAX_BODY + 1), clock).send_to(a_gate(handler, clock))


@pytest.mark.parametrize("method", ["GET", "PUT", "OPTIONS", "TRACE"])
async def test_only_post_is_answered(method: str, handler: Handler, clock: SetClock) -> None:
    request = signed(as_form(a_press()), clock)

    assert 405 == await type(request)(request.body, request.headers, method).send_to(a_gate(handler, clock))


@pytest.mark.parametrize("secret", ["", " ", "\n"])
def test_a_blank_secret_is_refused_at_the_start(secret: str, handler: Handler, clock: SetClock) -> None:
    with pytest.raises(Invalid, match="SLACK_SIGNING_SECRET is empty"):
        Verified(handler, signing_secret=secret, installation=US, clock=clock)


async def test_sl_foreign_team_what_was_signed_for_others_is_on_record_by_ids_alone(
    handler: Handler, clock: SetClock
) -> None:
    store = open_memory_store(redact=lambda text: text, store_time=clock.now)
    gate = Verified(
        handler, signing_secret=SECRET, installation=US, clock=clock, report=reported_to(store.audit)
    )
    words = {"id": "<!channel> SWORDFISH"}
    for body in (as_form(a_press(team={"id": "T0OTHER"})), as_form(a_press(team=words, user=words))):
        assert 403 == await signed(body, clock).send_to(gate)
    unsigned = signed(as_form(a_press(team={"id": "T0OTHER"})), clock, secret="another")
    assert 401 == await unsigned.send_to(gate)

    entries = await store.audit.entries()
    assert [("foreign_refused", "U0ALICE"), ("foreign_refused", "unknown")] == [
        (entry.act, entry.actor) for entry in entries
    ]
    known = {"why": "team", "app": US.app_id, "enterprise": None, "channel": "C0INCIDENTS"}
    assert known | {"team": "T0OTHER", "user": "U0ALICE"} == entries[0].body_values()
    assert known | {"team": None, "user": None} == entries[1].body_values()


async def test_sl_foreign_team_is_refused_although_the_record_does_not_answer(
    handler: Handler, clock: SetClock
) -> None:
    store = open_memory_store(redact=lambda text: text, store_time=clock.now)

    class Broken:
        async def append(self, *_: object, **__: object) -> Entry:
            raise Unavailable("the disk is full")

        def __getattr__(self, name: str) -> Any:
            return getattr(store.audit, name)

    gate = Verified(
        handler, signing_secret=SECRET, installation=US, clock=clock, report=reported_to(Broken())
    )
    assert 403 == await signed(as_form(a_press(team={"id": "T0OTHER"})), clock).send_to(gate)
    assert [] == handler.bodies
