"""What a playbook has done for a service so far, by our own record."""

from collections.abc import Sequence
from statistics import median

from bot.domain.approval import faithful_plan
from bot.domain.ids import PlaybookId, ServiceName
from bot.domain.plan import Trust
from bot.domain.proposal import ProposalRecord, ProposalState

MOST_RUNS = 100
"""How many of the last executions count."""
ENDED = frozenset(
    {ProposalState.VERIFIED, ProposalState.NOT_RECOVERED, ProposalState.FAILED, ProposalState.UNKNOWN}
)
"""How an execution may have ended; one that is unknown has not worked."""


def runs_of(
    service: ServiceName, playbook: PlaybookId, ended: Sequence[ProposalRecord]
) -> tuple[ProposalRecord, ...]:
    """Return those of the *ended* executions that were of this playbook here; an undo is none of it."""
    names = (f'"service":"{service}"'.encode(), f'"playbook":"{playbook}"'.encode())
    found = []
    for record in ended:
        if not all(name in record.plan for name in names):
            continue  # Canonical JSON: reading a plan whole costs a hundred times as much.
        plan = faithful_plan(record)
        if plan is not None and (plan.service, plan.playbook) == (service, playbook) and plan.undoes is None:
            found.append(record)
    return tuple(found[:MOST_RUNS])


def trust_in(runs: Sequence[ProposalRecord]) -> Trust:
    """Return what *runs* of one playbook for one service come to."""
    worked = [record for record in runs if record.state is ProposalState.VERIFIED]
    took = [(one.changed_at - one.approvals[-1].at).total_seconds() for one in worked if one.approvals]
    return Trust(
        runs=len(runs),
        worked=len(worked),
        median_s=round(median(took)) if took else None,
        last_at=max((record.changed_at for record in runs), default=None),
    )
