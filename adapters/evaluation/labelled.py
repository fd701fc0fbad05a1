"""Make labelled cases of what the record holds: each labelled incident, as it was diagnosed."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from bot.domain.diagnosed import DiagnosisId
from bot.domain.drift import settled_by_incident
from bot.domain.errors import Tampered
from bot.domain.ids import IncidentId
from bot.domain.label import Label, Settled, standing
from bot.domain.snapshot import canonical
from bot.ports import Diagnoses, Labels


@dataclass(frozen=True)
class LabelledLines:
    """The lines of a case file, and how many incidents gave none."""

    lines: tuple[str, ...]
    positives: int
    """Lines that say which change was it."""
    ruled_out: int
    """Lines that only say which change was not."""
    disputed: int
    lost: int
    """Labelled incidents whose recorded case is missing or was changed."""


async def labelled_lines(diagnoses: Diagnoses, labels: Labels, since: datetime) -> LabelledLines:
    """Return one case for each incident with a label since *since*, oldest first.

    An incident that was diagnosed more than once is given as it was when it was labelled last.
    """
    found = await labels.since(since)
    settled = settled_by_incident(found)
    made: list[str] = []
    positives = disputed = lost = 0
    for incident, answer in settled.items():
        if answer.is_disputed or not answer.is_known:
            disputed += answer.is_disputed
            continue
        raw = await _snapshot(diagnoses, _diagnosis(found, incident, answer))
        if raw is None:
            lost += 1
            continue
        positives += answer.right is not None
        made.append(canonical(_labelled(json.loads(raw), answer)).decode())
    return LabelledLines(tuple(made), positives, len(made) - positives, disputed, lost)


def _diagnosis(labels: Sequence[Label], incident: IncidentId, answer: Settled) -> DiagnosisId:
    """Return the diagnosis that the deciding labels speak of."""
    counted = standing(label for label in labels if label.incident == incident)
    decisive = [label for label in counted if label.change == answer.right] or list(counted)
    return decisive[-1].diagnosis


async def _snapshot(diagnoses: Diagnoses, diagnosis: DiagnosisId) -> bytes | None:
    try:
        return await diagnoses.snapshot(diagnosis)
    except Tampered:
        return None


def _labelled(case: dict[str, Any], answer: Settled) -> dict[str, object]:
    """Return *case* with its label: the truth where it is known, and what is only ruled out beside it."""
    spoke = ", ".join(source.value for source in answer.sources)
    truth = {"truth": {"deploy_id": answer.right, "reason": f"labels: {spoke}"}} if answer.right else {}
    said = {
        "right": answer.right,
        "wrong": list(answer.wrong),
        "strength": answer.strength,
        "sources": [source.value for source in answer.sources],
    }
    return {**case, **truth, "labels": said}
