"""A question in words, answered by an agent that may only look things up, within the caps of all calls."""

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

import httpx2
from langchain.agents import create_agent
from langchain.agents.middleware import AgentMiddleware, ModelRequest, ModelResponse
from langchain.agents.structured_output import ProviderStrategy, ToolStrategy
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage
from langchain_core.tools import BaseTool, StructuredTool
from pydantic import ValidationError

from adapters.llm.asking import chat_model
from adapters.llm.config import Endpoint, ModelConfig, Strategy
from adapters.llm.cost import estimated_tokens
from adapters.llm.failures import CallFailed, failure_of, finish_reason, refusal_of
from adapters.llm.ladder import Descent, Ladder
from adapters.llm.prompts import Prompt
from adapters.llm.recording import Sent
from bot.domain.diagnosis import NoDiagnosis, Silence
from bot.domain.reply import LookUp, LookUpTool, Replied, Reply, WordsAsked
from bot.ports import LookingUp

STEPS: Final = 40  # Of the graph: far more than the calls allow, so that those are what ends a run.
AT_ONCE: Final = 2  # Our choice: questions leave room for the opinions that cards wait for.

_Request: TypeAlias = ModelRequest[None]
_Response: TypeAlias = ModelResponse[Any]
_Handler: TypeAlias = Callable[[_Request], Awaitable[_Response]]


@dataclass(frozen=True)
class _Run:
    """One question, on its way down at one endpoint."""

    asked: WordsAsked
    look_up: LookingUp
    descent: Descent
    index: int
    endpoint: Endpoint


class Responder:
    """Implements `Respondent` over the ladder that it is handed."""

    def __init__(
        self, config: ModelConfig, prompt: Prompt, client: httpx2.AsyncClient, ladder: Ladder
    ) -> None:
        self._config = config
        self._prompt = prompt
        self._client = client
        self._ladder = ladder
        self._slots = asyncio.Semaphore(min(AT_ONCE, config.concurrent))

    async def reply(self, asked: WordsAsked, look_up: LookingUp) -> Replied | NoDiagnosis:
        async def ask(descent: Descent, index: int, endpoint: Endpoint) -> Reply:
            async with self._slots:
                return await self._converse(_Run(asked, look_up, descent, index, endpoint))

        answer = await self._ladder.descend(within_s=asked.within_s, most=asked.max_calls, ask=ask)
        if isinstance(answer, NoDiagnosis):
            return answer
        reply, calls = answer
        return Replied(reply=reply, calls=calls)

    async def _converse(self, run: _Run) -> Reply:
        """Let one model look things up and answer.

        Raises:
            CallFailed: there is no answer.
        """
        schema = dict(self._prompt.schema)
        is_provider = self._config.strategy is Strategy.PROVIDER
        agent = create_agent(
            chat_model(self._config, run.endpoint, self._prompt, self._client),
            tools=[self._tool(run, tool) for tool in LookUpTool],
            system_prompt=self._prompt.system,
            middleware=[_Metered(self, run, is_provider=is_provider)],
            response_format=ProviderStrategy(schema, strict=True)
            if is_provider
            else ToolStrategy(schema, handle_errors=False),
        )
        first = HumanMessage(self._prompt.render_question(run.asked))
        try:
            state = await agent.ainvoke({"messages": [first]}, config={"recursion_limit": STEPS})
        except Exception as exc:  # LangChain raises whatever it cannot make an answer of.
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

    async def send(self, run: _Run, request: _Request, handler: _Handler) -> _Response:
        """Send one request, and once more when the server is only busy.

        Raises:
            CallFailed: it came to nothing, or may not be sent.
        """
        if run.descent.calls_left <= 0:
            raise CallFailed(Silence.GARBAGE)  # It looks things up for ever and never answers.
        return await self._ladder.twice(run.descent, lambda: self._send_once(run, request, handler))

    async def _send_once(self, run: _Run, request: _Request, handler: _Handler) -> _Response:
        estimate = estimated_tokens(self._prompt.system, *map(_written, request.messages))
        sent = Sent(
            endpoint=run.endpoint,
            prompt=self._prompt,
            input_sha256=run.asked.input_sha256,
            estimate=estimate,
        )

        async def send() -> tuple[_Response, AIMessage | None]:
            try:
                response = await handler(request)
            except Exception as exc:  # LangChain and the SDK raise whatever the server's answer makes them.
                raise failure_of(exc) from exc
            return response, next((one for one in response.result if isinstance(one, AIMessage)), None)

        return await self._ladder.metered(run.descent, run.index, sent, send)


class _Metered(AgentMiddleware[Any, None, Any]):
    """Counts each request of one run, and has the last one that is left answer without looking further."""

    def __init__(self, responder: Responder, run: _Run, *, is_provider: bool) -> None:
        super().__init__()
        self._responder = responder
        self._run = run
        self._is_provider = is_provider

    async def awrap_model_call(self, request: _Request, handler: _Handler) -> _Response:
        if self._run.descent.calls_left <= 1:
            # The tools stay in the request where that is possible, so that servers can cache its beginning.
            request = (
                request.override(model_settings={**request.model_settings, "tool_choice": "none"})
                if self._is_provider
                else request.override(tools=[])
            )
        return await self._responder.send(self._run, request, handler)


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
