"""Steps of type `http`, against a server on loopback that does whatever servers do, and against checkout."""

import asyncio
import gzip
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
from pydantic import SecretStr

from adapters.runners.http import MAX_ANSWER, HttpRunner
from adapters.sandbox.checkout import CheckoutProcess
from bot.domain.execution import Preview, Result, StepOutcome
from bot.domain.plan import Question
from tests import loopback as server
from tests.loopback import loopback, says
from tests.runner_builders import a_command, a_post

SECRETS = {"DEPLOY_TOKEN": SecretStr("deploy-token"), "BROKEN": SecretStr("line\r\nEvil: 1")}


async def at_once(_seconds: float) -> None:
    """Sleep for no time."""


@pytest.fixture
async def runner() -> AsyncIterator[HttpRunner]:
    async with httpx.AsyncClient(trust_env=False) as client:
        yield HttpRunner(client, SECRETS, sleep=at_once)


async def test_the_request_goes_out_as_planned_with_its_key(runner: HttpRunner) -> None:
    async with loopback(says("fine", status=202)) as target:
        step = a_post(
            f"{target.url}/deploy?dry=1",
            headers=[("Content-Type", "application/json"), ("Authorization", "Bearer secret:DEPLOY_TOKEN")],
        )
        outcome = await runner.run(step)

    assert StepOutcome(result=Result.DONE, detail="POST answered 202", output="fine") == outcome
    assert ("POST /deploy?dry=1 HTTP/1.1", b'{"version": "41"}') == (target.first_line(), target.body())
    assert {
        "host": target.url.removeprefix("http://"),
        "content-type": "application/json",
        "authorization": "Bearer deploy-token",
        "idempotency-key": f"{step.effect_key}-1",
        "content-length": "17",
    } == target.headers()


async def test_secrets_are_put_in_for_the_wire_only(runner: HttpRunner) -> None:
    async with loopback(says()) as target:
        step = a_post(
            f"{target.url}/secret:DEPLOY_TOKEN",
            headers=[("X", "secret:DEPLOY_TOKEN")],
            body='{"a": "secret:DEPLOY_TOKEN"}',
        )
        await runner.run(step)

    assert "deploy-token" == target.headers()["x"]
    assert b"deploy-token" not in target.body() + target.first_line().encode()
    assert b"deploy-token" not in step.plan.to_bytes()


@pytest.mark.parametrize(
    ("header", "says_why"),
    [
        (
            "secret:NOBODY_SET_IT",
            "not sent: secret:NOBODY_SET_IT has no value: set HANDRAIL_SECRET_NOBODY_SET_IT",
        ),
        ("line\r\nEvil: 1", "not sent: LocalProtocolError"),
        ("secret:BROKEN", "not sent: LocalProtocolError"),
        ("née", "not sent: its address or a header cannot be sent as it is"),
    ],
)
async def test_a_header_that_cannot_be_sent_fails_before_anything_is(
    runner: HttpRunner, header: str, says_why: str
) -> None:
    async with loopback(says()) as target:
        outcome = await runner.run(a_post(target.url, headers=[("X", header)]))

    assert StepOutcome(result=Result.FAILED, detail=says_why) == outcome
    assert [] == target.asked


@pytest.mark.parametrize("path", ["/a/../b", "/./a", "/a b", "/a#b", '/"', "/flags/..", "/é"])
async def test_an_address_that_would_go_out_otherwise_than_shown_is_not_sent(
    runner: HttpRunner, path: str
) -> None:
    async with loopback(says()) as target:
        outcome = await runner.run(a_post(target.url + path))

    assert (Result.FAILED, []) == (outcome.result, target.asked)


@pytest.mark.parametrize(
    "url", ["http://[::1", "http://127.0.0.1:99999/", "file:///etc/passwd", "gopher://x/"]
)
async def test_an_address_of_no_http_server_is_not_sent(runner: HttpRunner, url: str) -> None:
    assert Result.FAILED is (await runner.run(a_post(url))).result


async def test_nobody_listening_means_that_nothing_happened(runner: HttpRunner) -> None:
    outcome = await runner.run(a_post(await server.a_free_address(), idempotent=True))

    assert StepOutcome(result=Result.FAILED, detail="not sent: ConnectError") == outcome


@pytest.mark.parametrize(
    ("status", "result"),
    [
        (200, Result.DONE),
        (201, Result.FAILED),
        (301, Result.FAILED),
        (400, Result.FAILED),
        (404, Result.FAILED),
        (408, Result.UNKNOWN),
        (409, Result.FAILED),
        (429, Result.FAILED),
        (500, Result.UNKNOWN),
        (502, Result.UNKNOWN),
        (503, Result.UNKNOWN),
        (504, Result.UNKNOWN),
    ],
)
async def test_the_status_says_whether_it_happened(runner: HttpRunner, status: int, result: Result) -> None:
    async with loopback(says("x", status=status)) as target:
        outcome = await runner.run(a_post(target.url))

    assert (result, 1) == (outcome.result, len(target.asked))


@pytest.mark.parametrize("answer", [server.hangs_up, server.stops_midway, server.speaks_gibberish])
async def test_a_lost_answer_is_unknown_and_not_asked_for_again(
    runner: HttpRunner, answer: server.Answer
) -> None:
    async with loopback(answer) as target:
        outcome = await runner.run(a_post(target.url))

    assert (Result.UNKNOWN, 1) == (outcome.result, len(target.asked))
    assert "it may have taken effect" in outcome.detail


@pytest.mark.parametrize("answer", [server.never_answers, server.drips, server.drips_headers])
async def test_an_answer_that_never_ends_is_given_up_as_unknown(
    runner: HttpRunner, answer: server.Answer
) -> None:
    """A drip never keeps a single read waiting, so only a limit on the whole ends it."""
    async with loopback(answer) as target:
        outcome = await runner.run(a_post(target.url, timeout_s=4))

    assert (Result.UNKNOWN, 1) == (outcome.result, len(target.asked))


async def test_of_a_huge_answer_only_the_beginning_is_read(runner: HttpRunner) -> None:
    async with loopback(server.never_ends) as target:
        outcome = await runner.run(a_post(target.url))

    assert (Result.DONE, MAX_ANSWER) == (outcome.result, len(outcome.output))


async def test_an_answer_is_fit_to_be_shown(runner: HttpRunner) -> None:
    async with loopback(says(b"ok\n\x1b[2Jgone\x00 \xff \xe2\x80\xae")) as target:
        outcome = await runner.run(a_post(target.url))

    assert "ok\n�[2Jgone� � �" == outcome.output


async def test_a_packed_answer_is_not_unpacked(runner: HttpRunner) -> None:
    """A few bytes may unpack to gigabytes; nothing packed was asked for."""
    async with loopback(says(gzip.compress(b"x" * 10_000_000), Content_Encoding="gzip")) as target:
        outcome = await runner.run(a_post(target.url))

    assert Result.DONE is outcome.result
    assert len(outcome.output) < 20_000
    assert "accept-encoding" not in target.headers()


async def test_a_redirect_is_not_followed(runner: HttpRunner) -> None:
    async with (
        loopback(says()) as elsewhere,
        loopback(says(status=307, Location=f"{elsewhere.url}/")) as target,
    ):
        outcome = await runner.run(a_post(target.url, headers=[("Authorization", "secret:DEPLOY_TOKEN")]))

    assert (Result.FAILED, "POST answered 307, expected 200, 202") == (outcome.result, outcome.detail)
    assert [] == elsewhere.asked


async def test_a_cookie_of_one_answer_is_not_in_the_next_request(runner: HttpRunner) -> None:
    async with loopback(says(Set_Cookie="session=evil; Path=/")) as target:
        await runner.run(a_post(target.url))
        await runner.run(a_post(target.url))

    assert ("cookie" in target.headers(), 2) == (False, len(target.asked))


async def test_an_idempotent_step_is_asked_for_again_under_the_same_key(runner: HttpRunner) -> None:
    async with loopback(server.hangs_up, says(status=503), says("done")) as target:
        outcome = await runner.run(a_post(target.url, idempotent=True))

    assert (Result.DONE, "POST answered 200") == (outcome.result, outcome.detail)
    assert 3 == len(target.asked)
    assert 1 == len({target.headers(index)["idempotency-key"] for index in range(3)})


async def test_an_idempotent_step_is_given_up_after_three_lost_answers(runner: HttpRunner) -> None:
    async with loopback(server.hangs_up) as target:
        outcome = await runner.run(a_post(target.url, idempotent=True))

    assert (Result.UNKNOWN, 3) == (outcome.result, len(target.asked))


async def test_a_refusal_after_a_lost_answer_does_not_say_that_nothing_happened(runner: HttpRunner) -> None:
    async with loopback(server.hangs_up, says("conflict", status=409)) as target:
        outcome = await runner.run(a_post(target.url, idempotent=True))

    assert (Result.UNKNOWN, True) == (outcome.result, "asked again: POST answered 409" in outcome.detail)


async def test_a_step_of_another_type_is_a_defect(runner: HttpRunner) -> None:
    with pytest.raises(TypeError, match="type command"):
        await runner.run(a_command("true"))


@pytest.fixture
async def shop(tmp_path: Path) -> AsyncIterator[CheckoutProcess]:
    process = CheckoutProcess(
        token="deploy-token", state_file=tmp_path / "state.json", roll_seconds=0.05, seed=1, version="42"
    )
    async with process:
        yield process


async def the_effects(shop: CheckoutProcess) -> list[tuple[str, str, str]]:
    async with httpx.AsyncClient(trust_env=False, timeout=60) as client:
        answer = await client.get(
            f"{shop.base_url}/effects", headers={"Authorization": "Bearer deploy-token"}
        )
    return [(one["key"], one["before"], one["after"]) for one in answer.json()["effects"]]


async def test_a_rollback_really_happens_once_although_answers_are_lost(
    runner: HttpRunner, shop: CheckoutProcess
) -> None:
    """The proxy between loses the first two answers after the service has acted."""
    lost = 2

    async def through(writer: asyncio.StreamWriter) -> None:
        nonlocal lost
        raw = proxy.asked[-1]
        async with httpx.AsyncClient(trust_env=False, timeout=60) as client:
            answer = await client.post(
                f"{shop.base_url}/deploy",
                content=raw.split(b"\r\n\r\n", 1)[1],
                headers={n: v for n, v in proxy.headers().items() if n not in ("host", "content-length")},
            )
        if lost:
            lost -= 1
            return
        await says(answer.content, status=answer.status_code)(writer)

    async with loopback(through) as proxy:
        step = a_post(
            f"{proxy.url}/deploy",
            headers=[("Content-Type", "application/json"), ("Authorization", "Bearer secret:DEPLOY_TOKEN")],
            idempotent=True,
            timeout_s=60,
        )
        outcome = await runner.run(step)

    assert (Result.DONE, 3) == (outcome.result, len(proxy.asked))
    assert [(f"{step.effect_key}-1", "42", "41")] == await the_effects(shop)


async def test_a_wrong_token_changes_nothing(runner: HttpRunner, shop: CheckoutProcess) -> None:
    step = a_post(
        f"{shop.base_url}/deploy",
        headers=[("Content-Type", "application/json"), ("Authorization", "Bearer wrong")],
    )

    assert Result.FAILED is (await runner.run(step)).result
    assert [] == await the_effects(shop)


async def test_a_preview_is_asked_with_the_steps_headers_and_no_key(runner: HttpRunner) -> None:
    async with loopback(says("41 → 40"), says("no", status=403)) as target:
        ask = Question(method="POST", url=f"{target.url}/deploy?dry_run=1", body='{"version": "41"}')
        step = a_post(target.url, headers=[("Authorization", "secret:DEPLOY_TOKEN")], preview=ask)
        shown = [await runner.preview(step.action) for _ in range(2)]

    assert [
        Preview(step="roll-back", text="41 → 40"),
        Preview(step="roll-back", missing="POST answered 403"),
    ] == shown
    assert ("POST /deploy?dry_run=1 HTTP/1.1", "deploy-token") == (
        target.first_line(),
        target.headers()["authorization"],
    )
    assert "idempotency-key" not in target.headers()


async def test_a_step_without_a_preview_asks_nothing(runner: HttpRunner) -> None:
    async with loopback(says()) as target:
        assert None is await runner.preview(a_post(target.url).action)

    assert [] == target.asked


@pytest.mark.parametrize(
    ("status", "result"),
    [(200, Result.DONE), (204, Result.DONE), (202, Result.UNKNOWN), (404, Result.UNKNOWN), (500, None)],
)
async def test_the_target_is_asked_by_key_what_came_of_a_step(
    runner: HttpRunner, status: int, result: Result | None
) -> None:
    async with loopback(says("x", status=status)) as target:
        step = a_post(target.url, status=Question(url=f"{target.url}/runs/:key")).started
        said = await runner.status(step)

    assert result is (said.result if said else None)
    assert (f"GET /runs/{step.key} HTTP/1.1", step.key) == (
        target.first_line(),
        target.headers()["idempotency-key"],
    )
