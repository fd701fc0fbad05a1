"""The address to which PagerDuty posts: 202 only once the event is stored."""

from typing import assert_never

import structlog
from starlette.datastructures import Headers
from starlette.responses import Response
from starlette.routing import Route

from adapters.intake.receiving import Limits, answer, webhook_route
from adapters.intake.signatures import SigningSecrets
from adapters.pagerduty.webhook import SIGNATURE_HEADER, Ignored, Mention, Ping, glance, is_signed
from bot.ports import Inbox, Stream

log = structlog.get_logger()

_ACCEPTED = answer(202, "accepted")


def pagerduty_route(
    inbox: Inbox,
    secrets: SigningSecrets,
    *,
    path: str = "/webhooks/pagerduty",
    limits: Limits | None = None,
) -> Route:
    """Return the route. The raw body goes into `Stream.EVENTS` under the event's id.

    Answers: 401 for a wrong signature, 400 only for what is not JSON (after three 4xx PagerDuty stops sending
    for a day), 503 when nothing could be stored, so that PagerDuty delivers again.
    """

    async def handle(headers: Headers, body: bytes) -> Response:
        if not is_signed(headers.getlist(SIGNATURE_HEADER), body, secrets):
            log.warning("pagerduty_signature_refused", size=len(body))
            return answer(401, "bad signature")
        event = glance(body)
        match event:
            case Mention():
                new = await inbox.put(Stream.EVENTS, event.event_id, body)
                tell = log.info if new else log.debug
                tell(
                    "webhook_stored" if new else "webhook_known",
                    correlation_id=event.event_id,
                    event_type=event.event_type,
                    incident_id=event.incident_id,
                )
            case Ping():
                log.info("pagerduty_ping", event_id=event.event_id)
            case Ignored():
                log.warning("pagerduty_event_ignored", event_id=event.event_id, why=event.why)
            case _:
                assert_never(event)
        return _ACCEPTED

    return webhook_route(path, handle, source="pagerduty", limits=limits)
