"""One request to one model through LangChain, and what came back."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import httpx2
from langchain.agents import create_agent
from langchain.agents.middleware import ModelCallLimitMiddleware
from langchain.agents.structured_output import ProviderStrategy, ToolStrategy
from langchain_core.messages import AIMessage, HumanMessage
from langchain_openai import ChatOpenAI
from pydantic import ValidationError

from adapters.llm.config import Endpoint, ModelConfig, Strategy
from adapters.llm.failures import CallFailed, failure_of, finish_reason, refusal_of
from adapters.llm.prompts import Prompt
from bot.domain.diagnosis import Silence, Verdict

OPENAI_HOST: Final = "api.openai.com"


@dataclass(frozen=True)
class Asked:
    """A verdict and the message it came in."""

    verdict: Verdict
    message: AIMessage


class Asker:
    """Asks one endpoint for one task."""

    def __init__(
        self, config: ModelConfig, endpoint: Endpoint, prompt: Prompt, client: httpx2.AsyncClient
    ) -> None:
        schema = dict(prompt.schema)
        self._agent = create_agent(
            chat_model(config, endpoint, prompt, client),
            tools=[],
            system_prompt=prompt.system,
            # One request a run: what LangChain would repeat by itself has no other cap.
            # It ends the run with a message of its own, so the model's is the first and not the last.
            middleware=[ModelCallLimitMiddleware(run_limit=1, exit_behavior="end")],
            response_format=ProviderStrategy(schema, strict=True)
            if config.strategy is Strategy.PROVIDER
            else ToolStrategy(schema, handle_errors=False),
        )

    async def ask(self, text: str) -> Asked:
        """Send *text* and return the verdict.

        Raises:
            CallFailed: there is none.
        """
        try:
            state = await self._agent.ainvoke(
                {"messages": [HumanMessage(text)]}, config={"recursion_limit": 10}
            )
        except Exception as exc:
            raise failure_of(exc) from exc
        return _verdict(state)


def chat_model(
    config: ModelConfig, endpoint: Endpoint, prompt: Prompt, client: httpx2.AsyncClient
) -> ChatOpenAI:
    """Return the client of one model, told everything and reading nothing from the environment."""
    is_openai = httpx2.URL(endpoint.base_url).host == OPENAI_HOST
    return ChatOpenAI(
        model=endpoint.model,
        # Always explicit: without them the client takes addresses and keys from the environment.
        base_url=endpoint.base_url,
        api_key=endpoint.api_key,
        use_responses_api=False,
        timeout=config.timeout_s,
        max_retries=0,
        stream_usage=True,
        max_completion_tokens=min(config.output_tokens, prompt.manifest.output_tokens),
        reasoning_effort=prompt.manifest.effort_for(endpoint.model),
        http_async_client=client,
        # Other servers may refuse a field they do not know.
        model_kwargs={"prompt_cache_key": prompt.name} if is_openai else {},
    )


def _verdict(state: Mapping[str, Any]) -> Asked:
    said = [message for message in state.get("messages", ()) if isinstance(message, AIMessage)]
    message = said[0] if said else AIMessage("")
    if refusal_of(message):
        raise CallFailed(Silence.REFUSED, message=message)
    answer = state.get("structured_response")
    if not isinstance(answer, dict) or finish_reason(message) == "length":
        raise CallFailed(Silence.GARBAGE, message=message)
    try:
        verdict = Verdict.model_validate_json(json.dumps(answer), strict=True)
    except (ValidationError, ValueError, RecursionError) as exc:
        raise CallFailed(Silence.GARBAGE, message=message) from exc
    return Asked(verdict, message)
