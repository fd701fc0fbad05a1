"""The bodies that Slack sends to an app: commands, interactions and events."""

from collections.abc import Mapping
from typing import Any

from .errors import SandboxMisuseError
from .presenting import message_json
from .records import Message, View, elements_of
from .wire import JsonObject
from .workspace import Workspace
from .world import SlackChannel, SlackUser

VERIFICATION_TOKEN = "sandbox-verification-token"  # Deprecated by Slack, still sent: it proves nothing.


def command_body(
    workspace: Workspace, user: SlackUser, channel: SlackChannel, *, command: str, text: str
) -> dict[str, str]:
    """Return the form fields of a slash command."""
    config = workspace.config
    path = workspace.response_urls.issue(f"commands/{config.team_id}", channel.id, user.id)
    return {
        "token": VERIFICATION_TOKEN,
        "team_id": config.team_id,
        "team_domain": config.team_domain,
        "channel_id": channel.id,
        "channel_name": channel.name,
        "user_id": user.id,
        "user_name": user.name,
        "command": command,
        "text": text,
        "api_app_id": config.app_id,
        "is_enterprise_install": "false",
        "response_url": f"{workspace.base_url}{path}",
        "trigger_id": workspace.triggers.issue(user.id),
    }


def block_actions_body(
    workspace: Workspace, user: SlackUser, message: Message, action: JsonObject
) -> JsonObject:
    """Return the payload of one press of *action* on *message*, as the message stands now."""
    channel = workspace.room(message.channel)
    path = workspace.response_urls.issue(
        f"actions/{workspace.config.team_id}",
        channel.id,
        user.id,
        message.ts,
        message.thread_ts if message.is_reply else None,
    )
    container: JsonObject = {
        "type": "message",
        "message_ts": message.ts,
        "channel_id": channel.id,
        "is_ephemeral": message.only_to is not None,
    }
    if message.is_reply:
        container["thread_ts"] = message.thread_ts
    body = _interaction(workspace, "block_actions", user) | {
        "container": container,
        "channel": {"id": channel.id, "name": channel.name},
        "state": {"values": {}},
        "response_url": f"{workspace.base_url}{path}",
        "actions": [{**action, "action_ts": workspace.messages.next_ts()}],
    }
    if message.only_to is None:
        body["message"] = message_json(workspace, message, with_metadata=True)
    return body


def message_action_body(
    workspace: Workspace, user: SlackUser, message: Message, callback_id: str
) -> JsonObject:
    """Return the payload of a message shortcut chosen on *message*."""
    channel = workspace.room(message.channel)
    path = workspace.response_urls.issue(
        f"actions/{workspace.config.team_id}", channel.id, user.id, message.ts, None
    )
    return _interaction(workspace, "message_action", user) | {
        "callback_id": callback_id,
        "channel": {"id": channel.id, "name": channel.name},
        "message_ts": message.ts,
        "message": message_json(workspace, message, with_metadata=True),
        "action_ts": workspace.messages.next_ts(),
        "response_url": f"{workspace.base_url}{path}",
    }


def view_actions_body(workspace: Workspace, user: SlackUser, view: View, action: JsonObject) -> JsonObject:
    """Return the payload of one press of *action* in a modal or a home tab."""
    return _interaction(workspace, "block_actions", user) | {
        "container": {"type": "view", "view_id": view.id},
        "view": view.payload,
        "actions": [{**action, "action_ts": workspace.messages.next_ts()}],
    }


def view_submission_body(
    workspace: Workspace, user: SlackUser, view: View, values: Mapping[str, str]
) -> JsonObject:
    """Return the payload of *user* sending *view* with *values* (by block_id or action_id) in its fields.

    Raises:
        SandboxMisuseError: a field that must be filled is empty, or a value fits no field or option.
    """
    state = state_of(view, values)
    return _interaction(workspace, "view_submission", user) | {
        "view": {**view.payload, "state": {"values": state}},
        "response_urls": [],
    }


def view_closed_body(workspace: Workspace, user: SlackUser, view: View) -> JsonObject:
    """Return the payload of *user* closing *view* unsent."""
    body = _interaction(workspace, "view_closed", user)
    del body["trigger_id"]
    return body | {"view": view.payload, "is_cleared": False}


def event_body(workspace: Workspace, event: JsonObject, *, event_id: str) -> JsonObject:
    """Return the envelope of the Events API around *event*."""
    config = workspace.config
    return {
        "token": VERIFICATION_TOKEN,
        "team_id": config.team_id,
        "api_app_id": config.app_id,
        "event": event,
        "type": "event_callback",
        "event_id": event_id,
        "event_time": int(workspace.clock()),
        "authorizations": [
            {
                "enterprise_id": None,
                "team_id": config.team_id,
                "user_id": config.bot_user_id,
                "is_bot": True,
                "is_enterprise_install": False,
            }
        ],
        "is_ext_shared_channel": False,
        "event_context": f"4-{event_id}",
    }


def state_of(view: View, values: Mapping[str, str]) -> dict[str, dict[str, Any]]:
    """Return `state.values` of *view*: what stands in each field, its initial value where none is given."""
    state: dict[str, dict[str, Any]] = {}
    unused = set(values)
    optional = {b["block_id"]: bool(b.get("optional")) for b in view.payload["blocks"]}
    for field in elements_of(view.payload["blocks"]):
        if field["type"] in ("button", "overflow"):
            continue
        block_id, action_id = field["block_id"], field["action_id"]
        key = block_id if block_id in values else action_id
        unused.discard(key)
        filled = _filled(field, values.get(key))
        is_input = any(b["block_id"] == block_id and b["type"] == "input" for b in view.payload["blocks"])
        if is_input and not optional[block_id] and not _has_value(filled):
            raise SandboxMisuseError(f"The field {block_id!r} of the view must be filled.")
        state.setdefault(block_id, {})[action_id] = filled
    if unused:
        raise SandboxMisuseError(f"The view has no field for {', '.join(sorted(unused))}.")
    return state


def _filled(field: JsonObject, value: str | None) -> JsonObject:
    kind = field["type"]
    match kind:
        case "plain_text_input":
            return {"type": kind, "value": (field.get("initial_value") if value is None else value) or None}
        case "static_select" | "radio_buttons":
            chosen = field.get("initial_option") if value is None else option_of(field, value)
            return {"type": kind, "selected_option": chosen}
        case "checkboxes" | "multi_static_select":
            wanted = [part for part in (value or "").split(",") if part]
            chosen_all = [option_of(field, part) for part in wanted]
            return {"type": kind, "selected_options": chosen_all or field.get("initial_options", [])}
        case "users_select":
            return {"type": kind, "selected_user": value or field.get("initial_user")}
        case "datepicker":
            return {"type": kind, "selected_date": value or field.get("initial_date")}
        case _:
            return {"type": kind, "selected_users": [part for part in (value or "").split(",") if part]}


def option_of(element: JsonObject, value: str) -> JsonObject:
    """Return the option of *element* with this value.

    Raises:
        SandboxMisuseError: it offers no such option.
    """
    groups: list[JsonObject] = element.get("option_groups") or [{"options": element.get("options", [])}]
    for group in groups:
        for option in group["options"]:
            if option["value"] == value:
                return dict(option)
    raise SandboxMisuseError(f"{element['action_id']!r} offers no option {value!r}.")


def _has_value(filled: JsonObject) -> bool:
    return any(bool(value) for name, value in filled.items() if name != "type")


def _interaction(workspace: Workspace, kind: str, user: SlackUser) -> JsonObject:
    config = workspace.config
    return {
        "type": kind,
        "user": {
            "id": user.id,
            "username": user.name,
            "name": user.name,
            "team_id": user.team_id or config.team_id,
        },
        "api_app_id": config.app_id,
        "token": VERIFICATION_TOKEN,
        "trigger_id": workspace.triggers.issue(user.id),
        "team": {"id": config.team_id, "domain": config.team_domain},
        "enterprise": None,
        "is_enterprise_install": False,
    }
