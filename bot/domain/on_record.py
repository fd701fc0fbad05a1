"""Everything that is recorded of one incident, at one moment."""

from collections.abc import Sequence
from dataclasses import dataclass

from pydantic import AwareDatetime

from bot.domain.course import Situation
from bot.domain.execution import Claim
from bot.domain.proposal import ProposalRecord
from bot.domain.record import IncidentRecord


@dataclass(frozen=True)
class OnRecord:
    """The record, the proposals and the claims of an incident, with what holds for all of them."""

    record: IncidentRecord | None
    """None when the incident was never seen."""
    proposals: Sequence[ProposalRecord]
    """First to last; only the last can be alive."""
    claims: Sequence[Claim]
    """In order of claiming."""
    epoch: int
    is_killed: bool
    now: AwareDatetime
    """The store's time."""

    def situation(self) -> Situation:
        """Return what decides the next move."""
        return Situation(
            is_open=self.record is not None and self.record.incident.is_open,
            epoch=self.epoch,
            now=self.now,
            proposals=self.proposals,
            claims=self.claims,
        )
