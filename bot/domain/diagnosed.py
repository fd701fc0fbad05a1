"""A diagnosis as the record keeps it: what was said, and by reference what it was said from."""

from typing import NewType

from pydantic import AwareDatetime, Field

from bot.domain.correlation import Outcome, Ranking
from bot.domain.diagnosis import ModelCall, Silence
from bot.domain.frozen import Frozen
from bot.domain.ids import ChangeId, Digest, IncidentId, sha256_hex

DiagnosisId = NewType("DiagnosisId", str)
"""`<incident>-<16 digits of the evidence's digest>`: the same answer to the same question has one id."""


def diagnosis_id(incident: IncidentId, evidence_digest: Digest) -> DiagnosisId:
    """Name what was thought of *incident* on this evidence."""
    return DiagnosisId(f"{incident}-{evidence_digest[:16]}")


class Scored(Frozen):
    """One suspect with what the rules gave it."""

    change: ChangeId
    probability: float = Field(ge=0, le=1)


class Diagnosed(Frozen):
    """What the rules said of an incident at one time."""

    id: DiagnosisId
    incident: IncidentId
    at: AwareDatetime
    took_ms: int | None = Field(default=None, ge=0)
    """From hearing of the incident to this answer; None when it was thought of again later."""
    weights_version: str
    outcome: Outcome
    named: ChangeId | None
    confidence: float = Field(ge=0, le=1)
    suspects: tuple[Scored, ...]
    """Best first, the most likely ones only."""
    evidence_digest: Digest
    snapshot_sha256: Digest
    """Of the recorded case; what it was thought from."""
    is_trimmed: bool = False
    """The case was too large to be kept whole: thinking again may come to something else."""

    @property
    def first(self) -> ChangeId | None:
        """The change that stands first, whether or not it is named."""
        return self.suspects[0].change if self.suspects else None


class Opined(Frozen):
    """What a model said of a diagnosis, after the checks."""

    id: str
    diagnosis: DiagnosisId
    incident: IncidentId
    at: AwareDatetime
    model: str
    """The model that answered last, by the name it was asked under; empty when none was asked."""
    prompt: str
    """`rank@v1+<12 digits of its digest>`."""
    input_sha256: Digest | None
    calls: tuple[ModelCall, ...]
    dropped_claims: int = Field(default=0, ge=0)
    silence: Silence | None = None
    first: ChangeId | None = None
    """The change that stood first after the opinion; None for no change."""
    named: ChangeId | None = None
    share: float | None = None
    """The probability of what stood first, after the opinion; None without one."""
    snapshot_sha256: Digest | None = None
    """Of the recorded dossier; None when it was not complete in time."""


def opinion_id(diagnosis: DiagnosisId, at: AwareDatetime) -> str:
    """Name one asking of a model about *diagnosis*."""
    return sha256_hex("opinion", diagnosis, at.isoformat())


def diagnosed(
    incident: IncidentId,
    ranking: Ranking,
    *,
    at: AwareDatetime,
    evidence_digest: Digest,
    snapshot_sha256: Digest,
    is_trimmed: bool,
    took_ms: int | None,
    most_suspects: int,
) -> Diagnosed:
    """Return what is kept of *ranking*."""
    return Diagnosed(
        id=diagnosis_id(incident, evidence_digest),
        incident=incident,
        at=at,
        took_ms=took_ms,
        weights_version=ranking.weights_version,
        outcome=ranking.outcome,
        named=ranking.named,
        confidence=ranking.confidence,
        suspects=tuple(
            Scored(change=suspect.change.id, probability=suspect.probability)
            for suspect in ranking.suspects[:most_suspects]
        ),
        evidence_digest=evidence_digest,
        snapshot_sha256=snapshot_sha256,
        is_trimmed=is_trimmed,
    )
