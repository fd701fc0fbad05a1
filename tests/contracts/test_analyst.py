"""The contract of an analyst, on the scripted one and on the real one against a server on loopback."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from decimal import Decimal
from pathlib import Path
from typing import Final

import pytest
from pydantic import SecretStr

from adapters.llm.agent import LangchainAnalyst
from adapters.llm.breaker import OPEN_S
from adapters.llm.building import build_analyst
from adapters.llm.checking import check_models
from adapters.llm.config import Endpoint, ModelConfig, Price, Strategy
from adapters.llm.scripted import ScriptedAnalyst
from adapters.sandbox.model import KEY, MODEL, Behaviour, ModelServer
from adapters.sandbox.serving import serving
from bot.domain.diagnosis import Diagnosis, Level, NoDiagnosis, Repair, Silence, Verdict
from bot.domain.redaction import Redacted
from bot.ports import Analyst
from tests.model_builders import CHANGE_LINE, a_claim, a_dossier, a_hypothesis, a_verdict

PROMPTS: Final = Path(__file__).parents[2] / "prompts"

Server = tuple[ModelServer, str]

BEHAVIOUR: Final = {
    Silence.OVERLOADED: Behaviour.SERVER_ERROR,
    Silence.RATE_LIMITED: Behaviour.RATE_LIMITED,
    Silence.GARBAGE: Behaviour.HALF_JSON,
    Silence.REFUSED: Behaviour.REFUSAL,
    Silence.AUTH: Behaviour.UNAUTHORIZED,
}
"""What a server does for each reason of a silence."""

IN_VAIN_S: Final = 4.0
"""How long a model is waited for that never answers: on a busy machine, too, the request has left by then."""


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    model = ModelServer()
    async with serving(model.app()) as address:
        yield model, f"{address}/v1"


def a_config(
    address: str,
    *,
    model: str = MODEL,
    fallback_models: tuple[str, ...] = (),
    second: Endpoint | None = None,
    strategy: Strategy = Strategy.PROVIDER,
    key: str = KEY,
    timeout_s: float = 20.0,
    deadline_s: float = 20.0,
    daily_tokens: int = 2_000_000,
    daily_calls: int = 2_000,
    input_tokens: int = 25_000,
    concurrent: int = 4,
) -> ModelConfig:
    return ModelConfig(
        base_url=address,
        api_key=SecretStr(key),
        model=model,
        fallback_models=fallback_models,
        second=second,
        prompts=PROMPTS,
        strategy=strategy,
        timeout_s=timeout_s,
        deadline_s=deadline_s,
        daily_tokens=daily_tokens,
        daily_calls=daily_calls,
        input_tokens=input_tokens,
        concurrent=concurrent,
        prices={MODEL: Price(input=Decimal(1), cached=Decimal("0.5"), output=Decimal(2))},
    )


async def at_once(seconds: float) -> None:
    """Wait for nothing, so that a repetition follows directly."""


@asynccontextmanager
async def analyst_for(
    config: ModelConfig,
    *,
    monotonic: Callable[[], float] | None = None,
    sleep: Callable[[float], Awaitable[None]] = at_once,
) -> AsyncIterator[LangchainAnalyst]:
    clock = monotonic or asyncio.get_running_loop().time
    analyst = LangchainAnalyst(config, monotonic=clock, sleep=sleep)
    try:
        yield analyst
    finally:
        await analyst.aclose()


@pytest.fixture(params=["scripted", "langchain"])
async def saying(
    request: pytest.FixtureRequest, server: Server
) -> AsyncIterator[Callable[[Verdict | Silence], Analyst]]:
    """Give an analyst that is going to answer with a verdict, or is silenced."""
    model, address = server
    async with analyst_for(a_config(address)) as analyst:

        def prepared(answer: Verdict | Silence) -> Analyst:
            if request.param == "scripted":
                return ScriptedAnalyst([answer])
            if isinstance(answer, Verdict):
                model.then(answer.model_dump_json())
            else:
                model.default = BEHAVIOUR[answer]
            return analyst

        yield prepared


async def test_a_verdict_arrives_as_it_was_given(saying: Callable[[Verdict | Silence], Analyst]) -> None:
    verdict = a_verdict(a_hypothesis(a_claim(quotes=(CHANGE_LINE[:40],))), playbook="rollback-deploy")
    dossier = a_dossier()

    said = await saying(verdict).diagnose(dossier)

    assert isinstance(said, Diagnosis)
    assert verdict == said.verdict
    assert [dossier.input_sha256] == [call.input_sha256 for call in said.calls]
    assert [None] == [call.failure for call in said.calls]


@pytest.mark.parametrize(
    "reason",
    list(BEHAVIOUR),
)
async def test_a_silence_has_its_reason_and_words_and_never_raises(
    saying: Callable[[Verdict | Silence], Analyst], reason: Silence
) -> None:
    said = await saying(reason).diagnose(a_dossier())

    assert isinstance(said, NoDiagnosis)
    assert reason == said.reason
    assert said.words
    assert {reason} == {call.failure for call in said.calls}


async def test_no_more_calls_are_made_than_the_dossier_allows(
    saying: Callable[[Verdict | Silence], Analyst],
) -> None:
    said = await saying(Silence.OVERLOADED).diagnose(a_dossier(max_calls=1))

    assert len(said.calls) == 1


GARBAGE: Final = [
    Behaviour.PLAIN_TEXT,
    Behaviour.HALF_JSON,
    Behaviour.NOT_A_NUMBER,
    Behaviour.DEEP,
    Behaviour.WRONG_SCHEMA,
    Behaviour.EMPTY_CHOICES,
    Behaviour.NULL_CHOICES,
    Behaviour.HTML,
    Behaviour.EMPTY_BODY,
    Behaviour.HUGE,
    Behaviour.LENGTH,
]


@pytest.mark.parametrize("strategy", list(Strategy))
@pytest.mark.parametrize(
    ("behaviour", "reason", "requests"),
    [
        *((behaviour, Silence.GARBAGE, 1) for behaviour in GARBAGE),
        (Behaviour.REFUSAL, Silence.REFUSED, 1),
        (Behaviour.RATE_LIMITED, Silence.RATE_LIMITED, 2),
        (Behaviour.SERVER_ERROR, Silence.OVERLOADED, 2),
        (Behaviour.UNAUTHORIZED, Silence.AUTH, 1),
    ],
)
async def test_every_failure_has_one_reason_and_is_repeated_only_when_the_server_is_busy(
    server: Server, strategy: Strategy, behaviour: Behaviour, reason: Silence, requests: int
) -> None:
    model, address = server
    model.default = behaviour

    async with analyst_for(a_config(address, strategy=strategy)) as analyst:
        said = await analyst.diagnose(a_dossier())

    assert isinstance(said, NoDiagnosis)
    assert (reason, requests) == (said.reason, len(model.requests))
    assert requests == len(said.calls)


async def test_a_call_of_an_unknown_tool_is_no_answer_and_is_not_repeated(server: Server) -> None:
    model, address = server
    model.default = Behaviour.UNKNOWN_TOOL

    async with analyst_for(a_config(address, strategy=Strategy.TOOL)) as analyst:
        said = await analyst.diagnose(a_dossier())

    assert isinstance(said, NoDiagnosis)
    assert (Silence.GARBAGE, 1) == (said.reason, len(model.requests))


@pytest.mark.parametrize("behaviour", [Behaviour.HANG, Behaviour.DRIP])
async def test_a_server_that_does_not_finish_is_left_at_the_time_limit(
    server: Server, behaviour: Behaviour
) -> None:
    """The server notices that we went away: the call has ended, not only its answer been ignored."""
    model, address = server
    model.default = behaviour

    async with analyst_for(a_config(address, timeout_s=IN_VAIN_S)) as analyst:
        said = await analyst.diagnose(a_dossier())
        await model.left.wait()

    assert isinstance(said, NoDiagnosis)
    assert (Silence.TIMEOUT, 1) == (said.reason, len(model.requests))
    assert [True] == [call.is_estimate for call in said.calls]


async def test_the_deadline_ends_the_whole_ladder(server: Server) -> None:
    model, address = server
    model.default = Behaviour.HANG
    config = a_config(address, fallback_models=("b", "c"), deadline_s=IN_VAIN_S)

    async with analyst_for(config) as analyst:
        said = await analyst.diagnose(a_dossier())

    assert isinstance(said, NoDiagnosis)
    assert (Silence.TIMEOUT, 1) == (said.reason, len(model.requests))
    assert [Silence.TIMEOUT] == [call.failure for call in said.calls]


async def test_cancelling_the_asker_ends_the_call(server: Server) -> None:
    model, address = server
    model.default = Behaviour.HANG

    async with analyst_for(a_config(address)) as analyst:
        asking = asyncio.create_task(analyst.diagnose(a_dossier()))
        await model.arrived.wait()
        asking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asking
        await model.left.wait()

    assert len(model.requests) == 1


async def test_a_busy_server_is_asked_again_after_as_long_as_it_says(server: Server) -> None:
    model, address = server
    model.retry_after_s = 3
    model.then(Behaviour.RATE_LIMITED)
    pauses: list[float] = []

    async def remember(seconds: float) -> None:
        pauses.append(seconds)

    async with analyst_for(a_config(address), sleep=remember) as analyst:
        said = await analyst.diagnose(a_dossier())

    assert isinstance(said, Diagnosis)
    assert [3.0] == pauses
    assert [Silence.RATE_LIMITED, None] == [call.failure for call in said.calls]


async def test_a_server_that_asks_for_longer_than_we_have_is_not_asked_again(server: Server) -> None:
    model, address = server
    model.retry_after_s = 600
    model.default = Behaviour.RATE_LIMITED

    async with analyst_for(a_config(address)) as analyst:
        said = await analyst.diagnose(a_dossier())

    assert isinstance(said, NoDiagnosis)
    assert (Silence.RATE_LIMITED, 1) == (said.reason, len(model.requests))


async def test_the_next_model_is_asked_when_the_first_answers_garbage(server: Server) -> None:
    model, address = server
    model.then(Behaviour.HALF_JSON)

    async with analyst_for(a_config(address, fallback_models=("smaller",))) as analyst:
        said = await analyst.diagnose(a_dossier())

    assert isinstance(said, Diagnosis)
    assert "smaller" == said.model
    assert [Level.PRIMARY, Level.FALLBACK_MODEL] == [call.level for call in said.calls]
    assert [MODEL, "smaller"] == [request["model"] for request in model.requests]


async def test_the_second_address_is_asked_last(server: Server) -> None:
    _, address = server
    second = Endpoint(base_url=address, api_key=SecretStr(KEY), model="elsewhere")

    async with analyst_for(a_config("http://127.0.0.1:9/v1", second=second)) as analyst:
        said = await analyst.diagnose(a_dossier())

    assert isinstance(said, Diagnosis)
    assert ("elsewhere", Level.SECOND) == (said.model, said.calls[-1].level)
    assert [Silence.OVERLOADED, Silence.OVERLOADED, None] == [call.failure for call in said.calls]


async def test_a_refusal_is_not_taken_to_another_model(server: Server) -> None:
    model, address = server
    model.then(Behaviour.REFUSAL)

    async with analyst_for(a_config(address, fallback_models=("smaller",))) as analyst:
        said = await analyst.diagnose(a_dossier())

    assert isinstance(said, NoDiagnosis)
    assert (Silence.REFUSED, 1) == (said.reason, len(model.requests))


async def test_after_three_failures_nothing_is_sent_for_a_minute(server: Server) -> None:
    model, address = server
    model.default = Behaviour.HALF_JSON
    now = 0.0
    async with analyst_for(a_config(address), monotonic=lambda: now) as analyst:
        for _ in range(3):
            await analyst.diagnose(a_dossier())
        silent = await analyst.diagnose(a_dossier())
        sent_before = len(model.requests)
        now = OPEN_S
        model.default = Behaviour.GOOD
        said = await analyst.diagnose(a_dossier())

    assert isinstance(silent, NoDiagnosis)
    assert (Silence.BREAKER_OPEN, ()) == (silent.reason, silent.calls)
    assert 3 == sent_before
    assert isinstance(said, Diagnosis)


async def test_a_day_has_only_so_many_tokens(server: Server) -> None:
    _, address = server

    async with analyst_for(a_config(address, daily_tokens=8_000)) as analyst:
        first = await analyst.diagnose(a_dossier())
        rest = [await analyst.diagnose(a_dossier()) for _ in range(6)]

    assert isinstance(first, Diagnosis)
    assert isinstance(rest[-1], NoDiagnosis)
    assert Silence.BUDGET == rest[-1].reason
    used = sum(c.tokens_in + c.tokens_out for said in (first, *rest) for c in said.calls)
    assert used <= 8_000


async def test_a_day_has_only_so_many_calls(server: Server) -> None:
    model, address = server

    async with analyst_for(a_config(address, daily_calls=2)) as analyst:
        said = [await analyst.diagnose(a_dossier()) for _ in range(3)]

    assert [True, True, False] == [isinstance(one, Diagnosis) for one in said]
    assert 2 == len(model.requests)


async def test_a_message_that_is_too_long_is_not_sent(server: Server) -> None:
    model, address = server

    async with analyst_for(a_config(address, input_tokens=100)) as analyst:
        said = await analyst.diagnose(a_dossier())

    assert isinstance(said, NoDiagnosis)
    assert (Silence.BUDGET, []) == (said.reason, model.requests)


async def test_no_more_calls_run_at_the_same_time_than_allowed(server: Server) -> None:
    model, address = server

    async with analyst_for(a_config(address, concurrent=1)) as analyst:
        said = await asyncio.gather(*(analyst.diagnose(a_dossier()) for _ in range(5)))

    assert [True] * 5 == [isinstance(one, Diagnosis) for one in said]
    assert 1 == model.most_at_once


@pytest.mark.parametrize("strategy", list(Strategy))
async def test_the_request_and_its_record_say_what_was_asked(server: Server, strategy: Strategy) -> None:
    model, address = server

    async with analyst_for(a_config(address, strategy=strategy)) as analyst:
        said = await analyst.diagnose(a_dossier())

    request = model.requests[0]
    assert isinstance(said, Diagnosis)
    call = said.calls[0]
    assert ["system", "user"] == [message["role"] for message in request["messages"]]
    assert (MODEL, 4_000) == (request["model"], request["max_completion_tokens"])
    assert "store" not in request
    assert "prompt_cache_key" not in request
    if strategy is Strategy.PROVIDER:
        assert (True, "json_schema") == (
            request["response_format"]["json_schema"]["strict"],
            request["response_format"]["type"],
        )
    else:
        assert ["Verdict"] == [tool["function"]["name"] for tool in request["tools"]]
    assert (MODEL, f"{MODEL}-2026-11-01", Level.PRIMARY) == (call.model, call.response_model, call.level)
    assert call.prompt.startswith("rank@v2+")
    assert not call.is_estimate
    cached, fresh = call.tokens_cached, call.tokens_in - call.tokens_cached
    price = (Decimal(fresh) + Decimal(cached) / 2 + 2 * Decimal(call.tokens_out)) / 1_000_000
    assert price == call.cost_usd


async def test_a_repair_shows_the_model_its_answer_and_the_faults(server: Server) -> None:
    model, address = server
    repair = Repair(
        previous=Redacted('{"ranked":[]}'), problems=("hypothesis 1, mechanism 1: quote not found",)
    )

    async with analyst_for(a_config(address)) as analyst:
        said = await analyst.diagnose(a_dossier().model_copy(update={"repair": repair}))

    text = model.requests[0]["messages"][-1]["content"]
    assert isinstance(said, Diagnosis)
    assert said.calls[0].prompt.startswith("repair@v2+")
    assert '{"ranked":[]}' in text
    assert "- hypothesis 1, mechanism 1: quote not found" in text


async def test_an_unknown_price_is_unknown_and_not_nothing(server: Server) -> None:
    _, address = server

    async with analyst_for(a_config(address, model="unpriced")) as analyst:
        said = await analyst.diagnose(a_dossier())

    assert [None] == [call.cost_usd for call in said.calls]


async def test_the_check_names_what_is_wrong_and_what_to_do(server: Server) -> None:
    _, address = server
    good, wrong_key, wrong_model, nowhere, wrong_path = [
        (await check_models(config))[0]
        for config in (
            a_config(address),
            a_config(address, key="not-the-key"),
            a_config(address, model="gpt-unknown"),
            a_config("http://127.0.0.1:9/v1"),
            a_config(address.removesuffix("/v1")),
        )
    ]

    assert (True, "1 models", "") == (good.is_ok, good.detail, good.remedy)
    assert (False, "refuses our key (HTTP 401)") == (wrong_key.is_ok, wrong_key.detail)
    assert (False, "Set OPENAI_MODEL to one of them.") == (wrong_model.is_ok, wrong_model.remedy)
    assert (False, "does not answer") == (nowhere.is_ok, nowhere.detail)
    assert (False, "has no such address (HTTP 404)") == (wrong_path.is_ok, wrong_path.detail)


async def test_building_an_analyst_sends_nothing(server: Server) -> None:
    model, address = server

    analyst = build_analyst(a_config(address))
    await analyst.aclose()

    assert [] == model.requests
