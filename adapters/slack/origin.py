"""Whether a payload comes from our installation: the pinned app, and its workspace or organisation."""

import asyncio
import json
import re
from collections.abc import Awaitable, Callable, Mapping
from urllib.parse import parse_qsl

import structlog

from adapters.slack.api import Installation
from bot.domain.audit import Act
from bot.domain.errors import HandrailError, Invalid
from bot.ports import AuditLog

log = structlog.get_logger()

_MOST_FIELDS = 100  # A slash command has about fifteen; more is no form of Slack's.
_ID = re.compile(r"[A-Z0-9]{2,32}")
_AUDITED_WITHIN_S = 1.0

Report = Callable[[str, Mapping[str, object]], Awaitable[None]]
"""Writes down that a payload which Slack signed was refused: why, in one word, and the payload."""


def reported_to(audit: AuditLog) -> Report:
    """Return what puts foreign payloads on record, by ids alone: nothing that anybody typed."""

    async def report(why: str, payload: Mapping[str, object]) -> None:
        told = {name: _known_id(_id(payload, name)) for name in ("team", "enterprise", "user", "channel")}
        told["app"] = _known_id(payload.get("api_app_id"))
        body = {"why": why, **told}
        try:
            async with asyncio.timeout(_AUDITED_WITHIN_S):
                await audit.append(
                    Act.FOREIGN_REFUSED, actor=told["user"] or "unknown", incident=None, body=body
                )
        except (HandrailError, TimeoutError) as exc:
            # It is refused all the same, and Slack waits for the answer.
            log.error("foreign_payload_not_audited", error=type(exc).__name__, **body)  # noqa: TRY400

    return report


def parse_body(content_type: str, body: bytes) -> Mapping[str, object]:
    """Return the payload in a verified *body*: an event, an interaction or a command's form.

    Raises:
        Invalid: it is none of them. The message holds nothing of the body.
    """
    kind = content_type.partition(";")[0].strip().lower()
    try:
        text = body.decode("utf-8")
        if kind == "application/json":
            return _object(json.loads(text))
        if kind == "application/x-www-form-urlencoded":
            return _form(text)
    except (ValueError, RecursionError) as exc:
        raise Invalid("The body is not what its content type says.") from exc
    raise Invalid("The content type is none that Slack sends.")


def refusal_of(installation: Installation, payload: Mapping[str, object]) -> str | None:
    """Return why *payload* is not from our installation, in one word for the log; None when it is.

    Within an organisation a click may come from any of its workspaces, so there the organisation is pinned.
    """
    if payload.get("api_app_id") != installation.app_id:
        return "app"
    enterprise = _id(payload, "enterprise")
    if installation.enterprise_id is not None:
        return None if enterprise == installation.enterprise_id else "enterprise"
    if enterprise is not None:
        return "enterprise"
    return None if _id(payload, "team") == installation.team_id else "team"


def is_handshake(payload: Mapping[str, object]) -> bool:
    """Say whether Slack only checks the address: such a payload names no team and does nothing."""
    return payload.get("type") == "url_verification"


def _known_id(found: object) -> str | None:
    return found if isinstance(found, str) and _ID.fullmatch(found) else None


def _form(text: str) -> Mapping[str, object]:
    pairs = parse_qsl(
        text, keep_blank_values=True, strict_parsing=True, max_num_fields=_MOST_FIELDS, errors="strict"
    )
    fields = dict(pairs)
    if not pairs or len(fields) != len(pairs):
        raise ValueError("no field, or one twice")
    return _object(json.loads(fields["payload"])) if "payload" in fields else fields


def _object(value: object) -> Mapping[str, object]:
    if not isinstance(value, dict):
        raise ValueError("not an object")
    return value


def _id(payload: Mapping[str, object], name: str) -> str | None:
    """Return `payload[name].id` of an interaction, or `payload[name_id]` of a command or an event."""
    found = payload.get(name)
    value = found.get("id") if isinstance(found, dict) else payload.get(f"{name}_id")
    return value if isinstance(value, str) and value else None
