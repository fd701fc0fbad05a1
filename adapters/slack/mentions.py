"""Commands where `/incident` does not reach: a mention of the bot, and the message shortcut."""

import html
import re
from collections.abc import Mapping

from adapters.slack.actions import Mentioned, ShortcutUsed, mapping_of, text_of
from bot.domain.ids import SlackUserId

MENTION = "app_mention"
_LONGEST_TEXT = 4_000  # Slack's own limit for a message that a person types.
_ESCAPED = re.compile(r"<(?:(https?://[^|>]*)|[#@!]([^|>]*))(?:\|([^>]*))?>")


def is_mention(body: Mapping[str, object]) -> bool:
    """Say whether *body* is the event of a message that mentions us."""
    event = body.get("event")
    return (
        body.get("type") == "event_callback" and isinstance(event, Mapping) and event.get("type") == MENTION
    )


def parse_mention(body: Mapping[str, object], *, bot_user: str) -> Mentioned | None:
    """Return what somebody said to us; None for what no person of our own workspace wrote.

    Raises:
        Invalid: a field is missing.
    """
    event = mapping_of(body, "event")
    if event.get("bot_id") or event.get("subtype") or not event.get("user"):
        return None  # Another bot, or ourselves: nobody waits for an answer, and two bots would never end.
    if _is_foreign(body, event):
        return None
    text, thread_ts = text_of(event, "text"), event.get("thread_ts")
    return Mentioned(
        event_id=text_of(body, "event_id"),
        text=_as_typed(text[:_LONGEST_TEXT], bot_user),
        user_id=SlackUserId(text_of(event, "user")),
        channel=text_of(event, "channel"),
        thread_ts=thread_ts if isinstance(thread_ts, str) and thread_ts else None,
    )


def parse_shortcut(body: Mapping[str, object]) -> ShortcutUsed:
    """Return on which message the shortcut was chosen.

    Raises:
        Invalid: a field is missing.
    """
    message = mapping_of(body, "message")
    root = message.get("thread_ts")
    return ShortcutUsed(
        user_id=SlackUserId(text_of(mapping_of(body, "user"), "id")),
        channel=text_of(mapping_of(body, "channel"), "id"),
        thread_ts=root if isinstance(root, str) and root else text_of(message, "ts"),
        trigger_id=text_of(body, "trigger_id"),
    )


def _is_foreign(body: Mapping[str, object], event: Mapping[str, object]) -> bool:
    """Say whether a person of another workspace wrote it, through a shared channel.

    Within an organisation the workspaces differ and the organisation is one; it was checked at the gate.
    """
    wrote = event.get("user_team") or event.get("team")
    return body.get("enterprise_id") is None and wrote is not None and wrote != body.get("team_id")


def _as_typed(text: str, bot_user: str) -> str:
    """Return *text* as it was typed, without the mention of us; links and names lose their marks."""
    ours = re.compile(rf"<@{re.escape(bot_user)}(?:\|[^>]*)?>")
    said = _ESCAPED.sub(lambda found: found[3] or found[1] or found[2] or "", ours.sub(" ", text))
    return html.unescape(said).strip()
