"""PagerDuty's webhooks: what is refused at the door, what is read from a body, what is stored before 202."""

import hashlib
import hmac
import json
from collections.abc import AsyncGenerator, Mapping
from datetime import UTC, datetime

import httpx
import pytest
import structlog
from pydantic import SecretStr
from starlette.applications import Starlette

from adapters.intake.signatures import SigningSecrets
from adapters.intake.strict_json import MalformedBody, parse_object
from adapters.pagerduty.route import pagerduty_route
from adapters.pagerduty.webhook import Ignored, Ping, parse_webhook
from bot.domain.errors import Invalid, Unavailable
from bot.domain.ids import IncidentId
from bot.domain.incident import IncidentEvent, IncidentEventKind, IncidentStatus
from bot.ports import Stream
from tests.recording_inbox import NOW, RecordingInbox

SECRET, OLD_SECRET = "a-secret", "an-old-secret"
ADDRESS = "/webhooks/pagerduty"


def secrets(*values: str) -> SigningSecrets:
    return SigningSecrets("PAGERDUTY_WEBHOOK_SECRETS", [SecretStr(value) for value in values])


def signature(body: bytes, secret: str = SECRET) -> str:
    return "v1=" + hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()


def a_body(
    event_type: str = "incident.triggered",
    *,
    data: Mapping[str, object] | None = None,
    event_id: object = "01HZZZZZZZZZZZZZZZZZZZZZZZ",
    **fields: object,
) -> bytes:
    incident = {
        "id": "Q1AAAAAAAAAAAA",
        "type": "incident",
        "html_url": "https://example.pagerduty.com/incidents/Q1AAAAAAAAAAAA",
        "number": 12,
        "status": "triggered",
        "title": "checkout: error ratio above 5 %",
        "created_at": "2026-03-01T11:58:00Z",
        "service": {"id": "PSVC001", "type": "service_reference", "summary": "checkout"},
        "escalation_policy": {"id": "PPOLIC1", "type": "escalation_policy_reference", "summary": "Shop"},
        "assignees": [],
        "teams": [],
        "priority": None,
        "conference_bridge": None,
    }
    event = {
        "id": event_id,
        "event_type": event_type,
        "resource_type": "incident",
        "occurred_at": "2026-03-01T11:59:00.123Z",
        "agent": None,
        "client": None,
        "data": incident if data is None else data,
    }
    return json.dumps({"event": event | fields}).encode()


def client_for(inbox: RecordingInbox, *accepted: str) -> httpx.AsyncClient:
    app = Starlette(routes=[pagerduty_route(inbox, secrets(*accepted or (SECRET,)))])
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://bot")


async def post(
    inbox: RecordingInbox, body: bytes, *accepted: str, signed: str | None = None
) -> httpx.Response:
    async with client_for(inbox, *accepted) as client:
        headers = {"x-pagerduty-signature": signature(body) if signed is None else signed}
        return await client.post(ADDRESS, content=body, headers=headers)


# What a body tells.


def test_an_opened_incident_is_read_whole() -> None:
    assert IncidentEvent(
        event_id="01HZZZZZZZZZZZZZZZZZZZZZZZ",
        kind=IncidentEventKind.TRIGGERED,
        event_type="incident.triggered",
        incident_id=IncidentId("Q1AAAAAAAAAAAA"),
        occurred_at=datetime(2026, 3, 1, 11, 59, 0, 123_000, tzinfo=UTC),
        title="checkout: error ratio above 5 %",
        status=IncidentStatus.TRIGGERED,
        pagerduty_service_id="PSVC001",
        escalation_policy_id="PPOLIC1",
        opened_at=datetime(2026, 3, 1, 11, 58, tzinfo=UTC),
    ) == parse_webhook(a_body(), received_at=NOW)


@pytest.mark.parametrize(
    ("event_type", "data_type"),
    [
        ("incident.annotated", "incident_note"),
        ("incident.responder.added", "incident_responder"),
        ("incident.status_update_published", "incident_status_update"),
        ("incident.workflow.completed", "incident_workflow_instance"),
        ("incident.task.created", "incident_task"),
        ("incident.invented_next_year", None),
    ],
)
def test_an_event_about_something_of_an_incident_refers_to_the_incident(
    event_type: str, data_type: str | None
) -> None:
    """The id of the note or task itself is never taken for the incident's."""
    reference = {"id": "PABCDEF", "type": "incident_reference", "summary": "Checkout is slow"}
    data = {"id": "PNOTE01", "type": data_type, "incident": reference, "status": "completed"}

    assert IncidentEvent(
        event_id="01HZZZZZZZZZZZZZZZZZZZZZZZ",
        kind=IncidentEventKind.OTHER,
        event_type=event_type,
        incident_id=IncidentId("PABCDEF"),
        occurred_at=datetime(2026, 3, 1, 11, 59, 0, 123_000, tzinfo=UTC),
        title="Checkout is slow",
    ) == parse_webhook(a_body(event_type, data=data), received_at=NOW)


@pytest.mark.parametrize(
    ("event_type", "kind"),
    [
        ("incident.acknowledged", IncidentEventKind.ACKNOWLEDGED),
        ("incident.unacknowledged", IncidentEventKind.UNACKNOWLEDGED),
        ("incident.resolved", IncidentEventKind.RESOLVED),
        ("incident.reopened", IncidentEventKind.REOPENED),
        ("incident.priority_updated", IncidentEventKind.UPDATED),
        ("incident.escalated", IncidentEventKind.UPDATED),
        ("incident.conference_bridge.updated", IncidentEventKind.OTHER),
    ],
)
def test_each_event_type_has_its_kind(event_type: str, kind: IncidentEventKind) -> None:
    event = parse_webhook(a_body(event_type), received_at=NOW)

    assert isinstance(event, IncidentEvent)
    assert kind is event.kind


def test_everything_but_the_ids_and_the_type_may_be_missing() -> None:
    body = b'{"event": {"id": "e1", "event_type": "incident.resolved", "data": {"id": "PABCDEF"}}}'

    assert IncidentEvent(
        event_id="e1",
        kind=IncidentEventKind.RESOLVED,
        event_type="incident.resolved",
        incident_id=IncidentId("PABCDEF"),
        occurred_at=NOW,
    ) == parse_webhook(body, received_at=NOW)


def test_fields_of_an_unknown_shape_count_as_missing() -> None:
    data = {
        "id": "PABCDEF",
        "type": "incident",
        "title": {"text": "?"},
        "status": "paused",
        "service": "checkout",
        "created_at": "yesterday",
    }

    assert IncidentEvent(
        event_id="32743191412443541367815146404898342710",
        kind=IncidentEventKind.TRIGGERED,
        event_type="incident.triggered",
        incident_id=IncidentId("PABCDEF"),
        occurred_at=NOW,
    ) == parse_webhook(
        a_body(data=data, event_id=32743191412443541367815146404898342710, occurred_at=None), received_at=NOW
    )


def test_a_ping_is_a_ping() -> None:
    assert Ping("e1") == parse_webhook(
        a_body("pagey.ping", event_id="e1", data={"message": "Hi"}), received_at=NOW
    )


@pytest.mark.parametrize(
    ("body", "why"),
    [
        (b"{}", "no event with an id and a type"),
        (b'{"event": null}', "no event with an id and a type"),
        (b'{"event": {"id": "e1"}}', "no event with an id and a type"),
        (a_body("service.updated", data={"id": "PSVC001", "type": "service"}), "names no incident"),
        (a_body("incident.annotated", data={"id": "PNOTE01", "type": "incident_note"}), "names no incident"),
        (a_body(data={"id": "../users/me", "type": "incident"}), "names no incident"),
        (a_body(data={}), "names no incident"),
    ],
)
def test_what_names_no_incident_is_ignored(body: bytes, why: str) -> None:
    event = parse_webhook(body, received_at=NOW)

    assert isinstance(event, Ignored)
    assert why == event.why


# What is refused at the door.


async def test_pd_bad_sig_one_byte_flipped_is_refused_and_the_body_is_not_logged() -> None:
    inbox, body = RecordingInbox(), a_body()
    flipped = body.replace(b"checkout", b"Checkout", 1)

    with structlog.testing.capture_logs() as logs:
        response = await post(inbox, flipped, signed=signature(body))

    assert (401, {"error": "bad signature"}, []) == (response.status_code, response.json(), inbox.stored)
    assert "heckout" not in str(logs)


@pytest.mark.parametrize("values", [(), ("",), ("  ",), ("good", "")])
def test_pd_no_secret_a_missing_or_blank_secret_is_refused(values: tuple[str, ...]) -> None:
    with pytest.raises(Invalid, match="PAGERDUTY_WEBHOOK_SECRETS is empty"):
        secrets(*values)


async def test_pd_no_secret_an_unsigned_request_is_refused() -> None:
    inbox = RecordingInbox()
    async with client_for(inbox) as client:
        response = await client.post(ADDRESS, content=a_body())

    assert (401, []) == (response.status_code, inbox.stored)


@pytest.mark.parametrize("accepted", [(SECRET,), (OLD_SECRET,), (SECRET, OLD_SECRET)])
async def test_pd_rotation_any_signature_by_any_configured_secret_will_do(accepted: tuple[str, ...]) -> None:
    inbox, body = RecordingInbox(), a_body()
    both = f"{signature(body, OLD_SECRET)}, {signature(body)}"

    assert 202 == (await post(inbox, body, *accepted, signed=both)).status_code


@pytest.mark.parametrize(
    "header",
    [
        "",
        "v1=",
        "v1=abc",
        "v0=" + signature(a_body())[3:],
        "v1=" + signature(a_body())[3:].upper(),
        signature(a_body()) + "0",
        ",".join(["v1=" + "0" * 64] * 9_999 + [signature(a_body())]),
    ],
    ids=["empty", "no digest", "short", "another version", "upper case", "65 digits", "10,000 parts"],
)
async def test_pd_rotation_a_header_of_another_form_is_refused(header: str) -> None:
    assert 401 == (await post(RecordingInbox(), a_body(), signed=header)).status_code


async def test_pd_header_bytes_non_ascii_and_repeated_headers_are_refused() -> None:
    inbox, body = RecordingInbox(), a_body()
    good = signature(body).encode()
    async with client_for(inbox) as client:
        answers = [
            await client.post(
                ADDRESS, content=body, headers=[(b"X-PagerDuty-Signature", value) for value in values]
            )
            for values in ([b"v1=\xe9\xff"], [good, good], [b"v1=" + "é".encode() * 32])
        ]

    assert [401, 401, 401] == [response.status_code for response in answers]
    assert [] == inbox.stored


async def test_pd_replay_a_repeated_delivery_is_stored_once() -> None:
    inbox, body = RecordingInbox(), a_body()

    answers = [await post(inbox, body) for _ in range(3)]

    assert [202, 202, 202] == [response.status_code for response in answers]
    assert [(Stream.EVENTS, "01HZZZZZZZZZZZZZZZZZZZZZZZ", body)] == inbox.stored


@pytest.mark.parametrize(
    "body",
    [
        b'{"event": {"id": "a"}, "event": {"id": "b"}}',
        b'{"event": {"id": "a", "id": "b"}}',
        b'{"event": NaN}',
        b'{"event": -Infinity}',
        a_body().replace(b'"agent": null', b'"agent": NaN'),
        b'{"event": 1e999}',
        a_body() + b"x",
        a_body() + a_body(),
        b"\xef\xbb\xbf" + a_body(),
        a_body().decode().encode("utf-16"),
        b'{"event": "\xff"}',
        b'{"event": ' + b"9" * 5_000 + b"}",
        b"[]",
        b"null",
        b"",
        b"event=1",
    ],
)
async def test_pd_dup_keys_what_is_not_strict_json_is_refused(body: bytes) -> None:
    inbox = RecordingInbox()

    assert (400, []) == ((await post(inbox, body)).status_code, inbox.stored)


@pytest.mark.parametrize(
    "body", [b"[" * 100_000, b'{"a":' * 100_000, b'{"a": ' + b"[" * 65 + b"]" * 65 + b"}"]
)
async def test_pd_deep_a_deeply_nested_body_is_refused(body: bytes) -> None:
    assert 400 == (await post(RecordingInbox(), body)).status_code


def test_pd_deep_brackets_in_text_and_many_flat_lists_are_no_depth() -> None:
    value = {"text": '[{"\\' * 500, "flat": [[] for _ in range(500)]}

    assert value == parse_object(json.dumps(value).encode())


def test_pd_deep_64_levels_pass_and_65_do_not() -> None:
    parse_object(b'{"a":' * 64 + b"1" + b"}" * 64)
    with pytest.raises(MalformedBody):
        parse_object(b'{"a":' * 65 + b"1" + b"}" * 65)


async def test_pd_big_slow_a_large_body_is_refused_with_and_without_its_length() -> None:
    inbox = RecordingInbox()

    async def endless() -> AsyncGenerator[bytes, None]:
        while True:
            yield b" " * 65_536

    async with client_for(inbox) as client:
        declared = await client.post(ADDRESS, content=b" " * 11_000_000)
        streamed = await client.post(ADDRESS, content=endless())

    assert [(413, "close")] * 2 == [
        (one.status_code, one.headers["connection"]) for one in (declared, streamed)
    ]


# What is answered.


async def test_an_event_is_acknowledged_once_it_is_stored() -> None:
    inbox, body = RecordingInbox(), a_body("incident.invented_next_year")

    response = await post(inbox, body)

    assert (202, {"status": "accepted"}) == (response.status_code, response.json())
    assert [(Stream.EVENTS, "01HZZZZZZZZZZZZZZZZZZZZZZZ", body)] == inbox.stored


async def test_an_event_that_cannot_be_stored_is_to_be_sent_again() -> None:
    response = await post(RecordingInbox(Unavailable("Redis is gone")), a_body())

    assert (503, "5", {"error": "try again later"}) == (
        response.status_code,
        response.headers["retry-after"],
        response.json(),
    )


async def test_pd_error_text_a_fault_of_ours_tells_nothing_and_is_to_be_sent_again() -> None:
    with structlog.testing.capture_logs() as logs:
        response = await post(RecordingInbox(RuntimeError("token=xoxb-secret")), a_body())

    assert (503, {"error": "try again later"}) == (response.status_code, response.json())
    assert "xoxb" not in str(logs)
    assert [("webhook_failed", "RuntimeError")] == [(entry["event"], entry["error"]) for entry in logs]


@pytest.mark.parametrize("body", [a_body("pagey.ping", data={}), a_body("service.updated", data={}), b"{}"])
async def test_what_is_no_news_of_an_incident_is_acknowledged_and_not_stored(body: bytes) -> None:
    inbox = RecordingInbox(Unavailable("not asked"))

    assert 202 == (await post(inbox, body)).status_code


async def test_only_post_is_answered() -> None:
    async with client_for(RecordingInbox()) as client:
        answers = [await client.request(method, ADDRESS) for method in ("GET", "PUT", "OPTIONS", "TRACE")]

    assert [405] * 4 == [response.status_code for response in answers]


# What is only glanced at on the way in, and read strictly afterwards.


@pytest.mark.parametrize(
    "spoilt",
    [
        a_body().replace(b'"agent": null', b'"agent": 1, "agent": 2'),
        a_body().replace(b'"agent": null', b'"agent": ' + b"[" * 65 + b"]" * 65),
    ],
    ids=["a key twice", "deep"],
)
async def test_pd_dup_keys_what_passes_the_glance_is_stored_and_nothing_is_done_about_it(
    spoilt: bytes,
) -> None:
    inbox = RecordingInbox()

    assert 202 == (await post(inbox, spoilt)).status_code
    with pytest.raises(MalformedBody):
        parse_webhook(inbox.stored[0][2], received_at=NOW)


async def test_pd_dup_keys_two_whole_events_are_refused_at_the_door() -> None:
    one = a_body()[1:-1]

    assert 400 == (await post(RecordingInbox(), b"{" + one + b", " + one + b"}")).status_code


async def test_a_text_that_was_cut_inside_a_pair_of_surrogates_is_taken() -> None:
    inbox, body = RecordingInbox(), a_body().replace(b"error ratio", b"\\ud83d")

    assert 202 == (await post(inbox, body)).status_code
    assert [body] == [payload for _, _, payload in inbox.stored]
