"""Put together what a model may know of an incident: only redacted text, and only choices of ours."""

from typing import Final

from bot.app.findings import Question, typed
from bot.app.tools import clean_line, gather_evidence
from bot.app.world import World
from bot.domain.correlation import Ranking, Suspect
from bot.domain.diagnosis import (
    MOST_CANDIDATES,
    NONE_OF_THESE,
    Candidate,
    CandidateId,
    Dossier,
    PlaybookOption,
    Window,
)
from bot.domain.ids import ServiceName
from bot.domain.record import IncidentRecord
from bot.domain.redaction import Redacted

LONGEST_TITLE: Final = 300
MOST_SERVICES: Final = 12


def question_of(world: World, record: IncidentRecord, ranking: Ranking) -> Question:
    """Return what the tools are asked about: the incident and its candidates, numbered."""
    suspects = tuple(
        (CandidateId(f"C{number}"), suspect)
        for number, suspect in enumerate(ranking.suspects[:MOST_CANDIDATES], 1)
    )
    onset = Window(start=ranking.onset - world.manners.lookback, end=ranking.onset)
    return Question(record=record, suspects=suspects, onset=onset)


async def dossier_of(world: World, record: IncidentRecord, ranking: Ranking, *, max_calls: int) -> Dossier:
    """Return the dossier of an assessed incident, with evidence gathered now."""
    question = question_of(world, record, ranking)
    title = clean_line(world, record.incident.title)
    return Dossier(
        incident=record.id,
        service=record.incident.service,
        title=Redacted(title[:LONGEST_TITLE]),
        urgency=record.incident.urgency if record.incident.urgency in ("high", "low") else "unknown",
        onset=ranking.onset,
        now=world.clock.now(),
        candidates=(
            *(_candidate(world, candidate_id, suspect) for candidate_id, suspect in question.suspects),
            Candidate(id=NONE_OF_THESE, change=None, prior=ranking.nothing.probability),
        ),
        results=await gather_evidence(world, question),
        playbooks=_playbooks(world, record, ranking),
        services=services_near(world, question),
        may_ask=max_calls > 1,
        max_calls=max_calls,
    )


def services_near(world: World, question: Question) -> tuple[ServiceName, ...]:
    """Return the services near the incident, by name: the only ones that a model may ask about."""
    name = question.record.incident.service
    near: list[ServiceName] = [name] if name else []
    near += [suspect.change.service for _, suspect in question.suspects]
    if name:
        topology = world.topology()
        reach = topology.dependencies_of(name, hops=2) | topology.dependents_of(name, hops=1)
        near += sorted(reach, key=lambda other: (reach[other], other))
    return tuple(dict.fromkeys(other for other in near if typed(other) == other))[:MOST_SERVICES]


def _candidate(world: World, candidate_id: CandidateId, suspect: Suspect) -> Candidate:
    change = suspect.change
    names = (change.id, change.version, change.flag)
    return Candidate(
        id=candidate_id,
        change=change.id,
        service=change.service,
        kind=change.kind,
        names=tuple(clean_line(world, name) for name in names if name),
        began_at=change.began_at,
        prior=suspect.probability,
    )


def _playbooks(world: World, record: IncidentRecord, ranking: Ranking) -> tuple[PlaybookOption, ...]:
    suspected = (suspect.change.service for suspect in ranking.suspects[:MOST_CANDIDATES])
    names = dict.fromkeys(name for name in (record.incident.service, *suspected) if name)
    return tuple(
        PlaybookOption(id=playbook_id, service=name, kinds=loaded.playbook.when.kinds)
        for name in names
        if (service := world.catalogue.services.get(name))
        for playbook_id in service.playbooks
        if (loaded := world.playbooks.get(playbook_id))
    )
