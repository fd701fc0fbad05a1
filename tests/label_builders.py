"""Diagnoses, presses about them and labels for tests."""

from datetime import datetime

from bot.domain.card import CardRef
from bot.domain.correlation import Outcome
from bot.domain.diagnosed import Diagnosed, DiagnosisId, Scored, diagnosis_id
from bot.domain.ids import ChangeId, Digest, IncidentId, sha256_hex
from bot.domain.label import Feedback, Label, LabelSource, Verdict, label_id
from bot.domain.person import Person
from bot.domain.snapshot import digest_of
from tests.builders import CARD, INCIDENT, NOW, TEAM, a_person

SUSPECT = ChangeId("deploy-checkout-42")
OTHER = ChangeId("deploy-payments-7")
SNAPSHOT = b'{"id":"a case"}'


def a_diagnosis(
    incident: str = INCIDENT,
    *,
    evidence: str = "evidence",
    at: datetime = NOW,
    named: ChangeId | None = SUSPECT,
    suspects: tuple[ChangeId, ...] = (SUSPECT, OTHER),
    snapshot: bytes = SNAPSHOT,
    confidence: float = 0.8,
) -> Diagnosed:
    digest = sha256_hex(evidence)
    return Diagnosed(
        id=diagnosis_id(IncidentId(incident), digest),
        incident=IncidentId(incident),
        at=at,
        took_ms=120,
        weights_version="7",
        outcome=Outcome.CHANGE_SUSPECTED if named else Outcome.NOTHING_SUSPECTED,
        named=named,
        confidence=confidence,
        suspects=tuple(
            Scored(change=change, probability=confidence / (index + 1))
            for index, change in enumerate(suspects)
        ),
        evidence_digest=digest,
        snapshot_sha256=digest_of(snapshot),
    )


def a_feedback(
    verdict: Verdict = Verdict.WAS_IT,
    change: ChangeId = SUSPECT,
    *,
    on: Diagnosed | None = None,
    by: Person | None = None,
    card: CardRef | None = CARD,
    at: datetime = NOW,
    nonce: str = "1",
    digest: Digest | None = None,
) -> Feedback:
    person, about = by or a_person(), on or a_diagnosis()
    return Feedback(
        id=sha256_hex("press", person.id, change, verdict.value, nonce),  # type: ignore[arg-type]
        verdict=verdict,
        incident=about.incident,
        change=change,
        digest=digest or about.evidence_digest,
        user_id=person.id,
        team_id=TEAM,
        channel=(card or CARD).channel,
        message_ts=card.ts if card is not None else None,
        received_at=at,
    )


def a_label(
    verdict: Verdict = Verdict.WAS_IT,
    change: ChangeId = SUSPECT,
    *,
    source: LabelSource = LabelSource.PERSON,
    by: str | None = "U0ONCALL",
    on: DiagnosisId | None = None,
    incident: str = INCIDENT,
    at: datetime = NOW,
) -> Label:
    person = a_person(by) if by is not None and source is LabelSource.PERSON else None
    return Label(
        id=label_id(verdict.value, change, source.value, by or "", at.isoformat(), incident),
        incident=IncidentId(incident),
        diagnosis=on or a_diagnosis(incident).id,
        change=change,
        verdict=verdict,
        source=source,
        by=person.id if person else None,
        name=person.name if person else "",
        at=at,
    )
