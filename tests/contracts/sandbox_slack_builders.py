"""A small workspace for the tests of the sandbox Slack, and the messages they post there."""

from typing import Any

from slack_sdk.web.async_client import AsyncWebClient

from adapters.sandbox.slack import SandboxSlack, SlackChannel, SlackConfig, SlackUser, SlackUserGroup

ALICE, BOB, GUEST, GONE = "U0ALICE", "U0BOB", "U0GUEST", "U0GONE"
INCIDENTS, CLOSED_ROOM, OTHERS = "C0INCIDENTS", "C0SECRET", "C0OTHERS"
BOT = "U0BOT"

PEOPLE = (
    SlackUser(ALICE, "alice", "Alice Adler", "alice@example.com"),
    SlackUser(BOB, "bob", "Bob Baum", "bob@example.com"),
    SlackUser(GUEST, "guest", "Gus Guest", "gus@partner.example", is_restricted=True),
    SlackUser(GONE, "gone", "Gone Girl", "gone@example.com", deleted=True),
)


def a_workspace(**changes: Any) -> SlackConfig:
    """A workspace with four people, three channels and one app."""
    values: dict[str, Any] = {
        "team_id": "T0SANDBOX",
        "team_name": "Sandbox Works",
        "app_id": "A0APP",
        "bot_user_id": BOT,
        "bot_token": "xoxb-sandbox",
        "app_token": "xapp-sandbox",
        "signing_secret": "sandbox-signing-secret",
        "users": PEOPLE,
        "channels": (
            SlackChannel(INCIDENTS, "incidents"),
            SlackChannel(OTHERS, "others", bot_is_member=False),
            SlackChannel(CLOSED_ROOM, "secret", is_private=True, bot_is_member=False),
        ),
        "usergroups": (SlackUserGroup("S0ONCALL", "oncall", "On call", (ALICE, BOB)),),
        "bot_name": "Testbot",
    }
    return SlackConfig(**(values | changes))


def a_client(slack: SandboxSlack, token: str | None = None) -> AsyncWebClient:
    """Slack's own client for Python, with the app's token, retrying nothing."""
    return AsyncWebClient(
        token=token or slack.config.bot_token, base_url=slack.api_url, retry_handlers=[], timeout=60
    )


def a_section(text: str = "*checkout* is failing") -> dict[str, Any]:
    return {"type": "section", "text": {"type": "mrkdwn", "text": text}}


def a_button(action_id: str = "approve", label: str = "Approve", **changes: Any) -> dict[str, Any]:
    return {
        "type": "button",
        "action_id": action_id,
        "text": {"type": "plain_text", "text": label},
        "value": f"{action_id}-1",
        **changes,
    }


def actions(*elements: dict[str, Any], block_id: str = "decision") -> dict[str, Any]:
    return {"type": "actions", "block_id": block_id, "elements": list(elements)}


def a_card() -> list[dict[str, Any]]:
    """A section and two buttons."""
    return [a_section(), actions(a_button("approve", "Approve", style="primary"), a_button("deny", "Deny"))]


def a_modal(*blocks: dict[str, Any], **changes: Any) -> dict[str, Any]:
    """A modal with one text field, unless other *blocks* are given."""
    field = {
        "type": "input",
        "block_id": "reason",
        "label": {"type": "plain_text", "text": "Why?"},
        "element": {"type": "plain_text_input", "action_id": "reason_text"},
    }
    return {
        "type": "modal",
        "callback_id": "confirm",
        "title": {"type": "plain_text", "text": "Confirm"},
        "submit": {"type": "plain_text", "text": "Send"},
        "blocks": list(blocks) or [field],
        **changes,
    }


class ManualClock:
    """Seconds since the epoch that move only when told."""

    def __init__(self, now: float = 1_800_000_000.0) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now

    def advance(self, seconds: float) -> None:
        self.now += seconds
