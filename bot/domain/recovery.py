"""Which recovery is that of an incident's present life."""

from collections.abc import Sequence

from bot.domain.proposal import ProposalRecord, ProposalState
from bot.domain.record import IncidentRecord


def recovery_of(record: IncidentRecord, proposals: Sequence[ProposalRecord]) -> ProposalRecord | None:
    """Return the last of *proposals* if it has proven the recovery of this life; None otherwise.

    An incident that was reopened is assessed anew: what recovered before that says nothing of it.
    """
    last = proposals[-1] if proposals else None
    if last is None or last.state is not ProposalState.VERIFIED:
        return None
    is_later = record.assessment is not None and record.assessment.assessed_at >= last.changed_at
    return None if record.life > 1 and is_later else last
