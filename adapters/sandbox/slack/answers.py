"""What an app answers: in the body of a command, and at a response address."""

import json
from dataclasses import replace

from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response

from .arguments import Arguments
from .errors import SlackRefusedError
from .methods.content import Content, content_of
from .records import Message
from .tickets import ResponseUrl
from .wire import JsonObject
from .workspace import Workspace


def show_answer(workspace: Workspace, channel: str, user: str, text: str) -> None:
    """Show the body of a command's answer: to *user* alone, or to the channel when it says `in_channel`.

    Raises:
        SlackRefusedError: the answer is not what Slack shows.
    """
    if not text.strip():
        return
    answer = _json_object(text) or {"text": text}
    content = content_of(Arguments(answer), most_text=None)
    in_channel = answer.get("response_type") == "in_channel"
    _post(workspace, channel, None if in_channel else user, content, None)


class ResponseUrlEndpoint:
    """`POST /commands/…` and `/actions/…`: the app answers an interaction later."""

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace

    async def receive(self, request: Request) -> Response:
        answer = _json_object((await request.body()).decode("utf-8", "replace"))
        if answer is None:
            return JSONResponse({"ok": False, "error": "invalid_payload"}, status_code=400)
        try:
            target = self._workspace.response_urls.use(request.url.path)
            self._apply(target, answer)
        except SlackRefusedError as refusal:
            status = 404 if refusal.error in ("used_url", "expired_url") else 400
            return JSONResponse({"ok": False, "error": refusal.error}, status_code=status)
        return PlainTextResponse("ok")

    def _apply(self, target: ResponseUrl, answer: JsonObject) -> None:
        original = self._original(target)
        args = Arguments(answer)
        if args.flag("delete_original"):
            if original is not None:
                self._workspace.messages.remove(original)
            return
        content = content_of(args, most_text=None)
        if args.flag("replace_original") and original is not None:
            self._workspace.messages.replace(
                replace(
                    original,
                    text=content.text,
                    blocks=content.blocks,
                    attachments=content.attachments,
                )
            )
            return
        only_to = None if answer.get("response_type") == "in_channel" else target.user
        thread_ts = args.text("thread_ts") or target.thread_ts
        _post(self._workspace, target.channel, only_to, content, thread_ts)

    def _original(self, target: ResponseUrl) -> Message | None:
        if target.message_ts is None:
            return None
        messages = self._workspace.messages
        return messages.find(target.channel, target.message_ts) or messages.find_ephemeral(
            target.user, target.message_ts
        )


def _post(
    workspace: Workspace, channel: str, only_to: str | None, content: Content, thread_ts: str | None
) -> None:
    workspace.messages.add(
        Message(
            channel,
            "",
            workspace.config.bot_user_id,
            content.text,
            content.blocks,
            content.attachments,
            thread_ts=thread_ts,
            metadata=content.metadata,
            only_to=only_to,
            by_app=True,
        )
    )


def _json_object(text: str) -> JsonObject | None:
    try:
        value = json.loads(text)
    except ValueError:
        return None
    return value if isinstance(value, dict) else None
