"""A loopback Slack that speaks the real wire protocol, with the real one's limits and error codes."""

from .errors import SandboxMisuseError
from .records import Call, Delivery, Message, View
from .server import SandboxSlack, running_slack
from .world import DEFAULT_SCOPES, SlackChannel, SlackConfig, SlackUser, SlackUserGroup

__all__ = [
    "DEFAULT_SCOPES",
    "Call",
    "Delivery",
    "Message",
    "SandboxMisuseError",
    "SandboxSlack",
    "SlackChannel",
    "SlackConfig",
    "SlackUser",
    "SlackUserGroup",
    "View",
    "running_slack",
]
