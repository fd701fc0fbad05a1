"""The analyst behind a real model: a ladder of endpoints, each with a breaker, within one deadline.

It answers questions in words too, over the same endpoints, breakers and budget.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Final

import structlog
from tenacity import AsyncRetrying, RetryCallState, retry_if_exception, stop_after_attempt

from adapters.llm.asking import Asked, Asker
from adapters.llm.breaker import Breaker
from adapters.llm.budget import Caps, DayBudget, MemoryDayBudget, Reservation
from adapters.llm.config import Endpoint, ModelConfig
from adapters.llm.cost import estimated_tokens
from adapters.llm.failures import WORDS, CallFailed, failure_of
from adapters.llm.prompts import Prompt, Task, read_prompts
from adapters.llm.recording import Sent
from adapters.llm.responding import Responder
from adapters.llm.transport import model_client
from bot.domain.diagnosis import Diagnosis, Dossier, ModelCall, NoDiagnosis, Silence
from bot.domain.reply import Replied, WordsAsked
from bot.ports import LookingUp

log = structlog.get_logger()

ATTEMPTS: Final = 2


@dataclass
class _Run:
    """One dossier on its way down the ladder."""

    dossier: Dossier
    prompt: Prompt
    text: str
    task: Task
    ends_at: float
    """By the monotonic clock."""
    calls: list[ModelCall] = field(default_factory=list)

    @property
    def has_calls_left(self) -> bool:
        return len(self.calls) < self.dossier.max_calls


class LangchainAnalyst:
    """Implements `Analyst` and `Respondent`. Close it when the process ends."""

    def __init__(
        self,
        config: ModelConfig,
        *,
        budget: DayBudget | None = None,
        monotonic: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        """Read the prompts and prepare the clients; nothing is sent.

        Without a *budget* the day's caps are counted in this process alone.

        Raises:
            InvalidPrompts: the folder of prompts is not what its lock says.
        """
        self._config = config
        self._monotonic = monotonic
        self._sleep = sleep
        self._prompts = read_prompts(config.prompts, rank_version=config.prompt_version)
        self._client = model_client(config.timeout_s)
        self._slots = asyncio.Semaphore(config.concurrent)
        caps = Caps(tokens=config.daily_tokens, calls=config.daily_calls)
        self._budget: DayBudget = MemoryDayBudget(caps) if budget is None else budget
        self._breakers = {endpoint: Breaker(monotonic) for endpoint in range(len(config.endpoints))}
        self._askers: dict[tuple[int, Task], Asker] = {
            (index, task): Asker(config, endpoint, prompt, self._client)
            for index, endpoint in enumerate(config.endpoints)
            for task, prompt in self._prompts.items()
            if task is not Task.ANSWER
        }
        self._responder = Responder(
            config,
            self._prompts[Task.ANSWER],
            client=self._client,
            budget=self._budget,
            breakers=[self._breakers[index] for index in range(len(config.endpoints))],
            monotonic=monotonic,
            sleep=sleep,
        )

    async def aclose(self) -> None:
        await self._client.aclose()

    async def reply(self, asked: WordsAsked, look_up: LookingUp) -> Replied | NoDiagnosis:
        return await self._responder.reply(asked, look_up)

    async def diagnose(self, dossier: Dossier) -> Diagnosis | NoDiagnosis:
        task = Task.REPAIR if dossier.repair else Task.RANK
        prompt = self._prompts[task]
        text = prompt.render(dossier)
        seconds = min(self._config.deadline_s, dossier.within_s)
        ends_at = self._monotonic() + seconds
        run = _Run(dossier=dossier, prompt=prompt, text=text, task=task, ends_at=ends_at)
        reason = Silence.TIMEOUT
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                answer = await self._down_the_ladder(run)
                if isinstance(answer, Asked):
                    return Diagnosis(verdict=answer.verdict, calls=tuple(run.calls))
                reason = answer
        log.warning("model_silent", reason=reason.value, calls=len(run.calls))
        return NoDiagnosis(reason=reason, words=WORDS[reason], calls=tuple(run.calls))

    async def _down_the_ladder(self, run: _Run) -> Asked | Silence:
        """Ask each endpoint in turn until one answers; return the last reason when none does."""
        reason = Silence.BREAKER_OPEN
        for index, endpoint in enumerate(self._config.endpoints):
            if not run.has_calls_left:
                break
            if not self._breakers[index].admits():
                continue
            try:
                return await self._ask_twice(run, index, endpoint)
            except CallFailed as exc:
                reason = exc.reason
            finally:
                self._breakers[index].abandoned()
            if reason in (Silence.REFUSED, Silence.BUDGET):
                break
        return reason

    async def _ask_twice(self, run: _Run, index: int, endpoint: Endpoint) -> Asked:
        """Ask, and once more when the server is only busy and there is time to wait as long as it asks."""

        def is_worth_it(exc: BaseException) -> bool:
            if not isinstance(exc, CallFailed) or not exc.may_be_repeated or not run.has_calls_left:
                return False
            return self._monotonic() + exc.pause_s < run.ends_at

        attempts = AsyncRetrying(
            stop=stop_after_attempt(ATTEMPTS),
            retry=retry_if_exception(is_worth_it),
            wait=lambda state: _failure(state).pause_s,
            sleep=self._sleep,
            reraise=True,
        )
        return await attempts(self._ask, run, index, endpoint)

    async def _ask(self, run: _Run, index: int, endpoint: Endpoint) -> Asked:
        estimate = estimated_tokens(run.prompt.system, run.text)
        async with self._slots:
            reserved = await self._reserved(estimate)
            sent = Sent(
                endpoint=endpoint, prompt=run.prompt, input_sha256=run.dossier.input_sha256, estimate=estimate
            )
            began = self._monotonic()
            try:
                return await self._send(sent, index, run)
            finally:
                # Also when the deadline cancels us: a call that was sent is counted and recorded.
                call = sent.as_call(self._monotonic() - began, self._config.prices)
                run.calls.append(call)
                await self._budget.settle(reserved, call.tokens_in + call.tokens_out)

    async def _reserved(self, estimate: int) -> Reservation:
        """Set the day's tokens aside for a request of *estimate* tokens, or refuse to send it."""
        if estimate <= self._config.input_tokens:
            reserved = await self._budget.reserve(estimate + self._config.output_tokens)
            if reserved is not None:
                return reserved
        raise CallFailed(Silence.BUDGET)

    async def _send(self, sent: Sent, index: int, run: _Run) -> Asked:
        breaker = self._breakers[index]
        try:
            async with asyncio.timeout(self._config.timeout_s):
                asked = await self._askers[index, run.task].ask(run.text)
        except (CallFailed, TimeoutError) as exc:
            sent.failure = failure_of(exc)
            if sent.failure.reason is Silence.REFUSED:
                breaker.succeeded()
            else:
                breaker.failed()
            raise sent.failure from exc
        sent.failure, sent.answer = None, asked.message
        breaker.succeeded()
        return asked


def _failure(state: RetryCallState) -> CallFailed:
    exc = state.outcome.exception() if state.outcome else None
    return exc if isinstance(exc, CallFailed) else CallFailed(Silence.GARBAGE)
