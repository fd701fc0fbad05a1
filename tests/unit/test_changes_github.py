"""GitHub's deployments: which deliveries report a change, and what is taken from them."""

import hashlib
import hmac
import json
from datetime import UTC, datetime

import httpx
import pytest
from pydantic import SecretStr
from starlette.applications import Starlette

from adapters.changes.github import NoChange, parse_github
from adapters.changes.route import change_routes
from bot.domain.catalogue import Catalogue, Service
from bot.domain.change import ChangeEvent, ChangeKind, ChangeStatus
from bot.domain.errors import Invalid
from bot.domain.ids import ChangeId, ServiceName
from bot.ports import Stream
from tests.recording_inbox import NOW, FixedClock, RecordingInbox

SECRET, OTHER_SECRET = "github-secret", "changes-secret"
SHA = "f95f852bd8fca8fcc58a9a2d6c842781e32a215e"
CATALOGUE = Catalogue({ServiceName("checkout"): Service(names=("checkout-service",))})


def a_delivery(
    state: str | None = "success",
    *,
    deployment: dict[str, object] | None = None,
    status: dict[str, object] | None = None,
) -> bytes:
    body: dict[str, object] = {
        "action": "created",
        "deployment": {
            "id": 145988746,
            "sha": SHA,
            "ref": "v42",
            "task": "deploy",
            "payload": {},
            "environment": "production",
            "description": None,
            "creator": {"login": "anna", "id": 1, "type": "User"},
            "created_at": "2026-03-01T11:50:00Z",
            "updated_at": "2026-03-01T11:52:00Z",
        }
        | (deployment or {}),
        "repository": {"id": 1, "name": "checkout-service", "full_name": "shop/checkout-service"},
        "sender": {"login": "anna"},
    }
    if state is not None:
        body["deployment_status"] = {
            "id": 209916254,
            "state": state,
            "description": "",
            "environment": "production",
            "target_url": "",
            "log_url": "https://github.example/shop/checkout-service/runs/7",
            "created_at": "2026-03-01T11:52:00Z",
            "updated_at": "2026-03-01T11:52:00Z",
        } | (status or {})
    return json.dumps(body).encode()


def read(body: bytes, event: str = "deployment_status") -> ChangeEvent:
    change = parse_github(event, body, CATALOGUE, received_at=NOW)
    assert isinstance(change, ChangeEvent)
    return change


async def post(
    inbox: RecordingInbox,
    body: bytes,
    *,
    event: str = "deployment_status",
    secret: str = SECRET,
    content_type: str = "application/json",
) -> httpx.Response:
    routes = change_routes(
        inbox,
        CATALOGUE,
        FixedClock(),
        generic_secret=SecretStr(OTHER_SECRET),
        github_secret=SecretStr(SECRET),
    )
    headers = {
        "X-Hub-Signature-256": "sha256=" + hmac.new(secret.encode(), body, hashlib.sha256).hexdigest(),
        "X-GitHub-Event": event,
        "X-GitHub-Delivery": "72d3162e-cc78-11e3-81ab-4c9367dc0958",
        "Content-Type": content_type,
    }
    transport = httpx.ASGITransport(Starlette(routes=routes))
    async with httpx.AsyncClient(transport=transport, base_url="http://bot") as client:
        return await client.post("/webhooks/changes/github", content=body, headers=headers)


def test_a_successful_deployment_is_read_whole() -> None:
    assert ChangeEvent(
        id=ChangeId("github:shop/checkout-service:145988746"),
        service=ServiceName("checkout"),
        environment="production",
        kind=ChangeKind.DEPLOY,
        version="v42",
        started_at=datetime(2026, 3, 1, 11, 50, tzinfo=UTC),
        finished_at=datetime(2026, 3, 1, 11, 52, tzinfo=UTC),
        reported_at=NOW,
        author="anna",
        title="Deployment of v42",
        url="https://github.example/shop/checkout-service/runs/7",
        status=ChangeStatus.SUCCEEDED,
        source="github",
    ) == read(a_delivery())


def test_a_deployment_that_was_only_created_is_in_progress() -> None:
    change = read(a_delivery(None), "deployment")

    assert (ChangeStatus.IN_PROGRESS, datetime(2026, 3, 1, 11, 50, tzinfo=UTC), None) == (
        change.status,
        change.started_at,
        change.finished_at,
    )


@pytest.mark.parametrize(
    ("state", "status"),
    [
        ("queued", ChangeStatus.IN_PROGRESS),
        ("in_progress", ChangeStatus.IN_PROGRESS),
        ("success", ChangeStatus.SUCCEEDED),
        ("failure", ChangeStatus.FAILED),
        ("error", ChangeStatus.FAILED),
    ],
)
def test_each_state_has_its_status_and_only_an_end_has_a_time(state: str, status: ChangeStatus) -> None:
    change = read(a_delivery(state))

    assert (status, status is ChangeStatus.IN_PROGRESS) == (change.status, change.finished_at is None)


@pytest.mark.parametrize(
    ("ref", "sha", "version"),
    [
        ("main", SHA, SHA),
        ("release/1.2", SHA, SHA),
        ("v1.2.3", SHA, "v1.2.3"),
        ("42", SHA, "42"),
        ("2026.3.1-rc.1", SHA, "2026.3.1-rc.1"),
        ("main", None, "main"),
        (None, None, None),
    ],
)
def test_the_version_is_the_tag_or_the_commit(ref: str | None, sha: str | None, version: str | None) -> None:
    assert version == read(a_delivery(deployment={"ref": ref, "sha": sha})).version


@pytest.mark.parametrize("as_text", [False, True])
def test_the_payload_of_the_deployer_comes_first(as_text: bool) -> None:
    payload = {"service": "Cart", "version": 42, "previous_version": "41", "more": [1]}

    change = read(a_delivery(deployment={"payload": json.dumps(payload) if as_text else payload}))

    assert ("cart", "42", "41") == (change.service, change.version, change.previous_version)


@pytest.mark.parametrize("payload", ["", "text", "[1]", 7, [1], None])
def test_a_payload_of_another_shape_says_nothing(payload: object) -> None:
    assert ("checkout", "v42") == (
        (change := read(a_delivery(deployment={"payload": payload}))).service,
        change.version,
    )


@pytest.mark.parametrize(
    ("task", "kind"),
    [
        ("deploy", ChangeKind.DEPLOY),
        ("rollback", ChangeKind.ROLLBACK),
        ("deploy:migrations", ChangeKind.MIGRATION),
        (None, ChangeKind.DEPLOY),
    ],
)
def test_the_task_tells_the_kind(task: str | None, kind: ChangeKind) -> None:
    assert kind is read(a_delivery(deployment={"task": task})).kind


def test_nulls_and_unknown_shapes_leave_a_change_that_names_its_deployment() -> None:
    body = b'{"deployment": {"id": 7, "creator": null, "created_at": 3.5e99}, "repository": {"name": "cart"}}'

    assert ChangeEvent(
        id=ChangeId("github:cart:7"),
        service=ServiceName("cart"),
        reported_at=NOW,
        title="Deployment of cart",
        status=ChangeStatus.IN_PROGRESS,
        source="github",
    ) == read(body, "deployment")


@pytest.mark.parametrize(
    ("event", "body"),
    [
        ("ping", b'{"zen": "Keep it logically awesome."}'),
        ("push", b"{}"),
        ("", b"{}"),
        ("deployment_status", a_delivery("inactive")),
        ("deployment_status", a_delivery("invented_next_year")),
    ],
)
async def test_what_reports_no_change_is_acknowledged_and_not_stored(event: str, body: bytes) -> None:
    inbox = RecordingInbox()

    response = await post(inbox, body, event=event)

    assert (202, {"status": "ignored"}, []) == (response.status_code, response.json(), inbox.stored)
    assert isinstance(parse_github(event, body, CATALOGUE, received_at=NOW), NoChange)


@pytest.mark.parametrize("body", [b"[]", b"{}", b'{"deployment": {"id": "x"}, "repository": {"name": "a"}}'])
def test_a_delivery_without_deployment_or_repository_is_refused(body: bytes) -> None:
    with pytest.raises(Invalid):
        parse_github("deployment_status", body, CATALOGUE, received_at=NOW)


async def test_each_status_is_stored_once_however_often_it_is_delivered() -> None:
    inbox = RecordingInbox()
    for state in ("in_progress", "in_progress", "success", "success"):
        assert 202 == (await post(inbox, a_delivery(state))).status_code

    assert [
        (Stream.CHANGES, "github:shop/checkout-service:145988746:in_progress"),
        (Stream.CHANGES, "github:shop/checkout-service:145988746:succeeded"),
    ] == [(stream, key) for stream, key, _ in inbox.stored]
    assert read(a_delivery()) == ChangeEvent.model_validate_json(inbox.stored[-1][2])


async def test_dep_cross_secret_the_secret_of_another_source_is_refused() -> None:
    inbox = RecordingInbox()

    assert (401, []) == ((await post(inbox, a_delivery(), secret=OTHER_SECRET)).status_code, inbox.stored)


async def test_a_form_is_refused_with_the_remedy() -> None:
    body = b"payload=%7B%7D"

    response = await post(RecordingInbox(), body, content_type="application/x-www-form-urlencoded")

    assert (400, {"error": "Set the content type of the webhook to application/json."}) == (
        response.status_code,
        response.json(),
    )
