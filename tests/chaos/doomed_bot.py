"""`python -m tests.chaos.doomed_bot FILE`: `handrail run`, which dies as from kill -9 where FILE says.

FILE holds the name of one boundary, or nothing. The bot that comes to it takes the name out and kills
itself. The product carries nothing for it: the methods are wrapped here, before the bot is made of them.
"""

import asyncio
import functools
import os
import signal
import sys
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

from adapters.cli.run import run
from adapters.engine import activities
from adapters.engine.client import TemporalWorkflows
from adapters.pagerduty.incidents import PagerDutyIncidents
from adapters.runners.http import HttpRunner
from adapters.slack.chat import SlackChat
from adapters.store.gate import StoredGate
from adapters.store.incident_book import StoredIncidentBook
from adapters.store.outbox import StoredOutbox
from adapters.store.redis.inbox import RedisInbox
from bot.domain.proposal import ProposalState
from bot.ports import Stream
from tests.scenarios.patient_bot import be_patient

DURING_S = 0.2
"""How long a call is left to work before the bot dies in it."""


@dataclass(frozen=True)
class Boundary:
    """A call, and whether the bot dies after or in the midst of it."""

    owner: Any
    method: str
    is_during: bool = False
    among: tuple[object, ...] = ()
    """Only a call that is given one of these; empty: any call."""


BOUNDARIES: Mapping[str, Boundary] = {
    "webhook stored, not answered": Boundary(RedisInbox, "put", among=(Stream.EVENTS,)),
    "incident seen, course not begun": Boundary(StoredIncidentBook, "see"),
    "course begun, webhook not forgotten": Boundary(TemporalWorkflows, "start"),
    "proposed, no card": Boundary(StoredGate, "propose"),
    "card posted, not offered": Boundary(SlackChat, "post_card"),
    "offered, course not told": Boundary(StoredGate, "offer"),
    "press stored, not answered": Boundary(RedisInbox, "put", among=(Stream.ACTIONS,)),
    "approved, course not woken": Boundary(StoredGate, "rule"),
    "claimed, no effect": Boundary(StoredGate, "claim"),
    "in the effect": Boundary(HttpRunner, "run", is_during=True),
    "effect, no end recorded": Boundary(HttpRunner, "run"),
    "end recorded, next step not asked for": Boundary(StoredGate, "finish"),
    "concluded, not verified": Boundary(StoredGate, "conclude", among=(ProposalState.DONE,)),
    "while it verifies": Boundary(activities, "verify", is_during=True),
    "verified, no summary": Boundary(StoredGate, "conclude", among=(ProposalState.VERIFIED,)),
    "summary claimed, not posted": Boundary(StoredOutbox, "claim"),
    "summary posted, not noted down": Boundary(SlackChat, "reply"),
    "note posted, not noted down": Boundary(PagerDutyIncidents, "add_note"),
}


def main(file: Path) -> None:
    by_call: dict[tuple[Any, str], dict[str, Boundary]] = {}
    for name, boundary in BOUNDARIES.items():
        by_call.setdefault((boundary.owner, boundary.method), {})[name] = boundary
    for (owner, method), named in by_call.items():
        setattr(owner, method, _doomed(getattr(owner, method), named, file))
    be_patient()
    run()


def _doomed(
    call: Callable[..., Awaitable[Any]], named: Mapping[str, Boundary], file: Path
) -> Callable[..., Awaitable[Any]]:
    @functools.wraps(call)
    async def doomed(*args: Any, **more: Any) -> Any:
        boundary = _told(named, file, args[1:])
        if boundary is None:
            return await call(*args, **more)
        if boundary.is_during:
            working = asyncio.ensure_future(call(*args, **more))
            await asyncio.wait([working], timeout=DURING_S)
        else:
            await call(*args, **more)
        return _die(file)

    return doomed


def _told(named: Mapping[str, Boundary], file: Path, arguments: Sequence[object]) -> Boundary | None:
    boundary = named.get(file.read_text())
    if boundary is None or (boundary.among and not any(each in boundary.among for each in arguments)):
        return None
    return boundary


def _die(file: Path) -> NoReturn:
    file.write_text("")
    os.kill(os.getpid(), signal.SIGKILL)
    raise AssertionError("a killed process does not come here")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
