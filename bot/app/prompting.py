"""Put together what a model may know of an incident: only redacted text, and only choices of ours."""

from typing import Final

from bot.app.findings import Question
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
from bot.domain.record import IncidentRecord
from bot.domain.redaction import Redacted

LONGEST_TITLE: Final = 300


async def dossier_of(world: World, record: IncidentRecord, ranking: Ranking, *, max_calls: int) -> Dossier:
    """Return the dossier of an assessed incident, with evidence gathered now."""
    suspects = tuple(
        (CandidateId(f"C{number}"), suspect)
        for number, suspect in enumerate(ranking.suspects[:MOST_CANDIDATES], 1)
    )
    onset = Window(start=ranking.onset - world.manners.lookback, end=ranking.onset)
    question = Question(record=record, suspects=suspects, onset=onset)
    title = clean_line(world, record.incident.title)
    return Dossier(
        incident=record.id,
        service=record.incident.service,
        title=Redacted(title[:LONGEST_TITLE]),
        urgency=record.incident.urgency if record.incident.urgency in ("high", "low") else "unknown",
        onset=ranking.onset,
        now=world.clock.now(),
        candidates=(
            *(_candidate(world, candidate_id, suspect) for candidate_id, suspect in suspects),
            Candidate(id=NONE_OF_THESE, change=None, prior=ranking.nothing.probability),
        ),
        results=await gather_evidence(world, question),
        playbooks=_playbooks(world, record, ranking),
        max_calls=max_calls,
    )


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
