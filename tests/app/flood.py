"""A storm of incidents at a bot whose Slack is a page in memory, in time that only passes by waiting."""

import asyncio
import json
from collections import Counter, deque
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from itertools import count

from structlog.testing import capture_logs

from adapters.background import paint_for_ever
from adapters.slack.api import Installation, Method, SlackApi
from adapters.slack.chat import SlackChat
from adapters.slack.pace import Pace
from bot.app.investigate import investigate
from bot.app.show import show
from bot.app.world import Manners
from bot.domain.course import Await, Finish
from bot.domain.errors import HandrailError, NotFound
from bot.domain.ids import IncidentId
from bot.domain.incident import Incident, IncidentEventKind
from bot.domain.merging import MergingRules
from tests.app.world import CHANNEL, Bot, a_bot, a_resolved, a_service
from tests.builders import NOW, an_incident

CALL_S = 0.05
"""How long Slack takes for one call."""
US = Installation(team_id="T0HANDRAIL", app_id="A0APP", bot_user_id="U0BOT", bot_id="B0BOT")
Fault = Callable[[float], Exception | None]


@dataclass
class Message:
    """One message as it stands, with the key that it was posted under."""

    channel: str
    ts: str
    thread_ts: str | None
    key: str
    shown: str


@dataclass(frozen=True)
class Sent:
    """A post or an edit that Slack took."""

    at: float
    channel: str
    ts: str
    is_edit: bool


class PageApi(SlackApi):
    """Slack as one page: it keeps what stands, and when each message came. *fault* says what fails when."""

    def __init__(self, fault: Fault | None = None) -> None:
        self.messages: dict[str, Message] = {}
        self.sent: list[Sent] = []
        self._fault = fault or (lambda at: None)
        self._numbers = count(1)

    async def write(self, method: Method, body: Mapping[str, object]) -> Mapping[str, object]:
        await self._answer()
        channel, shown = str(body["channel"]), f"{body['text']}\n{json.dumps(body['blocks'])}"
        if method is Method.UPDATE:
            ts = str(body["ts"])
            if ts not in self.messages:
                raise NotFound(f"There is no message {ts}.")
            self.messages[ts].shown = shown
        else:
            ts = f"1700000000.{next(self._numbers):06d}"
            thread, metadata = body.get("thread_ts"), body["metadata"]
            assert isinstance(metadata, dict)
            key = str(metadata["event_payload"]["key"])
            self.messages[ts] = Message(channel, ts, str(thread) if thread else None, key, shown)
        self.sent.append(Sent(asyncio.get_running_loop().time(), channel, ts, method is Method.UPDATE))
        return {"ok": True, "channel": channel, "ts": ts}

    async def read(self, method: Method, **arguments: str | int | bool) -> Mapping[str, object]:
        await self._answer()
        thread = arguments.get("ts") if method is Method.REPLIES else None
        found = [
            {
                "ts": one.ts,
                "user": US.bot_user_id,
                "metadata": {"event_type": "handrail", "event_payload": {"key": one.key}},
            }
            for one in reversed(self.messages.values())
            if one.channel == arguments["channel"] and one.thread_ts == thread
        ]
        return {"ok": True, "messages": found}

    def roots(self, channel: str = CHANNEL) -> Sequence[Message]:
        """Return what stands in *channel* outside threads, oldest first."""
        return [m for m in self.messages.values() if m.channel == channel and m.thread_ts is None]

    def fastest(self) -> int:
        """Return the most messages that one channel got within a second."""
        most = 0
        for channel in Counter(one.channel for one in self.sent):
            window: deque[float] = deque()
            for one in self.sent:
                if one.channel != channel:
                    continue
                window.append(one.at)
                while one.at - window[0] >= 1.0:
                    window.popleft()
                most = max(most, len(window))
        return most

    async def _answer(self) -> None:
        await asyncio.sleep(CALL_S)
        if (failure := self._fault(asyncio.get_running_loop().time())) is not None:
            raise failure


@dataclass
class Courses:
    """Plays the engine's part: what fails is tried again after 0.2 s, then ever later, up to 10 s."""

    bot: Bot | None = None
    begun: list[IncidentId] = field(default_factory=list)
    _woken: dict[IncidentId, asyncio.Event] = field(default_factory=dict)
    _tasks: list[asyncio.Task[None]] = field(default_factory=list)

    async def start(self, incident: IncidentId, life: int) -> None:
        if incident not in self._woken:
            self.begun.append(incident)
            self._woken[incident] = asyncio.Event()
            self._tasks.append(asyncio.create_task(self._course(incident)))

    async def wake(self, incident: IncidentId, life: int) -> None:
        await self.start(incident, life)
        self._woken[incident].set()

    async def end(self) -> None:
        for task in self._tasks:
            task.cancel()
        for ended in await asyncio.gather(*self._tasks, return_exceptions=True):
            if isinstance(ended, Exception):
                raise ended

    async def _course(self, incident: IncidentId) -> None:
        bot = self.bot
        assert bot is not None
        if await _insist(lambda: investigate(bot.world, incident)):
            await _insist(lambda: show(bot.world, incident))
        while True:
            move = await bot.next_move(incident)
            if isinstance(move, Finish):
                await _insist(lambda: bot.wind_up(incident), limit_s=60)
                return
            if isinstance(move, Await):
                await self._woken[incident].wait()
                self._woken[incident].clear()
            else:
                await bot.make(incident, move)
                await _insist(lambda: show(bot.world, incident))


async def _insist(work: Callable[[], Awaitable[object]], *, limit_s: float = 10) -> object:
    wait = 0.2
    while True:
        try:
            async with asyncio.timeout(limit_s):
                return await work()
        except (TimeoutError, HandrailError):
            await asyncio.sleep(wait)
            wait = min(2 * wait, 10.0)


@dataclass(frozen=True)
class Flood:
    """A bot in virtual time, and the page that people read."""

    bot: Bot
    api: PageApi
    courses: Courses

    async def page(self, incidents: int, *, services: int, within_s: float) -> None:
        """Hear of so many incidents, evenly over the time."""
        for number in range(incidents):
            await asyncio.sleep(within_s / incidents)
            incident = an_alert(number, services, self.bot.time.at)
            self.bot.pager.put(incident)
            await self._hear(incident, IncidentEventKind.TRIGGERED)

    async def resolve(self, incidents: int, *, services: int) -> None:
        """Hear that the first so many were resolved."""
        for number in range(incidents):
            over = a_resolved(an_alert(number, services, NOW))
            self.bot.pager.put(over)
            await self._hear(over, IncidentEventKind.RESOLVED)

    async def _hear(self, incident: Incident, kind: IncidentEventKind) -> None:
        await self.bot.hear(
            kind,
            incident.id,
            event_id=f"E{incident.id}{kind}",
            title=incident.title,
            pagerduty_service_id=incident.pagerduty_service_id,
            opened_at=incident.opened_at,
            occurred_at=incident.opened_at,
        )


def an_alert(number: int, services: int, at: datetime) -> Incident:
    service = f"service-{number % services}"
    made = an_incident(f"Q{number:05d}", service=service, title=f"{service} fails ({number})", opened_at=at)
    return made.model_copy(update={"pagerduty_service_id": f"P{service.upper()}"})


async def flooded(
    play: Callable[[Flood], Awaitable[None]], *, services: int, rooms: int = 0, fault: Fault | None = None
) -> Flood:
    """Play on a bot for *services*, in one channel or in *rooms*, and return it with what Slack was told."""
    named = {
        f"service-{n}": a_service(
            pagerduty=(f"PSERVICE-{n}",),
            names=(),
            playbooks=(),
            channel=f"C0ROOM{n % rooms}" if rooms else None,
        )
        for n in range(services)
    }
    usual = a_bot(
        incidents=(),
        changes=(),
        services=named,
        manners=Manners(
            default_channel=CHANNEL,
            approval_ttl=timedelta(minutes=15),
            merging=MergingRules(storm_channel=CHANNEL),
        ),
    )
    api, courses = PageApi(fault), Courses()
    chat = SlackChat(api, US, pace=Pace(monotonic=asyncio.get_running_loop().time))
    bot = replace(usual, world=replace(usual.world, chat=chat, workflows=courses))
    courses.bot = bot
    painting = asyncio.create_task(paint_for_ever(bot.world))
    ticking = asyncio.create_task(_tick(bot))
    try:
        flood = Flood(bot, api, courses)
        with capture_logs():  # Ten thousand lines that nobody reads take longer than the storm.
            await play(flood)
    finally:
        for task in (painting, ticking):
            task.cancel()
        await asyncio.gather(painting, ticking, return_exceptions=True)
        await courses.end()
        await chat.aclose()
    return flood


async def _tick(bot: Bot) -> None:
    """Let the store's time follow the loop's."""
    start, loop = bot.time.at, asyncio.get_running_loop()
    while True:
        bot.time.at = start + timedelta(seconds=loop.time())
        await asyncio.sleep(0.05)
