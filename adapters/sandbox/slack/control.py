"""The page's own routes under `/sandbox/`: the state, its changes, and what a person does."""

import asyncio
import html
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse

from .acting import SLACKBOT, Acting
from .errors import SandboxMisuseError
from .presenting import message_json
from .records import Delivery, Message, View
from .wire import JsonObject
from .workspace import Workspace

KEEP_ALIVE_S = 15.0


class Control:
    """JSON in, JSON out; a person's impossible action is a 400 with the reason."""

    def __init__(self, workspace: Workspace, acting: Acting) -> None:
        self._workspace = workspace
        self._acting = acting

    async def state(self, request: Request) -> Response:
        """GET /sandbox/state?user=U…: everything this person sees."""
        try:
            user = self._workspace.person(request.query_params.get("user") or self._first_user())
        except SandboxMisuseError as misuse:
            return JSONResponse({"error": str(misuse)}, status_code=400)
        return JSONResponse(self._seen_by(user.id))

    async def events(self, request: Request) -> Response:
        """GET /sandbox/events: the state's version, at once and after every change, as server-sent events."""
        return StreamingResponse(
            self._versions(), media_type="text/event-stream", headers={"Cache-Control": "no-store"}
        )

    async def press(self, request: Request) -> Response:
        """POST {user, channel, message_ts, action_id, block_id?, value?}."""
        return await self._act(request, self._press)

    async def command(self, request: Request) -> Response:
        """POST {user, channel, text, command?}."""
        return await self._act(request, self._command)

    async def message(self, request: Request) -> Response:
        """POST {user, channel, text, thread_ts?}: text as typed, with @names."""
        return await self._act(request, self._message)

    async def shortcut(self, request: Request) -> Response:
        """POST {user, channel, message_ts, callback_id}: a message shortcut."""
        return await self._act(request, self._shortcut)

    async def view_press(self, request: Request) -> Response:
        """POST {user, view_id, action_id, block_id?, value?}: a button in a modal or the home tab."""
        return await self._act(request, self._view_press)

    async def view_submit(self, request: Request) -> Response:
        """POST {user, view_id, values}: values by block_id or action_id."""
        return await self._act(request, self._view_submit)

    async def view_close(self, request: Request) -> Response:
        """POST {user, view_id}."""
        return await self._act(request, self._view_close)

    async def home(self, request: Request) -> Response:
        """POST {user}: open the app's home tab."""
        return await self._act(request, self._home)

    async def _press(self, body: JsonObject) -> Delivery | None:
        return await self._acting.press(
            body["user"],
            body["channel"],
            body["message_ts"],
            body["action_id"],
            block_id=body.get("block_id"),
            value=body.get("value"),
        )

    async def _command(self, body: JsonObject) -> Delivery | None:
        command = body.get("command") or self._workspace.config.commands[0]
        return await self._acting.command(
            body["user"], body["channel"], body.get("text", ""), command=command
        )

    async def _shortcut(self, body: JsonObject) -> Delivery | None:
        return await self._acting.shortcut(
            body["user"], body["channel"], body["message_ts"], body["callback_id"]
        )

    async def _message(self, body: JsonObject) -> Delivery | None:
        text = self._as_sent(body["text"])
        await self._acting.say(body["user"], body["channel"], text, thread_ts=body.get("thread_ts"))
        return None

    async def _view_press(self, body: JsonObject) -> Delivery | None:
        return await self._acting.press_in_view(
            body["user"],
            body["view_id"],
            body["action_id"],
            block_id=body.get("block_id"),
            value=body.get("value"),
        )

    async def _view_submit(self, body: JsonObject) -> Delivery | None:
        return await self._acting.submit_view(body["user"], body["view_id"], body.get("values", {}))

    async def _view_close(self, body: JsonObject) -> Delivery | None:
        return await self._acting.close_view(body["user"], body["view_id"])

    async def _home(self, body: JsonObject) -> Delivery | None:
        return await self._acting.open_home(body["user"])

    async def _act(
        self, request: Request, action: Callable[[JsonObject], Awaitable[Delivery | None]]
    ) -> Response:
        kind = request.headers.get("content-type", "").partition(";")[0].strip()
        if kind != "application/json":
            return JSONResponse({"error": "Send application/json."}, status_code=415)
        try:
            body = json.loads(await request.body())
            if not isinstance(body, dict):
                return JSONResponse({"error": "Send a JSON object."}, status_code=400)
            delivery = await action(body)
        except json.JSONDecodeError:
            return JSONResponse({"error": "Send a JSON object."}, status_code=400)
        except KeyError as missing:
            return JSONResponse({"error": f"Missing: {missing.args[0]}"}, status_code=400)
        except SandboxMisuseError as misuse:
            return JSONResponse({"error": str(misuse)}, status_code=400)
        return JSONResponse({"delivery": None if delivery is None else _delivery_json(delivery)})

    async def _versions(self) -> AsyncIterator[str]:
        changes = self._workspace.changes
        version = changes.version
        yield f"data: {version}\n\n"
        while True:
            try:
                async with asyncio.timeout(KEEP_ALIVE_S):
                    version = await changes.after(version)
            except TimeoutError:
                yield ": still here\n\n"
            else:
                yield f"data: {version}\n\n"

    def _first_user(self) -> str:
        return next((u.id for u in self._workspace.config.users if not u.deleted), "")

    def _seen_by(self, user_id: str) -> JsonObject:
        workspace, config = self._workspace, self._workspace.config
        rooms = [c for c in workspace.channels if c.members is None or user_id in c.members]
        view = workspace.views.latest.get(user_id)
        home = workspace.views.homes.get(user_id)
        return {
            "version": workspace.changes.version,
            "me": user_id,
            "team": {"id": config.team_id, "name": config.team_name},
            "app": {"name": config.bot_name, "user_id": config.bot_user_id},
            "slackbot": SLACKBOT,
            "commands": list(config.commands),
            "shortcuts": dict(config.shortcuts),
            "users": [
                {
                    "id": u.id,
                    "name": u.name,
                    "real_name": u.real_name,
                    **_marks(u.is_bot, u.is_restricted, u.deleted),
                }
                for u in workspace.users
            ],
            "groups": [{"id": g.id, "handle": g.handle} for g in config.usergroups],
            "channels": [
                {"id": c.id, "name": c.name, "topic": c.topic, "direct": c.id.startswith("D")} for c in rooms
            ],
            "bookmarks": workspace.bookmarks,
            "messages": {c.id: self._messages(workspace.messages.in_channel(c.id)) for c in rooms},
            "ephemerals": self._messages(workspace.messages.for_person(user_id)),
            "view": None if view is None else _view_json(view),
            "home": None if home is None else home.payload,
        }

    def _messages(self, messages: tuple[Message, ...]) -> list[JsonObject]:
        return [
            message_json(self._workspace, m)
            | {"channel": m.channel, "by_app": m.by_app, "revision": m.revision}
            for m in messages
        ]

    def _as_sent(self, typed: str) -> str:
        """Return *typed* as Slack's client sends it: escaped, with @names made mentions."""
        sent = html.escape(typed, quote=False)
        for user in sorted(self._workspace.users, key=lambda u: len(u.name), reverse=True):
            for name in (user.real_name, user.name):
                sent = sent.replace(f"@{name}", f"<@{user.id}>")
        return sent


def _marks(is_bot: bool, is_restricted: bool, deleted: bool) -> dict[str, Any]:
    return {"is_bot": is_bot, "is_restricted": is_restricted, "deleted": deleted}


def _view_json(view: View) -> JsonObject:
    return {**view.payload, "errors": dict(view.errors)}


def _delivery_json(delivery: Delivery) -> JsonObject:
    return {
        "ok": delivery.ok,
        "kind": delivery.kind,
        "transport": delivery.transport,
        "status": delivery.status,
        "failure": delivery.failure,
        "latency_ms": round(delivery.latency_s * 1000, 1),
    }
