"""The activities of the workflow: each hands its ids to one function of the application."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import structlog
from temporalio import activity

from bot.app.consult import consult
from bot.app.enclose import enclose
from bot.app.inform import inform
from bot.app.investigate import investigate
from bot.app.label import label_outcome
from bot.app.own_channel import open_own_channel
from bot.app.pager_fields import prioritise, tell_fields
from bot.app.pass_on import pass_on
from bot.app.remediate import run_step
from bot.app.report import resolve_if_recovered, summarise
from bot.app.show import show, show_at_once
from bot.app.undoing import propose_undo
from bot.app.verifying import verify
from bot.app.world import World
from bot.domain.course import NextMove, Opening, next_move
from bot.domain.errors import HandrailError, Tampered
from bot.domain.ids import IncidentId, ProposalId
from bot.domain.proposal import ProposalState
from bot.ports import Analyst

log = structlog.get_logger()

UNDECIDED = "nobody decided in time"
BEAT_S = 1.0  # Well under the heartbeat time-out, so that one lost beat is not taken for a death.


@dataclass(frozen=True)
class Activities:
    """What the workflow can have done, over one world."""

    world: World
    analyst: Analyst | None

    def all(self) -> Sequence[Callable[..., Any]]:
        """Return every activity, for the worker."""
        return (
            self.investigate,
            self.show,
            self.consult,
            self.next_move,
            self.expire,
            self.withdraw,
            self.settle,
            self.run_step,
            self.verify,
            self.wind_up,
        )

    @activity.defn(name="investigate")
    async def investigate(self, incident: IncidentId) -> Opening:
        if not await investigate(self.world, incident):
            return False
        # Within the same activity: the engine's way to the next one costs as much as the ranking.
        return "shown" if await show_at_once(self.world, incident) else True

    @activity.defn(name="show")
    async def show(self, incident: IncidentId) -> None:
        await show(self.world, incident)

    @activity.defn(name="consult")
    async def consult(self, incident: IncidentId) -> bool:
        async with _beating(), asyncio.TaskGroup() as group:
            # Beside the course as well: neither is waited for by anything.
            for aside in (open_own_channel, prioritise, inform):
                group.create_task(self._aside(aside, incident))
            return self.analyst is not None and await consult(self.world, self.analyst, incident)

    @activity.defn(name="next_move")
    async def next_move(self, incident: IncidentId) -> NextMove:
        found = await self.world.gate.on_record(incident)
        return NextMove(move=next_move(found.situation()))

    @activity.defn(name="expire")
    async def expire(self, incident: IncidentId, proposal: ProposalId) -> None:
        if await self.world.gate.withdraw(proposal, ProposalState.EXPIRED, UNDECIDED):
            self._tell_end(ProposalState.EXPIRED, UNDECIDED)

    @activity.defn(name="withdraw")
    async def withdraw(self, incident: IncidentId, proposal: ProposalId, reason: str) -> None:
        if await self.world.gate.withdraw(proposal, ProposalState.CANCELLED, reason):
            log.info("proposal_moved_on", state=ProposalState.CANCELLED.value, why=reason)

    @activity.defn(name="settle")
    async def settle(
        self, incident: IncidentId, proposal: ProposalId, state: ProposalState, detail: str
    ) -> None:
        await self.world.gate.conclude(proposal, state, detail)
        self._tell_end(state, detail)
        if state is ProposalState.FAILED:
            await propose_undo(self.world, proposal)

    @activity.defn(name="run_step")
    async def run_step(self, incident: IncidentId, proposal: ProposalId, step_index: int) -> None:
        async with _beating():
            await run_step(self.world, proposal, step_index)

    @activity.defn(name="verify")
    async def verify(self, incident: IncidentId, proposal: ProposalId) -> None:
        async with _beating():
            await verify(self.world, proposal)

    @activity.defn(name="wind_up")
    async def wind_up(self, incident: IncidentId) -> None:
        async with _beating():
            await label_outcome(self.world, incident)
            await inform(self.world, incident)  # First: the next three wait for a PagerDuty that is away.
            await summarise(self.world, incident)
            await pass_on(self.world, incident)
            await tell_fields(self.world, incident)
            await resolve_if_recovered(self.world, incident)
            await enclose(self.world, incident)

    async def _aside(
        self, doing: Callable[[World, IncidentId], Awaitable[None]], incident: IncidentId
    ) -> None:
        """Do it; a store that is away for a moment must not cancel the opinion that is asked for too."""
        try:
            await doing(self.world, incident)
        except Tampered:
            raise
        except HandrailError as exc:
            self.world.telemetry.degraded("what is done beside the model's opinion")
            log.warning("not_done_aside", what=doing.__name__, error=str(exc))

    def _tell_end(self, state: ProposalState, why: str) -> None:
        self.world.telemetry.outcome(state.value)
        log.info("proposal_moved_on", state=state.value, why=why)


@asynccontextmanager
async def _beating() -> AsyncIterator[None]:
    """Heartbeat while the body runs, so that the engine notices at once when this worker dies."""

    async def beat() -> None:
        while True:
            activity.heartbeat()
            await asyncio.sleep(BEAT_S)

    beats = asyncio.create_task(beat())
    try:
        yield
    finally:
        beats.cancel()
