"""What `handrail check --security` finds: closed doors are told as closed, and each open one by its name."""

import os
import stat
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from adapters.finding import Fails, Warns
from adapters.security import doors, ground
from adapters.security.doors import Doors, knocks_at
from adapters.slack.verify import Verified
from adapters.store.redis.durability import Durability
from bot.domain.catalogue import Approvers, Catalogue, Service
from bot.domain.ids import ServiceName, SlackUserId
from bot.domain.policy import FLOOR
from tests.slack_signing import SECRET, US, Handler, SetClock

AT = Doors(url="http://bot", slack_secret=SECRET, slack_app=US.app_id, known_secrets=("t0p-s3cret",))
WHAT = ("PagerDuty's webhook", "change webhooks", "Slack's events")


def answering(status: int, text: str = "") -> httpx.AsyncClient:
    """Return a client of a bot that answers everything the same."""

    async def answer(request: httpx.Request) -> httpx.Response:
        return httpx.Response(status, text=text)

    return httpx.AsyncClient(transport=httpx.MockTransport(answer), base_url="http://bot")


@pytest.mark.parametrize("what", WHAT)
async def test_a_door_that_opens_is_named_with_the_way_in(what: str) -> None:
    """Of a bot that takes everything, and of one that has crashed, nothing is told as closed."""
    knocks = knocks_at(AT)[what]
    for status in (200, 202, 500):
        async with answering(status) as client:
            with pytest.raises(Fails) as opened:
                await doors.nothing_opens(client, knocks)
        for knock in knocks:
            assert f"{knock.path} {knock.how}: {status}" in opened.value.args[0]


@pytest.mark.parametrize("what", WHAT[:2])
async def test_doors_that_refuse_are_told_as_closed(what: str) -> None:
    async with answering(401) as client:
        assert (await doors.nothing_opens(client, knocks_at(AT)[what])).startswith("refused: ")


async def test_the_real_gate_of_slack_refuses_each_knock_as_it_should() -> None:
    clock, handler = SetClock(), Handler()
    clock.time = datetime.now(UTC)
    gate = Verified(handler, signing_secret=SECRET, installation=US, clock=clock)
    app = Starlette(routes=[Route("/slack/events", gate, methods=["POST"])])
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://bot") as client:
        said = await doors.nothing_opens(client, knocks_at(AT, now=clock.time.timestamp)["Slack's events"])

    assert "well signed, 301 s ago (a replay)" in said
    assert "well signed, for another workspace" in said
    assert [] == handler.bodies


async def test_over_socket_mode_there_is_no_door_to_slack() -> None:
    at = Doors(url="http://bot", slack_secret=None, slack_app=None, known_secrets=())
    async with answering(404) as client:
        assert "refused: unsigned" == await doors.nothing_opens(client, knocks_at(at)["Slack's events"])


def a_bot_of(pages: Mapping[str, str], methods: list[str]) -> httpx.AsyncClient:
    async def page(request: Request) -> Response:
        return PlainTextResponse(pages[request.url.path])

    app = Starlette(routes=[Route(path, page, methods=methods) for path in pages])
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://bot")


async def test_a_secret_on_a_page_for_all_is_found_and_not_repeated() -> None:
    pages = dict.fromkeys(doors.HEALTH, "fine") | {"/metrics": "x{token=t0p-s3cret} 1"}
    async with a_bot_of(pages, ["GET"]) as client:
        with pytest.raises(Fails) as found:
            await doors.health_tells_no_secret(client, AT)

    assert "/metrics tells a secret" == found.value.args[0]


async def test_pages_that_take_more_than_reading_are_found() -> None:
    async with a_bot_of(dict.fromkeys(doors.HEALTH, "fine"), ["GET", "POST"]) as client:
        with pytest.raises(Fails, match="POST /healthz: 200"):
            await doors.health_tells_no_secret(client, AT)
    async with a_bot_of({"/docs": "all our routes"}, ["GET"]) as client:
        with pytest.raises(Fails) as found:
            await doors.there_are_no_others(client)

    assert "GET /docs: 200" == found.value.args[0]


async def test_a_bot_that_does_not_answer_or_is_not_ready_is_told() -> None:
    def refuse(request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("refused", request=request)

    async with httpx.AsyncClient(transport=httpx.MockTransport(refuse), base_url="http://bot") as client:
        with pytest.raises(Fails, match="nobody answers at http://bot"):
            await doors.it_answers(client)
    async with answering(503, "record: locked") as client:
        with pytest.raises(Warns, match="not ready: record: locked"):
            await doors.it_answers(client)


def test_the_data_folder_and_its_keys_are_for_the_bots_user_alone(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    with pytest.raises(Warns, match="first start"):
        ground.private_folder(folder)
    folder.mkdir(mode=0o700)
    for name in ("key", "audit.key"):
        os.close(os.open(folder / name, os.O_CREAT, 0o600))

    assert f"{folder} is 0700; key, audit.key are 0600" == ground.private_folder(folder)

    for path in (folder / "audit.key", folder):
        mode = stat.S_IMODE(path.stat().st_mode)
        path.chmod(mode | 0o004)
        with pytest.raises(Fails) as found:
            ground.private_folder(folder)
        assert f"not for the bot's user alone: {path}" == found.value.args[0]
        path.chmod(mode)


GOOD = "8f2b7c1d9e0a4563b1f7"


@pytest.mark.parametrize(
    "value",
    [
        *("changeme", "CHANGE_ME_PLEASE_NOW", "your-signing-secret", "<the token>", "xoxb-...", "password1"),
        *("xxxxxxxxxxxxxxxx", "secret", "a" * 20, "0" * 16, "an-example-of-a-key", "abab" * 8),
    ],
)
def test_a_placeholder_is_named_and_never_told(value: str) -> None:
    with pytest.raises(Fails) as found:
        ground.real_secrets({"A_TOKEN": GOOD, "B_SECRET": value})

    assert "a placeholder, not a secret: B_SECRET" == found.value.args[0]


def test_secrets_that_are_short_or_shared_are_named() -> None:
    assert "1 secrets, none short, shared or a placeholder" == ground.real_secrets({"A": GOOD})
    with pytest.raises(Fails, match="the same value: A and B"):
        ground.real_secrets({"A": GOOD, "B": GOOD})
    with pytest.raises(Warns, match="shorter than 16 characters: A"):
        ground.real_secrets({"A": "k3y-9fQz2"})


def test_an_empty_list_of_approvers_is_nobody_and_is_told() -> None:
    named = Service(approvers=Approvers(users=(SlackUserId("U0DANA"),), on_call=True))
    nobody = Service(playbooks=("rollback-deploy",))
    both = Catalogue({ServiceName("checkout"): named, ServiceName("payments"): nobody})

    assert "checkout: 1 named, whoever is on call" in ground.who_may_approve(
        Catalogue({ServiceName("checkout"): named}), FLOOR
    )
    with pytest.raises(Warns) as told:
        ground.who_may_approve(both, FLOOR)

    assert "payments: nobody" in told.value.args[0]
    assert "nobody can approve the playbooks of payments: name approvers" == told.value.args[1]


def test_the_floor_denies_every_canary() -> None:
    assert f"policy {FLOOR.version} denies every canary" in ground.denies_what_it_must(FLOOR)


@pytest.mark.parametrize(
    ("found", "raised"),
    [
        (Durability(append_only=True, fsync="always", eviction="noeviction"), None),
        (Durability(append_only=True, fsync="everysec", eviction="noeviction"), Warns),
        (Durability(append_only=None, fsync=None, eviction=None), Warns),
        (Durability(append_only=False, fsync="always", eviction="noeviction"), Fails),
        (Durability(append_only=True, fsync="always", eviction="allkeys-lru"), Fails),
    ],
)
def test_the_queue_is_judged_by_its_own_settings(found: Durability, raised: type[Exception] | None) -> None:
    if raised is None:
        assert "appendonly yes, appendfsync always" in ground.keeps_what_it_takes(found)
        return
    with pytest.raises(raised):
        ground.keeps_what_it_takes(found)


def test_the_kill_switch_is_within_reach(tmp_path: Path) -> None:
    assert ground.can_be_stopped(tmp_path, kill_file="KILL").startswith("off; `handrail kill` can write")
    (tmp_path / "KILL").touch()
    with pytest.raises(Warns, match="it is on"):
        ground.can_be_stopped(tmp_path, kill_file="KILL")
    with pytest.raises(Fails, match="cannot be written"):
        ground.can_be_stopped(tmp_path / "nowhere", kill_file="KILL")


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "10.1.2.3", "bot.example"])
def test_an_address_that_others_reach_is_told(host: str) -> None:
    with pytest.raises(Warns, match="without TLS"):
        ground.listens_to_us(host)


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "localhost"])
def test_an_address_of_this_machine_is_well(host: str) -> None:
    assert ground.listens_to_us(host).startswith(host)


def test_what_may_ship_prompts_is_told() -> None:
    assert "no LANGSMITH_*" in ground.tells_no_third_party(is_tracing_allowed=False)
    with pytest.raises(Warns, match="LANGSMITH_"):
        ground.tells_no_third_party(is_tracing_allowed=True)
