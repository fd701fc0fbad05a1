"""Files for a thread, by Slack's external upload: an address, the bytes, the sharing."""

import json
from collections.abc import Mapping
from typing import Final
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, ValidationError

from adapters.slack.api import Method, SlackApi
from adapters.slack.pace import Pace
from adapters.slack.views.text import escape, visible
from bot.domain.attachment import Attachment
from bot.domain.card import CardRef
from bot.domain.errors import Invalid, Unavailable

_SLACKS: Final = ("slack.com", "slack-gov.com", "slack-edge.com")
_ALT: Final = 1000  # Slack: so many characters of a picture's description at most.
_TITLE: Final = 250  # Our choice; Slack names no limit.


class _Ticket(BaseModel):
    """Where the bytes go, and what the file is called from then on."""

    model_config = ConfigDict(extra="ignore")

    upload_url: str
    file_id: str


async def share(api: SlackApi, pace: Pace, ref: CardRef, attachment: Attachment, name: str) -> None:
    """Upload *attachment* as *name* and share it in the thread of *ref*.

    Until the last of the three calls nothing is to be seen, so only that one may be `Unclear`.

    Raises:
        Unclear, RateLimited, Unavailable, NotFound, Refused, Invalid
    """
    alt = visible(attachment.alt)
    asked = {
        "filename": name,
        "length": str(len(attachment.content)),
        "alt_txt": alt if len(alt) <= _ALT else f"{alt[: _ALT - 1]}…",
    }
    ticket = _ticket(await pace.patiently(lambda: api.ask_by_form(Method.UPLOAD_URL, asked)))
    if not is_slacks(ticket.upload_url, api.base_url):
        raise Invalid("Slack named an upload address that is not its own: nothing was sent there.")
    await api.send_bytes(ticket.upload_url, attachment.content)
    title = visible(attachment.title)
    sharing = {
        "files": json.dumps([{"id": ticket.file_id, "title": title[:_TITLE]}]),
        "channel_id": ref.channel,
        "thread_ts": ref.ts,
        "initial_comment": escape(attachment.title),
    }
    async with pace.turn(ref.channel):
        await pace.patiently(lambda: api.write_form(Method.SHARE_UPLOAD, sharing))


def is_slacks(address: str, base_url: str) -> bool:
    """Say whether *address* is one of Slack's, or of the very origin that the Web API has."""
    parts, own = urlsplit(address), urlsplit(base_url)
    if (parts.scheme, parts.netloc) == (own.scheme, own.netloc):
        return True
    host = parts.hostname or ""
    return parts.scheme == "https" and any(host == one or host.endswith(f".{one}") for one in _SLACKS)


def _ticket(answer: Mapping[str, object]) -> _Ticket:
    try:
        return _Ticket.model_validate(answer)
    except ValidationError as exc:
        raise Unavailable("Slack named no address to upload a file to.") from exc
