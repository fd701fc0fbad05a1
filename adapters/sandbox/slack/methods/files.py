"""files.*: the external upload in three steps (address, bytes, completion)."""

from dataclasses import replace

from ..arguments import Arguments
from ..errors import SlackRefusedError
from ..records import Message
from ..wire import JsonObject
from ..workspace import StoredFile, Workspace


def get_upload_url(workspace: Workspace, args: Arguments) -> JsonObject:
    """files.getUploadURLExternal."""
    name = args.required("filename")
    length = args.number("length", default=0, least=0, most=1_000_000_000)
    if length == 0:
        raise SlackRefusedError("invalid_arguments", messages=("[ERROR] missing required field: length",))
    file_id = f"F{len(workspace.files) + 1:09d}"
    workspace.files[file_id] = StoredFile(file_id, name, length, args.text("alt_txt") or "")
    return {"upload_url": f"{workspace.base_url}/upload/v1/{file_id}", "file_id": file_id}


def receive(workspace: Workspace, file_id: str, content: bytes) -> int:
    """Take the bytes of an announced file; return how many.

    Raises:
        SlackRefusedError: no such upload, or not the announced length.
    """
    stored = workspace.files.get(file_id)
    if stored is None or stored.content is not None:
        raise SlackRefusedError("invalid_upload")
    if len(content) != stored.length:
        raise SlackRefusedError("length_mismatch")
    workspace.files[file_id] = replace(stored, content=content)
    return len(content)


def complete_upload(workspace: Workspace, args: Arguments) -> JsonObject:
    """files.completeUploadExternal: shares the files as one message when a channel is named."""
    wanted = args.structure("files", error="invalid_arguments")
    if not isinstance(wanted, list) or not wanted:
        raise SlackRefusedError("invalid_arguments", messages=("[ERROR] missing required field: files",))
    files = tuple(_file_json(workspace, entry) for entry in wanted)
    channel_id = args.text("channel_id") or args.text("channels")
    if channel_id is not None:
        channel = workspace.joined_channel(channel_id)
        workspace.messages.add(
            Message(
                channel.id,
                "",
                workspace.config.bot_user_id,
                args.text("initial_comment") or "",
                files=files,
                thread_ts=args.text("thread_ts"),
                by_app=True,
            )
        )
    return {"files": list(files)}


def _file_json(workspace: Workspace, entry: object) -> JsonObject:
    stored = workspace.files.get(str(entry.get("id"))) if isinstance(entry, dict) else None
    if stored is None or stored.content is None or not isinstance(entry, dict):
        raise SlackRefusedError("file_not_found")
    return {
        "id": stored.id,
        "name": stored.name,
        "title": entry.get("title") or stored.name,
        "size": stored.length,
        "alt_txt": stored.alt_text,
        "url_private": f"{workspace.base_url}/files/{stored.id}",
    }
