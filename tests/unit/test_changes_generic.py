"""The generic change event: what it may say, what is refused by name, what is stored before 202."""

import hashlib
import hmac
import json
from datetime import UTC, datetime, timedelta

import httpx
import pytest
import structlog
from pydantic import SecretStr
from starlette.applications import Starlette

from adapters.changes.generic import MOST_DIFF, parse_generic
from adapters.changes.route import change_routes, is_plausible
from bot.domain.catalogue import Catalogue, Service
from bot.domain.change import ChangeEvent, ChangeKind, ChangeStatus
from bot.domain.errors import Invalid, Unavailable
from bot.domain.ids import ChangeId, ServiceName
from bot.ports import Stream
from tests.recording_inbox import NOW, FixedClock, RecordingInbox

SECRET, OTHER_SECRET = "changes-secret", "github-secret"
CHECKOUT = ServiceName("checkout")
CATALOGUE = Catalogue({CHECKOUT: Service(names=("shop.checkout",))})
ADDRESS = "/webhooks/changes/generic"


def a_report(**fields: object) -> bytes:
    report = {
        "id": "checkout-42",
        "service": "checkout",
        "environment": "production",
        "version": "42",
        "previous_version": "41",
        "kind": "deploy",
        "started_at": "2026-03-01T11:50:00Z",
        "finished_at": "2026-03-01T12:52:00+01:00",
        "author": "anna",
        "title": "New tax engine",
        "body": "Prices with tax",
        "url": "https://ci.example/runs/42",
        "status": "succeeded",
        "files": ["tax.py"],
        "diff": "+ tax",
    }
    return json.dumps(report | fields).encode()


def read(body: bytes) -> ChangeEvent:
    return parse_generic(body, CATALOGUE, received_at=NOW)


def signature(body: bytes, secret: str = SECRET) -> str:
    return "sha256=" + hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()


async def post(inbox: RecordingInbox, body: bytes, *, signed: str | None = None) -> httpx.Response:
    routes = change_routes(
        inbox,
        CATALOGUE,
        FixedClock(),
        generic_secret=SecretStr(SECRET),
        github_secret=SecretStr(OTHER_SECRET),
    )
    transport = httpx.ASGITransport(Starlette(routes=routes))
    async with httpx.AsyncClient(transport=transport, base_url="http://bot") as client:
        headers = {"X-Handrail-Signature": signature(body) if signed is None else signed}
        return await client.post(ADDRESS, content=body, headers=headers)


def test_a_whole_report_is_read_whole() -> None:
    assert ChangeEvent(
        id=ChangeId("generic:checkout-42"),
        service=CHECKOUT,
        environment="production",
        kind=ChangeKind.DEPLOY,
        version="42",
        previous_version="41",
        started_at=datetime(2026, 3, 1, 11, 50, tzinfo=UTC),
        finished_at=datetime(2026, 3, 1, 11, 52, tzinfo=UTC),
        reported_at=NOW,
        author="anna",
        title="New tax engine",
        body="Prices with tax",
        url="https://ci.example/runs/42",
        status=ChangeStatus.SUCCEEDED,
        files=("tax.py",),
        diff="+ tax",
        source="generic",
    ) == read(a_report(run_number=7, pipeline={"unknown": True}))


def test_only_the_id_and_the_service_are_needed() -> None:
    assert ChangeEvent(id=ChangeId("generic:7"), service=CHECKOUT, reported_at=NOW, source="generic") == read(
        b'{"id": 7, "service": "checkout"}'
    )


def test_a_version_may_be_a_number() -> None:
    assert "42" == read(a_report(version=42)).version


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("shop.checkout", "checkout"),
        (" Checkout ", "checkout"),
        ("payments/API v2", "payments-api-v2"),
        ("новый", "unnamed"),
        ("x" * 90, "x" * 63),
    ],
)
def test_a_service_gets_our_name_or_keeps_its_own(name: str, expected: str) -> None:
    assert expected == read(a_report(service=name)).service


def test_a_flag_names_the_change_that_has_no_title() -> None:
    change = read(a_report(kind="flag", flag="new_tax_engine", title=""))

    assert (ChangeKind.FLAG, "Flag new_tax_engine") == (change.kind, change.title)


@pytest.mark.parametrize(
    "url",
    [
        "javascript:alert(1)",
        "<https://evil|https://grafana>",
        "https://evil.example|grafana",
        "https://evil.example/ x",
        "file:///etc/passwd",
        "",
        None,
    ],
)
def test_dep_link_what_is_no_web_address_is_dropped(url: str | None) -> None:
    assert read(a_report(url=url)).url is None


def test_a_long_diff_is_cut_and_says_so() -> None:
    diff = read(a_report(diff="x" * (MOST_DIFF + 5))).diff

    assert "x" * MOST_DIFF + "\n… [5 more characters were left out]" == diff


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("id", ""),
        ("id", None),
        ("service", "  "),
        ("finished_at", "2026-03-01T11:52:00"),
        ("started_at", "yesterday"),
        ("kind", "party"),
        ("status", "done"),
        ("files", "tax.py"),
        ("version", {"major": 4}),
        ("title", "x" * 1_001),
        ("author", "\ud800"),
    ],
)
async def test_a_wrong_field_is_named(field: str, value: object) -> None:
    inbox = RecordingInbox()

    response = await post(inbox, a_report(**{field: value}))

    assert (400, []) == (response.status_code, inbox.stored)
    assert response.json()["error"].startswith(f"{field}: ")


@pytest.mark.parametrize("body", [b"", b"[]", b"not json", a_report() + b"x", b'{"id": "a", "id": "b"}'])
def test_what_is_not_strict_json_is_refused(body: bytes) -> None:
    with pytest.raises(Invalid):
        read(body)


async def test_a_change_is_acknowledged_once_it_is_stored_and_stored_once() -> None:
    inbox, body = RecordingInbox(), a_report()

    answers = [await post(inbox, body) for _ in range(2)]

    assert [202, 202] == [response.status_code for response in answers]
    ((stream, key, payload),) = inbox.stored
    assert (Stream.CHANGES, "generic:checkout-42:succeeded") == (stream, key)
    assert read(body) == ChangeEvent.model_validate_json(payload)


async def test_each_status_of_a_change_is_stored() -> None:
    inbox = RecordingInbox()
    for status in ("in_progress", "failed"):
        await post(inbox, a_report(status=status))

    assert ["generic:checkout-42:in_progress", "generic:checkout-42:failed"] == [
        key for _, key, _ in inbox.stored
    ]


@pytest.mark.parametrize(
    "signed",
    ["", "sha256=", signature(a_report(), OTHER_SECRET), signature(b"{}"), signature(a_report())[7:]],
    ids=["missing", "empty", "another source's", "another body's", "no scheme"],
)
async def test_dep_cross_secret_a_wrong_signature_is_refused(signed: str) -> None:
    inbox = RecordingInbox()

    response = await post(inbox, a_report(), signed=signed)

    assert (401, {"error": "bad signature"}, []) == (response.status_code, response.json(), inbox.stored)


async def test_a_change_that_cannot_be_stored_is_to_be_sent_again() -> None:
    response = await post(RecordingInbox(Unavailable("Redis is gone")), a_report())

    assert (503, "5") == (response.status_code, response.headers["retry-after"])


async def test_a_source_without_a_secret_has_no_address() -> None:
    none = change_routes(RecordingInbox(), CATALOGUE, FixedClock(), generic_secret=None, github_secret=None)

    assert [] == none


def test_a_blank_secret_is_refused() -> None:
    with pytest.raises(Invalid, match="HANDRAIL_CHANGES_SECRET is empty"):
        change_routes(
            RecordingInbox(), CATALOGUE, FixedClock(), generic_secret=SecretStr(" "), github_secret=None
        )


async def test_a_change_of_an_unknown_service_is_kept_and_logged() -> None:
    inbox = RecordingInbox()

    with structlog.testing.capture_logs() as logs:
        await post(inbox, a_report(service="Nobody's"))

    assert ["nobody-s"] == [
        ChangeEvent.model_validate_json(payload).service for _, _, payload in inbox.stored
    ]
    assert "change_of_unknown_service" in [entry["event"] for entry in logs]


@pytest.mark.parametrize(
    ("finished_at", "plausible"),
    [
        (NOW, True),
        (NOW + timedelta(hours=1), True),
        (NOW + timedelta(hours=1, seconds=1), False),
        (NOW - timedelta(days=3_650), True),
        (NOW - timedelta(days=3_651), False),
    ],
)
def test_dep_future_times_far_from_now_are_not_plausible(finished_at: datetime, plausible: bool) -> None:
    change = read(a_report(finished_at=finished_at.isoformat(), started_at=None))

    assert plausible is is_plausible(change, NOW)


async def test_dep_future_an_implausible_change_is_kept_and_logged() -> None:
    inbox = RecordingInbox()

    with structlog.testing.capture_logs() as logs:
        await post(inbox, a_report(finished_at="2126-03-01T12:00:00Z"))

    assert 1 == len(inbox.stored)
    assert "change_time_implausible" in [entry["event"] for entry in logs]
