"""Steps of type `wait` and `verify`: they change nothing."""

import asyncio
from collections.abc import Awaitable, Callable

from adapters.runners.plain import PlainRunner
from bot.app.watching import watch
from bot.domain.execution import ApprovedStep, Result, StepOutcome
from bot.domain.plan import Check, Pause
from bot.ports import Clock, Signals

Sleep = Callable[[float], Awaitable[None]]


class PauseRunner(PlainRunner):
    """Implements `Runner` for `wait`."""

    def __init__(self, sleep: Sleep = asyncio.sleep) -> None:
        self._sleep = sleep

    async def run(self, step: ApprovedStep) -> StepOutcome:
        if not isinstance(step.action, Pause):
            raise TypeError(f"the wait runner was handed a step of type {step.action.type}")
        await self._sleep(step.action.seconds)
        return StepOutcome(result=Result.DONE, detail=f"waited {step.action.seconds} s")


class CheckRunner(PlainRunner):
    """Implements `Runner` for `verify` between other steps."""

    def __init__(self, signals: Signals, clock: Clock, sleep: Sleep = asyncio.sleep) -> None:
        self._signals = signals
        self._clock = clock
        self._sleep = sleep

    async def run(self, step: ApprovedStep) -> StepOutcome:
        if not isinstance(step.action, Check):
            raise TypeError(f"the verify runner was handed a step of type {step.action.type}")
        return await watch(self._signals, self._clock, step.action, sleep=self._sleep)
