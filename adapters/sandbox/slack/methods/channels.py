"""conversations.*: channels, their members and what was said in them."""

import base64
import binascii
import re
from collections.abc import Sequence

from ..arguments import Arguments
from ..errors import SlackRefusedError
from ..presenting import channel_json, message_json
from ..records import Message
from ..wire import JsonObject
from ..workspace import Workspace


def info(workspace: Workspace, args: Arguments) -> JsonObject:
    """conversations.info."""
    return {"channel": channel_json(workspace, workspace.channel(args.text("channel")))}


def list_all(workspace: Workspace, args: Arguments) -> JsonObject:
    """conversations.list: public channels unless `types` names others."""
    types = set((args.text("types") or "public_channel").split(","))
    if not types <= {"public_channel", "private_channel", "mpim", "im"}:
        raise SlackRefusedError("invalid_types")
    hidden = args.flag("exclude_archived")
    seen = [
        channel
        for channel in workspace.channels
        if _type_of(channel.id, is_private=channel.is_private) in types
        and (not channel.is_private or channel.bot_is_member)
        and not (hidden and channel.is_archived)
    ]
    page, cursor = paged([channel_json(workspace, channel) for channel in seen], args)
    return {"channels": page, "response_metadata": {"next_cursor": cursor}}


def members(workspace: Workspace, args: Arguments) -> JsonObject:
    """conversations.members: ids of people."""
    page, cursor = paged(workspace.members(workspace.channel(args.text("channel"))), args)
    return {"members": page, "response_metadata": {"next_cursor": cursor}}


def join(workspace: Workspace, args: Arguments) -> JsonObject:
    """conversations.join: public channels only."""
    channel = workspace.channel(args.text("channel"))
    if channel.is_private:
        raise SlackRefusedError("method_not_supported_for_channel_type")
    if channel.is_archived:
        raise SlackRefusedError("is_archived")
    joined = workspace.change_channel(channel, join=True)
    return {"channel": channel_json(workspace, joined)}


def open_direct(workspace: Workspace, args: Arguments) -> JsonObject:
    """conversations.open: a direct conversation with one person."""
    users = args.required("users").split(",")
    if len(users) != 1:
        raise SlackRefusedError("not_enough_users")
    user = workspace.user(users[0])
    if user.deleted:
        raise SlackRefusedError("user_disabled")
    return {"channel": {"id": workspace.direct_channel(user).id}}


_CHANNEL_NAME = re.compile(r"[a-z0-9_\-]+")


def create(workspace: Workspace, args: Arguments) -> JsonObject:
    """conversations.create: lower case, digits, `-` and `_`, at most 80 characters."""
    name, is_private = args.text("name") or "", args.flag("is_private")
    if not name:
        raise SlackRefusedError("invalid_name_required")
    if len(name) > 80:
        raise SlackRefusedError("invalid_name_maxlength")
    if _CHANNEL_NAME.fullmatch(name) is None:
        raise SlackRefusedError("invalid_name_specials")
    if is_private and "groups:write" not in workspace.config.scopes:
        raise SlackRefusedError("missing_scope", needed="groups:write")
    return {"channel": channel_json(workspace, workspace.create_channel(name, is_private=is_private))}


def invite(workspace: Workspace, args: Arguments) -> JsonObject:
    """conversations.invite: people of the workspace who are not in the channel yet."""
    channel = workspace.joined_channel(args.text("channel"))
    users = tuple(args.required("users").split(","))
    if channel.is_archived:
        raise SlackRefusedError("is_archived")
    for user in users:
        if workspace.user(user).deleted:
            raise SlackRefusedError("user_not_found")
        if user == workspace.config.bot_user_id:
            raise SlackRefusedError("cant_invite_self")
        if user in workspace.members(channel):
            raise SlackRefusedError("already_in_channel")
    return {"channel": channel_json(workspace, workspace.invite(channel, users))}


def set_topic(workspace: Workspace, args: Arguments) -> JsonObject:
    """conversations.setTopic: at most 250 characters."""
    channel = workspace.joined_channel(args.text("channel"))
    topic = args.text("topic") or ""
    if channel.is_archived:
        raise SlackRefusedError("is_archived")
    if len(topic) > 250:
        raise SlackRefusedError("too_long")
    return {"channel": channel_json(workspace, workspace.change_channel(channel, topic=topic))}


def history(workspace: Workspace, args: Arguments) -> JsonObject:
    """conversations.history: newest first, replies only when they were broadcast."""
    channel = workspace.joined_channel(args.text("channel"))
    roots = [m for m in workspace.messages.in_channel(channel.id) if not m.is_reply or m.broadcast]
    return _messages(workspace, args, list(reversed(_between(roots, args))))


def replies(workspace: Workspace, args: Arguments) -> JsonObject:
    """conversations.replies: the root and its replies, oldest first."""
    channel = workspace.joined_channel(args.text("channel"))
    thread = workspace.messages.thread(channel.id, args.required("ts"))
    if not thread:
        raise SlackRefusedError("thread_not_found")
    return _messages(workspace, args, _between(thread, args))


def paged(items: Sequence[object], args: Arguments) -> tuple[list[object], str]:
    """Return one page of *items* by `cursor` and `limit`, and the next cursor ("" at the end)."""
    size = args.number("limit", default=100, least=1, most=999)
    start = _position(args.text("cursor"))
    end = start + size
    following = base64.b64encode(f"next:{end}".encode()).decode() if end < len(items) else ""
    return list(items[start:end]), following


def _position(cursor: str | None) -> int:
    if cursor is None:
        return 0
    try:
        word, _, position = base64.b64decode(cursor, validate=True).decode().partition(":")
        if word == "next":
            return int(position)
    except (binascii.Error, ValueError) as exc:
        raise SlackRefusedError("invalid_cursor") from exc
    raise SlackRefusedError("invalid_cursor")


def _type_of(channel_id: str, *, is_private: bool) -> str:
    if channel_id.startswith("D"):
        return "im"
    return "private_channel" if is_private else "public_channel"


def _between(messages: Sequence[Message], args: Arguments) -> list[Message]:
    oldest, latest = args.text("oldest") or "0", args.text("latest")
    inclusive = args.flag("inclusive")
    try:
        low, high = float(oldest), float(latest) if latest else float("inf")
    except ValueError as exc:
        raise SlackRefusedError("invalid_ts_oldest") from exc
    return [m for m in messages if low < float(m.ts) < high or (inclusive and m.ts in (oldest, latest))]


def _messages(workspace: Workspace, args: Arguments, messages: list[Message]) -> JsonObject:
    with_metadata = args.flag("include_all_metadata")
    shown = [message_json(workspace, m, with_metadata=with_metadata) for m in messages]
    page, cursor = paged(shown, args)
    return {
        "messages": page,
        "has_more": bool(cursor),
        "response_metadata": {"next_cursor": cursor},
    }
