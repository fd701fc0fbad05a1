"""Slack's JSON for messages, people, channels and views."""

from .records import Message
from .wire import JsonObject
from .workspace import Workspace
from .world import SlackChannel, SlackUser


def message_json(workspace: Workspace, message: Message, *, with_metadata: bool = False) -> JsonObject:
    """Return *message* as Slack answers and delivers it."""
    config = workspace.config
    shown: JsonObject = {
        "type": "message",
        "user": message.user,
        "ts": message.ts,
        "text": message.text,
        "team": config.team_id,
    }
    if message.by_app:
        shown |= {"bot_id": config.bot_id, "app_id": config.app_id}
        shown["bot_profile"] = {
            "id": config.bot_id,
            "app_id": config.app_id,
            "name": config.bot_name,
            "team_id": config.team_id,
            "deleted": False,
        }
    if message.blocks:
        shown["blocks"] = list(message.blocks)
    if message.attachments:
        shown["attachments"] = list(message.attachments)
    if message.files:
        shown["files"] = list(message.files)
    if message.reactions:
        shown["reactions"] = _reactions(message)
    if message.edited_at:
        shown["edited"] = {"user": message.user, "ts": message.edited_at}
    if message.metadata is not None and with_metadata:
        shown["metadata"] = message.metadata
    return shown | _threading(workspace, message)


def _reactions(message: Message) -> list[JsonObject]:
    names = dict.fromkeys(name for name, _ in message.reactions)
    by_name = {name: [user for other, user in message.reactions if other == name] for name in names}
    return [{"name": name, "users": users, "count": len(users)} for name, users in by_name.items()]


def _threading(workspace: Workspace, message: Message) -> JsonObject:
    if message.is_reply:
        return {"thread_ts": message.thread_ts}
    replies = [m for m in workspace.messages.thread(message.channel, message.ts) if m.is_reply]
    if message.only_to or not replies:
        return {}
    return {
        "thread_ts": message.ts,
        "reply_count": len(replies),
        "reply_users": list(dict.fromkeys(reply.user for reply in replies)),
        "reply_users_count": len({reply.user for reply in replies}),
        "latest_reply": replies[-1].ts,
    }


def user_json(workspace: Workspace, user: SlackUser, *, with_email: bool) -> JsonObject:
    """Return *user* as users.info does; the address only to an app that may read addresses."""
    profile: JsonObject = {"real_name": user.real_name, "display_name": user.name}
    if with_email and user.email:
        profile["email"] = user.email
    team_id = user.team_id or workspace.config.team_id
    shown: JsonObject = {
        "id": user.id,
        "team_id": team_id,
        "name": user.name,
        "real_name": user.real_name,
        "deleted": user.deleted,
        "tz": "Etc/UTC",
        "tz_label": "Coordinated Universal Time",
        "tz_offset": 0,
        "profile": profile,
        "is_bot": user.is_bot,
        "is_restricted": user.is_restricted,
        "is_ultra_restricted": False,
        "is_stranger": team_id != workspace.config.team_id,
        "is_app_user": False,
    }
    return shown | {"is_admin": False, "is_owner": False}


def channel_json(workspace: Workspace, channel: SlackChannel) -> JsonObject:
    """Return *channel* as conversations.info does."""
    direct = channel.id.startswith("D")
    return {
        "id": channel.id,
        "name": channel.name,
        "name_normalized": channel.name,
        "is_channel": not direct,
        "is_im": direct,
        "is_private": channel.is_private,
        "is_archived": channel.is_archived,
        "creator": channel.creator,
        "is_member": channel.bot_is_member,
        "is_ext_shared": False,
        "topic": {"value": channel.topic, "creator": "", "last_set": 0},
        "num_members": len(workspace.members(channel)),
        "context_team_id": workspace.config.team_id,
    }
