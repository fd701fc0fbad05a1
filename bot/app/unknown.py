"""Close what the pager says it does not know: nobody will ever resolve it there."""

from datetime import timedelta

import structlog

from bot.app.world import World
from bot.domain.incident import Incident, IncidentStatus

log = structlog.get_logger()

STALE = timedelta(minutes=15)  # A page this old opens a card only if the pager says that it is still open.


def is_stale(world: World, incident: Incident) -> bool:
    """Say whether the incident was paged so long ago that a webhook's word for it is not enough."""
    return world.clock.now() - incident.opened_at > STALE


def is_nobodys(world: World, incident: Incident) -> bool:
    """Say whether to close an incident of which the pager just said that it knows none such.

    A new one stays: what was paged a moment ago may not be found yet. So does one that the pager has known:
    it gave it a number, and may only hide it from our token now.
    """
    return incident.number is None and is_stale(world, incident)


def closed_as_unknown(incident: Incident) -> Incident:
    """Return the incident as over, because the pager does not know it; the log says so."""
    log.warning("incident_unknown_to_pagerduty", incident_id=incident.id, opened_at=str(incident.opened_at))
    return incident.model_copy(update={"status": IncidentStatus.RESOLVED, "is_unknown": True})
