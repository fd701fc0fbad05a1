"""Earlier incidents that look like one, and what came of them, from the record alone."""

import asyncio
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from bot.app.world import World
from bot.domain.change import ChangeEvent
from bot.domain.plan import Plan
from bot.domain.proposal import ProposalState
from bot.domain.record import IncidentRecord


@dataclass(frozen=True)
class Earlier:
    """An earlier incident with what was tried."""

    record: IncidentRecord
    suspect: ChangeEvent | None
    """The change that was named as its cause."""
    fixed_by: Plan | None = None
    """What ran and was proven to have helped."""
    tried: Plan | None = None
    """What ran last without helping."""


def most_alike(
    record: IncidentRecord, earlier: Collection[IncidentRecord], most: int
) -> Sequence[IncidentRecord]:
    """Return those of *earlier* that are of the same service, the most alike by title first."""
    same = [
        one
        for one in earlier
        if one.id != record.id and one.assessment and one.incident.service == record.incident.service
    ]
    return sorted(same, key=lambda r: (-_alike(r.incident.title, record.incident.title), r.id))[:most]


def _alike(one: str, other: str) -> float:
    first, second = set(one.lower().split()), set(other.lower().split())
    return len(first & second) / max(1, len(first | second))


async def what_came_of(world: World, records: Sequence[IncidentRecord]) -> Sequence[Earlier]:
    """Return for each record what was suspected, what fixed it and what did not."""
    return await asyncio.gather(*(_outcome(world, record) for record in records))


async def _outcome(world: World, record: IncidentRecord) -> Earlier:
    proposals = await world.gate.proposals(record.id)
    helped = [p for p in proposals if p.state is ProposalState.VERIFIED]
    tried = [p for p in proposals if p.state in (ProposalState.NOT_RECOVERED, ProposalState.FAILED)]
    return Earlier(
        record,
        suspect_of(record),
        fixed_by=Plan.from_bytes(helped[-1].plan) if helped else None,
        tried=Plan.from_bytes(tried[-1].plan) if tried else None,
    )


def suspect_of(record: IncidentRecord) -> ChangeEvent | None:
    """Return the change that was named as the incident's cause, if one was."""
    assessment = record.assessment
    suspects = assessment.ranking.suspects if assessment and assessment.ranking else ()
    return next((s.change for s in suspects if assessment and s.change.id == assessment.suspect), None)
