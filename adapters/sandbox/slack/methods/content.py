"""What chat methods may post: text, blocks, attachments and metadata, within Slack's limits."""

import json
from dataclasses import dataclass

from .. import limits
from ..arguments import Arguments
from ..blocks import problems_of_blocks, text_length
from ..errors import SlackRefusedError
from ..wire import JsonObject


@dataclass(frozen=True)
class Content:
    """The checked body of a message."""

    text: str
    blocks: tuple[JsonObject, ...]
    attachments: tuple[JsonObject, ...]
    metadata: JsonObject | None


def content_of(args: Arguments, *, most_text: int | None) -> Content:
    """Return what *args* post, or refuse it as Slack does.

    Text beyond *most_text* is refused with `msg_too_long`; None cuts at 40,000 characters, without a word.
    """
    text = args.text("text") or ""
    if most_text is not None and len(text) > most_text:
        raise SlackRefusedError("msg_too_long")
    blocks = _blocks(args)
    attachments = args.structure("attachments", error="invalid_attachments") or []
    if not isinstance(attachments, list):
        raise SlackRefusedError("invalid_attachments")
    if len(attachments) > limits.MESSAGE_ATTACHMENTS:
        raise SlackRefusedError("too_many_attachments")
    if not (text or blocks or attachments):
        raise SlackRefusedError("no_text")
    return Content(text[: limits.MESSAGE_TEXT_CUT], blocks, tuple(attachments), metadata_of(args))


def _blocks(args: Arguments) -> tuple[JsonObject, ...]:
    blocks = args.structure("blocks", error="invalid_blocks_format")
    if blocks is None or blocks == []:
        return ()
    if not isinstance(blocks, list):
        raise SlackRefusedError("invalid_blocks_format")
    problems = problems_of_blocks(blocks)
    if problems:
        raise SlackRefusedError(
            "invalid_blocks", messages=tuple(f"[ERROR] {problem}" for problem in problems)
        )
    if text_length(blocks) > limits.BLOCKS_TEXT:
        raise SlackRefusedError("msg_blocks_too_long")
    return tuple(blocks)


def metadata_of(args: Arguments) -> JsonObject | None:
    """Return the message's metadata {event_type, event_payload}, or None when none is given."""
    metadata = args.structure("metadata", error="invalid_metadata_format")
    if metadata is None or metadata == {}:
        return None
    if not isinstance(metadata, dict):
        raise SlackRefusedError("invalid_metadata_format")
    kind, payload = metadata.get("event_type"), metadata.get("event_payload")
    if not isinstance(kind, str) or not kind or not isinstance(payload, dict):
        raise SlackRefusedError("invalid_metadata_schema")
    if len(json.dumps(metadata).encode()) > limits.METADATA_BYTES:
        raise SlackRefusedError("metadata_too_large")
    return {"event_type": kind, "event_payload": payload}
