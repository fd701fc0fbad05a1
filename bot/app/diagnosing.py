"""Keep what an incident was diagnosed from, once the card stands: nobody waits for it."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from bot.app.drafts import Draft
from bot.app.world import World
from bot.domain.diagnosed import Diagnosed, Opined, diagnosed, diagnosis_id, opinion_id
from bot.domain.diagnosis import Dossier, ModelCall, Silence
from bot.domain.errors import HandrailError
from bot.domain.fusion import fuse
from bot.domain.grounding import Grounded
from bot.domain.ids import ChangeId, IncidentId
from bot.domain.record import IncidentRecord
from bot.domain.snapshot import Snapshot, canonical, digest_of, take_snapshot

SUSPECTS: Final = 10
FIRST_ANSWER: Final = timedelta(minutes=5)
"""Our choice: an assessment that comes later than this after hearing of the incident is a second thought."""


async def keep_diagnosis(world: World, incident: IncidentId) -> None:
    """Record the incident's last diagnosis, if it is not on record; a store that fails loses only this."""
    draft = world.drafts.take(incident)
    record = await world.book.get(incident) if draft is not None else None
    if draft is None or record is None:
        return
    try:
        kept, snapshot = await asyncio.to_thread(_written, world, record, draft)
        await world.diagnoses.record(kept, snapshot.raw)
    except HandrailError:
        # The card stands and the decision does not rest on this; the incident cannot be replayed.
        world.telemetry.degraded("record of the diagnosis")


def _written(world: World, record: IncidentRecord, draft: Draft) -> tuple[Diagnosed, Snapshot]:
    name = diagnosis_id(record.id, draft.assessment.evidence_digest)
    snapshot = take_snapshot(
        name,
        draft.case,
        order=[suspect.change.id for suspect in draft.ranking.suspects],
        redact=lambda text: world.redactor.redact(text).text,
    )
    took = draft.assessment.assessed_at - record.seen_at
    is_first = timedelta(0) <= took <= FIRST_ANSWER
    kept = diagnosed(
        record.id,
        draft.ranking,
        at=draft.assessment.assessed_at,
        evidence_digest=draft.assessment.evidence_digest,
        snapshot_sha256=snapshot.sha256,
        is_trimmed=snapshot.is_trimmed,
        took_ms=round(took.total_seconds() * 1000) if is_first else None,
        most_suspects=SUSPECTS,
    )
    return kept, snapshot


async def keep_opinion(
    world: World,
    record: IncidentRecord,
    *,
    dossier: Dossier | None,
    calls: Sequence[ModelCall],
    grounded: Grounded | None,
    silence: Silence | None,
) -> None:
    """Record what a model said of the incident's diagnosis, with the redacted dossier that it was given."""
    if record.assessment is None:
        return
    now = world.clock.now()
    about = diagnosis_id(record.id, record.assessment.evidence_digest)
    raw = canonical(dossier.model_dump(mode="json")) if dossier is not None else None
    last = calls[-1] if calls else None
    choice = Choice()
    if dossier and grounded and silence is None:
        choice = Choice.of(dossier, grounded, named_by_rules=record.assessment.suspect)
    opinion = Opined(
        id=opinion_id(about, now),
        diagnosis=about,
        incident=record.id,
        at=now,
        model=last.model if last else "",
        prompt=last.prompt if last else "",
        input_sha256=dossier.input_sha256 if dossier is not None else None,
        calls=tuple(calls),
        dropped_claims=grounded.dropped_claims if grounded is not None else 0,
        silence=silence,
        first=choice.first,
        named=choice.named,
        share=choice.share,
        snapshot_sha256=digest_of(raw) if raw is not None else None,
    )
    try:
        await world.diagnoses.record_opinion(opinion, raw)
    except HandrailError:
        world.telemetry.degraded("record of the opinion")


@dataclass(frozen=True)
class Choice:
    """What stands first after an opinion, and what is named; None for no change."""

    first: ChangeId | None = None
    named: ChangeId | None = None
    share: float | None = None

    @classmethod
    def of(cls, dossier: Dossier, grounded: Grounded, *, named_by_rules: ChangeId | None) -> "Choice":
        """Return what the rules' prior and the checked opinion come to together.

        An opinion that moves nothing leaves what the rules named: they have rules of their own for that.
        """
        fused = fuse(dossier.candidates, grounded)
        if not fused.order:
            return cls()
        key, share = fused.order[0]
        first = dossier.candidate(key)
        named = dossier.candidate(fused.named) if fused.named is not None else None
        named_by_both = named.change if named is not None else None
        return cls(
            first=first.change if first is not None else None,
            named=named_by_both if fused.is_moved else named_by_rules,
            share=share,
        )
