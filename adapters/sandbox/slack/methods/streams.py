"""chat.startStream, .appendStream, .stopStream: a message in a thread that grows while it is written."""

from dataclasses import replace

from .. import limits
from ..arguments import Arguments
from ..errors import SlackRefusedError
from ..presenting import message_json
from ..records import Message
from ..wire import JsonObject
from ..workspace import Workspace
from .chat import posted_into, thread_of
from .content import content_of, metadata_of


def start(workspace: Workspace, args: Arguments) -> JsonObject:
    """chat.startStream: always in a thread; in a channel, one person is named who sees it grow."""
    channel = posted_into(workspace, args.required("channel"))
    thread_ts = thread_of(workspace, channel, args.required("thread_ts"))
    if not channel.id.startswith("D"):
        _check_recipient(workspace, args)
    text = _markdown(args)
    wait = workspace.buckets.take(("posting", channel.id), limits.POSTING)
    if wait is not None:
        raise SlackRefusedError("ratelimited", retry_after=wait)
    message = workspace.messages.add(
        Message(
            channel.id,
            "",
            workspace.config.bot_user_id,
            text,
            thread_ts=thread_ts,
            by_app=True,
            streams_until=workspace.clock() + limits.STREAM_S,
        )
    )
    return {"channel": channel.id, "ts": message.ts}


def append(workspace: Workspace, args: Arguments) -> JsonObject:
    """chat.appendStream."""
    message = _streaming(workspace, args)
    text = _markdown(args)
    if not text:
        raise SlackRefusedError("no_text")
    workspace.messages.replace(replace(message, text=message.text + text))
    return {"channel": message.channel, "ts": message.ts}


def stop(workspace: Workspace, args: Arguments) -> JsonObject:
    """chat.stopStream: the last text, blocks for its foot, and metadata, which only the end can carry."""
    message = _streaming(workspace, args)
    text = message.text + _markdown(args)
    foot = content_of(args, most_text=None).blocks if "blocks" in args.values else ()
    blocks = ({"type": "markdown", "text": text}, *foot) if foot else ()
    stopped = workspace.messages.replace(
        replace(message, text=text, blocks=blocks, metadata=metadata_of(args), streams_until=None)
    )
    shown = message_json(workspace, stopped, with_metadata=True)
    return {"channel": stopped.channel, "ts": stopped.ts, "message": shown}


def _check_recipient(workspace: Workspace, args: Arguments) -> None:
    if not args.text("recipient_team_id"):
        raise SlackRefusedError("missing_recipient_team_id")
    if not args.text("recipient_user_id"):
        raise SlackRefusedError("missing_recipient_user_id")
    workspace.user(args.text("recipient_user_id"))


def _streaming(workspace: Workspace, args: Arguments) -> Message:
    channel = workspace.channel(args.required("channel"))
    message = workspace.messages.get(channel.id, args.required("ts"))
    if not message.by_app:
        raise SlackRefusedError("message_not_owned_by_app")
    if not message.is_streaming(workspace.clock()):
        raise SlackRefusedError("message_not_in_streaming_state")
    return message


def _markdown(args: Arguments) -> str:
    text = args.text("markdown_text") or ""
    if len(text) > limits.MARKDOWN_TEXT:
        raise SlackRefusedError("msg_too_long")
    return text
