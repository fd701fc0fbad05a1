"""One workspace and its app: the state behind every surface of the sandbox."""

import time
from collections.abc import Callable
from dataclasses import dataclass, replace

from .buckets import Buckets, NoBuckets
from .changes import Changes
from .errors import SandboxMisuseError, SlackRefusedError
from .faults import Faults
from .records import Call, Delivery
from .store import MessageStore, Timestamps
from .tickets import ResponseUrls, SocketTickets, Triggers
from .viewing import Views
from .wire import JsonObject
from .world import SlackChannel, SlackConfig, SlackUser


@dataclass(frozen=True)
class StoredFile:
    """An uploaded file; *content* is None until its bytes arrived."""

    id: str
    name: str
    length: int
    alt_text: str
    content: bytes | None = None


class Workspace:
    """Everything that stands in the workspace. Times are seconds of *clock*."""

    def __init__(self, config: SlackConfig, *, clock: Callable[[], float] = time.time) -> None:
        self.config = config
        self.clock = clock
        self.base_url = ""
        self.changes = Changes()
        self.messages = MessageStore(Timestamps(clock), self.changes)
        self.views = Views(
            self.messages,
            self.changes,
            team_id=config.team_id,
            app_id=config.app_id,
            bot_id=config.bot_id,
        )
        self.triggers = Triggers(clock)
        self.response_urls = ResponseUrls(clock)
        self.socket_tickets = SocketTickets(clock)
        self.buckets = Buckets(clock) if config.has_rate_limits else NoBuckets(clock)
        self.faults = Faults()
        self.calls: list[Call] = []
        self.deliveries: list[Delivery] = []
        self.files: dict[str, StoredFile] = {}
        self.pins: set[tuple[str, str]] = set()
        self.bookmarks: list[JsonObject] = []
        self._users = {user.id: user for user in (*config.users, config.bot_user)}
        self._channels = {channel.id: channel for channel in config.channels}

    @property
    def users(self) -> tuple[SlackUser, ...]:
        return tuple(self._users.values())

    @property
    def channels(self) -> tuple[SlackChannel, ...]:
        return tuple(self._channels.values())

    def person(self, user_id: str) -> SlackUser:
        """Return the member who acts in the client.

        Raises:
            SandboxMisuseError: nobody has this id.
        """
        if user_id not in self._users:
            raise SandboxMisuseError(f"Nobody in this workspace has the id {user_id!r}.")
        return self._users[user_id]

    def room(self, channel_id: str) -> SlackChannel:
        """Return the channel in which a person acts.

        Raises:
            SandboxMisuseError: no channel has this id.
        """
        if channel_id not in self._channels:
            raise SandboxMisuseError(f"No channel of this workspace has the id {channel_id!r}.")
        return self._channels[channel_id]

    def user(self, user_id: str | None, *, error: str = "user_not_found") -> SlackUser:
        """Return a member for a Web API call, or refuse with Slack's code."""
        if user_id is None or user_id not in self._users:
            raise SlackRefusedError(error)
        return self._users[user_id]

    def channel(self, channel_id: str | None) -> SlackChannel:
        """Return a channel that the app can see, or refuse with `channel_not_found`."""
        found = self._channels.get(channel_id or "")
        if found is None or (found.is_private and not found.bot_is_member):
            raise SlackRefusedError("channel_not_found")
        return found

    def joined_channel(self, channel_id: str | None) -> SlackChannel:
        """Return a channel that the app is a member of."""
        found = self.channel(channel_id)
        if not found.bot_is_member:
            raise SlackRefusedError("not_in_channel")
        return found

    def change_channel(
        self, channel: SlackChannel, *, topic: str | None = None, join: bool = False
    ) -> SlackChannel:
        """Set the topic, or let the app join."""
        changed = replace(
            channel,
            topic=channel.topic if topic is None else topic,
            bot_is_member=channel.bot_is_member or join,
        )
        self._channels[channel.id] = changed
        self.changes.touch()
        return changed

    def create_channel(self, name: str, *, is_private: bool) -> SlackChannel:
        """Make a channel of the app's own, with nobody else in it."""
        if any(channel.name == name for channel in self.channels):
            raise SlackRefusedError("name_taken")
        me = self.config.bot_user_id
        made = SlackChannel(
            f"C0MADE{len(self._channels):04d}", name, is_private=is_private, creator=me, members=(me,)
        )
        self._channels[made.id] = made
        self.changes.touch()
        return made

    def invite(self, channel: SlackChannel, users: tuple[str, ...]) -> SlackChannel:
        """Let *users* into the channel."""
        invited = replace(channel, members=(*self.members(channel), *users))
        self._channels[channel.id] = invited
        self.changes.touch()
        return invited

    def direct_channel(self, user: SlackUser) -> SlackChannel:
        """Return the app's conversation with *user*, opened when there was none."""
        channel_id = f"D{user.id[1:]}"
        if channel_id not in self._channels:
            self._channels[channel_id] = SlackChannel(
                channel_id, user.name, is_private=True, members=(user.id, self.config.bot_user_id)
            )
            self.changes.touch()
        return self._channels[channel_id]

    def members(self, channel: SlackChannel) -> tuple[str, ...]:
        """The ids of everybody in *channel*."""
        everybody = tuple(user.id for user in self.config.users if not user.deleted)
        app = (self.config.bot_user_id,) if channel.bot_is_member else ()
        return tuple(dict.fromkeys((channel.members if channel.members is not None else everybody) + app))

    def record_call(self, call: Call) -> None:
        self.calls.append(call)
        self.changes.touch()

    def record_delivery(self, delivery: Delivery) -> None:
        self.deliveries.append(delivery)
        self.changes.touch()
