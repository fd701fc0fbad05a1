"""What comes next for an incident: a pure function of the record, so that any worker can take over."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Final, Literal, assert_never

from pydantic import AwareDatetime, Field

from bot.domain.approval import faithful_plan
from bot.domain.execution import Claim, Result
from bot.domain.frozen import Frozen
from bot.domain.ids import ProposalId
from bot.domain.plan import Check, CommandRun, HttpRequest, Pause, PlannedAction
from bot.domain.proposal import ProposalRecord, ProposalState
from bot.domain.target_actions import AnsibleRun, HaproxyCommand, KubernetesChange, Notice

CHANGED: Final = "the stored plan differs from the one approved"


class Await(Frozen):
    """Nothing to do until somebody acts, or until a time."""

    kind: Literal["await"] = "await"
    until: AwareDatetime | None = None


class Show(Frozen):
    """The proposal is stored but no card shows it yet."""

    kind: Literal["show"] = "show"
    proposal: ProposalId


class Expire(Frozen):
    """The time to decide has passed."""

    kind: Literal["expire"] = "expire"
    proposal: ProposalId


class Withdraw(Frozen):
    """The proposal no longer fits."""

    kind: Literal["withdraw"] = "withdraw"
    proposal: ProposalId
    reason: str


class Execute(Frozen):
    """The next step may be tried."""

    kind: Literal["execute"] = "execute"
    proposal: ProposalId
    step_index: int
    timeout_s: int


class Settle(Frozen):
    """The steps have come to an end, one way or another, that the proposal does not say yet."""

    kind: Literal["settle"] = "settle"
    proposal: ProposalId
    state: ProposalState
    detail: str


class Verify(Frozen):
    """All steps are done: watch whether it helped."""

    kind: Literal["verify"] = "verify"
    proposal: ProposalId
    timeout_s: int


class Finish(Frozen):
    """The incident is over."""

    kind: Literal["finish"] = "finish"


Move = Await | Show | Expire | Withdraw | Execute | Settle | Verify | Finish


@dataclass(frozen=True)
class Situation:
    """What the record says of one incident at one time."""

    is_open: bool
    epoch: int
    now: AwareDatetime
    proposals: Sequence[ProposalRecord]
    """First to last; only the last can be alive."""
    claims: Sequence[Claim]


def next_move(at: Situation) -> Move:
    """Return what must happen next."""
    if not at.proposals:
        return Await() if at.is_open else Finish()
    last = at.proposals[-1]
    match last.state:
        case ProposalState.PENDING | ProposalState.PROPOSED | ProposalState.APPROVED:
            return _before_the_start(last, at)
        case ProposalState.STARTED:
            return _next_step(last, at)
        case ProposalState.DONE:
            return _verify(last)
        case ProposalState.UNDOING:
            return _next_of_undo(last, at)
        case ProposalState.UNKNOWN:
            return Await()  # A person says what happened; a resolve does not free the target.
        case _:
            return Await() if at.is_open else Finish()


def _before_the_start(last: ProposalRecord, at: Situation) -> Move:
    if last.epoch != at.epoch:
        return Withdraw(proposal=last.id, reason="the engine was restarted from empty")
    if not at.is_open:
        return Withdraw(proposal=last.id, reason="the incident was resolved")
    if at.now >= last.expires_at:
        return Expire(proposal=last.id)
    if last.state is ProposalState.APPROVED:
        plan = faithful_plan(last)
        if plan is None:
            return _refused(last)
        first = plan.steps[0]
        return Execute(proposal=last.id, step_index=first.index, timeout_s=step_seconds(first.action))
    if last.state is ProposalState.PENDING:
        return Show(proposal=last.id)
    return Await(until=last.expires_at)


def _refused(last: ProposalRecord) -> Execute:
    """Have the claim refuse a plan whose bytes were changed: it says so on the card and raises the alarm."""
    return Execute(proposal=last.id, step_index=0, timeout_s=0)


def _next_step(last: ProposalRecord, at: Situation) -> Move:
    mine = {claim.step_index: claim for claim in at.claims if claim.proposal_id == last.id}
    for index in sorted(mine):
        outcome = mine[index].outcome
        if outcome is not None and outcome.result is Result.FAILED:
            return Settle(proposal=last.id, state=ProposalState.FAILED, detail=outcome.detail)
        if outcome is not None and outcome.result is Result.UNKNOWN:
            return Settle(proposal=last.id, state=ProposalState.UNKNOWN, detail=outcome.detail)
    if last.epoch != at.epoch:
        # Approvals do not outlive an engine's state: what was begun is for a person to look at.
        return Settle(
            proposal=last.id,
            state=ProposalState.UNKNOWN
            if any(c.outcome is None for c in mine.values())
            else ProposalState.FAILED,
            detail="the engine was restarted from empty while it ran; its approval is void",
        )
    plan = faithful_plan(last)
    if plan is None and any(claim.outcome is None for claim in mine.values()):
        return Settle(proposal=last.id, state=ProposalState.UNKNOWN, detail=CHANGED)
    if plan is None:
        return _refused(last)
    for step in plan.steps:
        claim = mine.get(step.index)
        if claim is None or claim.outcome is None:
            return Execute(proposal=last.id, step_index=step.index, timeout_s=step_seconds(step.action))
    return Settle(proposal=last.id, state=ProposalState.DONE, detail="all steps are done")


def _next_of_undo(last: ProposalRecord, at: Situation) -> Move:
    """Have the undo run that was approved with the plan; its end is that the plan did not help."""
    mine = {claim.step_index: claim for claim in at.claims if claim.proposal_id == last.id}
    is_open = any(claim.outcome is None for claim in mine.values())
    plan = faithful_plan(last)
    for step in plan.undo_planned if plan is not None else ():
        outcome = mine[step.index].outcome if step.index in mine else None
        match outcome.result if outcome is not None else None:
            case Result.DONE:
                continue
            case Result.UNKNOWN if outcome is not None:
                return Settle(proposal=last.id, state=ProposalState.UNKNOWN, detail=outcome.detail)
            case Result.FAILED if outcome is not None:
                detail = f"{last.reason}; its undo failed: {outcome.detail}"
                return Settle(proposal=last.id, state=ProposalState.NOT_RECOVERED, detail=detail)
            case _ if last.epoch != at.epoch:
                return Settle(
                    proposal=last.id,
                    state=ProposalState.UNKNOWN if is_open else ProposalState.NOT_RECOVERED,
                    detail=f"{last.reason}; the engine was restarted from empty before its undo had run",
                )
            case _:
                return Execute(proposal=last.id, step_index=step.index, timeout_s=step_seconds(step.action))
    return _verify(last)


def _verify(last: ProposalRecord) -> Verify:
    plan = faithful_plan(last)
    if plan is None:
        return Verify(proposal=last.id, timeout_s=0)  # It ends at once: there is no signal to watch.
    check = plan.verify
    return Verify(proposal=last.id, timeout_s=check.within_s + check.hold_s)


def step_seconds(action: PlannedAction) -> int:
    """Return the longest time one attempt at *action* may take, in seconds."""
    match action:
        case HttpRequest() | CommandRun() | KubernetesChange() | AnsibleRun() | HaproxyCommand() | Notice():
            return action.timeout_s
        case Pause():
            return action.seconds
        case Check():
            return action.within_s + action.hold_s
        case _:
            assert_never(action)


Opening = Literal["shown"] | bool
"""How an investigation ended: not open, assessed, or assessed with its card already shown."""


class NextMove(Frozen):
    """A move in an envelope, for an engine that passes values by their declared type."""

    move: Annotated[Move, Field(discriminator="kind")]
