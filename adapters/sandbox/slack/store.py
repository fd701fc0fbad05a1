"""What stands in the channels: messages, ephemeral ones, and their numbering."""

from collections.abc import Callable
from dataclasses import replace
from itertools import count

from .changes import Changes
from .errors import SlackRefusedError
from .records import Message
from .wire import JsonObject


class Timestamps:
    """Message ids "<epoch>.<6 digits>": unique, and growing even when the clock stands still or goes back."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._last = 0

    def next(self) -> str:
        self._last = max(int(self._clock() * 1_000_000), self._last + 1)
        return f"{self._last // 1_000_000}.{self._last % 1_000_000:06d}"


class MessageStore:
    """Messages by channel and ts, in the order in which they were posted."""

    def __init__(self, timestamps: Timestamps, changes: Changes) -> None:
        self._timestamps = timestamps
        self._changes = changes
        self._messages: dict[str, dict[str, Message]] = {}
        self._ephemerals: dict[str, dict[str, Message]] = {}
        self._block_ids = count(1)

    def add(self, draft: Message) -> Message:
        """Store *draft* under a new ts (its own is ignored) and return what was stored."""
        message = replace(draft, ts=self._timestamps.next(), blocks=self.with_ids(draft.blocks))
        shelf = self._ephemerals if message.only_to else self._messages
        shelf.setdefault(message.only_to or message.channel, {})[message.ts] = message
        self._changes.touch()
        return message

    def replace(self, message: Message) -> Message:
        """Put *message* in the place of the one with its ts."""
        changed = replace(message, blocks=self.with_ids(message.blocks), revision=message.revision + 1)
        shelf = self._ephemerals if message.only_to else self._messages
        shelf[message.only_to or message.channel][message.ts] = changed
        self._changes.touch()
        return changed

    def remove(self, message: Message) -> None:
        shelf = self._ephemerals if message.only_to else self._messages
        del shelf[message.only_to or message.channel][message.ts]
        self._changes.touch()

    def in_channel(self, channel: str) -> tuple[Message, ...]:
        """Every message of *channel*, replies among them, oldest first."""
        return tuple(self._messages.get(channel, {}).values())

    def thread(self, channel: str, ts: str) -> tuple[Message, ...]:
        """The root *ts* and its replies, oldest first."""
        return tuple(m for m in self.in_channel(channel) if ts in (m.ts, m.thread_ts))

    def for_person(self, user: str) -> tuple[Message, ...]:
        """The ephemeral messages that only *user* sees, oldest first."""
        return tuple(self._ephemerals.get(user, {}).values())

    def find(self, channel: str, ts: str) -> Message | None:
        return self._messages.get(channel, {}).get(ts)

    def get(self, channel: str, ts: str) -> Message:
        """Return the message, or refuse with Slack's `message_not_found`."""
        found = self.find(channel, ts)
        if found is None:
            raise SlackRefusedError("message_not_found")
        return found

    def find_ephemeral(self, user: str, ts: str) -> Message | None:
        return self._ephemerals.get(user, {}).get(ts)

    def next_ts(self) -> str:
        return self._timestamps.next()

    def with_ids(self, blocks: tuple[JsonObject, ...]) -> tuple[JsonObject, ...]:
        """Return *blocks* with the block and action ids that Slack fills in where the app gave none."""
        return tuple(self._block_with_ids(block) for block in blocks)

    def _block_with_ids(self, block: JsonObject) -> JsonObject:
        filled = {**block, "block_id": block.get("block_id") or self._new_id()}
        if block["type"] == "actions":
            filled["elements"] = [self._element_with_id(element) for element in block["elements"]]
        for name in ("accessory", "element"):
            if isinstance(block.get(name), dict):
                filled[name] = self._element_with_id(block[name])
        return filled

    def _element_with_id(self, element: JsonObject) -> JsonObject:
        if element["type"] == "image":
            return element
        return {**element, "action_id": element.get("action_id") or self._new_id()}

    def _new_id(self) -> str:
        return f"b{next(self._block_ids):04d}"
