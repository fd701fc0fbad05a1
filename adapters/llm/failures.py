"""Turn whatever a model's server or client does wrong into one of our reasons: the only place that does."""

from typing import Final

import openai
from langchain.agents.structured_output import StructuredOutputError
from langchain_core.messages import AIMessage

from adapters.llm.transport import AnswerTooLarge
from bot.domain.diagnosis import Silence

WORDS: Final = {
    Silence.TIMEOUT: "it did not answer in time",
    Silence.RATE_LIMITED: "it asks for fewer requests",
    Silence.AUTH: "it refuses our key",
    Silence.OVERLOADED: "it cannot be reached or answers with an error",
    Silence.GARBAGE: "its answer cannot be read",
    Silence.UNGROUNDED: "nothing of its answer rests on the evidence",
    Silence.REFUSED: "it declined to answer",
    Silence.BUDGET: "the budget for it is used up",
    Silence.BREAKER_OPEN: "it failed repeatedly and is left alone for a minute",
}


PAUSE_S: Final = 0.3
"""Before a repetition when the server does not say how long."""


class CallFailed(Exception):
    """One call came to nothing."""

    def __init__(
        self, reason: Silence, *, retry_after_s: float | None = None, message: AIMessage | None = None
    ) -> None:
        super().__init__(reason.value)
        self.reason = reason
        self.retry_after_s = retry_after_s
        """How long the server asks us to wait, if it does."""
        self.message = message
        """What the server sent, when it was a message at all."""

    @property
    def may_be_repeated(self) -> bool:
        """Say whether the same request may succeed a moment later."""
        return self.reason in (Silence.RATE_LIMITED, Silence.OVERLOADED)

    @property
    def pause_s(self) -> float:
        """How long to wait before the same request is sent again."""
        return PAUSE_S if self.retry_after_s is None else self.retry_after_s


def failure_of(exc: Exception) -> CallFailed:
    """Return what *exc* means. An exception nobody has thought of means an answer that cannot be read."""
    match exc:
        case CallFailed():
            return exc
        case openai.APITimeoutError() | TimeoutError():
            return CallFailed(Silence.TIMEOUT)
        case openai.RateLimitError():
            return CallFailed(Silence.RATE_LIMITED, retry_after_s=_retry_after(exc))
        case openai.AuthenticationError() | openai.PermissionDeniedError():
            return CallFailed(Silence.AUTH)
        case openai.APIConnectionError():
            is_too_large = isinstance(exc.__cause__, AnswerTooLarge) or _is_caused_by_size(exc)
            return CallFailed(Silence.GARBAGE if is_too_large else Silence.OVERLOADED)
        case openai.APIStatusError() if exc.status_code >= 500:
            return CallFailed(Silence.OVERLOADED, retry_after_s=_retry_after(exc))
        case openai.ContentFilterFinishReasonError():
            return CallFailed(Silence.REFUSED)
        case StructuredOutputError():
            return CallFailed(
                Silence.REFUSED if refusal_of(exc.ai_message) else Silence.GARBAGE, message=exc.ai_message
            )
        case _:
            return CallFailed(Silence.GARBAGE)


def refusal_of(message: AIMessage) -> bool:
    """Say whether the model declined."""
    return bool(message.additional_kwargs.get("refusal")) or finish_reason(message) == "content_filter"


def finish_reason(message: AIMessage) -> str:
    """Return why the model stopped writing, as the server says."""
    return plain_word(message.response_metadata.get("finish_reason"))


def plain_word(value: object) -> str:
    """Return a name that a server gave, short and without anything but a name's characters."""
    text = value if isinstance(value, str) else ""
    return "".join(c for c in text[:64] if c.isascii() and (c.isalnum() or c in "._:/@-"))


def _is_caused_by_size(exc: BaseException) -> bool:
    seen = exc.__cause__ or exc.__context__
    for _ in range(5):
        if seen is None or isinstance(seen, AnswerTooLarge):
            return seen is not None
        seen = seen.__cause__ or seen.__context__
    return False


def _retry_after(exc: openai.APIStatusError) -> float | None:
    """Return the seconds of `Retry-After`; a date or nonsense counts as none."""
    try:
        seconds = float(exc.response.headers.get("retry-after", ""))
    except ValueError:
        return None
    return seconds if 0 <= seconds < 3600 else None
