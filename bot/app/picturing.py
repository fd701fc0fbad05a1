"""Gather what the picture of an incident shows: its metric, and what happened beside it."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Final

from bot.app.facts import Facts
from bot.app.wording import change_name
from bot.app.world import World
from bot.domain.catalogue import Signal
from bot.domain.diagnosis import Window
from bot.domain.playbook import Comparison
from bot.domain.timeline import Mark, MarkKind, Timeline

LEAD: Final = timedelta(minutes=2)
"""Our choice: so much of the usual is shown before the first thing that happened."""
_EARLIEST: Final = timedelta(minutes=30)
"""Our choice: a change longer before the incident would squeeze everything else into a corner."""
_AFTER: Final = timedelta(minutes=5)
_MOST_ALERTS: Final = 3
_MOST_CHANGES: Final = 3
_MOST_MARKS: Final = 14


async def timeline_of(world: World, facts: Facts) -> Timeline | None:
    """Return what is to be drawn; None when no metric of the incident has points.

    Raises:
        Unavailable, NotFound: whoever keeps the metric did not answer.
    """
    histories = world.sources.history
    chosen = _signal(world, facts)
    if histories is None or chosen is None:
        return None
    name, signal, threshold, healthy = chosen
    marks = marks_of(world, facts)
    points = await histories.points(signal, window_of(facts, marks))
    if len(points) < 2:
        return None
    service = facts.record.incident.service
    incident = facts.record.incident
    return Timeline(
        title=_said(world, incident.title or incident.id),
        metric=f"{name} of {service}, {incident.opened_at:%Y-%m-%d}",
        points=tuple(points),
        marks=marks,
        threshold=float(threshold) if threshold is not None else None,
        is_healthy_below=healthy is not Comparison.ABOVE,
    )


def window_of(facts: Facts, marks: tuple[Mark, ...]) -> Window:
    """Return the time to show: from before the first mark until a little after the end."""
    end = min(facts.at, max(mark.at for mark in marks) + _AFTER) if not _goes_on(facts) else facts.at
    return Window(start=min(mark.at for mark in marks) - LEAD, end=end)


def _goes_on(facts: Facts) -> bool:
    return facts.record.incident.is_open and not facts.is_recovered


def marks_of(world: World, facts: Facts) -> tuple[Mark, ...]:
    """Return what happened, in order of time; of many the first alerts and the newest steps."""
    found = sorted(
        (*_changes(facts), *_alerts(facts), *_decisions(facts), *_ends(facts)), key=lambda mark: mark.at
    )
    kept = found if len(found) <= _MOST_MARKS else [*found[: _MOST_MARKS // 2], *found[-_MOST_MARKS // 2 :]]
    return tuple(mark.model_copy(update={"text": _said(world, mark.text)}) for mark in kept)


def _signal(world: World, facts: Facts) -> tuple[str, Signal, Decimal | None, Comparison | None] | None:
    """Return the signal that the last plan was to mend; without a plan the service's first."""
    if facts.proposals:
        check = facts.plans[facts.proposals[-1].id].verify
        return check.signal_name, check.signal, check.threshold, check.healthy
    name = facts.record.incident.service
    service = world.catalogue.services.get(name) if name else None
    first = next(iter(service.signals.items()), None) if service else None
    return (first[0], first[1], None, None) if first else None


def _changes(facts: Facts) -> Iterator[Mark]:
    ranking = facts.record.assessment.ranking if facts.record.assessment else None
    for suspect in (ranking.suspects if ranking else ())[:_MOST_CHANGES]:
        at = suspect.change.live_at
        if at >= facts.record.incident.opened_at - _EARLIEST:
            yield Mark(kind=MarkKind.CHANGE, at=at, text=f"Change: {change_name(suspect.change)}")


def _alerts(facts: Facts) -> Iterator[Mark]:
    incident = facts.record.incident
    alerts = sorted(incident.alerts, key=lambda alert: alert.at)
    for alert in alerts[:_MOST_ALERTS]:
        yield Mark(kind=MarkKind.ALERT, at=alert.at, text=f"Alert: {alert.title}")
    if not alerts:
        yield Mark(kind=MarkKind.ALERT, at=incident.opened_at, text=f"Opened: {incident.title}")


def _decisions(facts: Facts) -> Iterator[Mark]:
    for proposal in facts.proposals:
        title = facts.plans[proposal.id].title
        for approval in proposal.approvals:
            yield Mark(kind=MarkKind.APPROVAL, at=approval.at, text=f"Approved by {approval.name}: {title}")
    for claim in facts.claims:
        plan = facts.plans.get(claim.proposal_id)
        step = plan.step(claim.step_index) if plan else None
        if step is not None and claim.outcome is not None and claim.finished_at is not None:
            said = f"{step.action.name}: {claim.outcome.result.value}"
            yield Mark(kind=MarkKind.STEP, at=claim.finished_at, text=said)


def _ends(facts: Facts) -> Iterator[Mark]:
    if facts.is_recovered:
        last = facts.proposals[-1]
        reason = last.reason.partition(":")[0]
        yield Mark(kind=MarkKind.RECOVERY, at=last.changed_at, text=f"Recovered: {reason}")
    ended: datetime | None = facts.record.resolved_at
    if ended is not None and not facts.record.incident.is_open:
        yield Mark(kind=MarkKind.END, at=ended, text="Resolved")


def _said(world: World, text: str) -> str:
    return world.redactor.redact(text).text
