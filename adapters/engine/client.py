"""The engine from the outside: start an incident's course, or wake it."""

from datetime import timedelta

from temporalio.client import Client
from temporalio.common import WorkflowIDConflictPolicy, WorkflowIDReusePolicy
from temporalio.exceptions import WorkflowAlreadyStartedError
from temporalio.service import RPCError

from adapters.engine.workflow import Course, IncidentWorkflow
from bot.domain.errors import Unavailable
from bot.domain.ids import IncidentId

TASK_QUEUE = "handrail"
CALL = timedelta(seconds=5)


class TemporalWorkflows:
    """Implements `Workflows`. One workflow id for each life of an incident, so that no course runs twice."""

    def __init__(self, client: Client) -> None:
        self._client = client

    async def start(self, incident: IncidentId, life: int) -> None:
        await self._start(Course(incident=incident, life=life), signal=None)

    async def wake(self, incident: IncidentId, life: int) -> None:
        await self._start(Course(incident=incident, life=life), signal="wake")

    async def _start(self, course: Course, *, signal: str | None) -> None:
        try:
            await self._client.start_workflow(
                IncidentWorkflow.run,
                course,
                id=f"incident-{course.incident}-{course.life}",
                task_queue=TASK_QUEUE,
                start_signal=signal,
                start_signal_args=["the record changed"] if signal else [],
                id_conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING,
                # One that a stranger here ended by force may begin again; one that came to its end may not.
                id_reuse_policy=WorkflowIDReusePolicy.ALLOW_DUPLICATE_FAILED_ONLY,
                # The answer then brings the first task with it; a start by signal has no such answer.
                request_eager_start=signal is None,
                rpc_timeout=CALL,
            )
        except WorkflowAlreadyStartedError:
            return  # This life has come to its end: what woke it is on record, and nothing is left to do.
        except RPCError as exc:
            raise Unavailable(f"the engine did not take {course.incident}: {exc.message}") from exc
