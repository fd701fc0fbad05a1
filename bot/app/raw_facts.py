"""Say what alerts when nothing can be said about why: a card of facts is better than none."""

from typing import Final

from bot.app.wording import clock_time, counted
from bot.app.world import World
from bot.domain.card import Cause
from bot.domain.document import Line
from bot.domain.ids import sha256_hex
from bot.domain.incident import Incident
from bot.domain.record import Assessment

RANKING_FAILED: Final = "Ranking failed: shown are the alerts only"
NOTHING_PROPOSED: Final = "No playbook is proposed: what caused this was not worked out."
MOST_ALERTS: Final = 10


def raw_facts(world: World, incident: Incident) -> Assessment:
    """Return an assessment that blames nothing: the alerts with their times and links, and the runbook.

    Who is on call stands on the card whatever was thought.
    """
    return Assessment(
        cause=Cause(
            headline=RANKING_FAILED,
            is_ranked=False,
            confidence_percent=0,
            confidence_word="no",
            suspects=(),
            nothing_changed_percent=0,
            evidence=(*_runbook(world, incident), *_alerts(world, incident)),
            speaker="Raw facts: neither rules nor a model took part.",
        ),
        suspect=None,
        evidence_digest=sha256_hex("raw facts", incident.id),
        notes=(NOTHING_PROPOSED,),
        assessed_at=world.clock.now(),
    )


def _runbook(world: World, incident: Incident) -> tuple[Line, ...]:
    service = world.catalogue.services.get(incident.service) if incident.service else None
    if service is None or service.runbook_url is None:
        return ()
    return (Line(text=f"Runbook of {incident.service}", url=service.runbook_url),)


def _alerts(world: World, incident: Incident) -> list[Line]:
    today = world.clock.now()
    told = sorted(incident.alerts, key=lambda alert: (alert.at, alert.id))
    lines = [
        Line(text=f"Since {clock_time(alert.at, today=today)}: {alert.title}", url=alert.url)
        for alert in told[:MOST_ALERTS]
    ]
    if (more := len(told) - MOST_ALERTS) > 0:
        lines.append(Line(text=f"and {counted(more, 'more alert')}", url=incident.url))
    return lines
