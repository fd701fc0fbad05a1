"""What a sandbox workspace is made of: people, channels, groups and one installed app."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

# What a bot of this kind asks for at installation; a test that wants less names its own.
DEFAULT_SCOPES = (
    "app_mentions:read",
    "bookmarks:read",
    "bookmarks:write",
    "channels:history",
    "channels:join",
    "channels:manage",
    "channels:read",
    "chat:write",
    "commands",
    "files:write",
    "groups:history",
    "groups:read",
    "groups:write",
    "im:history",
    "im:write",
    "pins:write",
    "reactions:write",
    "team:read",
    "usergroups:read",
    "users:read",
    "users:read.email",
)


@dataclass(frozen=True)
class SlackUser:
    """One member. *is_restricted* is a guest; another workspace's *team_id* is a Slack Connect user."""

    id: str
    name: str
    real_name: str
    email: str
    is_bot: bool = False
    is_restricted: bool = False
    deleted: bool = False
    team_id: str | None = None


@dataclass(frozen=True)
class SlackChannel:
    """One channel; *members* None means everybody of the workspace."""

    id: str
    name: str
    is_private: bool = False
    is_archived: bool = False
    bot_is_member: bool = True
    topic: str = ""
    creator: str = ""
    members: tuple[str, ...] | None = None


@dataclass(frozen=True)
class SlackUserGroup:
    """A mentionable group of people, such as an on-call rota."""

    id: str
    handle: str
    name: str
    users: tuple[str, ...]


@dataclass(frozen=True)
class SlackConfig:
    """The workspace, its people, and the credentials of the one app installed in it."""

    team_id: str
    team_name: str
    app_id: str
    bot_user_id: str
    bot_token: str
    app_token: str
    signing_secret: str
    users: tuple[SlackUser, ...]
    channels: tuple[SlackChannel, ...]
    bot_name: str = "app"
    usergroups: tuple[SlackUserGroup, ...] = ()
    scopes: tuple[str, ...] = DEFAULT_SCOPES
    commands: tuple[str, ...] = ("/incident",)
    shortcuts: Mapping[str, str] = field(
        default_factory=lambda: MappingProxyType({"handrail.commands": "Incident commands"})
    )
    """Message shortcuts: what a message's menu calls them, by callback id."""
    has_rate_limits: bool = True

    @property
    def team_domain(self) -> str:
        """The workspace's name as Slack writes it in addresses."""
        return "-".join(self.team_name.lower().split())

    @property
    def bot_id(self) -> str:
        """The id of the app's bot (B…), which is not its user id (U…)."""
        return f"B{self.bot_user_id[1:]}"

    @property
    def bot_user(self) -> SlackUser:
        """The app's own member."""
        return SlackUser(self.bot_user_id, self.bot_name.lower(), self.bot_name, "", is_bot=True)
