"""The course of one life of an incident. It sequences and keeps time; the record decides.

The sandbox re-imports this module, so it imports nothing but the domain, and calls activities by name.
"""

import asyncio
from datetime import timedelta
from typing import Any, assert_never

from temporalio import workflow
from temporalio.common import RetryPolicy
from temporalio.exceptions import ActivityError

with workflow.unsafe.imports_passed_through():
    from bot.domain.course import (
        Await,
        Execute,
        Expire,
        Finish,
        Move,
        NextMove,
        Opening,
        Settle,
        Show,
        Verify,
        Withdraw,
    )
    from bot.domain.frozen import Frozen
    from bot.domain.ids import IncidentId

QUICK = timedelta(seconds=10)
HEARTBEAT = timedelta(seconds=5)  # The failover: a worker that died is replaced after this long.
MODEL = timedelta(seconds=25)
GRACE = timedelta(seconds=30)
WIND_UP = timedelta(seconds=60)
_RETRY = RetryPolicy(
    initial_interval=timedelta(milliseconds=200),
    backoff_coefficient=2,
    maximum_interval=timedelta(seconds=10),
)
_TWICE = RetryPolicy(maximum_attempts=2)


class Course(Frozen):
    """Which life of which incident."""

    incident: IncidentId
    life: int


@workflow.defn(name="incident")
class IncidentWorkflow:
    """Asks the record what comes next and has it done, until the incident is over."""

    def __init__(self) -> None:
        self._wakes = 0
        self._is_stale = False
        self._is_over = False

    @workflow.signal
    def wake(self, why: str = "") -> None:
        """The record has changed: look again. It decides nothing; *why* is there to be sealed, so that a
        stranger's signal, which is not, is refused."""
        self._wakes += 1

    @workflow.run
    async def run(self, course: Course) -> None:
        self._incident = course.incident
        beside = [asyncio.create_task(self._paint())]
        opening: Opening = await self._do("investigate", result_type=Opening)
        if opening is not False:
            if opening != "shown":
                await self._do("show")
            beside.append(asyncio.create_task(self._consult()))
        await self._follow()
        await self._do("wind_up", timeout=WIND_UP, heartbeat=HEARTBEAT)
        self._is_over = True
        await asyncio.gather(*beside)

    async def _follow(self) -> None:
        while True:
            seen = self._wakes
            answer = await self._next_move()
            if isinstance(answer.move, Finish):
                return
            if isinstance(answer.move, Await):
                await self._wait(answer.move, seen)
            else:
                await self._make(answer.move)
                self._is_stale = True

    async def _next_move(self) -> NextMove:
        """Ask the record. It only reads, so it runs within the workflow's own task: one trip to the engine
        and back less before every step, which a person who pressed a button waits for."""
        answer: NextMove = await workflow.execute_local_activity(
            "next_move",
            args=[self._incident],
            result_type=NextMove,
            start_to_close_timeout=QUICK,
            retry_policy=_RETRY,
        )
        return answer

    async def _make(self, move: Move) -> None:
        match move:
            case Show():
                await self._do("show")
            case Expire():
                await self._do("expire", move.proposal)
            case Withdraw():
                await self._do("withdraw", move.proposal, move.reason)
            case Settle():
                await self._do("settle", move.proposal, move.state, move.detail)
            case Execute():
                limit = timedelta(seconds=move.timeout_s) + GRACE
                await self._do("run_step", move.proposal, move.step_index, timeout=limit, heartbeat=HEARTBEAT)
            case Verify():
                limit = timedelta(seconds=move.timeout_s) + GRACE
                await self._do("verify", move.proposal, timeout=limit, heartbeat=HEARTBEAT)
                await self._do("wind_up", timeout=WIND_UP, heartbeat=HEARTBEAT)
            case Await() | Finish():
                raise ValueError(f"{move.kind} is not something to do")
            case _:
                assert_never(move)

    async def _wait(self, move: Await, seen: int) -> None:
        """Wait until the record changes or the time is up. The store's clock decides about expiry: a timer
        that fires a little early only asks again."""
        timeout = None
        if move.until is not None:
            timeout = max(move.until - workflow.now(), timedelta(milliseconds=100))
        try:
            await workflow.wait_condition(lambda: self._wakes != seen, timeout=timeout)
        except TimeoutError:
            return

    async def _paint(self) -> None:
        """Redraw the card beside the course: a silent Slack must not hold up an approved step."""
        while True:
            await workflow.wait_condition(lambda: self._is_stale or self._is_over)
            if not self._is_stale:
                return
            self._is_stale = False
            await self._do("show")

    async def _consult(self) -> None:
        """Let a model add its words; the card stood before and needs none of them."""
        try:
            has_spoken = await self._do(
                "consult", result_type=bool, timeout=MODEL, heartbeat=HEARTBEAT, retry=_TWICE
            )
        except ActivityError:
            return  # The activity has logged why; the rules' answer stands.
        self._is_stale = self._is_stale or has_spoken

    async def _do(
        self,
        name: str,
        *arguments: object,
        result_type: Any = None,
        timeout: timedelta = QUICK,
        heartbeat: timedelta | None = None,
        retry: RetryPolicy = _RETRY,
    ) -> Any:
        return await workflow.execute_activity(
            name,
            args=[self._incident, *arguments],
            result_type=result_type,
            start_to_close_timeout=timeout,
            heartbeat_timeout=heartbeat,
            retry_policy=retry,
        )
