"""Run the incident workflow over scripted activities and record its history.

`python -m tests.contracts.workflow_recording` writes the histories anew; do so only when a change of the
workflow is meant to break courses that are under way (then they restart from the record).
"""

import asyncio
import json
import sysconfig
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from temporalio import activity
from temporalio.client import Client, WorkflowHandle
from temporalio.testing import WorkflowEnvironment
from temporalio.worker import Worker

from adapters.engine.codec import data_converter
from adapters.engine.workflow import Course, IncidentWorkflow
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
from bot.domain.ids import IncidentId, ProposalId
from bot.domain.proposal import ProposalState

KEY = b"a key of the tests, 32 bytes....."[:32]
HISTORIES = Path(__file__).parent / "histories"
INCIDENT = IncidentId("QWORKFLOW00001")
PROPOSAL = ProposalId("QWORKFLOW00001-1")
PAST = datetime(2026, 1, 2, 3, 4, tzinfo=UTC)

COURSES: dict[str, Sequence[Move]] = {
    "recovered": (
        Show(proposal=PROPOSAL),
        Await(until=PAST),
        Execute(proposal=PROPOSAL, step_index=0, timeout_s=5),
        Settle(proposal=PROPOSAL, state=ProposalState.DONE, detail="all steps are done"),
        Verify(proposal=PROPOSAL, timeout_s=5),
        Await(until=PAST),
        Finish(),
    ),
    "expired": (Show(proposal=PROPOSAL), Await(until=PAST), Expire(proposal=PROPOSAL), Finish()),
    "resolved": (
        Show(proposal=PROPOSAL),
        Withdraw(proposal=PROPOSAL, reason="the incident was resolved"),
        Finish(),
    ),
    "shown_at_once": (Await(until=PAST), Expire(proposal=PROPOSAL), Finish()),
    "not_open": (Finish(),),
}

OPENINGS: dict[str, Opening] = {"not_open": False, "shown_at_once": "shown"}


@dataclass
class ScriptedActivities:
    """Gives the moves one after another, and notes what was done."""

    moves: deque[Move]
    opening: Opening = True
    done: list[str] = field(default_factory=list)

    @activity.defn(name="investigate")
    async def investigate(self, incident: IncidentId) -> Opening:
        self.done.append("investigate")
        return self.opening

    @activity.defn(name="show")
    async def show(self, incident: IncidentId) -> None:
        self.done.append("show")

    @activity.defn(name="consult")
    async def consult(self, incident: IncidentId) -> bool:
        self.done.append("consult")
        return False

    @activity.defn(name="next_move")
    async def next_move(self, incident: IncidentId) -> NextMove:
        return NextMove(move=self.moves.popleft())

    @activity.defn(name="expire")
    async def expire(self, incident: IncidentId, proposal: ProposalId) -> None:
        self.done.append("expire")

    @activity.defn(name="withdraw")
    async def withdraw(self, incident: IncidentId, proposal: ProposalId, reason: str) -> None:
        self.done.append("withdraw")

    @activity.defn(name="settle")
    async def settle(
        self, incident: IncidentId, proposal: ProposalId, state: ProposalState, detail: str
    ) -> None:
        self.done.append(f"settle {state.value}")

    @activity.defn(name="run_step")
    async def run_step(self, incident: IncidentId, proposal: ProposalId, step_index: int) -> None:
        self.done.append(f"run_step {step_index}")

    @activity.defn(name="verify")
    async def verify(self, incident: IncidentId, proposal: ProposalId) -> None:
        self.done.append("verify")

    @activity.defn(name="wind_up")
    async def wind_up(self, incident: IncidentId) -> None:
        self.done.append("wind_up")

    def worker(self, client: Client, queue: str) -> Worker:
        """Return a worker for the real workflow over these activities."""
        return Worker(
            client,
            task_queue=queue,
            workflows=[IncidentWorkflow],
            activities=[
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
            ],
        )


async def start_course(client: Client, name: str) -> tuple[ScriptedActivities, WorkflowHandle[object, None]]:
    """Run one course to its end; return what it did and its handle."""
    script = ScriptedActivities(deque(COURSES[name]), opening=OPENINGS.get(name, True))
    queue = f"recording-{name}"
    async with script.worker(client, queue):
        handle = await client.start_workflow(
            IncidentWorkflow.run, Course(incident=INCIDENT, life=1), id=f"recording-{name}", task_queue=queue
        )
        await asyncio.wait_for(handle.result(), timeout=60)
    return script, handle  # type: ignore[return-value] # The SDK's handle is typed by the workflow class.


def environment_for_tests() -> "asyncio.Future[WorkflowEnvironment]":
    """Start a Temporal of the tests' own, with the sealing data converter."""
    binary = Path(sysconfig.get_path("scripts")) / "temporal"
    return asyncio.ensure_future(
        WorkflowEnvironment.start_local(
            dev_server_existing_path=str(binary), data_converter=data_converter(KEY), ip="127.0.0.1"
        )
    )


async def _record() -> None:
    HISTORIES.mkdir(exist_ok=True)
    async with await environment_for_tests() as environment:
        for name in COURSES:
            _, handle = await start_course(environment.client, name)
            history = await handle.fetch_history()
            written = json.dumps(json.loads(history.to_json()), indent=1, sort_keys=True)
            (HISTORIES / f"{name}.json").write_text(written + "\n")


if __name__ == "__main__":
    asyncio.run(_record())
