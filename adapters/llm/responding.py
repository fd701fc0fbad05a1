"""A question in words, answered by an agent that may only look things up, within the caps of all calls."""

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Final, TypeAlias

import httpx2
import structlog
from langchain.agents import create_agent
from langchain.agents.middleware import AgentMiddleware, ModelRequest, ModelResponse
from langchain.agents.structured_output import ProviderStrategy, ToolStrategy
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage
from langchain_core.tools import BaseTool, StructuredTool
from pydantic import ValidationError

from adapters.llm.asking import chat_model
from adapters.llm.breaker import Breaker
from adapters.llm.budget import DayBudget, Reservation
from adapters.llm.config import Endpoint, ModelConfig, Strategy
from adapters.llm.cost import estimated_tokens
from adapters.llm.failures import WORDS, CallFailed, failure_of, finish_reason, refusal_of
from adapters.llm.prompts import Prompt
from adapters.llm.recording import Sent
from bot.domain.diagnosis import ModelCall, NoDiagnosis, Silence
from bot.domain.reply import LookUp, LookUpTool, Replied, Reply, WordsAsked
from bot.ports import LookingUp

log = structlog.get_logger()

STEPS: Final = 40  # Of the graph: far more than the calls allow, so that those are what ends a run.
AT_ONCE: Final = 2  # Our choice: questions leave room for the opinions that cards wait for.

_Request: TypeAlias = ModelRequest[None]
_Response: TypeAlias = ModelResponse[Any]
_Handler: TypeAlias = Callable[[_Request], Awaitable[_Response]]


@dataclass
class _Run:
    """One question on its way down the ladder."""

    asked: WordsAsked
    look_up: LookingUp
    ends_at: float
    """By the monotonic clock."""
    calls: list[ModelCall] = field(default_factory=list)

    @property
    def calls_left(self) -> int:
        return self.asked.max_calls - len(self.calls)


class Responder:
    """Implements `Respondent` over the endpoints, breakers and day's budget that it is handed."""

    def __init__(
        self,
        config: ModelConfig,
        prompt: Prompt,
        *,
        client: httpx2.AsyncClient,
        budget: DayBudget,
        breakers: Sequence[Breaker],
        monotonic: Callable[[], float],
        sleep: Callable[[float], Awaitable[None]],
    ) -> None:
        self._config = config
        self._prompt = prompt
        self._client = client
        self._budget = budget
        self._breakers = breakers
        self._monotonic = monotonic
        self._sleep = sleep
        self._slots = asyncio.Semaphore(min(AT_ONCE, config.concurrent))

    async def reply(self, asked: WordsAsked, look_up: LookingUp) -> Replied | NoDiagnosis:
        seconds = min(self._config.deadline_s, asked.within_s)
        run = _Run(asked, look_up, ends_at=self._monotonic() + seconds)
        reason = Silence.TIMEOUT
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                answer = await self._down_the_ladder(run)
                if isinstance(answer, Reply):
                    return Replied(reply=answer, calls=tuple(run.calls))
                reason = answer
        log.warning("model_silent", reason=reason.value, calls=len(run.calls))
        return NoDiagnosis(reason=reason, words=WORDS[reason], calls=tuple(run.calls))

    async def _down_the_ladder(self, run: _Run) -> Reply | Silence:
        reason = Silence.BREAKER_OPEN
        for index, endpoint in enumerate(self._config.endpoints):
            if run.calls_left <= 0:
                break
            if not self._breakers[index].admits():
                continue
            try:
                async with self._slots:
                    return await self._converse(run, index, endpoint)
            except CallFailed as exc:
                reason = exc.reason
            finally:
                self._breakers[index].abandoned()
            if reason in (Silence.REFUSED, Silence.BUDGET):
                break
        return reason

    async def _converse(self, run: _Run, index: int, endpoint: Endpoint) -> Reply:
        """Let one model look things up and answer.

        Raises:
            CallFailed: there is no answer.
        """
        schema = dict(self._prompt.schema)
        is_provider = self._config.strategy is Strategy.PROVIDER
        agent = create_agent(
            chat_model(self._config, endpoint, self._prompt, self._client),
            tools=[self._tool(run, tool) for tool in LookUpTool],
            system_prompt=self._prompt.system,
            middleware=[_Metered(self, run, index, endpoint, is_provider=is_provider)],
            response_format=ProviderStrategy(schema, strict=True)
            if is_provider
            else ToolStrategy(schema, handle_errors=False),
        )
        first = HumanMessage(self._prompt.render_question(run.asked))
        try:
            state = await agent.ainvoke({"messages": [first]}, config={"recursion_limit": STEPS})
        except Exception as exc:  # As above, and what LangChain itself makes of an answer.
            raise failure_of(exc) from exc
        return _reply(state)

    def _tool(self, run: _Run, tool: LookUpTool) -> BaseTool:
        async def look_up(**arguments: object) -> str:
            try:
                wanted = LookUp.model_validate({**arguments, "tool": tool})
            except ValidationError:
                return "Nothing was looked up: these arguments are none of those offered."
            return self._prompt.render_results(run.asked, await run.look_up(wanted))

        return StructuredTool.from_function(
            coroutine=look_up,
            name=tool.value,
            description=_DESCRIPTIONS[tool],
            args_schema=_arguments(tool),
        )

    async def send(
        self, run: _Run, index: int, endpoint: Endpoint, request: _Request, handler: _Handler
    ) -> _Response:
        """Send one request, and once more when the server is only busy and there is time to wait for it.

        Raises:
            CallFailed: it came to nothing, or may not be sent.
        """
        try:
            return await self._send_once(run, index, endpoint, request, handler)
        except CallFailed as exc:
            is_in_time = self._monotonic() + exc.pause_s < run.ends_at
            if not exc.may_be_repeated or run.calls_left <= 0 or not is_in_time:
                raise
            await self._sleep(exc.pause_s)
        return await self._send_once(run, index, endpoint, request, handler)

    async def _send_once(
        self, run: _Run, index: int, endpoint: Endpoint, request: _Request, handler: _Handler
    ) -> _Response:
        if run.calls_left <= 0:
            raise CallFailed(Silence.GARBAGE)  # It looks things up for ever and never answers.
        estimate = estimated_tokens(self._prompt.system, *map(_written, request.messages))
        reserved = await self._reserved(estimate)
        sent = Sent(
            endpoint=endpoint, prompt=self._prompt, input_sha256=run.asked.input_sha256, estimate=estimate
        )
        began = self._monotonic()
        try:
            return await self._answered(sent, self._breakers[index], request, handler)
        finally:
            # Also when the deadline cancels us: a call that was sent is counted and recorded.
            call = sent.as_call(self._monotonic() - began, self._config.prices)
            run.calls.append(call)
            await self._budget.settle(reserved, call.tokens_in + call.tokens_out)

    async def _reserved(self, estimate: int) -> Reservation:
        if estimate <= self._config.input_tokens:
            reserved = await self._budget.reserve(estimate + self._config.output_tokens)
            if reserved is not None:
                return reserved
        raise CallFailed(Silence.BUDGET)

    async def _answered(
        self, sent: Sent, breaker: Breaker, request: _Request, handler: _Handler
    ) -> _Response:
        try:
            async with asyncio.timeout(self._config.timeout_s):
                response = await handler(request)
        except Exception as exc:  # LangChain and the SDK raise whatever the server's answer makes them.
            sent.failure = failure_of(exc)
            if sent.failure.reason is Silence.REFUSED:
                breaker.succeeded()
            else:
                breaker.failed()
            raise sent.failure from exc
        said = [one for one in response.result if isinstance(one, AIMessage)]
        sent.failure, sent.answer = None, said[0] if said else None
        breaker.succeeded()
        return response


class _Metered(AgentMiddleware[Any, None, Any]):
    """Counts each request of one run, and has the last one that is left answer without looking further."""

    def __init__(
        self, responder: Responder, run: _Run, index: int, endpoint: Endpoint, *, is_provider: bool
    ) -> None:
        super().__init__()
        self._responder = responder
        self._run = run
        self._index = index
        self._endpoint = endpoint
        self._is_provider = is_provider

    async def awrap_model_call(self, request: _Request, handler: _Handler) -> _Response:
        if self._run.calls_left <= 1:
            # The tools stay in the request where that is possible, so that servers can cache its beginning.
            request = (
                request.override(model_settings={**request.model_settings, "tool_choice": "none"})
                if self._is_provider
                else request.override(tools=[])
            )
        return await self._responder.send(self._run, self._index, self._endpoint, request, handler)


def _reply(state: Mapping[str, Any]) -> Reply:
    said = [message for message in state.get("messages", ()) if isinstance(message, AIMessage)]
    message = said[-1] if said else AIMessage("")
    if refusal_of(message):
        raise CallFailed(Silence.REFUSED, message=message)
    answer = state.get("structured_response")
    if not isinstance(answer, dict) or finish_reason(message) == "length":
        raise CallFailed(Silence.GARBAGE, message=message)
    try:
        return Reply.model_validate_json(json.dumps(answer), strict=True)
    except (ValidationError, ValueError, RecursionError) as exc:
        raise CallFailed(Silence.GARBAGE, message=message) from exc


def _written(message: BaseMessage) -> str:
    calls = message.tool_calls if isinstance(message, AIMessage) else ()
    return f"{message.content}{calls or ''}"


def _arguments(tool: LookUpTool) -> dict[str, Any]:
    """Return the schema of a tool's arguments, in the dialect of servers that enforce one."""
    properties: dict[str, Any] = {}
    if tool is LookUpTool.GET_CHANGE_DIFF:
        properties["candidate_id"] = {"type": "string"}
    elif tool not in (LookUpTool.GET_PLAYBOOKS, LookUpTool.WHO_IS_ON_CALL):
        properties["service"] = {"type": ["string", "null"]}
        properties["minutes"] = {"type": ["integer", "null"], "enum": [15, 60, 240, 1440, 4320, None]}
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }


_DESCRIPTIONS: Final = {
    LookUpTool.LIST_CHANGES: "The candidates (service null), or what changed in one service.",
    LookUpTool.GET_CHANGE_DIFF: "What one candidate changed: its title, files and lines.",
    LookUpTool.GET_ALERT_TIMELINE: "The alerts and their texts.",
    LookUpTool.GET_ERROR_SIGNATURES: "Errors that a service logs newly, and how often.",
    LookUpTool.GET_METRIC_WINDOW: "Measures before and after the onset, and what the signals read now.",
    LookUpTool.GET_DEPENDENCIES: "What a service calls and what calls it.",
    LookUpTool.FIND_SIMILAR_INCIDENTS: "Earlier incidents of a service, their causes and what fixed them.",
    LookUpTool.GET_PLAYBOOKS: "The playbooks of the services concerned.",
    LookUpTool.WHO_IS_ON_CALL: "How many people are on call.",
}
