"""What a person does in Slack's client, and what Slack then does with the app's answer."""

import asyncio
import json
from collections.abc import Mapping, Sequence

from . import payloads
from .answers import show_answer
from .courier import Courier
from .errors import SandboxMisuseError, SlackRefusedError
from .events import Events
from .methods.views import check_view
from .records import Delivery, Message, View
from .wire import JsonObject
from .workspace import Workspace
from .world import SlackChannel, SlackUser

SLACKBOT = "USLACKBOT"  # Slack's own voice, for what no app says.


class Acting:
    """The actions of people; each returns the delivery that it caused."""

    def __init__(self, workspace: Workspace, courier: Courier, events: Events) -> None:
        self._workspace = workspace
        self._courier = courier
        self._events = events

    async def press(
        self,
        user_id: str,
        channel: str,
        message_ts: str,
        action_id: str,
        *,
        value: str | None = None,
        block_id: str | None = None,
        repeat: int = 1,
        forged: bool = False,
    ) -> Delivery:
        """Press a button (or choose *value* in a select) *repeat* times at once; return one delivery."""
        user = self._actor(user_id)
        if forged:
            message = self._message(user, channel, message_ts) or Message(channel, message_ts, user_id, "")
            action = _forged_action(message, action_id, block_id, value)
        else:
            message = self._visible_message(user, channel, message_ts)
            action = _action_on(message.buttons, action_id, block_id, value)
        bodies = [payloads.block_actions_body(self._workspace, user, message, action) for _ in range(repeat)]
        delivered = await asyncio.gather(*(self._courier.deliver("block_actions", body) for body in bodies))
        if delivered[0].failure is not None:
            label = action.get("text", {}).get("text", action_id)
            thread_ts = message.thread_ts if message.is_reply else None
            self._tell(user, channel, f"“{label}” failed with the error “{delivered[0].failure}”", thread_ts)
        return delivered[0]

    async def command(self, user_id: str, channel: str, text: str, *, command: str = "/incident") -> Delivery:
        """Send a slash command; the body of its answer is shown to the person."""
        user, room = self._actor(user_id), self._room_of(user_id, channel)
        if command not in self._workspace.config.commands:
            raise SandboxMisuseError(f"{command} is not a valid command.")
        body = payloads.command_body(self._workspace, user, room, command=command, text=text)
        delivery = await self._courier.deliver("command", body)
        failure: str | None = delivery.failure
        if failure is None:
            try:
                show_answer(self._workspace, room.id, user.id, delivery.response_text)
            except SlackRefusedError:
                failure = "invalid_command_response"
        if failure is not None:
            self._tell(user, room.id, f"{command} failed with the error “{failure}”")
        return delivery

    async def shortcut(self, user_id: str, channel: str, message_ts: str, callback_id: str) -> Delivery:
        """Choose a message shortcut of the app on a message; one that only this person sees has none."""
        user = self._actor(user_id)
        message = self._visible_message(user, channel, message_ts)
        if callback_id not in self._workspace.config.shortcuts or message.only_to is not None:
            raise SandboxMisuseError(f"No shortcut {callback_id!r} stands in that message's menu.")
        body = payloads.message_action_body(self._workspace, user, message, callback_id)
        delivery = await self._courier.deliver("message_action", body)
        if delivery.failure is not None:
            name = self._workspace.config.shortcuts[callback_id]
            self._tell(user, channel, f"“{name}” failed with the error “{delivery.failure}”")
        return delivery

    async def press_in_view(
        self,
        user_id: str,
        view_id: str,
        action_id: str,
        *,
        block_id: str | None = None,
        value: str | None = None,
    ) -> Delivery:
        """Press a button in the modal in front of the person, or in their home tab."""
        user, home = self._actor(user_id), self._workspace.views.homes.get(user_id)
        view = home if home is not None and home.id == view_id else self._open_view(user_id, view_id)
        action = _action_on(view.buttons, action_id, block_id, value)
        body = payloads.view_actions_body(self._workspace, user, view, action)
        return await self._courier.deliver("block_actions", body)

    async def submit_view(self, user_id: str, view_id: str, values: Mapping[str, str]) -> Delivery:
        """Send an open modal with *values* by block_id or action_id, and obey the app's `response_action`."""
        user, view = self._actor(user_id), self._open_view(user_id, view_id)
        body = payloads.view_submission_body(self._workspace, user, view, values)
        delivery = await self._courier.deliver("view_submission", body)
        try:
            if not delivery.ok:
                raise SlackRefusedError(delivery.failure or "dispatch_failed")
            self._obey(view, delivery.response_text)
        except SlackRefusedError as refusal:
            trouble = f"We had some trouble connecting ({refusal.error}). Try again?"
            self._workspace.views.show_errors(view, {"": trouble})
        return delivery

    async def close_view(self, user_id: str, view_id: str) -> Delivery | None:
        """Close an open modal unsent; the app hears of it only when it asked for that."""
        user, view = self._actor(user_id), self._open_view(user_id, view_id)
        self._workspace.views.close(view)
        if not view.payload.get("notify_on_close"):
            return None
        return await self._courier.deliver(
            "view_closed", payloads.view_closed_body(self._workspace, user, view)
        )

    async def say(self, user_id: str, channel: str, text: str, *, thread_ts: str | None = None) -> Message:
        """Post a plain message; one that mentions the app reaches it as an event."""
        message = self._post(user_id, channel, text, thread_ts)
        if f"<@{self._workspace.config.bot_user_id}>" in text:
            await self._events.deliver(self._mention_event(message))
        return message

    async def mention(
        self, user_id: str, channel: str, text: str, *, thread_ts: str | None = None
    ) -> Delivery:
        """Post a message that mentions the app, and return the first delivery of its event."""
        mention = f"<@{self._workspace.config.bot_user_id}>"
        full = text if mention in text else f"{mention} {text}"
        message = self._post(user_id, channel, full, thread_ts)
        return await self._events.deliver(self._mention_event(message))

    async def open_home(self, user_id: str) -> Delivery:
        """Open the app's home tab."""
        user = self._actor(user_id)
        event: JsonObject = {
            "type": "app_home_opened",
            "user": user.id,
            "channel": self._workspace.direct_channel(user).id,
            "tab": "home",
            "event_ts": self._workspace.messages.next_ts(),
        }
        home = self._workspace.views.homes.get(user.id)
        if home is not None:
            event["view"] = home.payload
        return await self._events.deliver(event)

    def _actor(self, user_id: str) -> SlackUser:
        user = self._workspace.person(user_id)
        if user.deleted:
            raise SandboxMisuseError(f"{user.real_name} is deactivated and cannot use Slack.")
        return user

    def _room_of(self, user_id: str, channel_id: str) -> SlackChannel:
        room = self._workspace.room(channel_id)
        if room.members is not None and user_id not in room.members:
            raise SandboxMisuseError(f"{user_id} is not a member of {room.name}.")
        return room

    def _message(self, user: SlackUser, channel: str, ts: str) -> Message | None:
        messages = self._workspace.messages
        return messages.find(channel, ts) or messages.find_ephemeral(user.id, ts)

    def _visible_message(self, user: SlackUser, channel: str, ts: str) -> Message:
        room = self._room_of(user.id, channel)
        message = self._message(user, room.id, ts)
        if message is None:
            raise SandboxMisuseError(f"{user.id} sees no message {ts} in {room.name}.")
        return message

    def _open_view(self, user_id: str, view_id: str) -> View:
        view = self._workspace.views.latest.get(user_id)
        if view is None or view.id != view_id:
            raise SandboxMisuseError(f"{user_id} does not have the view {view_id} in front.")
        return view

    def _post(self, user_id: str, channel: str, text: str, thread_ts: str | None) -> Message:
        user, room = self._actor(user_id), self._room_of(user_id, channel)
        if not text.strip():
            raise SandboxMisuseError("An empty message cannot be sent.")
        if thread_ts is not None and self._workspace.messages.find(room.id, thread_ts) is None:
            raise SandboxMisuseError(f"No message {thread_ts} in {room.name} to answer.")
        return self._workspace.messages.add(Message(room.id, "", user.id, text, thread_ts=thread_ts))

    def _mention_event(self, message: Message) -> JsonObject:
        event: JsonObject = {
            "type": "app_mention",
            "user": message.user,
            "text": message.text,
            "ts": message.ts,
            "channel": message.channel,
            "team": self._workspace.person(message.user).team_id or self._workspace.config.team_id,
            "event_ts": message.ts,
        }
        return event | ({"thread_ts": message.thread_ts} if message.thread_ts else {})

    def _tell(self, user: SlackUser, channel: str, text: str, thread_ts: str | None = None) -> None:
        self._workspace.messages.add(
            Message(channel, "", SLACKBOT, text, thread_ts=thread_ts, only_to=user.id)
        )

    def _obey(self, view: View, text: str) -> None:
        views = self._workspace.views
        answer = json.loads(text) if text.strip().startswith("{") else {}
        match answer.get("response_action"):
            case "errors":
                views.show_errors(view, answer.get("errors", {}))
            case "update":
                check_view(answer["view"], kind="modal")
                views.update(view, answer["view"])
            case "push":
                check_view(answer["view"], kind="modal")
                views.open(view.user, answer["view"], push=True)
            case "clear":
                views.close(view, everything=True)
            case _:
                views.close(view)


def _action_on(
    buttons: Sequence[JsonObject], action_id: str, block_id: str | None, value: str | None
) -> JsonObject:
    candidates = [
        element
        for element in buttons
        if element["action_id"] == action_id and block_id in (None, element["block_id"])
    ]
    if len(candidates) > 1 and value is not None:
        candidates = [element for element in candidates if element.get("value") == value]
    if not candidates:
        raise SandboxMisuseError(f"No button {action_id!r} stands there.")
    return _pressed(candidates[0], value)


def _pressed(element: JsonObject, value: str | None) -> JsonObject:
    kept = ("type", "action_id", "block_id")
    pressed = {name: element[name] for name in kept}
    if element["type"] == "button":
        if value is not None and value != element.get("value"):
            raise SandboxMisuseError(f"The button {element['action_id']!r} does not carry this value.")
        return pressed | {name: element[name] for name in ("text", "value", "style") if name in element}
    if element["type"] == "users_select":
        return {**pressed, "selected_user": value}
    if element["type"] == "datepicker":
        return {**pressed, "selected_date": value}
    if element["type"] in ("checkboxes", "multi_static_select"):
        parts: Sequence[str] = [part for part in (value or "").split(",") if part]
        return {**pressed, "selected_options": [payloads.option_of(element, part) for part in parts]}
    return {**pressed, "selected_option": payloads.option_of(element, value or "")}


def _forged_action(message: Message, action_id: str, block_id: str | None, value: str | None) -> JsonObject:
    real = next((element for element in message.buttons if element["action_id"] == action_id), None)
    text = real["text"] if real is not None and "text" in real else {"type": "plain_text", "text": action_id}
    forged: JsonObject = {
        "type": "button",
        "action_id": action_id,
        "block_id": block_id or (real["block_id"] if real is not None else "forged"),
        "text": text,
    }
    carried = value if value is not None else (real or {}).get("value")
    return forged if carried is None else {**forged, "value": carried}
