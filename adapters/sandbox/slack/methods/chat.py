"""chat.*: post, edit, delete, and point at messages."""

from dataclasses import replace

from .. import limits
from ..arguments import Arguments
from ..errors import SlackRefusedError
from ..presenting import message_json
from ..records import Message
from ..wire import JsonObject
from ..workspace import Workspace
from ..world import SlackChannel
from .content import content_of


def post(workspace: Workspace, args: Arguments) -> JsonObject:
    """chat.postMessage."""
    channel = posted_into(workspace, args.required("channel"))
    content = content_of(args, most_text=None)
    thread_ts = thread_of(workspace, channel, args.text("thread_ts"))
    wait = workspace.buckets.take(("posting", channel.id), limits.POSTING)
    if wait is not None:
        raise SlackRefusedError("ratelimited", retry_after=wait)
    message = workspace.messages.add(
        Message(
            channel.id,
            "",
            workspace.config.bot_user_id,
            content.text,
            content.blocks,
            content.attachments,
            thread_ts=thread_ts,
            broadcast=args.flag("reply_broadcast"),
            metadata=content.metadata,
            by_app=True,
        )
    )
    shown = message_json(workspace, message, with_metadata=True)
    return {"channel": channel.id, "ts": message.ts, "message": shown}


def update(workspace: Workspace, args: Arguments) -> JsonObject:
    """chat.update: text without blocks removes the blocks, blocks leave no "edited" mark."""
    channel = workspace.channel(args.required("channel"))
    message = workspace.messages.get(channel.id, args.required("ts"))
    if not message.by_app:
        raise SlackRefusedError("cant_update_message")
    if message.is_streaming(workspace.clock()):
        raise SlackRefusedError("streaming_state_conflict")
    content = content_of(args, most_text=limits.EDITED_TEXT)
    changed = workspace.messages.replace(
        replace(
            message,
            text=content.text,
            blocks=content.blocks,
            attachments=content.attachments,
            metadata=content.metadata if "metadata" in args.values else message.metadata,
            streams_until=None,
            edited_at=message.edited_at if content.blocks else workspace.messages.next_ts(),
        )
    )
    return {
        "channel": channel.id,
        "ts": changed.ts,
        "text": changed.text,
        "message": message_json(workspace, changed),
    }


def delete(workspace: Workspace, args: Arguments) -> JsonObject:
    """chat.delete: an app deletes only its own messages."""
    channel = workspace.channel(args.required("channel"))
    message = workspace.messages.get(channel.id, args.required("ts"))
    if not message.by_app or message.is_streaming(workspace.clock()):
        raise SlackRefusedError("cant_delete_message")
    workspace.messages.remove(message)
    return {"channel": channel.id, "ts": message.ts}


def post_ephemeral(workspace: Workspace, args: Arguments) -> JsonObject:
    """chat.postEphemeral: only one person sees it, and it cannot be edited afterwards."""
    channel = posted_into(workspace, args.required("channel"))
    user = workspace.user(args.text("user"))
    if user.id not in workspace.members(channel):
        raise SlackRefusedError("user_not_in_channel")
    content = content_of(args, most_text=limits.EDITED_TEXT)
    message = workspace.messages.add(
        Message(
            channel.id,
            "",
            workspace.config.bot_user_id,
            content.text,
            content.blocks,
            content.attachments,
            thread_ts=args.text("thread_ts"),
            only_to=user.id,
            by_app=True,
        )
    )
    return {"message_ts": message.ts}


def permalink(workspace: Workspace, args: Arguments) -> JsonObject:
    """chat.getPermalink: an address that opens the message on the sandbox's page."""
    channel = workspace.channel(args.required("channel"))
    message = workspace.messages.get(channel.id, args.required("message_ts"))
    path = f"/archives/{channel.id}/p{message.ts.replace('.', '')}"
    if message.is_reply:
        path += f"?thread_ts={message.thread_ts}&cid={channel.id}"
    return {"channel": channel.id, "permalink": f"{workspace.base_url}{path}"}


def posted_into(workspace: Workspace, target: str) -> SlackChannel:
    """Return the channel that is posted into, or refuse."""
    if target.startswith(("U", "W")):
        return workspace.direct_channel(workspace.user(target, error="channel_not_found"))
    channel = workspace.channel(target)
    if channel.is_archived:
        raise SlackRefusedError("is_archived")
    if channel.bot_is_member or "chat:write.public" in workspace.config.scopes:
        return channel
    raise SlackRefusedError("not_in_channel")


def thread_of(workspace: Workspace, channel: SlackChannel, thread_ts: str | None) -> str | None:
    """Return the root that is replied to, or refuse."""
    if thread_ts is None:
        return None
    root = workspace.messages.find(channel.id, thread_ts)
    if root is None:
        raise SlackRefusedError("thread_not_found")
    if root.is_reply:
        raise SlackRefusedError("cannot_reply_to_message")
    return thread_ts
