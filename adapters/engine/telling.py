"""Every activity's log lines bear the ids of its incident; a failed attempt is one line with its reason."""

import traceback
from pathlib import Path
from typing import Any

import structlog
from structlog.contextvars import bind_contextvars
from temporalio import activity
from temporalio.worker import ActivityInboundInterceptor, ExecuteActivityInput, Interceptor

from bot.app.world import World
from bot.domain.errors import HandrailError

log = structlog.get_logger()


class Telling(Interceptor):
    """Goes around each activity. The first argument of all of ours is an incident, the second a proposal."""

    def __init__(self, world: World) -> None:
        self._world = world

    def intercept_activity(self, next: ActivityInboundInterceptor) -> ActivityInboundInterceptor:  # noqa: A002
        return _Told(next, self._world)


class _Told(ActivityInboundInterceptor):
    def __init__(self, inner: ActivityInboundInterceptor, world: World) -> None:
        super().__init__(inner)
        self._world = world

    async def execute_activity(self, input: ExecuteActivityInput) -> Any:  # noqa: A002
        incident, *more = input.args
        # For the rest of the task, which is this attempt's own: what the engine says of it bears them too.
        if more:
            bind_contextvars(proposal_id=more[0])
        await self._world.stories.begin_with(incident, self._world.book)
        try:
            return await super().execute_activity(input)
        except Exception as exc:
            info = activity.info()
            log.warning(
                "activity_failed",
                activity=info.activity_type,
                attempt=info.attempt,
                error=type(exc).__name__,
                at=_place_of(exc),
                # Our own words only: another's text, or a trace, may quote what a neighbour said.
                why=str(exc) if isinstance(exc, HandrailError) else "",
            )
            raise


def _place_of(exc: Exception) -> str:
    frames = traceback.extract_tb(exc.__traceback__)
    return f"{Path(frames[-1].filename).name}:{frames[-1].lineno}" if frames else ""
