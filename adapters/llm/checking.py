"""Look whether a model can be reached, whether it takes our key and whether it knows the model."""

import time
from dataclasses import dataclass

import httpx2
from openai import APIConnectionError, APIStatusError, AsyncOpenAI, OpenAIError

from adapters.llm.config import Endpoint, ModelConfig
from adapters.llm.transport import model_client


@dataclass(frozen=True)
class ModelCheck:
    """What one endpoint said."""

    model: str
    base_url: str
    is_ok: bool
    milliseconds: int
    detail: str
    remedy: str = ""


async def check_models(config: ModelConfig) -> tuple[ModelCheck, ...]:
    """Ask each endpoint of the ladder for its list of models; costs no tokens."""
    async with model_client(config.timeout_s) as client:
        return tuple([await _check(config, endpoint, client) for endpoint in config.endpoints])


async def _check(config: ModelConfig, endpoint: Endpoint, client: httpx2.AsyncClient) -> ModelCheck:
    asking = AsyncOpenAI(
        api_key=endpoint.api_key.get_secret_value(),
        base_url=endpoint.base_url,
        timeout=config.timeout_s,
        max_retries=0,
        http_client=client,
    )
    began = time.perf_counter()
    try:
        known = {model.id for model in (await asking.models.list()).data or ()}
    except OpenAIError as exc:
        detail, remedy = _in_words(exc)
    except (ValueError, TypeError, AttributeError):
        # The SDK does not check what it parses: a page that is no list of models fails anywhere.
        detail, remedy = "the answer is no list of models", "Check OPENAI_BASE_URL; it usually ends in /v1."
    else:
        is_known = endpoint.model in known
        detail = (
            f"{len(known)} models" if is_known else f"{endpoint.model} is not among its {len(known)} models"
        )
        remedy = "" if is_known else "Set OPENAI_MODEL to one of them."
    return ModelCheck(
        model=endpoint.model,
        base_url=endpoint.base_url,
        is_ok=not remedy,
        milliseconds=round((time.perf_counter() - began) * 1000),
        detail=detail,
        remedy=remedy,
    )


def _in_words(exc: OpenAIError) -> tuple[str, str]:
    match exc:
        case APIStatusError(status_code=401 | 403):
            return f"refuses our key (HTTP {exc.status_code})", "Set OPENAI_API_KEY to a key of this server."
        case APIStatusError(status_code=429):
            return "asks for fewer requests (HTTP 429)", "Check the quota of the account."
        case APIStatusError(status_code=404):
            return "has no such address (HTTP 404)", "Check OPENAI_BASE_URL; it usually ends in /v1."
        case APIStatusError():
            return f"answers HTTP {exc.status_code}", "Check the server's state."
        case APIConnectionError():
            return "does not answer", "Check OPENAI_BASE_URL and that this machine may reach it."
        case _:
            return "gives an answer that cannot be read", "Check OPENAI_BASE_URL; it usually ends in /v1."
