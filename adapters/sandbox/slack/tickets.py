"""The short-lived capabilities that Slack hands out: trigger ids and response addresses."""

import secrets
from collections.abc import Callable
from dataclasses import dataclass, field

from . import limits
from .errors import SlackRefusedError


class Triggers:
    """Trigger ids: good for one view, for 3 seconds."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._issued: dict[str, tuple[str, float]] = {}
        self._exchanged: set[str] = set()

    def issue(self, user: str) -> str:
        trigger = f"{secrets.randbelow(10**13)}.{secrets.randbelow(10**12)}.{secrets.token_hex(16)}"
        self._issued[trigger] = (user, self._clock() + limits.TRIGGER_S)
        return trigger

    def exchange(self, trigger: str) -> str:
        """Return the person for whom *trigger* opens a view, once."""
        user, expires_at = self._issued.get(trigger, ("", 0.0))
        if not user:
            raise SlackRefusedError("invalid_trigger_id")
        if trigger in self._exchanged:
            raise SlackRefusedError("exchanged_trigger_id")
        if self._clock() > expires_at:
            raise SlackRefusedError("expired_trigger_id")
        self._exchanged.add(trigger)
        return user


@dataclass
class ResponseUrl:
    """Where an app may answer one interaction: 5 times within 30 minutes."""

    path: str
    channel: str
    user: str
    message_ts: str | None
    thread_ts: str | None
    expires_at: float
    uses_left: int = field(default=limits.RESPONSE_URL_USES)


class ResponseUrls:
    """The response addresses given out, by their path."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._open: dict[str, ResponseUrl] = {}

    def issue(
        self,
        folder: str,
        channel: str,
        user: str,
        message_ts: str | None = None,
        thread_ts: str | None = None,
    ) -> str:
        path = f"/{folder}/{secrets.token_urlsafe(24)}"
        expires_at = self._clock() + limits.RESPONSE_URL_S
        self._open[path] = ResponseUrl(path, channel, user, message_ts, thread_ts, expires_at)
        return path

    def use(self, path: str) -> ResponseUrl:
        """Return what *path* answers, and count the use.

        Raises:
            SlackRefusedError: `used_url` for an unknown or outworn address, `expired_url` for an old one.
        """
        target = self._open.get(path)
        if target is None or target.uses_left == 0:
            raise SlackRefusedError("used_url")
        if self._clock() > target.expires_at:
            raise SlackRefusedError("expired_url")
        target.uses_left -= 1
        return target


class SocketTickets:
    """The secrets in Socket Mode addresses: good for one connection, for half a minute."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._expiries: dict[str, float] = {}

    def issue(self) -> str:
        ticket = secrets.token_urlsafe(24)
        self._expiries[ticket] = self._clock() + limits.SOCKET_TICKET_S
        return ticket

    def use(self, ticket: str) -> bool:
        """Return whether *ticket* opens a connection now."""
        return self._clock() <= self._expiries.pop(ticket, float("-inf"))
