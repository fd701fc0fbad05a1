"""The app's manifest for Slack, made from what the code uses."""

import json
from collections.abc import Mapping
from pathlib import Path

from adapters.slack.actions import COMMAND, SHORTCUT
from adapters.slack.api import OF_OWN_CHANNELS, SCOPES
from adapters.slack.app import PATH
from adapters.slack.home import HOME_OPENED
from adapters.slack.mentions import MENTION

FILE = Path(__file__).with_name("manifest.json")
EVENTS: Mapping[str, tuple[str, ...]] = {HOME_OPENED: (), MENTION: ("app_mentions:read",)}
"""The events that are listened to, each with the scopes that it needs."""
_EXAMPLE = "https://handrail.example.com"


def bot_scopes(*, own_channels: bool = True) -> tuple[str, ...]:
    """Return the scopes that the bot needs, in alphabetical order, and no other.

    Those for channels of single incidents are left out for a team without *own_channels*.
    """
    called = {m: scopes for m, scopes in SCOPES.items() if own_channels or m not in OF_OWN_CHANNELS}
    used = {scope for needs in (called, EVENTS) for scopes in needs.values() for scope in scopes}
    return tuple(sorted(used | {"commands"}))


def manifest(address: str = _EXAMPLE, *, socket_mode: bool = False) -> Mapping[str, object]:
    """Return the manifest for a bot that Slack reaches at *address*, or not at all in Socket Mode."""
    url = {} if socket_mode else {"url": f"{address.rstrip('/')}{PATH}"}
    request_url = {} if socket_mode else {"request_url": f"{address.rstrip('/')}{PATH}"}
    return {
        "display_information": {
            "name": "Handrail",
            "description": "Names the change behind an alert, and runs the fix once a person approved it.",
        },
        "features": {
            "app_home": {
                "home_tab_enabled": True,
                "messages_tab_enabled": True,
                "messages_tab_read_only_enabled": False,
            },
            "bot_user": {"display_name": "handrail", "always_online": True},
            "slash_commands": [
                {
                    "command": COMMAND,
                    "description": "Ask about incidents and changes",
                    "usage_hint": "status | context | changes | who | similar | help",
                    "should_escape": False,
                    **url,
                }
            ],
            "shortcuts": [
                {
                    "name": "Incident commands",
                    "type": "message",
                    "callback_id": SHORTCUT,
                    "description": "How the incident stands, and what can be asked in its thread",
                }
            ],
        },
        "oauth_config": {"scopes": {"bot": list(bot_scopes())}},
        "settings": {
            "event_subscriptions": {**request_url, "bot_events": list(EVENTS)},
            "interactivity": {"is_enabled": True, **request_url},
            "org_deploy_enabled": False,
            "socket_mode_enabled": socket_mode,
            "token_rotation_enabled": False,
        },
    }


def manifest_text() -> str:
    """Return the manifest as it lies in `manifest.json`."""
    return json.dumps(manifest(), indent=2) + "\n"
