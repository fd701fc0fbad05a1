"""The ladder of endpoints that every answer of a model comes down, and what each request on it costs."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Final, TypeVar

import structlog
from langchain_core.messages import AIMessage
from tenacity import AsyncRetrying, RetryCallState, retry_if_exception, stop_after_attempt

from adapters.llm.breaker import Breaker
from adapters.llm.budget import DayBudget, Reservation
from adapters.llm.config import Endpoint, ModelConfig
from adapters.llm.failures import WORDS, CallFailed, failure_of
from adapters.llm.recording import Sent
from bot.domain.diagnosis import ModelCall, NoDiagnosis, Silence

log = structlog.get_logger()

ATTEMPTS: Final = 2

T = TypeVar("T")


@dataclass
class Descent:
    """One answer on its way down."""

    most: int
    """Calls that it may take."""
    ends_at: float
    """By the monotonic clock."""
    calls: list[ModelCall] = field(default_factory=list)

    @property
    def calls_left(self) -> int:
        return self.most - len(self.calls)


class Ladder:
    """The endpoints in their order, each with a breaker, within the budget of the day."""

    def __init__(
        self,
        config: ModelConfig,
        *,
        budget: DayBudget,
        monotonic: Callable[[], float],
        sleep: Callable[[float], Awaitable[None]],
    ) -> None:
        self._config = config
        self._budget = budget
        self._monotonic = monotonic
        self._sleep = sleep
        self._breakers = [Breaker(monotonic) for _ in config.endpoints]

    async def descend(
        self, *, within_s: float, most: int, ask: Callable[[Descent, int, Endpoint], Awaitable[T]]
    ) -> tuple[T, tuple[ModelCall, ...]] | NoDiagnosis:
        """Ask each endpoint in turn until one answers, in *most* calls; *ask* gets its index too."""
        seconds = min(self._config.deadline_s, within_s)
        descent = Descent(most, ends_at=self._monotonic() + seconds)
        reason = Silence.TIMEOUT
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                answer = await self._first_answer(descent, ask)
                if not isinstance(answer, Silence):
                    return answer, tuple(descent.calls)
                reason = answer
        log.warning("model_silent", reason=reason.value, calls=len(descent.calls))
        return NoDiagnosis(reason=reason, words=WORDS[reason], calls=tuple(descent.calls))

    async def _first_answer(
        self, descent: Descent, ask: Callable[[Descent, int, Endpoint], Awaitable[T]]
    ) -> T | Silence:
        """Return the first answer, or the last reason when there is none."""
        reason = Silence.BREAKER_OPEN
        for index, endpoint in enumerate(self._config.endpoints):
            if descent.calls_left <= 0:
                break
            if not self._breakers[index].admits():
                continue
            try:
                return await ask(descent, index, endpoint)
            except CallFailed as exc:
                reason = exc.reason
            finally:
                self._breakers[index].abandoned()
            if reason in (Silence.REFUSED, Silence.BUDGET):
                break
        return reason

    async def twice(self, descent: Descent, ask: Callable[[], Awaitable[T]]) -> T:
        """Ask, and once more when the server is only busy and there is time to wait as long as it asks.

        Raises:
            CallFailed: it came to nothing.
        """

        def is_worth_it(exc: BaseException) -> bool:
            if not isinstance(exc, CallFailed) or not exc.may_be_repeated or descent.calls_left <= 0:
                return False
            return self._monotonic() + exc.pause_s < descent.ends_at

        attempts = AsyncRetrying(
            stop=stop_after_attempt(ATTEMPTS),
            retry=retry_if_exception(is_worth_it),
            wait=lambda state: _failure(state).pause_s,
            sleep=self._sleep,
            reraise=True,
        )

        async def once() -> T:
            return await ask()

        return await attempts(once)

    async def metered(
        self,
        descent: Descent,
        index: int,
        sent: Sent,
        send: Callable[[], Awaitable[tuple[T, AIMessage | None]]],
    ) -> T:
        """Send one request within the budget; whatever comes of it is counted, and told to the breaker.

        Raises:
            CallFailed: it came to nothing, or may not be sent.
        """
        reserved = await self._reserved(sent.estimate)
        began = self._monotonic()
        try:
            return await self._answered(sent, self._breakers[index], send)
        finally:
            # Also when the deadline cancels us: a call that was sent is counted and recorded.
            call = sent.as_call(self._monotonic() - began, self._config.prices)
            descent.calls.append(call)
            await self._budget.settle(reserved, call.tokens_in + call.tokens_out)

    async def _reserved(self, estimate: int) -> Reservation:
        """Set the day's tokens aside for a request of *estimate* tokens, or refuse to send it."""
        if estimate <= self._config.input_tokens:
            reserved = await self._budget.reserve(estimate + self._config.output_tokens)
            if reserved is not None:
                return reserved
        raise CallFailed(Silence.BUDGET)

    async def _answered(
        self, sent: Sent, breaker: Breaker, send: Callable[[], Awaitable[tuple[T, AIMessage | None]]]
    ) -> T:
        try:
            async with asyncio.timeout(self._config.timeout_s):
                answer, message = await send()
        except (CallFailed, TimeoutError) as exc:
            sent.failure = failure_of(exc)
            if sent.failure.reason is Silence.REFUSED:
                breaker.succeeded()
            else:
                breaker.failed()
            raise sent.failure from exc
        sent.failure, sent.answer = None, message
        breaker.succeeded()
        return answer


def _failure(state: RetryCallState) -> CallFailed:
    exc = state.outcome.exception() if state.outcome else None
    return exc if isinstance(exc, CallFailed) else CallFailed(Silence.GARBAGE)
