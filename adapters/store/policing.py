"""The policy's part of a claim: what was started of late, and what the rules say to one start more."""

from collections.abc import Sequence
from datetime import datetime

from adapters.store.transaction import Transaction
from bot.domain.approval import different_people, faithful_plan, needed_for
from bot.domain.errors import Tampered
from bot.domain.execution import NotAdmitted
from bot.domain.freshness import Freshness
from bot.domain.policy import Execution, Policy, Request, rule
from bot.domain.proposal import ProposalRecord, ProposalState


def executions(tx: Transaction, since: datetime) -> Sequence[Execution]:
    """Return what was started from *since* on, with whatever holds a target still, each proposal once."""
    holders = set(tx.rows.targets.holders())
    started = {claim.proposal_id: claim.claimed_at for claim in reversed(tx.rows.claims.since(since))}
    found: list[Execution] = []
    for proposal in sorted(holders | started.keys()):
        record = tx.proposal(proposal)
        plan = faithful_plan(record)
        if plan is None:
            raise Tampered(f"The plan of {proposal}, which was started, was changed.")
        found.append(
            Execution(
                proposal=proposal,
                service=plan.service,
                playbook=plan.playbook,
                started_at=started.get(proposal, since),
                holds_target=proposal in holders,
            )
        )
    return found


def forbidden(
    tx: Transaction, record: ProposalRecord, policy: Policy, freshness: Freshness | None
) -> NotAdmitted | None:
    """Return why *policy*, as it is now, forbids the start of an approved plan; None when it does not."""
    plan = faithful_plan(record)
    if record.state is not ProposalState.APPROVED or plan is None:
        return None  # What has started is stopped by the kill switch and by nothing else.
    needed = needed_for(record, plan, policy.for_risk(plan.risk).quorum)
    if (given := different_people(record.approvals)) < needed:
        return NotAdmitted(why=f"{given} of {needed} approvals", state=ProposalState.CANCELLED)
    if why := _not_agreed(policy, freshness):
        return NotAdmitted(why=why, state=ProposalState.CANCELLED)
    looks_back = policy.looks_back(plan.service)
    verdict = rule(
        policy,
        Request(
            proposal=record.id,
            service=plan.service,
            playbook=plan.playbook,
            risk=plan.risk,
            now=tx.now,
            expires_at=record.expires_at,
            is_incident_open=tx.circumstances(record.incident).is_incident_open,
            executions=tuple(executions(tx, tx.now - looks_back)) if looks_back is not None else (),
            undoes=plan.undoes,
        ),
    )
    overridden = frozenset(name for approval in record.approvals for name in approval.overrides)
    if verdict.stands_with(overridden):
        return None
    why = "; ".join(f.text for f in verdict.findings if f.rule.value not in overridden)
    return NotAdmitted(why=f"the policy forbids it: {why}", state=ProposalState.CANCELLED)


def _not_agreed(policy: Policy, freshness: Freshness | None) -> str:
    """Return why a policy server has not agreed to the start; "" when it has, or when there is none."""
    if freshness is not None and freshness.objections:
        return "; ".join(freshness.objections)
    if policy.opa is not None and (freshness is None or freshness.asked_under != policy.version):
        return "the policy server was not asked"
    return ""
