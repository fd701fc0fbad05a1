"""Knock at a running bot as somebody who may not come in, and look whether anything opens.

What is sent names no incident and no change: also a bot that took it would have nothing to do.
"""

import hashlib
import hmac
import json
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import httpx

from adapters.finding import Fails, Warns

WITHIN_S: Final = 5.0
HEALTH: Final = ("/healthz", "/readyz", "/metrics")
NOWHERE: Final = ("/", "/docs", "/openapi.json", "/debug", "/debug/pprof/", "/approve", "/incident", "/admin")
OLD_S: Final = 301
_HARMLESS: Final = json.dumps({"event": {"id": "handrail-check", "event_type": "pagey.ping"}}).encode()
_CHANGE: Final = b"{}"
_NOBODY: Final = "T0HANDRAILCHECK"
_REMEDY: Final = "take the bot out of the network: what listens there is not this version of Handrail"
_UNTRUE: Final = "handrail-check: no secret of anybody"


@dataclass(frozen=True)
class Doors:
    """Where a bot listens, and with what its callers sign."""

    url: str
    slack_secret: str | None
    """None: Slack reaches the bot by Socket Mode alone."""
    slack_app: str | None
    known_secrets: Sequence[str]


@dataclass(frozen=True)
class Knock:
    """One request, and the answers that are a refusal."""

    how: str
    path: str
    body: bytes
    headers: Mapping[str, str]
    refused_by: frozenset[int] = frozenset({401})


def knocks_at(doors: Doors, *, now: Callable[[], float] = time.time) -> Mapping[str, Sequence[Knock]]:
    """Return what is tried at each address that takes something."""
    untrue = {"v1": _signature(_UNTRUE, _HARMLESS), "sha256": _signature(_UNTRUE, _CHANGE)}
    closed = frozenset({401, 404})  # A source without a secret has no address.
    return {
        "PagerDuty's webhook": [
            Knock("unsigned", "/webhooks/pagerduty", _HARMLESS, {}),
            Knock(
                "signed with another secret",
                "/webhooks/pagerduty",
                _HARMLESS,
                {"x-pagerduty-signature": f"v1={untrue['v1']}"},
            ),
        ],
        "change webhooks": [
            Knock(how, f"/webhooks/changes/{source}", _CHANGE, headers, closed)
            for source, name in (("generic", "x-handrail-signature"), ("github", "x-hub-signature-256"))
            for how, headers in (
                (f"{source}, unsigned", {}),
                (f"{source}, signed with another secret", {name: f"sha256={untrue['sha256']}"}),
            )
        ],
        "Slack's events": _slack_knocks(doors, int(now())),
    }


def _slack_knocks(doors: Doors, now: int) -> Sequence[Knock]:
    body = json.dumps(
        {
            "type": "event_callback",
            "api_app_id": doors.slack_app or "A0HANDRAILCHECK",
            "team_id": _NOBODY,
            "event": {},
        }
    ).encode()

    def knock(how: str, headers: Mapping[str, str], *refused_by: int) -> Knock:
        every = {"content-type": "application/json", **headers}
        return Knock(how, "/slack/events", body, every, frozenset(refused_by))

    if doors.slack_secret is None:
        return [knock("unsigned", {}, 404)]
    secret = doors.slack_secret
    return [
        knock("unsigned", {}, 401),
        knock("signed with another secret", _slack_headers(_UNTRUE, body, now), 401),
        knock(f"well signed, {OLD_S} s ago (a replay)", _slack_headers(secret, body, now - OLD_S), 401),
        knock("well signed, for another workspace", _slack_headers(secret, body, now), 403),
    ]


def _slack_headers(secret: str, body: bytes, at: int) -> Mapping[str, str]:
    return {
        "x-slack-request-timestamp": str(at),
        "x-slack-signature": f"v0={_signature(secret, f'v0:{at}:'.encode() + body)}",
    }


def _signature(secret: str, body: bytes) -> str:
    return hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()


async def nothing_opens(client: httpx.AsyncClient, knocks: Sequence[Knock]) -> str:
    """Send each knock. Raises `Fails` for the ones that were not refused, by name and status."""
    opened = []
    for knock in knocks:
        status = (await client.post(knock.path, content=knock.body, headers=knock.headers)).status_code
        if status not in knock.refused_by:
            opened.append(f"{knock.path} {knock.how}: {status}")
    if opened:
        raise Fails("; ".join(opened), _REMEDY)
    return f"refused: {'; '.join(knock.how for knock in knocks)}"


async def health_tells_no_secret(client: httpx.AsyncClient, doors: Doors) -> str:
    """Read what anybody may read. Raises `Fails` for a secret, and for what is more than reading."""
    wrong = []
    for path in HEALTH:
        answer = await client.get(path)
        if any(secret in answer.text for secret in doors.known_secrets):
            wrong.append(f"{path} tells a secret")
        for method in ("POST", "PUT", "DELETE", "OPTIONS", "TRACE"):
            status = (await client.request(method, path)).status_code
            if status != 405:
                wrong.append(f"{method} {path}: {status}")
    if wrong:
        raise Fails("; ".join(wrong), _REMEDY)
    return f"{', '.join(HEALTH)} are read-only and hold no secret"


async def there_are_no_others(client: httpx.AsyncClient) -> str:
    """Try usual addresses. Raises `Fails` for one that answers."""
    found = []
    for path in NOWHERE:
        for method in ("GET", "POST"):
            status = (await client.request(method, path)).status_code
            if status not in (404, 405):
                found.append(f"{method} {path}: {status}")
    if found:
        raise Fails("; ".join(found), _REMEDY)
    return f"{len(NOWHERE)} usual addresses of tools and pages answer 404"


async def it_answers(client: httpx.AsyncClient) -> str:
    """Ask how the bot is. Raises `Fails` when nothing answers, `Warns` when it is not ready."""
    try:
        ready = await client.get("/readyz")
    except httpx.HTTPError as exc:
        raise Fails(
            f"nobody answers at {client.base_url} ({type(exc).__name__}): nothing was knocked at",
            "start the bot, or name its address with --url",
        ) from exc
    if ready.status_code != 200:
        raise Warns(f"the bot at {client.base_url} is not ready: {ready.text[:300]}", "see `handrail check`")
    return f"the bot at {client.base_url} is ready"


async def or_fails(answer: Awaitable[str]) -> str:
    """Return *answer*; a bot that stops answering is a failure like any other."""
    try:
        return await answer
    except httpx.HTTPError as exc:
        raise Fails(f"no answer ({type(exc).__name__})", "see the bot's log, then check again") from exc
