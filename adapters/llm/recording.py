"""What the record keeps of one call: names, counts and times, no text."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from langchain_core.messages import AIMessage

from adapters.llm.config import Endpoint, Price
from adapters.llm.cost import cost_usd
from adapters.llm.failures import CallFailed, finish_reason, plain_word
from adapters.llm.prompts import Prompt
from bot.domain.diagnosis import ModelCall, Silence
from bot.domain.ids import Digest


@dataclass
class Sent:
    """A call that was sent. Until its end is known it counts as one that was not answered."""

    endpoint: Endpoint
    prompt: Prompt
    input_sha256: Digest
    estimate: int
    """Tokens of the request, by our estimate."""
    answer: AIMessage | None = None
    failure: CallFailed | None = field(default_factory=lambda: CallFailed(Silence.TIMEOUT))

    def as_call(self, seconds: float, prices: Mapping[str, Price]) -> ModelCall:
        """Return the call as it is recorded; a failed one is charged what it said, else our estimate."""
        message = self.answer or (self.failure.message if self.failure else None)
        tokens_in, cached, tokens_out = _usage(message) or (self.estimate, 0, 0)
        model = self.endpoint.model
        return ModelCall(
            model=model,
            response_model=plain_word(message.response_metadata.get("model_name")) if message else "",
            prompt=self.prompt.name,
            input_sha256=self.input_sha256,
            tokens_in=tokens_in,
            tokens_cached=cached,
            tokens_out=tokens_out,
            is_estimate=_usage(message) is None,
            milliseconds=max(0, round(seconds * 1000)),
            finish_reason=finish_reason(message) if message else "",
            level=self.endpoint.level,
            failure=self.failure.reason if self.failure else None,
            cost_usd=cost_usd(prices, model, tokens_in=tokens_in, cached=cached, tokens_out=tokens_out),
        )


def _usage(message: AIMessage | None) -> tuple[int, int, int] | None:
    """Return tokens in, of them cached, and out, as the server counted them; nonsense counts as none."""
    usage = message.usage_metadata if message else None
    if usage is None:
        return None
    tokens_in, tokens_out = usage["input_tokens"], usage["output_tokens"]
    cached = usage.get("input_token_details", {}).get("cache_read") or 0
    if tokens_in < 0 or tokens_out < 0:
        return None
    return tokens_in, min(tokens_in, max(0, cached)), tokens_out
