"""The worker that carries out workflows and activities in this process."""

import logging
import traceback
from datetime import timedelta
from importlib.metadata import version
from pathlib import Path

from temporalio.client import Client
from temporalio.worker import UnsandboxedWorkflowRunner, Worker

from adapters.engine.activities import Activities
from adapters.engine.client import TASK_QUEUE
from adapters.engine.telling import Telling
from adapters.engine.workflow import IncidentWorkflow

STICKY = timedelta(seconds=1)  # A dead worker's cached workflow is taken over after this long.
SHUTDOWN = timedelta(seconds=3)
MOST_CACHED = 100  # Each course in memory takes 130 KB; one that was put away is replayed when it is woken.
_FAILED = "Completing activity as failed"  # The SDK's words.


def incident_worker(client: Client, activities: Activities) -> Worker:
    """Return a worker for the incident workflow; run it with `async with`."""
    # The SDK logs with whole traces, which may quote what a neighbour said.
    logging.getLogger("temporalio.activity").addFilter(_is_news)
    return Worker(
        client,
        task_queue=TASK_QUEUE,
        workflows=[IncidentWorkflow],
        activities=activities.all(),
        interceptors=[Telling(activities.world)],
        # The sandbox costs each incident a copy of the workflow's modules, in time and in memory. The tests,
        # which replay recorded courses, keep it on and so prove what it guards.
        workflow_runner=UnsandboxedWorkflowRunner(),
        # Left out, it would be a digest of every module that is loaded, which takes 0.1 s.
        build_id=version("handrail"),
        sticky_queue_schedule_to_start_timeout=STICKY,
        graceful_shutdown_timeout=SHUTDOWN,
        max_concurrent_activities=100,
        max_cached_workflows=MOST_CACHED,
    )


def _is_news(record: logging.LogRecord) -> bool:
    """Leave out failed attempts, of which `Telling` tells more.

    Of other errors the kind and the place are kept; the rest of the trace is left out.
    """
    if record.msg == _FAILED:
        return False
    if record.exc_info is not None and record.exc_info[1] is not None:
        frames = traceback.extract_tb(record.exc_info[2])
        where = f" at {Path(frames[-1].filename).name}:{frames[-1].lineno}" if frames else ""
        record.msg = f"{record.getMessage()} ({type(record.exc_info[1]).__name__}{where})"
        record.args, record.exc_info, record.exc_text = None, None, None
    return True
