"""`python -m tests.bench.spanned_bot FILE`: `handrail run`, noting in FILE when its parts begin and end.

The product carries nothing for it: the methods are wrapped here, before the bot is made of them. FILE gets
one JSON array a span: its name, and when it began and ended, by `time.time`.
"""

import functools
import json
import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import IO, Any

from adapters import handlers
from adapters.cli.run import run
from adapters.engine import activities
from adapters.engine.client import TemporalWorkflows
from adapters.evidence.signals import ServiceSignals
from adapters.pagerduty.incidents import PagerDutyIncidents
from adapters.pagerduty.rest import RestApi
from adapters.runners.http import HttpRunner
from adapters.slack.chat import SlackChat
from adapters.slack.directory import SlackDirectory
from adapters.store.redis.inbox import RedisInbox
from adapters.store.redis.ledger import RedisChangeLedger
from adapters.store.sql.engine import SqlTransactions
from adapters.telemetry import TimedInbox
from bot.app import approve, investigate, remediate

_METHODS: tuple[tuple[Any, str, str], ...] = (
    (TimedInbox, "put", "queue: store"),
    (RedisInbox, "done", "queue: forget"),
    (handlers.Handlers, "event", "handle webhook"),
    (handlers.Handlers, "action", "handle press"),
    (TemporalWorkflows, "start", "engine: start"),
    (TemporalWorkflows, "wake", "engine: wake"),
    (activities, "investigate", "activity: investigate"),
    (activities, "show", "activity: show"),
    (activities, "run_step", "activity: run step"),
    (activities.Activities, "next_move", "activity: next move"),
    (investigate, "gather", "gather"),
    (investigate, "observe", "observe"),
    (investigate, "_think", "think: words and plan"),
    (investigate, "_offer", "propose"),
    (PagerDutyIncidents, "read", "PagerDuty: incident and alerts"),
    (PagerDutyIncidents, "on_call", "PagerDuty: on call"),
    (RestApi, "get", "PagerDuty: one GET"),
    (RedisChangeLedger, "between", "ledger: changes"),
    (ServiceSignals, "read", "signal: read"),
    (SlackDirectory, "person", "Slack: users.info"),
    (SlackDirectory, "by_email", "Slack: users.lookupByEmail"),
    (SlackChat, "post_card", "Slack: post card"),
    (SlackChat, "update_card", "Slack: edit card"),
    (SlackChat, "tell", "Slack: tell one person"),
    (approve, "who_and_whether", "who and whether"),
    (approve, "show", "show after press"),
    (activities, "show_at_once", "show at once"),
    (remediate, "_signal_before", "signal before"),
    (HttpRunner, "run", "step's request"),
)


def main(file: Path) -> None:
    with file.open("a", buffering=1) as notes:
        for owner, name, called in _METHODS:
            wrapped = getattr(owner, name)
            setattr(owner, name, _spanned(wrapped, notes, lambda *_, called=called: called))
        for name in ("read", "write"):
            wrapped = getattr(SqlTransactions, name)
            setattr(SqlTransactions, name, _spanned(wrapped, notes, functools.partial(_sql, name)))
        run()


def _spanned(
    call: Callable[..., Awaitable[Any]], notes: IO[str], name: Callable[..., str]
) -> Callable[..., Awaitable[Any]]:
    @functools.wraps(call)
    async def spanned(*args: Any, **named: Any) -> Any:
        begun = time.time()
        try:
            return await call(*args, **named)
        finally:
            notes.write(json.dumps((name(*args), begun, time.time())) + "\n")

    return spanned


def _sql(kind: str, _: SqlTransactions, work: Callable[..., object]) -> str:
    """Name the transaction after the method of the port that asked for it."""
    asked_by = work.__qualname__.removeprefix("Stored").split(".<locals>")[0]
    return f"SQL {kind}: {asked_by}"


if __name__ == "__main__":
    main(Path(sys.argv[1]))
