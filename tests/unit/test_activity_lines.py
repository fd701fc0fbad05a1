"""What the log says of the engine's activities: ids on every line, and one line for a failed attempt."""

import logging

import pytest
import structlog
from structlog.contextvars import get_contextvars, merge_contextvars
from structlog.typing import EventDict
from temporalio.testing import ActivityEnvironment
from temporalio.worker import ActivityInboundInterceptor, ExecuteActivityInput

from adapters.engine.telling import Telling
from adapters.engine.worker import _is_news
from bot.domain.errors import Unavailable
from tests.app.world import Bot, a_bot
from tests.builders import INCIDENT

PROPOSAL = f"{INCIDENT}-1"


class Inner(ActivityInboundInterceptor):
    """The activity itself: it keeps what is bound, and fails when it is told to."""

    def __init__(self, failure: Exception | None) -> None:
        self.failure = failure
        self.bound: dict[str, object] = {}

    async def execute_activity(self, input: ExecuteActivityInput) -> None:  # noqa: A002
        self.bound = dict(get_contextvars())
        if self.failure is not None:
            raise self.failure


async def run(bot: Bot, inner: Inner, *args: object) -> list[EventDict]:
    async def attempt() -> None:
        given = ExecuteActivityInput(fn=attempt, args=args, executor=None, headers={})
        await Telling(bot.world).intercept_activity(inner).execute_activity(given)

    with structlog.testing.capture_logs(processors=[merge_contextvars]) as lines:
        if inner.failure is None:
            await ActivityEnvironment().run(attempt)
        else:
            with pytest.raises(type(inner.failure)):
                await ActivityEnvironment().run(attempt)
    return [dict(line) for line in lines]


async def test_an_activity_runs_under_its_incidents_correlation_id() -> None:
    bot = a_bot()
    await bot.hear(event_id="01DELIVERY")
    inner = Inner(None)
    await run(bot, inner, INCIDENT, PROPOSAL)

    assert inner.bound == {
        "incident_id": INCIDENT,
        "correlation_id": "01DELIVERY",
        "proposal_id": PROPOSAL,
    }


@pytest.mark.parametrize(
    ("failure", "why"),
    [(Unavailable("PagerDuty did not answer"), "PagerDuty did not answer"), (ValueError("token=x"), "")],
)
async def test_a_failed_attempt_is_one_line_with_its_reason_and_ids(failure: Exception, why: str) -> None:
    bot = a_bot()
    await bot.hear(event_id="01DELIVERY")
    (line,) = await run(bot, Inner(failure), INCIDENT)

    assert line.pop("at").startswith("test_activity_lines.py:")
    assert line == {
        "event": "activity_failed",
        "log_level": "warning",
        "activity": "unknown",
        "attempt": 1,
        "error": type(failure).__name__,
        "why": why,
        "incident_id": INCIDENT,
        "correlation_id": "01DELIVERY",
    }


@pytest.mark.parametrize(
    ("words", "is_news"), [("Completing activity as failed", False), ("Failed completing task", True)]
)
def test_the_engines_own_line_of_a_failed_attempt_is_left_out(words: str, is_news: bool) -> None:
    record = logging.LogRecord("temporalio.activity", logging.WARNING, "a.py", 1, words, (), None)

    assert _is_news(record) is is_news
