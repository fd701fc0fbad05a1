"""Labels and diagnoses in memory, as the SQL rows keep them."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from adapters.store.rows import Answered
from bot.domain.diagnosed import Diagnosed, DiagnosisId, Opined
from bot.domain.ids import ClickId, IncidentId
from bot.domain.label import FeedbackRuling, Label


@dataclass
class MemoryLabels:
    by_id: dict[str, Label] = field(default_factory=dict)
    answers: dict[ClickId, Answered] = field(default_factory=dict)

    def answer(self, click: ClickId) -> FeedbackRuling | None:
        known = self.answers.get(click)
        return known.ruling if known is not None else None

    def add_answer(self, answered: Answered) -> None:
        self.answers[answered.press.id] = answered

    def has(self, label: str) -> bool:
        return label in self.by_id

    def add(self, label: Label) -> None:
        self.by_id[label.id] = label

    def of_incident(self, incident: IncidentId) -> Sequence[Label]:
        return self._ordered([label for label in self.by_id.values() if label.incident == incident])

    def since(self, start: datetime) -> Sequence[Label]:
        return self._ordered([label for label in self.by_id.values() if label.at >= start])

    def _ordered(self, found: list[Label]) -> list[Label]:
        return sorted(found, key=lambda label: (label.at, label.id))


@dataclass
class MemoryDiagnoses:
    by_id: dict[DiagnosisId, Diagnosed] = field(default_factory=dict)
    snapshots: dict[DiagnosisId, bytes] = field(default_factory=dict)
    said: dict[str, Opined] = field(default_factory=dict)
    dossiers: dict[str, bytes] = field(default_factory=dict)

    def get(self, diagnosis: DiagnosisId) -> Diagnosed | None:
        return self.by_id.get(diagnosis)

    def add(self, diagnosis: Diagnosed, snapshot: bytes) -> None:
        self.by_id[diagnosis.id] = diagnosis
        self.snapshots[diagnosis.id] = snapshot

    def add_opinion(self, opinion: Opined, dossier: bytes | None) -> None:
        if opinion.id in self.said:
            return
        self.said[opinion.id] = opinion
        if dossier is not None:
            self.dossiers[opinion.id] = dossier

    def between(self, incident: IncidentId | None, start: datetime | None) -> Sequence[Diagnosed]:
        found = [one for one in self.by_id.values() if _fits(one.incident, one.at, incident, start)]
        return sorted(found, key=lambda one: (one.at, one.id))

    def opinions(self, incident: IncidentId | None, start: datetime | None) -> Sequence[Opined]:
        found = [one for one in self.said.values() if _fits(one.incident, one.at, incident, start)]
        return sorted(found, key=lambda one: (one.at, one.id))

    def snapshot(self, diagnosis: DiagnosisId) -> bytes | None:
        return self.snapshots.get(diagnosis)

    def dossier(self, opinion: str) -> bytes | None:
        return self.dossiers.get(opinion)


def _fits(of: IncidentId, at: datetime, incident: IncidentId | None, start: datetime | None) -> bool:
    return (incident is None or of == incident) and (start is None or at >= start)
