"""The sandbox PagerDuty, driven by the client library that the bot uses and by webhook receivers."""

import asyncio
import hashlib
import hmac
import json
import warnings
from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import cast

import httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from adapters.pagerduty.webhook import parse_webhook
from adapters.sandbox.pagerduty import (
    AlertSpec,
    Dependency,
    EscalationPolicy,
    OnCall,
    PagerDutyConfig,
    Priority,
    RestToken,
    SandboxPagerDuty,
    Service,
    Subscription,
    User,
    WebhookTiming,
)
from adapters.sandbox.serving import serving
from bot.domain.incident import IncidentEvent, IncidentEventKind

with warnings.catch_warnings():
    warnings.simplefilter("ignore", UserWarning)
    import pdpyras  # type: ignore[import-untyped]

ANNA = User(id="PANNA01", name="Anna Onda", email="anna@shop.example")
BORIS = User(id="PBORIS2", name="Boris Berg", email="boris@shop.example")
POLICY = EscalationPolicy(id="PPOLIC1", name="Shop")
CHECKOUT = Service(
    id="PCHECK1", name="checkout", escalation_policy_id=POLICY.id, integration_key="c" * 32, grouping=True
)
CART = Service(id="PCART01", name="cart", escalation_policy_id=POLICY.id, integration_key="d" * 32)
HOOK = "PHOOK01"
SECRETS = ("first-secret", "second-secret")
SHORT = WebhookTiming(
    timeout=timedelta(minutes=1),
    first_backoff=timedelta(milliseconds=10),
    longest_backoff=timedelta(milliseconds=20),
)


def a_config(*, hook_url: str | None = None, timing: WebhookTiming = SHORT) -> PagerDutyConfig:
    hooks = (Subscription(id=HOOK, url=hook_url, secrets=SECRETS),) if hook_url else ()
    return PagerDutyConfig(
        users=(ANNA, BORIS),
        escalation_policies=(POLICY,),
        on_calls=(
            OnCall(user_id=ANNA.id, escalation_policy_id=POLICY.id),
            OnCall(user_id=BORIS.id, escalation_policy_id=POLICY.id, level=2),
        ),
        services=(CHECKOUT, CART),
        dependencies=(Dependency(id="D1", supporting_id=CART.id, dependent_id=CHECKOUT.id),),
        priorities=(Priority(id="PPRIO01", name="P1"),),
        custom_fields=("probable_cause", "recovery"),
        tokens=(RestToken(token="account-key"), RestToken(token="anna-key", user_id=ANNA.id)),
        subscriptions=hooks,
        timing=timing,
        seed=7,
    )


def now() -> datetime:
    return datetime.now(UTC)


@dataclass
class Rest:
    """pdpyras in a thread, against the sandbox."""

    base_url: str
    session: pdpyras.APISession

    async def call(self, method: str, path: str, **kwargs: object) -> object:
        return await asyncio.to_thread(getattr(self.session, method), path, **kwargs)

    async def entry(self, method: str, path: str, **kwargs: object) -> dict[str, object]:
        return cast("dict[str, object]", await self.call(method, path, **kwargs))

    async def entries(self, method: str, path: str, **kwargs: object) -> list[dict[str, object]]:
        return cast("list[dict[str, object]]", await self.call(method, path, **kwargs))

    async def refusal(self, method: str, path: str, **kwargs: object) -> tuple[int, object]:
        """The HTTP status and error object of a call that is refused."""
        with pytest.raises(pdpyras.PDHTTPError) as caught:
            await self.call(method, path, **kwargs)
        return caught.value.response.status_code, caught.value.response.json()["error"]


def a_session(
    base_url: str, api_key: str = "account-key", default_from: str | None = ANNA.email
) -> pdpyras.APISession:
    session = pdpyras.APISession(api_key, default_from=default_from)
    session.url = base_url
    session.max_network_attempts = 0
    session.retry = {429: 1}
    session.sleep_timer = 0.01
    session.trust_env = False
    return session


def an_events_session(base_url: str, service: Service = CHECKOUT) -> pdpyras.EventsAPISession:
    session = pdpyras.EventsAPISession(service.integration_key)
    session.url = base_url
    session.trust_env = False
    return session


@pytest.fixture
async def pagerduty() -> SandboxPagerDuty:
    return SandboxPagerDuty(a_config(), clock=now)


@pytest.fixture
async def rest(pagerduty: SandboxPagerDuty) -> AsyncIterator[Rest]:
    async with serving(pagerduty.app) as base_url:
        with a_session(base_url) as session:
            yield Rest(base_url, session)


@dataclass
class Receiver:
    """A webhook endpoint that answers as told, then 202."""

    answers: list[int] = field(default_factory=list)
    hang_for: list[asyncio.Event] = field(default_factory=list)
    bodies: list[bytes] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)

    @property
    def app(self) -> Starlette:
        return Starlette(routes=[Route("/hook", self.receive, methods=["POST"])])

    @property
    def event_types(self) -> list[str]:
        return [str(event["event_type"]) for event in self.events]

    @property
    def events(self) -> list[dict[str, object]]:
        return [json.loads(body)["event"] for body in self.bodies]

    async def receive(self, request: Request) -> Response:
        self.bodies.append(await request.body())
        self.headers.append(dict(request.headers))
        if self.hang_for:
            await self.hang_for.pop(0).wait()
        return Response(status_code=self.answers.pop(0) if self.answers else 202)


@dataclass
class Webhooks:
    """A sandbox whose one subscription points at a receiver."""

    pagerduty: SandboxPagerDuty
    receiver: Receiver

    def outcomes(self) -> list[tuple[str, int, int | None, str]]:
        return [(d.event_type, d.attempt, d.status, d.outcome) for d in self.pagerduty.deliveries]

    async def until(self, count: int) -> None:
        """Wait until *count* attempts have been recorded."""
        await self.pagerduty.wait_for(lambda: len(self.pagerduty.deliveries) >= count)


@pytest.fixture
async def webhooks() -> AsyncIterator[Webhooks]:
    receiver = Receiver()
    async with serving(receiver.app) as hook_url:
        pagerduty = SandboxPagerDuty(a_config(hook_url=f"{hook_url}/hook"), clock=now)
        async with serving(pagerduty.app):
            yield Webhooks(pagerduty, receiver)


async def test_an_incident_reads_as_the_client_expects(pagerduty: SandboxPagerDuty, rest: Rest) -> None:
    opened = pagerduty.trigger(CHECKOUT.id, "Errors rise", details="35 % of requests")

    incident = await rest.entry("rget", f"/incidents/{opened.id}")

    assert {
        "id": opened.id,
        "type": "incident",
        "incident_number": 1,
        "title": "Errors rise",
        "status": "triggered",
        "urgency": "high",
        "priority": None,
        "body": {"type": "incident_body", "details": "35 % of requests"},
    } == {
        key: incident[key]
        for key in ("id", "type", "incident_number", "title", "status", "urgency", "priority", "body")
    }
    assert CHECKOUT.id == cast("dict[str, object]", incident["service"])["id"]
    assignments = cast("list[dict[str, dict[str, object]]]", incident["assignments"])
    assert [ANNA.id] == [one["assignee"]["id"] for one in assignments]


async def test_incident_ids_have_fourteen_and_seven_characters(pagerduty: SandboxPagerDuty) -> None:
    ids = [pagerduty.trigger(CART.id, f"Incident {n}").id for n in range(4)]

    assert [14, 7, 14, 7] == [len(one) for one in ids]


async def test_lists_are_filtered_and_paged(pagerduty: SandboxPagerDuty, rest: Rest) -> None:
    for number in range(5):
        pagerduty.trigger(CART.id, f"Cart {number}")
    pagerduty.trigger(CHECKOUT.id, "Checkout", severity="warning")
    pagerduty.resolve(pagerduty.incidents[0].id, ANNA.id)

    triggered = {"statuses": ["triggered"], "service_ids": [CART.id]}
    paged = await rest.entries("list_all", "incidents", params=triggered, page_size=2)
    low = await rest.entries("list_all", "incidents", params={"urgencies": ["low"]})
    later = await rest.entries("list_all", "incidents", params={"since": "2999-01-01T00:00:00Z"})

    assert ["Cart 1", "Cart 2", "Cart 3", "Cart 4"] == [one["title"] for one in paged]
    assert ["Checkout"] == [one["title"] for one in low]
    assert [] == later


async def test_people_acknowledge_and_resolve_by_rest(pagerduty: SandboxPagerDuty, rest: Rest) -> None:
    first = pagerduty.trigger(CART.id, "One")
    second = pagerduty.trigger(CART.id, "Two")

    acknowledged = await rest.entry(
        "rput", f"/incidents/{first.id}", json={"type": "incident_reference", "status": "acknowledged"}
    )
    both = [{"id": one.id, "type": "incident_reference", "status": "resolved"} for one in (first, second)]
    resolved = await rest.entries("rput", "/incidents", json=both)
    again = await rest.refusal("rput", f"/incidents/{first.id}", json={"status": "resolved"})

    assert "acknowledged" == acknowledged["status"]
    assert ["resolved", "resolved"] == [one["status"] for one in resolved]
    expected = {"message": "Invalid Input Provided", "code": 2001, "errors": ["Incident Already Resolved"]}
    assert (400, expected) == again


async def test_notes_are_written_in_the_name_of_the_from_header(
    pagerduty: SandboxPagerDuty, rest: Rest
) -> None:
    incident = pagerduty.trigger(CART.id, "One")

    await rest.entry("rpost", f"/incidents/{incident.id}/notes", json={"content": "Rolled back."})
    notes = await rest.entries("rget", f"/incidents/{incident.id}/notes")

    assert [("Rolled back.", ANNA.id)] == [(n.content, n.user_id) for n in pagerduty.notes(incident.id)]
    assert ["Rolled back."] == [note["content"] for note in notes]


async def test_a_status_update_is_answered_whole_and_read_in_the_timeline_alone(
    pagerduty: SandboxPagerDuty, rest: Rest
) -> None:
    incident = pagerduty.trigger(CART.id, "One")
    path = f"/incidents/{incident.id}/status_updates"

    response = cast("httpx.Response", await rest.call("post", path, json={"message": "We look into it."}))
    entries = await rest.entries("rget", f"/incidents/{incident.id}/log_entries")
    unreadable = await rest.call("get", path)

    (kept,) = pagerduty.status_updates(incident.id)
    told = response.json()["status_update"]
    assert (200, kept.id, "We look into it.", ANNA.id) == (
        response.status_code,
        told["id"],
        told["message"],
        told["sender"]["id"],
    )
    newest = entries[0]
    assert ("status_update_log_entry", "We look into it.") == (newest["type"], newest["message"])
    assert 405 == cast("httpx.Response", unreadable).status_code


@pytest.mark.parametrize("body", [{}, {"message": ""}, {"message": "Hm.", "html_message": "<p>Hm.</p>"}])
async def test_a_status_update_without_its_parts_is_refused(
    pagerduty: SandboxPagerDuty, rest: Rest, body: dict[str, str]
) -> None:
    incident = pagerduty.trigger(CART.id, "One")

    status, _ = await rest.refusal("rpost", f"/incidents/{incident.id}/status_updates", json=body)

    assert (400, ()) == (status, pagerduty.status_updates(incident.id))


async def test_alerts_carry_the_details_that_webhooks_lack(pagerduty: SandboxPagerDuty, rest: Rest) -> None:
    spec = AlertSpec(
        summary="Errors rise", dedup_key="checkout-errors", custom_details={"error_ratio": "0.35"}
    )
    incident = pagerduty.trigger(CHECKOUT.id, "Errors rise", alerts=(spec,))

    alerts = await rest.entries("rget", f"/incidents/{incident.id}/alerts")
    entries = await rest.entries(
        "rget", f"/incidents/{incident.id}/log_entries", params={"include": ["channels"]}
    )

    body = cast("dict[str, dict[str, object]]", alerts[0]["body"])
    assert ("checkout-errors", {"error_ratio": "0.35"}) == (
        alerts[0]["alert_key"],
        body["cef_details"]["details"],
    )
    assert ["trigger_log_entry"] == [entry["type"] for entry in entries]


async def test_the_account_around_incidents_is_readable(rest: Rest) -> None:
    on_calls = await rest.entries(
        "list_all", "oncalls", params={"escalation_policy_ids": [POLICY.id], "include": ["users"]}
    )
    # rget looks for "technical_service" in this answer, which PagerDuty never sends; jget takes it as it is.
    answer = await rest.entry("jget", f"/service_dependencies/technical_services/{CHECKOUT.id}")
    dependencies = cast("list[dict[str, object]]", answer["relationships"])
    user = await rest.entry("find", "users", query="boris@shop.example", attribute="email")

    people = [(cast("dict[str, object]", one["user"])["email"], one["escalation_level"]) for one in on_calls]
    assert [(ANNA.email, 1), (BORIS.email, 2)] == people
    sides = [cast("dict[str, object]", one["supporting_service"])["id"] for one in dependencies]
    assert [CART.id] == sides
    assert BORIS.id == user["id"]
    assert "checkout" == (await rest.entry("rget", f"/services/{CHECKOUT.id}"))["name"]
    assert "teams" in cast("list[str]", await rest.call("rget", "/abilities"))


async def test_a_user_token_knows_its_user_and_an_account_token_does_not(rest: Rest) -> None:
    refused = await rest.refusal("rget", "/users/me")
    with a_session(rest.base_url, "anna-key", default_from=None) as session:
        me = await Rest(rest.base_url, session).entry("rget", "/users/me")

    assert (400, ANNA.id) == (refused[0], me["id"])


async def test_refusals_have_pagerdutys_shape(pagerduty: SandboxPagerDuty, rest: Rest) -> None:
    incident = pagerduty.trigger(CART.id, "One")
    note = {"json": {"content": "x"}}

    unknown = await rest.refusal("rget", "/incidents/PNOBODY")
    stranger = await rest.refusal(
        "rpost", f"/incidents/{incident.id}/notes", headers={"From": "x@y.example"}, **note
    )
    with a_session(rest.base_url, default_from=None) as session:
        anonymous = await Rest(rest.base_url, session).refusal(
            "rpost", f"/incidents/{incident.id}/notes", **note
        )
    async with httpx.AsyncClient(base_url=rest.base_url, trust_env=False) as client:
        bare = await client.get("/incidents", headers={"Authorization": "Token token=wrong"})

    assert (404, {"message": "Not Found", "code": 2100}) == unknown
    assert (400, {"message": "Requester User Not Found", "code": 1008}) == stranger
    assert 400 == anonymous[0]
    assert 401 == bare.status_code
    assert () == pagerduty.notes(incident.id)


async def test_the_same_dedup_key_is_the_same_alert(pagerduty: SandboxPagerDuty, rest: Rest) -> None:
    with an_events_session(rest.base_url) as events:
        for _ in range(2):
            await asyncio.to_thread(events.trigger, "Errors rise", "prometheus", dedup_key="errors")

    incidents = pagerduty.incidents
    assert ["Errors rise"] == [incident.title for incident in incidents]
    assert ["errors"] == [alert.alert_key for alert in pagerduty.alerts(incidents[0].id)]


async def test_an_alert_arrives_now_and_says_when_it_was_detected(
    pagerduty: SandboxPagerDuty, rest: Rest
) -> None:
    detected = {"timestamp": "2026-11-20T10:00:00Z"}
    with an_events_session(rest.base_url) as events:
        await asyncio.to_thread(events.trigger, "Errors rise", "prometheus", payload=detected)

    incident = pagerduty.incidents[0]
    alerts = await rest.entries("rget", f"/incidents/{incident.id}/alerts")

    body = cast("dict[str, dict[str, object]]", alerts[0]["body"])
    assert "2026-11-20T10:00:00Z" == body["cef_details"]["creation_time"]
    assert incident.created_at > datetime(2026, 11, 20, 10, tzinfo=UTC)


@pytest.mark.parametrize(("service", "incidents"), [(CHECKOUT, 1), (CART, 2)])
async def test_a_second_alert_joins_the_open_incident_only_with_grouping(
    pagerduty: SandboxPagerDuty, rest: Rest, service: Service, incidents: int
) -> None:
    with an_events_session(rest.base_url, service) as events:
        for key in ("errors", "latency"):
            await asyncio.to_thread(events.trigger, key, "prometheus", dedup_key=key)

    assert incidents == len(pagerduty.incidents)


async def test_resolving_the_last_alert_resolves_the_incident(
    pagerduty: SandboxPagerDuty, rest: Rest
) -> None:
    with an_events_session(rest.base_url) as events:
        for key in ("errors", "latency"):
            await asyncio.to_thread(events.trigger, key, "prometheus", dedup_key=key)
        await asyncio.to_thread(events.resolve, "errors")
        after_first = pagerduty.incidents[0].status
        await asyncio.to_thread(events.resolve, "latency")

    assert ("triggered", "resolved") == (after_first, pagerduty.incidents[0].status)


async def test_a_wrong_event_is_refused_with_reasons(rest: Rest) -> None:
    async with httpx.AsyncClient(base_url=rest.base_url, trust_env=False) as client:
        wrong_key = await client.post(
            "/v2/enqueue", json={"routing_key": "nobody", "event_action": "resolve", "dedup_key": "x"}
        )
        no_payload = await client.post(
            "/v2/enqueue", json={"routing_key": CHECKOUT.integration_key, "event_action": "trigger"}
        )

    assert (400, ["Invalid routing key"]) == (wrong_key.status_code, wrong_key.json()["errors"])
    assert (400, ["'payload' is missing or blank"]) == (no_payload.status_code, no_payload.json()["errors"])


async def test_change_events_are_listed_newest_first(rest: Rest) -> None:
    async with httpx.AsyncClient(base_url=rest.base_url, trust_env=False) as client:
        for minute, summary in ((1, "Deploy 41"), (2, "Deploy 42")):
            payload = {"summary": summary, "source": "ci", "timestamp": f"2026-11-20T10:0{minute}:00Z"}
            sent = await client.post(
                "/v2/change/enqueue", json={"routing_key": CHECKOUT.integration_key, "payload": payload}
            )
            assert 202 == sent.status_code

    changes = await rest.entries("list_all", f"services/{CHECKOUT.id}/change_events")
    of_cart = await rest.entries("list_all", f"services/{CART.id}/change_events")

    assert (["Deploy 42", "Deploy 41"], []) == ([one["summary"] for one in changes], of_cart)


async def test_a_rate_limit_names_its_reset_and_is_retried(pagerduty: SandboxPagerDuty, rest: Rest) -> None:
    pagerduty.fail("/incidents", method="GET", status=429, ratelimit_reset=3)

    async with httpx.AsyncClient(base_url=rest.base_url, trust_env=False) as client:
        limited = await client.get("/incidents", headers={"Authorization": "Token token=account-key"})
    pagerduty.fail("/incidents", method="GET", status=429)
    after_retry = await rest.entries("rget", "/incidents")

    assert (429, "3") == (limited.status_code, limited.headers["ratelimit-reset"])
    assert ([429, 429, 200], []) == ([one.status for one in pagerduty.requests], after_retry)


async def test_a_dropped_answer_leaves_its_effect(pagerduty: SandboxPagerDuty, rest: Rest) -> None:
    incident = pagerduty.trigger(CART.id, "One")
    pagerduty.fail("/incidents", method="POST", drop_answer=True)

    with pytest.raises(pdpyras.PDClientError):
        await rest.call("rpost", f"/incidents/{incident.id}/notes", json={"content": "Rolled back."})

    assert ["Rolled back."] == [note.content for note in pagerduty.notes(incident.id)]
    assert [("POST", None)] == [(one.method, one.status) for one in pagerduty.requests]


async def test_a_late_answer_comes_after_the_effect(pagerduty: SandboxPagerDuty, rest: Rest) -> None:
    incident = pagerduty.trigger(CART.id, "One")
    pagerduty.fail("/incidents", method="POST", delay=timedelta(seconds=30))
    rest.session.timeout = 0.1

    with pytest.raises(pdpyras.PDClientError):
        await rest.call("rpost", f"/incidents/{incident.id}/notes", json={"content": "Rolled back."})
    await pagerduty.wait_for(lambda: bool(pagerduty.notes(incident.id)))

    assert ["Rolled back."] == [note.content for note in pagerduty.notes(incident.id)]


async def test_a_webhook_is_signed_with_every_live_secret(webhooks: Webhooks) -> None:
    webhooks.pagerduty.trigger(CHECKOUT.id, "Errors rise")
    await webhooks.until(1)

    body, headers = webhooks.receiver.bodies[0], webhooks.receiver.headers[0]
    digests = [hmac.new(secret.encode(), body, hashlib.sha256).hexdigest() for secret in SECRETS]
    assert ",".join(f"v1={digest}" for digest in digests) == headers["x-pagerduty-signature"]


async def test_the_body_of_a_triggered_event_is_pagerdutys(webhooks: Webhooks) -> None:
    incident = webhooks.pagerduty.trigger(CHECKOUT.id, "Errors rise")
    await webhooks.until(1)

    event = webhooks.receiver.events[0]
    data = cast("dict[str, object]", event["data"])
    fields = (
        "id type self html_url number status incident_key created_at reopened_at title service assignees "
    )
    fields += "escalation_policy teams priority urgency conference_bridge resolve_reason incident_type"
    assert fields.split() == list(data)
    assert 26 == len(str(event["id"]))
    assert ("incident.triggered", "incident", None, None) == (
        event["event_type"],
        event["resource_type"],
        event["agent"],
        event["client"],
    )
    assert (incident.id, "incident", 1, "triggered", "Errors rise", None, None) == tuple(
        data[key] for key in ("id", "type", "number", "status", "title", "priority", "conference_bridge")
    )


async def test_every_change_of_an_incident_is_sent_in_order(webhooks: Webhooks) -> None:
    pagerduty = webhooks.pagerduty
    incident = pagerduty.trigger(CHECKOUT.id, "Errors rise")
    pagerduty.acknowledge(incident.id, ANNA.id)
    pagerduty.annotate(incident.id, "Looking.", ANNA.id)
    pagerduty.escalate(incident.id)
    pagerduty.reassign(incident.id, (ANNA.id,), BORIS.id)
    pagerduty.set_priority(incident.id, "PPRIO01", ANNA.id)
    pagerduty.add_responder(incident.id, BORIS.id, message="Please help", user_id=ANNA.id)
    pagerduty.move(incident.id, CART.id)
    pagerduty.unacknowledge(incident.id)
    pagerduty.resolve(incident.id, ANNA.id)
    pagerduty.reopen(incident.id)
    await webhooks.until(11)

    expected = "triggered acknowledged annotated escalated reassigned priority_updated responder.added "
    expected += "service_updated unacknowledged resolved reopened"
    assert [f"incident.{name}" for name in expected.split()] == webhooks.receiver.event_types
    note = cast("dict[str, object]", webhooks.receiver.events[2]["data"])
    assert ("incident_note", "Looking.", "incident_reference") == (
        note["type"],
        note["content"],
        cast("dict[str, object]", note["incident"])["type"],
    )


async def test_what_we_write_back_comes_as_webhooks_that_our_intake_takes(webhooks: Webhooks) -> None:
    """The echo of our own writing is neither refused nor taken for a change of the incident's state."""
    pagerduty = webhooks.pagerduty
    incident = pagerduty.trigger(CHECKOUT.id, "Errors rise")
    pagerduty.tell_subscribers(incident.id, "We look into it.", ANNA.id)
    for _ in range(2):  # The second time nothing changes, so nothing is sent.
        pagerduty.set_fields(incident.id, {"probable_cause": "a deploy"}, ANNA.id)
    pagerduty.set_priority(incident.id, "PPRIO01", ANNA.id)
    await webhooks.until(4)

    taken = [parse_webhook(body, received_at=now()) for body in webhooks.receiver.bodies[1:]]
    assert [
        ("incident.status_update_published", IncidentEventKind.OTHER, incident.id),
        ("incident.custom_field_values.updated", IncidentEventKind.OTHER, incident.id),
        ("incident.priority_updated", IncidentEventKind.UPDATED, incident.id),
    ] == [(e.event_type, e.kind, e.incident_id) for e in taken if isinstance(e, IncidentEvent)]
    update, fields = (cast("dict[str, object]", event["data"]) for event in webhooks.receiver.events[1:3])
    assert ("incident_status_update", "We look into it.", False) == tuple(
        update[key] for key in ("type", "message", "trimmed")
    )
    field = {
        "id": "PFIELD1",
        "type": "field_value",
        "name": "probable_cause",
        "namespace": "incidents",
        "data_type": "string",
        "field_type": "single_value",
        "value": "a deploy",
    }
    empty = field | {"id": "PFIELD2", "name": "recovery", "value": None}
    assert ("incident_field_values", [field, empty], [field]) == tuple(
        fields[key] for key in ("type", "custom_fields", "changed_custom_fields")
    )


async def test_a_server_error_is_retried_and_holds_back_later_events(webhooks: Webhooks) -> None:
    webhooks.receiver.answers = [503, 429]
    incident = webhooks.pagerduty.trigger(CHECKOUT.id, "Errors rise")
    webhooks.pagerduty.acknowledge(incident.id, ANNA.id)
    await webhooks.until(4)

    assert [
        ("incident.triggered", 1, 503, "retrying"),
        ("incident.triggered", 2, 429, "retrying"),
        ("incident.triggered", 3, 202, "delivered"),
        ("incident.acknowledged", 1, 202, "delivered"),
    ] == webhooks.outcomes()
    assert 1 == len({headers["x-webhook-id"] for headers in webhooks.receiver.headers[:3]})


async def test_a_receiver_that_does_not_answer_in_time_gets_it_again() -> None:
    release = asyncio.Event()
    receiver = Receiver(hang_for=[release])
    timing = replace(SHORT, timeout=timedelta(milliseconds=300))
    async with serving(receiver.app) as hook_url:
        pagerduty = SandboxPagerDuty(a_config(hook_url=f"{hook_url}/hook", timing=timing), clock=now)
        async with serving(pagerduty.app):
            pagerduty.trigger(CHECKOUT.id, "Errors rise")
            await pagerduty.wait_for(lambda: any(one.outcome == "delivered" for one in pagerduty.deliveries))
        release.set()

    first, last = pagerduty.deliveries[0], pagerduty.deliveries[-1]
    assert [(1, None, "retrying"), (202, "delivered")] == [
        (first.attempt, first.status, first.outcome),
        (last.status, last.outcome),
    ]
    assert receiver.bodies[0] == receiver.bodies[-1]


async def test_three_refusals_in_a_row_disable_the_subscription_and_empty_its_queue(
    webhooks: Webhooks,
) -> None:
    pagerduty = webhooks.pagerduty
    webhooks.receiver.answers = [400, 401, 404]
    incident = pagerduty.trigger(CHECKOUT.id, "Errors rise")
    pagerduty.acknowledge(incident.id, ANNA.id)
    pagerduty.annotate(incident.id, "One", ANNA.id)
    pagerduty.annotate(incident.id, "Two", ANNA.id)
    await pagerduty.wait_for(lambda: not pagerduty.subscription(HOOK).active)
    await webhooks.until(4)
    pagerduty.resolve(incident.id, ANNA.id)

    assert ["dropped", "dropped", "dropped", "discarded"] == [one[3] for one in webhooks.outcomes()]


async def test_an_event_past_the_horizon_is_given_up(webhooks: Webhooks) -> None:
    receiver = Receiver(answers=[503])
    async with serving(receiver.app) as hook_url:
        timing = replace(SHORT, horizon=timedelta())
        pagerduty = SandboxPagerDuty(a_config(hook_url=f"{hook_url}/hook", timing=timing), clock=now)
        async with serving(pagerduty.app):
            pagerduty.trigger(CHECKOUT.id, "Errors rise")
            await pagerduty.wait_for(lambda: len(pagerduty.deliveries) == 1)

    assert ["expired"] == [one.outcome for one in pagerduty.deliveries]


async def test_lost_webhooks_are_never_sent_and_redelivery_repeats_the_event_id(webhooks: Webhooks) -> None:
    pagerduty = webhooks.pagerduty
    pagerduty.drop_webhooks(1)
    incident = pagerduty.trigger(CHECKOUT.id, "Errors rise")
    pagerduty.acknowledge(incident.id, ANNA.id)
    await webhooks.until(2)
    pagerduty.redeliver(str(webhooks.receiver.events[0]["id"]))
    await webhooks.until(3)

    assert ["lost", "delivered", "delivered"] == [one[3] for one in webhooks.outcomes()]
    assert ["incident.acknowledged"] * 2 == webhooks.receiver.event_types
    assert 1 == len({event["id"] for event in webhooks.receiver.events})


async def test_a_ping_is_sent_on_request(webhooks: Webhooks) -> None:
    event_id = webhooks.pagerduty.ping(HOOK)
    await webhooks.until(1)

    assert [(event_id, "pagey.ping")] == [(e["id"], e["event_type"]) for e in webhooks.receiver.events]


async def test_the_control_routes_act_for_this_machine_only(pagerduty: SandboxPagerDuty, rest: Rest) -> None:
    command = {"service_id": CART.id, "title": "By hand"}
    async with httpx.AsyncClient(base_url=rest.base_url, trust_env=False) as client:
        foreign_page = await client.post(
            "/sandbox/trigger", json=command, headers={"Origin": "https://evil.example"}
        )
        rebound_name = await client.post("/sandbox/trigger", json=command, headers={"Host": "evil.example"})
        unknown_field = await client.post("/sandbox/trigger", json=command | {"colour": "red"})
        by_hand = await client.post("/sandbox/trigger", json=command)
        incident_id = by_hand.json()["incident"]["id"]
        resolved = await client.post(
            "/sandbox/resolve", json={"incident_id": incident_id, "user_id": ANNA.id}
        )
        state = await client.get("/sandbox/state")

    assert [403, 403, 400, 200, 200] == [
        one.status_code for one in (foreign_page, rebound_name, unknown_field, by_hand, resolved)
    ]
    assert [(incident_id, "resolved")] == [(one["id"], one["status"]) for one in state.json()["incidents"]]


async def test_waiting_wakes_on_the_change_and_times_out_without(pagerduty: SandboxPagerDuty) -> None:
    woken = asyncio.create_task(pagerduty.wait_for(lambda: len(pagerduty.incidents) == 1))
    await asyncio.sleep(0)
    pagerduty.trigger(CART.id, "One")
    await woken

    with pytest.raises(TimeoutError):
        await pagerduty.wait_for(lambda: len(pagerduty.incidents) == 2, timeout=0.01)
