"""Slack's refusals and failures, said in the domain's terms and with what to do about them."""

import asyncio
from collections.abc import Mapping
from datetime import timedelta
from types import MappingProxyType

import aiohttp
from slack_sdk.errors import SlackApiError, SlackClientError

from bot.domain.errors import (
    HandrailError,
    Invalid,
    NotFound,
    RateLimited,
    Refused,
    Unavailable,
    Unclear,
)

_DEFAULT_WAIT_S = 30  # Slack names the wait in a header; without one this is its own example.

_NOT_FOUND = frozenset(
    {
        "message_not_found",
        "message_not_in_streaming_state",
        "no_such_subteam",
        "stopped_by_user",
        "thread_not_found",
        "user_not_found",
        "users_not_found",
    }
)
_SLACKS_FAULT = frozenset(
    {"fatal_error", "internal_error", "request_timeout", "service_unavailable", "team_added_to_org"}
)
_REMEDIES: Mapping[str, str] = MappingProxyType(
    {
        "account_inactive": "the app was removed: install it again and set the new bot token",
        "channel_not_found": "set the channel's id (C…); into a private one invite the bot with /invite",
        "invalid_auth": "set the bot token (xoxb-…) of this workspace's installation",
        "is_archived": "the channel is archived: name another, or restore it",
        "missing_scope": "add the scope to the app and install it again",
        "not_allowed_token_type": "the bot token begins with xoxb-, that for Socket Mode with xapp-",
        "not_authed": "set the bot token (xoxb-…)",
        "not_in_channel": "invite the bot with /invite",
        "restricted_action": "a workspace setting forbids the bot to post there: ask a workspace owner",
        "token_expired": "set a bot token that does not expire, or the new one",
        "token_revoked": "the app was removed: install it again and set the new bot token",
    }
)
_TRIGGERS = frozenset({"exchanged_trigger_id", "expired_trigger_id", "invalid_trigger_id", "trigger_expired"})
_PERSONS = frozenset({"user_not_in_channel", "cannot_dm_bot"})


class NeedsAPerson(Unavailable):
    """Slack refuses until somebody changes a setting there or here: waiting alone mends nothing."""


class ChannelUnknown(NeedsAPerson):
    """The channel does not exist, or is a private one that the bot is not in: Slack does not say which."""


def may_pass(error: BaseException) -> bool:
    """Say whether another try may help: a limit was waited out already, and a refusal stays one."""
    return isinstance(error, Unclear | Unavailable) and not isinstance(error, RateLimited)


def translated(method: str, error: Exception, *, is_write: bool) -> HandrailError:
    """Return what *error* of calling *method* means to a caller.

    A write that may have reached Slack and whose answer was lost is `Unclear`; a read is `Unavailable`.
    """
    match error:
        case SlackApiError():
            return _of_answer(method, error, is_write=is_write)
        case aiohttp.ClientConnectorError() | aiohttp.ConnectionTimeoutError():
            return Unavailable(f"Slack cannot be reached ({method}): check the network and the base address.")
        case TimeoutError() | asyncio.TimeoutError() | aiohttp.ClientError() | SlackClientError() | OSError():
            return _lost(method, f"no answer ({type(error).__name__})", is_write=is_write)
        case _:
            return _lost(method, f"an answer that cannot be read ({type(error).__name__})", is_write=is_write)


def _of_answer(method: str, error: SlackApiError, *, is_write: bool) -> HandrailError:
    response = error.response
    # slack_sdk hands over aiohttp's own response when the body is no JSON: it calls the status otherwise.
    status = getattr(response, "status_code", None) or getattr(response, "status", None) or 0
    data = getattr(response, "data", None)
    body: Mapping[str, object] = data if isinstance(data, dict) else {}
    code = str(body.get("error", ""))
    if status == 429 or code in ("ratelimited", "rate_limited"):
        wait = _retry_after(getattr(response, "headers", {}))
        return RateLimited(f"Slack asks to wait {wait} s ({method}).", retry_after=timedelta(seconds=wait))
    if status >= 500 or code in _SLACKS_FAULT or not code:
        return _lost(method, code or f"HTTP {status}", is_write=is_write)
    return _of_code(method, code, body)


def _of_code(method: str, code: str, body: Mapping[str, object]) -> HandrailError:
    if code in _NOT_FOUND:
        return NotFound(f"Slack does not know it ({method}: {code}).")
    if code in _TRIGGERS:
        return Unavailable(f"It took too long to open ({method}: {code}): press again.")
    if code in _PERSONS:
        return Refused(f"Slack shows nothing there to this person ({method}: {code}).")
    if code == "missing_scope":
        return NeedsAPerson(
            f"Slack refused {method}: the scope {body.get('needed')} is missing; {_REMEDIES[code]}."
        )
    if code in _REMEDIES:
        kind = ChannelUnknown if code == "channel_not_found" else NeedsAPerson
        return kind(f"Slack refused {method} ({code}): {_REMEDIES[code]}.")
    return Invalid(f"Slack refused {method} ({code}){_explained(body)}.")


def _lost(method: str, what: str, *, is_write: bool) -> HandrailError:
    if is_write:
        return Unclear(f"Slack's answer to {method} was lost ({what}): it may have happened.")
    return Unavailable(f"Slack did not answer {method} ({what}).")


def _explained(body: Mapping[str, object]) -> str:
    metadata = body.get("response_metadata")
    messages = metadata.get("messages") if isinstance(metadata, dict) else None
    return f": {'; '.join(map(str, messages[:3]))}" if isinstance(messages, list) and messages else ""


def _retry_after(headers: Mapping[str, str]) -> int:
    found = next((value for name, value in headers.items() if name.lower() == "retry-after"), "")
    return int(found) if found.isascii() and found.isdigit() else _DEFAULT_WAIT_S
