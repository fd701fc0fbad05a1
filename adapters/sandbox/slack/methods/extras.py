"""Reactions, pins, bookmarks, and the door to Socket Mode."""

from dataclasses import replace

from ..arguments import Arguments
from ..errors import SlackRefusedError
from ..wire import JsonObject
from ..workspace import Workspace


def add_reaction(workspace: Workspace, args: Arguments) -> JsonObject:
    """reactions.add: one emoji of one member once."""
    channel = workspace.joined_channel(args.required("channel"))
    message = workspace.messages.get(channel.id, args.required("timestamp"))
    reaction = (args.required("name").strip(":"), workspace.config.bot_user_id)
    if reaction in message.reactions:
        raise SlackRefusedError("already_reacted")
    workspace.messages.replace(replace(message, reactions=(*message.reactions, reaction)))
    return {}


def add_pin(workspace: Workspace, args: Arguments) -> JsonObject:
    """pins.add: one message of a channel."""
    channel = workspace.joined_channel(args.required("channel"))
    message = workspace.messages.get(channel.id, args.required("timestamp"))
    if (channel.id, message.ts) in workspace.pins:
        raise SlackRefusedError("already_pinned")
    workspace.pins.add((channel.id, message.ts))
    workspace.changes.touch()
    return {}


def add_bookmark(workspace: Workspace, args: Arguments) -> JsonObject:
    """bookmarks.add: a link above a channel."""
    channel = workspace.joined_channel(args.required("channel_id"))
    title, kind = args.required("title"), args.required("type")
    link = args.text("link")
    if kind != "link":
        raise SlackRefusedError("invalid_bookmark_type")
    if link is None or not link.startswith(("https://", "http://")):
        raise SlackRefusedError("invalid_link")
    bookmark: JsonObject = {
        "id": f"Bk{len(workspace.bookmarks) + 1:08d}",
        "channel_id": channel.id,
        "title": title,
        "link": link,
        "type": kind,
    }
    workspace.bookmarks.append(bookmark)
    workspace.changes.touch()
    return {"bookmark": bookmark}


def list_bookmarks(workspace: Workspace, args: Arguments) -> JsonObject:
    """bookmarks.list: the links above a channel, oldest first."""
    channel = workspace.joined_channel(args.required("channel_id"))
    return {"bookmarks": [one for one in workspace.bookmarks if one["channel_id"] == channel.id]}


def open_connection(workspace: Workspace, args: Arguments) -> JsonObject:
    """apps.connections.open: an address for one websocket, good for half a minute."""
    ticket = workspace.socket_tickets.issue()
    address = workspace.base_url.replace("http", "ws", 1)
    return {"url": f"{address}/link?ticket={ticket}&app_id={workspace.config.app_id}"}
