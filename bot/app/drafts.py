"""Diagnoses that stand on the record and whose inputs are not kept yet."""

from collections import OrderedDict
from dataclasses import dataclass, field
from typing import Final

from bot.domain.correlation import Ranking
from bot.domain.correlation_case import Case
from bot.domain.ids import IncidentId
from bot.domain.record import Assessment

MOST_DRAFTS: Final = 200  # Our choice: more incidents than any storm has between assessing and showing.


@dataclass(frozen=True)
class Draft:
    """A diagnosis that stands on the record and whose inputs are not kept yet."""

    case: Case
    ranking: Ranking
    assessment: Assessment


@dataclass
class Drafts:
    """The newest draft of each incident, from its assessment until its card is shown."""

    _waiting: OrderedDict[IncidentId, Draft] = field(default_factory=OrderedDict)

    def put(self, incident: IncidentId, draft: Draft) -> None:
        self._waiting[incident] = draft
        self._waiting.move_to_end(incident)
        while len(self._waiting) > MOST_DRAFTS:
            self._waiting.popitem(last=False)

    def take(self, incident: IncidentId) -> Draft | None:
        return self._waiting.pop(incident, None)
