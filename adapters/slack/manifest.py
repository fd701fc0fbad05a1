"""The app's manifest for Slack, made from what the code uses."""

import json
from collections.abc import Mapping
from pathlib import Path

from adapters.slack.actions import COMMAND
from adapters.slack.api import SCOPES
from adapters.slack.app import PATH

FILE = Path(__file__).with_name("manifest.json")
_EXAMPLE = "https://handrail.example.com"


def bot_scopes() -> tuple[str, ...]:
    """Return the scopes that the bot needs, in alphabetical order, and no other."""
    return tuple(sorted({scope for scopes in SCOPES.values() for scope in scopes} | {"commands"}))


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
            "bot_user": {"display_name": "handrail", "always_online": True},
            "slash_commands": [
                {
                    "command": COMMAND,
                    "description": "Ask about incidents and changes",
                    "usage_hint": "status | context | changes | help",
                    "should_escape": False,
                    **url,
                }
            ],
        },
        "oauth_config": {"scopes": {"bot": list(bot_scopes())}},
        "settings": {
            "interactivity": {"is_enabled": True, **request_url},
            "org_deploy_enabled": False,
            "socket_mode_enabled": socket_mode,
            "token_rotation_enabled": False,
        },
    }


def manifest_text() -> str:
    """Return the manifest as it lies in `manifest.json`."""
    return json.dumps(manifest(), indent=2) + "\n"
