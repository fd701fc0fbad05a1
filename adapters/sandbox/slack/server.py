"""The sandbox Slack as one object: its app to serve, its people to move, its channels to read."""

import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import TypeVar

from ..serving import serving
from . import limits
from .acting import Acting
from .answers import ResponseUrlEndpoint
from .control import Control
from .courier import Courier
from .events import Events
from .faults import Fault
from .records import Call, Delivery, DeliveryKind, Message, View
from .routes import build_app, lifespan_of
from .sockets import SocketMode
from .webapi import WebApi
from .wire import JsonObject
from .workspace import Workspace
from .world import SlackChannel, SlackConfig

T = TypeVar("T")


class SandboxSlack:
    """A workspace with one app, on loopback. Times are seconds of *clock*.

    Deliveries go to `request_url`, or over Socket Mode while the app holds a websocket open. *retry_delays*
    are the seconds before the second, third and fourth attempt at an event that the app did not take.
    """

    def __init__(
        self,
        config: SlackConfig,
        *,
        clock: Callable[[], float] = time.time,
        retry_delays: Sequence[float] = limits.EVENT_RETRY_DELAYS_S,
    ) -> None:
        self.config = config
        self._workspace = Workspace(config, clock=clock)
        self._sockets = SocketMode(self._workspace.socket_tickets, self._workspace.changes, config.app_id)
        self._courier = Courier(self._workspace, self._sockets)
        self._events = Events(self._workspace, self._courier, retry_delays)
        self._acting = Acting(self._workspace, self._courier, self._events)
        self.app = build_app(
            self._workspace,
            WebApi(self._workspace),
            ResponseUrlEndpoint(self._workspace),
            self._sockets,
            Control(self._workspace, self._acting),
            lifespan_of(self._events.aclose, self._courier.aclose),
        )

    @property
    def url(self) -> str:
        """The address of the sandbox: response addresses, uploads and permalinks begin with it."""
        return self._workspace.base_url

    @url.setter
    def url(self, address: str) -> None:
        self._workspace.base_url = address.rstrip("/")

    @property
    def api_url(self) -> str:
        """The base address for a Slack client ("http://127.0.0.1:PORT/api/")."""
        return f"{self.url}/api/"

    @property
    def request_url(self) -> str:
        """Where signed commands, interactions and events go."""
        return self._courier.request_url

    async def deliver_to(self, url: str) -> None:
        """Set the app's request URL."""
        self._courier.request_url = url

    async def press(
        self,
        user_id: str,
        channel: str,
        message_ts: str,
        action_id: str,
        *,
        value: str | None = None,
        block_id: str | None = None,
        repeat: int = 1,
        forged: bool = False,
    ) -> Delivery:
        """Press a button as *user_id*, *repeat* times at once; return the first delivery.

        A select takes *value* as its choice. *forged* sends the press whatever stands there, with any value.

        Raises:
            SandboxMisuseError: this person cannot press that.
        """
        return await self._acting.press(
            user_id,
            channel,
            message_ts,
            action_id,
            value=value,
            block_id=block_id,
            repeat=repeat,
            forged=forged,
        )

    async def command(self, user_id: str, channel: str, text: str, command: str = "/incident") -> Delivery:
        """Send a slash command; what the app answers is shown to the person."""
        return await self._acting.command(user_id, channel, text, command=command)

    async def shortcut(self, user_id: str, channel: str, message_ts: str, callback_id: str) -> Delivery:
        """Choose a message shortcut of the app, by its callback id, on a message."""
        return await self._acting.shortcut(user_id, channel, message_ts, callback_id)

    async def press_in_view(
        self,
        user_id: str,
        view_id: str,
        action_id: str,
        *,
        block_id: str | None = None,
        value: str | None = None,
    ) -> Delivery:
        """Press a button in the modal in front of *user_id*, or in their home tab."""
        return await self._acting.press_in_view(user_id, view_id, action_id, block_id=block_id, value=value)

    async def submit_view(self, user_id: str, view_id: str, values: Mapping[str, str]) -> Delivery:
        """Send the modal in front of *user_id*; *values* by block_id or action_id, options by their value."""
        return await self._acting.submit_view(user_id, view_id, values)

    async def close_view(self, user_id: str, view_id: str) -> Delivery | None:
        """Close the modal in front of *user_id* unsent."""
        return await self._acting.close_view(user_id, view_id)

    async def mention(self, user_id: str, channel: str, text: str, thread_ts: str | None = None) -> Delivery:
        """Post a message that mentions the app; return the first delivery of its event."""
        return await self._acting.mention(user_id, channel, text, thread_ts=thread_ts)

    async def say(self, user_id: str, channel: str, text: str, thread_ts: str | None = None) -> Message:
        """Post a plain message."""
        return await self._acting.say(user_id, channel, text, thread_ts=thread_ts)

    async def open_home(self, user_id: str) -> Delivery:
        """Open the app's home tab."""
        return await self._acting.open_home(user_id)

    async def deliver(self, kind: DeliveryKind, body: JsonObject) -> Delivery:
        """Send any *body* properly signed, as an attacker with the signing secret, or another app, would."""
        return await self._courier.deliver(kind, body)

    async def replay(self, delivery: Delivery) -> Delivery:
        """Send the same bytes again."""
        return await self._courier.replay(delivery)

    async def disconnect_sockets(self, reason: str = "refresh_requested") -> None:
        """Send every websocket away to come back, as Slack does every few hours."""
        await self._sockets.disconnect(reason)

    @property
    def socket_connections(self) -> int:
        """How many websockets the app holds open."""
        return self._sockets.connections

    def messages(self, channel: str) -> tuple[Message, ...]:
        """Every message of *channel*, replies among them, oldest first."""
        return self._workspace.messages.in_channel(channel)

    def thread(self, channel: str, ts: str) -> tuple[Message, ...]:
        """The root *ts* and its replies, oldest first."""
        return self._workspace.messages.thread(channel, ts)

    def ephemerals(self, user_id: str) -> tuple[Message, ...]:
        """What only *user_id* sees, oldest first."""
        return self._workspace.messages.for_person(user_id)

    @property
    def views(self) -> Mapping[str, View]:
        """The modal in front of each person."""
        return self._workspace.views.latest

    @property
    def homes(self) -> Mapping[str, View]:
        """The home tab of each person."""
        return self._workspace.views.homes

    @property
    def calls(self) -> tuple[Call, ...]:
        """Every Web API call so far."""
        return tuple(self._workspace.calls)

    @property
    def channels(self) -> tuple[SlackChannel, ...]:
        """Every channel as it is now, those that the app made among them."""
        return self._workspace.channels

    @property
    def bookmarks(self) -> tuple[JsonObject, ...]:
        """The links above all channels, oldest first."""
        return tuple(self._workspace.bookmarks)

    @property
    def deliveries(self) -> tuple[Delivery, ...]:
        """Every delivery to the app so far, retries and repeats among them."""
        return tuple(self._workspace.deliveries)

    async def wait_for(self, predicate: Callable[["SandboxSlack"], T | None], timeout: float = 60.0) -> T:
        """Return the first answer of *predicate* that is not None or False; it is asked after every change.

        Raises:
            TimeoutError: none came within *timeout* seconds; the message counts what is there.
        """
        try:
            return await self._workspace.changes.until(lambda: predicate(self), timeout)
        except TimeoutError as exc:
            raise TimeoutError(self._inventory(timeout)) from exc

    def fail(
        self,
        method: str,
        *,
        error: str | None = None,
        status: int = 200,
        retry_after: int = 1,
        times: int = 1,
        drop_answer: bool = False,
        delay: float = 0.0,
    ) -> None:
        """Let the next *times* calls of *method* ("*" for any) fail.

        After *delay* seconds: refuse with *error*; or answer 429 (*status* 429 or error "ratelimited", with
        *retry_after* seconds) or a 5xx; or with *drop_answer* do the work and lose the answer behind a 504.
        """
        fault = Fault(error, status, retry_after, drop_answer, delay)
        self._workspace.faults.order(method, fault, times)

    def heal(self) -> None:
        """Forget the failures still ordered."""
        self._workspace.faults.clear()

    def _inventory(self, timeout: float) -> str:
        posted = {c.name: len(self.messages(c.id)) for c in self._workspace.channels}
        last = [f"{call.method}:{call.error or 'ok'}" for call in self.calls[-8:]]
        return f"Not seen within {timeout} s. Messages: {posted}; last calls: {last}"


@asynccontextmanager
async def running_slack(
    config: SlackConfig,
    *,
    clock: Callable[[], float] = time.time,
    port: int = 0,
    retry_delays: Sequence[float] = limits.EVENT_RETRY_DELAYS_S,
) -> AsyncIterator[SandboxSlack]:
    """Serve a sandbox Slack on loopback for the length of the block; its address is `url`."""
    slack = SandboxSlack(config, clock=clock, retry_delays=retry_delays)
    async with serving(slack.app, port=port) as url:
        slack.url = url
        yield slack
