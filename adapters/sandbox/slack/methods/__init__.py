"""The Web API's methods: what each does, which scope it needs, how often it may be called."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

from .. import limits
from ..arguments import Arguments
from ..limits import Rate
from ..wire import JsonObject
from ..workspace import Workspace
from . import channels, chat, extras, files, people, streams, views


@dataclass(frozen=True)
class Method:
    """One method. *scope* None needs none; *token* says which kind of token it takes."""

    run: Callable[[Workspace, Arguments], JsonObject]
    scope: str | None
    rate: Rate
    token: Literal["bot", "app", "none"] = "bot"


METHODS: Mapping[str, Method] = MappingProxyType(
    {
        "api.test": Method(people.api_test, None, limits.SPECIAL, "none"),
        "apps.connections.open": Method(extras.open_connection, None, limits.TIER_1, "app"),
        "auth.test": Method(people.auth_test, None, limits.SPECIAL),
        "blocks.validate": Method(views.validate, None, limits.SPECIAL),
        "bookmarks.add": Method(extras.add_bookmark, "bookmarks:write", limits.TIER_2),
        "bookmarks.list": Method(extras.list_bookmarks, "bookmarks:read", limits.TIER_3),
        "chat.appendStream": Method(streams.append, "chat:write", limits.TIER_4),
        "chat.delete": Method(chat.delete, "chat:write", limits.TIER_3),
        "chat.getPermalink": Method(chat.permalink, None, limits.SPECIAL),
        "chat.postEphemeral": Method(chat.post_ephemeral, "chat:write", limits.TIER_4),
        "chat.postMessage": Method(chat.post, "chat:write", limits.SPECIAL),
        "chat.startStream": Method(streams.start, "chat:write", limits.TIER_2),
        "chat.stopStream": Method(streams.stop, "chat:write", limits.TIER_2),
        "chat.update": Method(chat.update, "chat:write", limits.TIER_3),
        "conversations.create": Method(channels.create, "channels:manage", limits.TIER_2),
        "conversations.history": Method(channels.history, "channels:history", limits.TIER_3),
        "conversations.info": Method(channels.info, "channels:read", limits.TIER_3),
        "conversations.invite": Method(channels.invite, "channels:manage", limits.TIER_3),
        "conversations.join": Method(channels.join, "channels:join", limits.TIER_3),
        "conversations.list": Method(channels.list_all, "channels:read", limits.TIER_2),
        "conversations.members": Method(channels.members, "channels:read", limits.TIER_4),
        "conversations.open": Method(channels.open_direct, "im:write", limits.TIER_3),
        "conversations.replies": Method(channels.replies, "channels:history", limits.TIER_3),
        "conversations.setTopic": Method(channels.set_topic, "channels:manage", limits.TIER_2),
        "files.completeUploadExternal": Method(files.complete_upload, "files:write", limits.TIER_4),
        "files.getUploadURLExternal": Method(files.get_upload_url, "files:write", limits.TIER_4),
        "pins.add": Method(extras.add_pin, "pins:write", limits.TIER_2),
        "reactions.add": Method(extras.add_reaction, "reactions:write", limits.TIER_3),
        "team.info": Method(people.team_info, "team:read", limits.TIER_3),
        "usergroups.list": Method(people.groups, "usergroups:read", limits.TIER_2),
        "usergroups.users.list": Method(people.group_members, "usergroups:read", limits.TIER_2),
        "users.info": Method(people.info, "users:read", limits.TIER_4),
        "users.list": Method(people.list_all, "users:read", limits.TIER_2),
        "users.lookupByEmail": Method(people.by_email, "users:read.email", limits.TIER_3),
        "views.open": Method(views.open_modal, None, limits.TIER_4),
        "views.publish": Method(views.publish, None, limits.TIER_4),
        "views.push": Method(views.push, None, limits.TIER_4),
        "views.update": Method(views.update, None, limits.TIER_4),
    }
)
