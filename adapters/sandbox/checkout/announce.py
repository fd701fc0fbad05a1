"""Tell the outside world of each deploy, as a CI job would: a signed change event, sent until it is taken."""

import asyncio
import hashlib
import hmac
from dataclasses import dataclass

import httpx
import structlog

from adapters.sandbox.checkout.operations import Operations
from adapters.sandbox.checkout.state import Change

log = structlog.get_logger()

SIGNATURE_HEADER = "X-Handrail-Signature"
FIRST_BACKOFF_S = 0.1
LONGEST_BACKOFF_S = 2.0
TIMEOUT_S = 5.0


@dataclass(frozen=True)
class ChangeWebhook:
    """Where change events go, and the secret that they are signed with."""

    url: str
    secret: str

    def signature(self, body: bytes) -> str:
        """Return "sha256=<hex HMAC-SHA256 of the raw body>"."""
        return f"sha256={hmac.new(self.secret.encode(), body, hashlib.sha256).hexdigest()}"


async def announce_changes(operations: Operations, webhook: ChangeWebhook) -> None:
    """Send the outbox, oldest first, and what comes into it, until cancelled."""
    async with httpx.AsyncClient(timeout=TIMEOUT_S, trust_env=False) as client:
        while True:
            operations.outbox_grew.clear()
            for change in operations.state.outbox:
                await _send(client, webhook, change)
                operations.take_announced(change.id)
            if not operations.state.outbox:
                await operations.outbox_grew.wait()


async def _send(client: httpx.AsyncClient, webhook: ChangeWebhook, change: Change) -> None:
    body = change.model_dump_json().encode()
    headers = {"Content-Type": "application/json", SIGNATURE_HEADER: webhook.signature(body)}
    backoff_s = FIRST_BACKOFF_S
    while True:
        try:
            status = (await client.post(webhook.url, content=body, headers=headers)).status_code
        except httpx.HTTPError as exc:
            log.warning("change_event_unanswered", change_id=change.id, cause=type(exc).__name__)
            status = 503
        if status < 300:
            return
        if status < 500 and status not in (408, 429):
            log.error("change_event_refused", change_id=change.id, status=status)
            return
        await asyncio.sleep(backoff_s)
        backoff_s = min(backoff_s * 2, LONGEST_BACKOFF_S)
