"""What every referee promises, the HTTP client of Open Policy Agent, and the policy that ships for it."""

import json
import shutil
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from adapters.policy.memory import MemoryReferee
from adapters.policy.opa import MOST_BYTES, OpaReferee
from bot.app.world import OnePolicy
from bot.domain.policy import FLOOR, Opa, Policy
from bot.ports import Referee
from tests.loopback import (
    Answer,
    a_free_address,
    drips,
    hangs_up,
    loopback,
    never_answers,
    never_ends,
    says,
    speaks_gibberish,
    stops_midway,
)
from tests.unit.test_policy import a_request

POLICIES = Path(__file__).parents[2] / "policies"
OPA = shutil.which("opa")
YES = json.dumps({"result": {"allow": True, "reasons": []}})
NO = json.dumps({"result": {"allow": False, "reasons": ["not on a Friday"]}})


@pytest.fixture
async def client() -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(trust_env=False) as client:
        yield client


def policy_at(url: str) -> OnePolicy:
    return OnePolicy(Policy(opa=Opa(url=f"{url}/v1/data/handrail/approval")))


async def objections(
    client: httpx.AsyncClient, *answers: Answer, deadline_s: float = 60.0
) -> tuple[str, ...]:
    async with loopback(*answers) as server:
        referee = OpaReferee(client, policy_at(server.url), deadline_s=deadline_s)
        return tuple(await referee.objections(a_request()))


@pytest.mark.parametrize("twin", ["opa", "memory"])
async def test_a_referee_agrees_or_says_why_not(client: httpx.AsyncClient, twin: str) -> None:
    async with loopback(says(YES), says(NO)) as server:
        agreeing: Referee = OpaReferee(client, policy_at(server.url), deadline_s=60)
        refusing: Referee = agreeing
        if twin == "memory":
            agreeing, refusing = MemoryReferee(), MemoryReferee(says=("not on a Friday",))

        assert not await agreeing.objections(a_request())
        (why,) = await refusing.objections(a_request())

    assert "not on a Friday" in why


async def test_nobody_is_asked_unless_the_policy_names_somebody(client: httpx.AsyncClient) -> None:
    assert () == await OpaReferee(client, OnePolicy(FLOOR)).objections(a_request())


async def test_a_name_that_can_be_none_denies(client: httpx.AsyncClient) -> None:
    nowhere = OnePolicy(Policy(opa=Opa(url="http://xn--a/v1/data")))
    (why,) = await OpaReferee(client, nowhere, deadline_s=60).objections(a_request())

    assert "the policy server could not be asked" in why


async def test_the_request_is_sent_as_input(client: httpx.AsyncClient) -> None:
    async with loopback(says(YES)) as server:
        await OpaReferee(client, policy_at(server.url), deadline_s=60).objections(a_request())

    assert server.first_line() == "POST /v1/data/handrail/approval HTTP/1.1"
    assert json.loads(server.body()) == {"input": a_request().model_dump(mode="json")}


@pytest.mark.parametrize(
    "answer",
    [
        says("{}"),
        says('{"result": true}'),
        says('{"result": []}'),
        says('{"result": {"allow": true}}'),
        says('{"result": {"allow": "true", "reasons": []}}'),
        says('{"result": {"allow": 1, "reasons": []}}'),
        says('{"result": {"allow": true, "reasons": {}}}'),
        says('{"result": {"allow": true, "reasons": [1]}}'),
        says('{"result": {"allow": false, "allow": true, "reasons": []}}'),
        says('[{"result": {"allow": true, "reasons": []}}]'),
        says("null"),
        says(""),
        says("{" * 100_000),
        says(YES, status=500),
        says(YES, status=201),
        says(YES, status=302, Location="/v1/data/handrail/open"),
        says(YES + " " * MOST_BYTES),
        hangs_up,
        stops_midway,
        speaks_gibberish,
        never_ends,
    ],
)
async def test_every_other_answer_denies(client: httpx.AsyncClient, answer: Answer) -> None:
    (why,) = await objections(client, answer)

    assert why.startswith("the policy server could not be asked")


@pytest.mark.parametrize("answer", [never_answers, drips])
async def test_an_answer_after_the_deadline_denies(client: httpx.AsyncClient, answer: Answer) -> None:
    assert await objections(client, answer, deadline_s=0.05) == (
        "the policy server could not be asked (no answer within 50 ms)",
    )


async def test_nobody_at_the_address_denies(client: httpx.AsyncClient) -> None:
    referee = OpaReferee(client, policy_at(await a_free_address()), deadline_s=60)

    assert await referee.objections(a_request()) == ("the policy server could not be asked (ConnectError)",)


async def test_a_refusal_without_a_reason_is_one(client: httpx.AsyncClient) -> None:
    said = await objections(client, says('{"result": {"allow": false, "reasons": []}}'))

    assert said == ("the policy server refuses it and gives no reason",)


@pytest.mark.skipif(OPA is None, reason="the Rego that ships is not run: there is no `opa` on PATH")
def test_the_policy_that_ships_passes_its_own_tests() -> None:
    done = subprocess.run([str(OPA), "test", str(POLICIES)], capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.skipif(OPA is None, reason="the Rego that ships is not run: there is no `opa` on PATH")
def test_the_policy_that_ships_answers_what_the_client_reads(tmp_path: Path) -> None:
    asked = tmp_path / "input.json"
    asked.write_text(json.dumps(a_request().model_dump(mode="json")))
    command = [str(OPA), "eval", "-d", str(POLICIES), "-i", str(asked), "-f", "raw", "data.handrail.approval"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)

    assert json.loads(done.stdout) == {"allow": True, "reasons": []}
