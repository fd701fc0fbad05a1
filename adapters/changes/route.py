"""The addresses to which change sources post: 202 only once the change is stored."""

from datetime import datetime, timedelta

import structlog
from pydantic import SecretStr
from starlette.datastructures import Headers
from starlette.responses import Response
from starlette.routing import Route

from adapters.changes import generic, github
from adapters.changes.generic import parse_generic
from adapters.changes.github import NoChange, parse_github
from adapters.intake.receiving import Limits, answer, webhook_route
from adapters.intake.signatures import SigningSecrets, digests_in
from bot.domain.catalogue import Catalogue
from bot.domain.change import ChangeEvent
from bot.domain.errors import Invalid
from bot.ports import Clock, Inbox, Stream

log = structlog.get_logger()

NEAR_FUTURE = timedelta(hours=1)
PAST = timedelta(days=3_650)


def change_routes(
    inbox: Inbox,
    catalogue: Catalogue,
    clock: Clock,
    *,
    generic_secret: SecretStr | None,
    github_secret: SecretStr | None,
    limits: Limits | None = None,
) -> list[Route]:
    """Return the routes of the sources that have a secret; the others do not exist.

    A `ChangeEvent` as JSON goes into `Stream.CHANGES`, once for each id and status.
    """
    sink = _ChangeSink(inbox, catalogue, clock)
    routes: list[Route] = []
    if generic_secret is not None:
        secrets = SigningSecrets("HANDRAIL_CHANGES_SECRET", [generic_secret])
        routes.append(_generic_route(sink, secrets, limits))
    if github_secret is not None:
        secrets = SigningSecrets("HANDRAIL_GITHUB_SECRET", [github_secret])
        routes.append(_github_route(sink, secrets, limits))
    return routes


def _generic_route(sink: "_ChangeSink", secrets: SigningSecrets, limits: Limits | None) -> Route:
    async def handle(headers: Headers, body: bytes) -> Response:
        digests = digests_in(headers.getlist(generic.SIGNATURE_HEADER), prefix=generic.SIGNATURE_PREFIX)
        if not secrets.match(body, digests):
            return _refused(generic.SOURCE, body)
        await sink.store(parse_generic(body, sink.catalogue, received_at=sink.clock.now()))
        return answer(202, "accepted")

    return webhook_route("/webhooks/changes/generic", handle, source="changes_generic", limits=limits)


def _github_route(sink: "_ChangeSink", secrets: SigningSecrets, limits: Limits | None) -> Route:
    async def handle(headers: Headers, body: bytes) -> Response:
        digests = digests_in(headers.getlist(github.SIGNATURE_HEADER), prefix=github.SIGNATURE_PREFIX)
        if not secrets.match(body, digests):
            return _refused(github.SOURCE, body)
        if headers.get("content-type", "").startswith("application/x-www-form-urlencoded"):
            raise Invalid("Set the content type of the webhook to application/json.")
        event = headers.get(github.EVENT_HEADER, "")
        found = parse_github(event, body, sink.catalogue, received_at=sink.clock.now())
        if isinstance(found, NoChange):
            log.info("change_ignored", why=found.why, delivery=headers.get(github.DELIVERY_HEADER))
            return answer(202, "ignored")
        await sink.store(found)
        return answer(202, "accepted")

    return webhook_route("/webhooks/changes/github", handle, source="changes_github", limits=limits)


class _ChangeSink:
    """Puts changes into the queue, and says what is odd about them."""

    def __init__(self, inbox: Inbox, catalogue: Catalogue, clock: Clock) -> None:
        self.catalogue = catalogue
        self.clock = clock
        self._inbox = inbox

    async def store(self, change: ChangeEvent) -> None:
        if self.catalogue.by_name(change.service) is None:
            log.warning("change_of_unknown_service", change_id=change.id, service=change.service)
        if not is_plausible(change, self.clock.now()):
            log.warning("change_time_implausible", change_id=change.id, live_at=change.live_at.isoformat())
        key = f"{change.id}:{change.status}"
        new = await self._inbox.put(Stream.CHANGES, key, change.model_dump_json().encode())
        log.info("change_stored" if new else "change_known", change_id=change.id, status=change.status)


def is_plausible(change: ChangeEvent, now: datetime) -> bool:
    """Return whether the change's times are neither far in the future nor ages ago."""
    times = (at for at in (change.started_at, change.finished_at) if at is not None)
    return all(now - PAST <= at <= now + NEAR_FUTURE for at in times)


def _refused(source: str, body: bytes) -> Response:
    log.warning("change_signature_refused", source=source, size=len(body))
    return answer(401, "bad signature")
