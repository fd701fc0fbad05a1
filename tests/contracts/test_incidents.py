"""What the pager promises, shown on the REST API and on the memory twin; and how the REST API fails."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

import pytest
from pydantic import SecretStr

from adapters.pagerduty.incidents import PagerDutyIncidents
from adapters.pagerduty.memory import MemoryIncidents
from adapters.pagerduty.rest import RestApi
from adapters.sandbox import pagerduty as sandbox
from adapters.sandbox.serving import serving
from bot.domain.alert import Alert, Severity
from bot.domain.catalogue import Catalogue, Service
from bot.domain.errors import Invalid, NotFound, RateLimited, Unavailable, Unclear
from bot.domain.ids import AlertId, IncidentId, PagerDutyUserId, ServiceName
from bot.domain.incident import Incident, IncidentStatus
from bot.domain.person import Duty, OnCall

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
CHECKOUT = ServiceName("checkout")
CATALOGUE = Catalogue({CHECKOUT: Service(pagerduty=("PCHECK1",))})
POLICY = "PPOLIC1"
ANNA = OnCall(user_id=PagerDutyUserId("PANNA01"), name="Anna Onda", email="anna@shop.example", level=1)
BORIS = OnCall(user_id=PagerDutyUserId("PBORIS2"), name="Boris Berg", email="boris@shop.example", level=2)


def a_config() -> sandbox.PagerDutyConfig:
    people = (BORIS, ANNA)
    emails = {person.user_id: person.email or "" for person in people}
    return sandbox.PagerDutyConfig(
        users=tuple(
            sandbox.User(id=person.user_id, name=person.name, email=emails[person.user_id])
            for person in people
        ),
        escalation_policies=(sandbox.EscalationPolicy(id=POLICY, name="Shop"),),
        on_calls=tuple(
            sandbox.OnCall(user_id=person.user_id, escalation_policy_id=POLICY, level=person.level)
            for person in people
        ),
        services=(
            sandbox.Service(
                id="PCHECK1", name="Checkout", escalation_policy_id=POLICY, integration_key="c" * 32
            ),
            sandbox.Service(id="PCART01", name="Cart", escalation_policy_id=POLICY, integration_key="d" * 32),
        ),
        priorities=(sandbox.Priority(id="PPRIO01", name="P1"), sandbox.Priority(id="PPRIO02", name="P2")),
        custom_fields=("probable_cause", "recovery"),
        tokens=(sandbox.RestToken(token="account-key"), sandbox.RestToken(token="read-key", read_only=True)),
        seed=7,
    )


@dataclass
class Rest:
    """The adapter over a sandbox account, and the waits it asked for."""

    pagerduty: sandbox.SandboxPagerDuty
    base_url: str
    stack: AsyncExitStack
    waits: list[float] = field(default_factory=list)

    def adapter(
        self,
        *,
        key: str = "account-key",
        answer_within: timedelta = timedelta(seconds=30),
        base_url: str = "",
    ) -> PagerDutyIncidents:
        async def sleep(seconds: float) -> None:
            self.waits.append(seconds)

        api = RestApi(
            SecretStr(key),
            base_url=base_url or self.base_url,
            from_email="anna@shop.example",
            answer_within=answer_within,
            sleep=sleep,
        )
        made = PagerDutyIncidents(api, CATALOGUE)
        self.stack.push_async_callback(made.aclose)
        return made

    def asked(self, method: str, path: str) -> int:
        return sum((one.method, one.path) == (method, path) for one in self.pagerduty.requests)


@pytest.fixture
async def rest() -> AsyncIterator[Rest]:
    async with AsyncExitStack() as stack:
        pagerduty = sandbox.SandboxPagerDuty(a_config(), clock=lambda: NOW)
        base_url = await stack.enter_async_context(serving(pagerduty.app))
        yield Rest(pagerduty, base_url, stack)


@dataclass
class Pager:
    """One implementation, and a way to open incidents in what it reads."""

    incidents: PagerDutyIncidents | MemoryIncidents
    rest: Rest | None = None

    def open(self, title: str, *, at: datetime = NOW, service_id: str = "PCHECK1") -> IncidentId:
        if self.rest is not None:
            return IncidentId(self.rest.pagerduty.trigger(service_id, title, at=at).id)
        assert isinstance(self.incidents, MemoryIncidents)
        known = CATALOGUE.by_pagerduty_id(service_id)
        opened = Incident(
            id=IncidentId(f"Q-{title}"),
            title=title,
            pagerduty_service_id=service_id,
            service=known,
            escalation_policy_id=POLICY,
            opened_at=at,
            alerts=(Alert(id=AlertId("A1"), service=known, title=title, severity=Severity.CRITICAL, at=at),),
        )
        self.incidents.put(opened)
        return opened.id


@pytest.fixture(params=["rest", "memory"])
async def pager(request: pytest.FixtureRequest, rest: Rest) -> Pager:
    if request.param == "rest":
        return Pager(rest.adapter(), rest)
    users = {person.user_id: person.email or "" for person in (BORIS, ANNA)}
    return Pager(MemoryIncidents(on_call={POLICY: (BORIS, ANNA)}, users=users))


async def test_an_incident_is_read_with_its_alerts(pager: Pager) -> None:
    opened = pager.open("errors above 5 %", at=NOW - timedelta(minutes=3))

    found = await pager.incidents.read(opened)

    assert (opened, "errors above 5 %", IncidentStatus.TRIGGERED, CHECKOUT, NOW - timedelta(minutes=3)) == (
        found.id,
        found.title,
        found.status,
        found.service,
        found.opened_at,
    )
    assert [("errors above 5 %", Severity.CRITICAL, CHECKOUT)] == [
        (alert.title, alert.severity, alert.service) for alert in found.alerts
    ]


async def test_a_service_that_the_catalogue_does_not_name_is_none(pager: Pager) -> None:
    found = await pager.incidents.read(pager.open("slow", service_id="PCART01"))

    assert (None, "PCART01") == (found.service, found.pagerduty_service_id)


async def test_an_unknown_incident_is_not_found(pager: Pager) -> None:
    unknown = IncidentId("QUNKNOWN000000")

    for asking in (
        pager.incidents.read(unknown),
        pager.incidents.notes(unknown),
        pager.incidents.add_note(unknown, "text"),
        pager.incidents.resolve(unknown),
    ):
        with pytest.raises(NotFound):
            await asking


async def test_open_incidents_since_a_time_come_oldest_first_without_alerts(pager: Pager) -> None:
    pager.open("too old", at=NOW - timedelta(minutes=11))
    second = pager.open("second", at=NOW - timedelta(minutes=10))
    third = pager.open("third", at=NOW - timedelta(minutes=2))
    await pager.incidents.resolve(pager.open("resolved", at=NOW - timedelta(minutes=1)))
    await pager.incidents.acknowledge(third)

    found = await pager.incidents.opened_since(NOW - timedelta(minutes=10) + timedelta(milliseconds=300))

    assert [(second, IncidentStatus.TRIGGERED, ()), (third, IncidentStatus.ACKNOWLEDGED, ())] == [
        (incident.id, incident.status, incident.alerts) for incident in found
    ]


async def test_who_is_on_call_comes_lowest_level_first(pager: Pager) -> None:
    incident = await pager.incidents.read(pager.open("slow"))

    assert (ANNA, BORIS) == tuple(await pager.incidents.on_call(incident))


@pytest.mark.parametrize(
    ("email", "found"),
    [("Anna@Shop.Example", ("PANNA01",)), ("shop.example", ()), ("nobody@shop.example", ())],
)
async def test_a_user_is_found_by_the_whole_address_only(
    pager: Pager, email: str, found: tuple[str, ...]
) -> None:
    assert found == tuple(await pager.incidents.users_by_email(email))


async def test_a_person_is_told_for_what_they_are_on_call_now(rest: Rest) -> None:
    """Schedules overlap in PagerDuty: what is one turn to a person comes as several entries."""
    ends = [NOW + timedelta(hours=8), NOW + timedelta(hours=16)]
    config = a_config()
    turns = tuple(
        sandbox.OnCall(user_id=ANNA.user_id, escalation_policy_id=POLICY, level=level, start=NOW, end=end)
        for level, end in ((2, ends[0]), (2, ends[1]), (3, ends[0]), (3, None))
    )
    pagerduty = sandbox.SandboxPagerDuty(replace(config, on_calls=turns), clock=lambda: NOW)
    base_url = await rest.stack.enter_async_context(serving(pagerduty.app))
    incidents = rest.adapter(base_url=base_url)

    assert (
        Duty(policy="Shop", level=2, until=ends[1]),
        Duty(policy="Shop", level=3),
    ) == tuple(await incidents.duties(ANNA.user_id))
    assert () == tuple(await incidents.duties(BORIS.user_id))


async def test_whoever_is_on_call_has_a_duty_of_that_level(pager: Pager) -> None:
    assert [1] == [duty.level for duty in await pager.incidents.duties(ANNA.user_id)]
    assert [] == list(await pager.incidents.duties(PagerDutyUserId("PNOBODY")))


async def test_without_an_escalation_policy_nobody_is_on_call(pager: Pager) -> None:
    incident = await pager.incidents.read(pager.open("slow"))

    nobody = incident.model_copy(update={"escalation_policy_id": None})

    assert () == tuple(await pager.incidents.on_call(nobody))


async def test_notes_are_read_in_the_order_they_were_written(pager: Pager) -> None:
    opened = pager.open("slow")
    await pager.incidents.add_note(opened, "first")
    await pager.incidents.add_note(opened, "second – größer")

    assert ("first", "second – größer") == tuple(await pager.incidents.notes(opened))


async def test_updates_are_told_and_read_in_order_and_are_no_notes(pager: Pager) -> None:
    opened = pager.open("slow")
    await pager.incidents.add_note(opened, "a note")
    await pager.incidents.add_update(opened, "We look into it.")
    await pager.incidents.acknowledge(opened)
    await pager.incidents.add_update(opened, "It works again – größtenteils.")

    told = tuple(await pager.incidents.updates(opened))
    assert ("We look into it.", "It works again – größtenteils.") == told
    assert ("a note",) == tuple(await pager.incidents.notes(opened))


async def test_an_update_without_a_text_or_an_incident_is_refused(pager: Pager) -> None:
    with pytest.raises(Invalid):
        await pager.incidents.add_update(pager.open("slow"), "")
    with pytest.raises(NotFound):
        await pager.incidents.add_update(IncidentId("QUNKNOWN000000"), "text")


async def test_an_incident_is_acknowledged_and_resolved(pager: Pager) -> None:
    opened = pager.open("slow")

    await pager.incidents.acknowledge(opened)
    assert IncidentStatus.ACKNOWLEDGED is (await pager.incidents.read(opened)).status
    await pager.incidents.resolve(opened)
    assert IncidentStatus.RESOLVED is (await pager.incidents.read(opened)).status


async def test_an_incident_goes_to_whoever_is_on_call_at_the_level_it_is_escalated_to(pager: Pager) -> None:
    incident = pager.open("slow")
    before = await pager.incidents.assigned(incident)
    await pager.incidents.escalate(incident, 2)

    assert (ANNA.user_id,) == before
    assert (BORIS.user_id,) == await pager.incidents.assigned(incident)
    with pytest.raises(Invalid):
        await pager.incidents.escalate(incident, 3)


async def test_what_pagerduty_calls_wrong_is_invalid(pager: Pager) -> None:
    opened = pager.open("slow")
    with pytest.raises(Invalid):
        await pager.incidents.add_note(opened, "")
    await pager.incidents.resolve(opened)
    with pytest.raises(Invalid):
        await pager.incidents.acknowledge(opened)


async def test_an_alert_tells_its_source_and_its_details_as_lines(rest: Rest) -> None:
    spec = sandbox.AlertSpec(
        summary="p99 above 2 s",
        severity="warning",
        source="prometheus",
        component="checkout-7d9f",
        custom_details={"ratio": 0.5, "labels": {"pod": "checkout-1"}, "hosts": ["a", "b"], "none": None},
    )
    opened = rest.pagerduty.trigger("PCHECK1", "slow", alerts=(spec,), at=NOW)

    (alert,) = (await rest.adapter().read(IncidentId(opened.id))).alerts

    assert ("p99 above 2 s", Severity.WARNING, NOW) == (alert.title, alert.severity, alert.at)
    assert alert.details.splitlines() == [
        "source_origin: prometheus",
        "source_component: checkout-7d9f",
        "ratio: 0.5",
        "labels.pod: checkout-1",
        "hosts[0]: a",
        "hosts[1]: b",
    ]
    assert alert.url is not None
    assert alert.url.startswith("https://")


async def test_long_details_are_cut_and_say_so(rest: Rest) -> None:
    spec = sandbox.AlertSpec(summary="slow", source="", custom_details={"log": "x" * 5_000})
    opened = rest.pagerduty.trigger("PCHECK1", "slow", alerts=(spec,))

    (alert,) = (await rest.adapter().read(IncidentId(opened.id))).alerts

    assert f"log: {'x' * 3_995}\n… [1005 more characters are in PagerDuty]" == alert.details


async def test_all_pages_are_read(rest: Rest) -> None:
    specs = tuple(sandbox.AlertSpec(summary=f"alert {number}") for number in range(230))
    opened = rest.pagerduty.trigger("PCHECK1", "storm", alerts=specs)

    assert 230 == len((await rest.adapter().read(IncidentId(opened.id))).alerts)


async def test_an_id_cannot_leave_its_place_in_the_address(rest: Rest) -> None:
    with pytest.raises(NotFound):
        await rest.adapter().read(IncidentId("../users/me?"))

    assert all(request.path.startswith("/incidents/") for request in rest.pagerduty.requests)


async def test_a_read_is_repeated_after_a_server_error(rest: Rest) -> None:
    opened = IncidentId(rest.pagerduty.trigger("PCHECK1", "slow").id)
    rest.pagerduty.fail(f"/incidents/{opened}/notes", status=500, times=2)

    assert () == tuple(await rest.adapter().notes(opened))
    assert 3 == rest.asked("GET", f"/incidents/{opened}/notes")


async def test_a_read_that_keeps_failing_is_unavailable(rest: Rest) -> None:
    rest.pagerduty.fail("/incidents", status=502, times=99)

    with pytest.raises(Unavailable):
        await rest.adapter().opened_since(NOW)
    assert 4 == rest.asked("GET", "/incidents")


async def test_a_read_waits_as_long_as_pagerduty_asks(rest: Rest) -> None:
    opened = IncidentId(rest.pagerduty.trigger("PCHECK1", "slow").id)
    rest.pagerduty.fail("/incidents", status=429, times=2, ratelimit_reset=2)

    assert () == tuple(await rest.adapter().notes(opened))
    assert [2.0, 2.0] == rest.waits


async def test_a_read_that_would_wait_too_long_says_when_to_come_again(rest: Rest) -> None:
    rest.pagerduty.fail("/incidents", status=429, times=99, ratelimit_reset=60)

    with pytest.raises(RateLimited) as raised:
        await rest.adapter().opened_since(NOW)
    assert (timedelta(seconds=60), [], 1) == (
        raised.value.retry_after,
        rest.waits,
        rest.asked("GET", "/incidents"),
    )


async def test_429_for_ever_ends_for_reads_and_writes(rest: Rest) -> None:
    opened = IncidentId(rest.pagerduty.trigger("PCHECK1", "slow").id)
    rest.pagerduty.fail("/incidents", status=429, times=99, ratelimit_reset=1)
    notes = f"/incidents/{opened}/notes"

    with pytest.raises(RateLimited):
        await rest.adapter().notes(opened)
    with pytest.raises(RateLimited):
        await rest.adapter().add_note(opened, "text")
    assert (4, 3, ()) == (rest.asked("GET", notes), rest.asked("POST", notes), rest.pagerduty.notes(opened))


async def test_a_write_that_was_only_limited_is_sent_again(rest: Rest) -> None:
    opened = IncidentId(rest.pagerduty.trigger("PCHECK1", "slow").id)
    rest.pagerduty.fail("/incidents", status=429, ratelimit_reset=1)

    await rest.adapter().add_note(opened, "text")

    assert ["text"] == [note.content for note in rest.pagerduty.notes(opened)]


async def test_a_write_whose_answer_was_lost_is_unclear_and_sent_once(rest: Rest) -> None:
    opened = IncidentId(rest.pagerduty.trigger("PCHECK1", "slow").id)
    rest.pagerduty.fail("/incidents", method="POST", drop_answer=True)

    with pytest.raises(Unclear):
        await rest.adapter().add_note(opened, "text")
    assert ["text"] == [note.content for note in rest.pagerduty.notes(opened)]


async def test_an_update_whose_answer_was_lost_is_found_in_the_timeline(rest: Rest) -> None:
    opened = IncidentId(rest.pagerduty.trigger("PCHECK1", "slow").id)
    rest.pagerduty.fail("/incidents", method="POST", drop_answer=True)

    with pytest.raises(Unclear):
        await rest.adapter().add_update(opened, "We look into it.")
    assert ("We look into it.",) == tuple(await rest.adapter().updates(opened))


async def test_a_write_that_is_answered_too_late_is_unclear_and_sent_once(rest: Rest) -> None:
    opened = IncidentId(rest.pagerduty.trigger("PCHECK1", "slow").id)
    rest.pagerduty.fail("/incidents", method="PUT", delay=timedelta(seconds=6))

    with pytest.raises(Unclear):
        await rest.adapter(answer_within=timedelta(seconds=2)).acknowledge(opened)
    await rest.pagerduty.wait_for(lambda: rest.asked("PUT", f"/incidents/{opened}") == 1)


async def test_a_write_answered_by_a_server_error_is_unclear_and_sent_once(rest: Rest) -> None:
    opened = IncidentId(rest.pagerduty.trigger("PCHECK1", "slow").id)
    rest.pagerduty.fail("/incidents", method="POST", status=500, times=9)

    with pytest.raises(Unclear):
        await rest.adapter().add_note(opened, "text")
    assert 1 == rest.asked("POST", f"/incidents/{opened}/notes")


async def test_a_read_whose_answer_was_lost_is_repeated(rest: Rest) -> None:
    opened = IncidentId(rest.pagerduty.trigger("PCHECK1", "slow").id)
    rest.pagerduty.fail("/incidents", method="GET", drop_answer=True)

    assert () == tuple(await rest.adapter().notes(opened))


@pytest.mark.parametrize("key", ["wrong-key", "read-key"])
async def test_a_key_that_may_not_write_is_named_and_not_tried_again(rest: Rest, key: str) -> None:
    opened = IncidentId(rest.pagerduty.trigger("PCHECK1", "slow").id)

    with pytest.raises(Unavailable, match="Check the API key"):
        await rest.adapter(key=key).add_note(opened, "text")
    assert 1 == rest.asked("POST", f"/incidents/{opened}/notes")


async def test_a_wrong_key_does_not_repeat_reads(rest: Rest) -> None:
    with pytest.raises(Unavailable, match="Check the API key"):
        await rest.adapter(key="wrong-key").opened_since(NOW)
    assert 1 == rest.asked("GET", "/incidents")


async def test_where_nobody_listens_nothing_was_sent(rest: Rest) -> None:
    """A write that never left is `Unavailable`, not `Unclear`: it may be sent again."""
    adapter = rest.adapter(base_url="http://127.0.0.1:9")

    with pytest.raises(Unavailable):
        await adapter.add_note(IncidentId("QABC"), "text")
    with pytest.raises(Unavailable):
        await adapter.read(IncidentId("QABC"))


@asynccontextmanager
async def answering(*pieces: bytes, pause_s: float = 0.0, endless: bytes = b"") -> AsyncIterator[str]:
    """Yield the address of a server that answers with *pieces*, then with *endless* for ever."""

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await reader.readuntil(b"\r\n\r\n")
            for piece in pieces:
                writer.write(piece)
            while endless:
                writer.write(endless)
                await writer.drain()
                await asyncio.sleep(pause_s)
        except ConnectionError:
            return
        finally:
            writer.close()

    server = await asyncio.start_server(handle, "127.0.0.1", 0)
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        server.close()


HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 100000\r\n\r\n"


async def test_a_body_that_comes_byte_by_byte_is_given_up(rest: Rest) -> None:
    async with answering(HEAD, pause_s=0.02, endless=b" ") as address:
        adapter = rest.adapter(base_url=address, answer_within=timedelta(seconds=2))

        with pytest.raises(Unclear):
            await adapter.add_note(IncidentId("QABC"), "text")
        with pytest.raises(Unavailable):
            await adapter.notes(IncidentId("QABC"))
        await adapter.aclose()


@pytest.mark.parametrize(
    "body", [b"<html>", b"[]", b'{"notes": 3}', b'{"incidents": [{"id": 3}], "more": false}']
)
async def test_an_answer_that_cannot_be_used_is_unavailable(rest: Rest, body: bytes) -> None:
    head = b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: %d\r\n\r\n" % len(body)
    async with answering(head, body) as address:
        adapter = rest.adapter(base_url=address)

        with pytest.raises(Unavailable):
            await adapter.notes(IncidentId("QABC"))
        with pytest.raises(Unavailable):
            await adapter.opened_since(NOW)
        await adapter.aclose()


async def test_a_priority_is_set_by_its_name_and_again_the_same(pager: Pager) -> None:
    incident = pager.open("slow")

    for _ in range(2):
        await pager.incidents.prioritise(incident, "P1")

    assert "P1" == (await pager.incidents.read(incident)).priority


async def test_a_priority_that_the_account_lacks_is_refused_by_name(pager: Pager) -> None:
    incident = pager.open("slow")

    with pytest.raises(Invalid, match="no priority 'P9'"):
        await pager.incidents.prioritise(incident, "P9")


async def test_custom_fields_are_set_by_name_and_the_others_stay(pager: Pager) -> None:
    incident = pager.open("slow")
    await pager.incidents.set_fields(incident, {"probable_cause": "a deploy"})
    await pager.incidents.set_fields(incident, {"recovery": "rolled back"})

    assert {"probable_cause": "a deploy", "recovery": "rolled back"} == await pager.incidents.fields(incident)


async def test_a_custom_field_that_the_account_lacks_refuses_all(pager: Pager) -> None:
    incident = pager.open("slow")

    with pytest.raises(Invalid, match="weather"):
        await pager.incidents.set_fields(incident, {"probable_cause": "a deploy", "weather": "rain"})
    assert {} == await pager.incidents.fields(incident)
