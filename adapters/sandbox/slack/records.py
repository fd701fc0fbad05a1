"""What the sandbox shows to its readers: messages, views, deliveries and calls, all frozen."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from .wire import JsonObject

DeliveryKind = Literal[
    "command", "block_actions", "message_action", "view_submission", "view_closed", "event"
]
Failure = Literal["operation_timeout", "dispatch_failed"]


@dataclass(frozen=True)
class Message:
    """One message as Slack stores it; *only_to* makes it an ephemeral one.

    *user* is the author (the app's bot user for its own), *blocks* are Block Kit objects with their ids
    filled in, *edited_at* is the ts of the last edit that shows as "edited", *streams_until* when Slack
    ends by itself what the app still writes (None: it is written), *revision* counts every change.
    """

    channel: str
    ts: str
    user: str
    text: str
    blocks: tuple[JsonObject, ...] = ()
    attachments: tuple[JsonObject, ...] = ()
    files: tuple[JsonObject, ...] = ()
    thread_ts: str | None = None
    broadcast: bool = False
    metadata: JsonObject | None = None
    reactions: tuple[tuple[str, str], ...] = ()
    edited_at: str | None = None
    only_to: str | None = None
    by_app: bool = False
    streams_until: float | None = None
    revision: int = 0

    @property
    def is_reply(self) -> bool:
        """Whether the message stands in a thread under another one."""
        return self.thread_ts is not None and self.thread_ts != self.ts

    def is_streaming(self, now: float) -> bool:
        """Whether the app may append to it, and must not edit it."""
        return self.streams_until is not None and now < self.streams_until

    @property
    def shown_text(self) -> str:
        """All text a person sees, one line per text object; the blocks replace *text* when there are any."""
        return "\n".join(texts_of(self.blocks)) if self.blocks else self.text

    @property
    def buttons(self) -> tuple[JsonObject, ...]:
        """Every interactive element of the blocks, with its `block_id`."""
        return tuple(elements_of(self.blocks))


@dataclass(frozen=True)
class View:
    """A modal or a home tab as it stands for one person; *payload* is Slack's view object.

    *errors* are (block_id, message) pairs that the app answered to the last attempt to send it.
    """

    id: str
    user: str
    payload: JsonObject
    errors: tuple[tuple[str, str], ...] = ()

    @property
    def title(self) -> str:
        """The words in the modal's bar."""
        return str(self.payload.get("title", {}).get("text", ""))

    @property
    def buttons(self) -> tuple[JsonObject, ...]:
        """Every interactive element of the blocks, with its `block_id`."""
        return tuple(elements_of(self.payload.get("blocks", [])))

    @property
    def shown_text(self) -> str:
        """All text of the view's blocks, one line per text object."""
        return "\n".join(texts_of(self.payload.get("blocks", [])))


@dataclass(frozen=True)
class Delivery:
    """One request to the app and its answer: *status* is 0 without one, 200 for an acknowledged envelope."""

    kind: DeliveryKind
    transport: Literal["http", "socket"]
    url: str
    headers: Mapping[str, str]
    body: bytes
    status: int
    response_text: str
    latency_s: float
    failure: Failure | None = None
    response_headers: Mapping[str, str] = field(default_factory=dict)

    @property
    def ok(self) -> bool:
        """Whether the bot took the delivery in time."""
        return self.failure is None


@dataclass(frozen=True)
class Call:
    """One Web API call: *args* without the token, *at* by the sandbox's clock, *error* None when granted."""

    method: str
    args: Mapping[str, Any]
    at: float
    error: str | None = None


def texts_of(blocks: object) -> Iterator[str]:
    """Yield every text that *blocks* show, in reading order."""
    if isinstance(blocks, dict):
        if isinstance(blocks.get("text"), str):
            yield blocks["text"]
        elif isinstance(blocks.get("alt_text"), str):
            yield blocks["alt_text"]
        for value in blocks.values():
            if isinstance(value, dict | list | tuple):
                yield from texts_of(value)
    elif isinstance(blocks, list | tuple):
        for item in blocks:
            yield from texts_of(item)


def elements_of(blocks: object) -> Iterator[JsonObject]:
    """Yield the interactive elements of *blocks* in reading order, each with the `block_id` it stands in."""
    if not isinstance(blocks, list | tuple):
        return
    for block in blocks:
        candidates = [block.get("accessory"), block.get("element")]
        if block["type"] == "actions":
            candidates += block["elements"]
        for element in candidates:
            if isinstance(element, dict) and element.get("action_id"):
                yield {**element, "block_id": block["block_id"]}
