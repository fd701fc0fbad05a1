"""Starting a step: the last check before an effect, and what may come of it."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Literal, assert_never

from pydantic import AwareDatetime

from bot.domain.approval import Circumstances, different_people, faithful_plan, needed_for
from bot.domain.freshness import Freshness, stale
from bot.domain.frozen import Frozen
from bot.domain.ids import EffectKey, IncidentId, ProposalId
from bot.domain.plan import UNDO_FROM, Check, CommandRun, HttpRequest, Pause, Plan, PlannedAction, PlannedStep
from bot.domain.proposal import ProposalRecord, ProposalState
from bot.domain.target_actions import AnsibleRun, HaproxyCommand, KubernetesChange, Notice


class Result(StrEnum):
    """How a step ended. `UNKNOWN` is a state of its own: the effect may or may not have happened."""

    DONE = "done"
    FAILED = "failed"
    UNKNOWN = "unknown"


class StepOutcome(Frozen):
    """The end of one step, in words fit for the card (already redacted by who made it)."""

    result: Result
    detail: str = ""
    output: str = ""
    """At most 4,000 characters of what the target or program said."""


class Claim(Frozen):
    """A row that fences one attempt at one effect; it exists before the effect can."""

    effect_key: EffectKey
    attempt: int
    proposal_id: ProposalId
    step_index: int
    claimed_at: AwareDatetime
    finished_at: AwareDatetime | None = None
    outcome: StepOutcome | None = None


class TargetUse(Frozen):
    """Which execution took a target last, and when."""

    proposal: ProposalId
    at: AwareDatetime


class NotAdmitted(Frozen):
    """The start was refused; nothing ran."""

    kind: Literal["not_admitted"] = "not_admitted"
    why: str
    state: ProposalState | None = None
    """The state the proposal takes in the same transaction, if any."""


@dataclass(frozen=True)
class ApprovedStep:
    """One step that may run now: approved, unexpired, first to claim its effect.

    Only `admit` makes one, inside the store's transaction, so a runner cannot be handed a proposal
    that nobody approved.
    """

    incident: IncidentId
    proposal_id: ProposalId
    plan: Plan
    step: PlannedStep
    effect_key: EffectKey

    @property
    def action(self) -> PlannedAction:
        return self.step.action

    @property
    def started(self) -> "StartedStep":
        """Return the step as one that can be asked after and ended."""
        return StartedStep(plan=self.plan, step=self.step)


@dataclass(frozen=True)
class StartedStep:
    """A step that was claimed: its target may be asked about it, and it may be ended, but never started."""

    plan: Plan
    step: PlannedStep

    @property
    def action(self) -> PlannedAction:
        return self.step.action

    @property
    def key(self) -> str:
        """The key under which the target was asked."""
        return self.plan.idempotency_key(self.step)


class Preview(Frozen):
    """What one step would change, as its target says before anything is approved."""

    step: str
    text: str = ""
    """At most 4,000 characters, already redacted by who keeps it."""
    missing: str = ""
    """Why there is no text."""


def admit(
    record: ProposalRecord,
    step_index: int,
    *,
    finished: frozenset[int],
    target_holder: ProposalId | None,
    last_use: TargetUse | None,
    last_attempt: int,
    freshness: Freshness | None,
    around: Circumstances,
    now: AwareDatetime,
) -> ApprovedStep | NotAdmitted:
    """Decide whether a step may be claimed. *now* is the store's time inside the same transaction.

    Args:
        finished: indices of the steps of this proposal that ended `DONE`.
        target_holder: the proposal that holds the plan's target, if any.
        last_use: who acted on the plan's target last, if anybody ever did.
        freshness: what a look at the plan's ground found; only the first step of a plan needs one.
        last_attempt: the highest attempt ever claimed at the step's effect, by any proposal; 0 when none was.
    """
    if around.is_killed:
        return NotAdmitted(why="Handrail is stopped (`handrail kill`)")
    if record.epoch != around.epoch:
        return NotAdmitted(
            why="the approval was given before a restart", state=_exit(record, ProposalState.SUPERSEDED)
        )
    plan = faithful_plan(record)
    if plan is None:
        return NotAdmitted(why="the stored plan differs from the one approved")
    if why := _approval_missing(record, plan):
        return NotAdmitted(why=why)
    if record.state is ProposalState.APPROVED:
        if not around.is_incident_open:
            return NotAdmitted(why="the incident is resolved", state=ProposalState.CANCELLED)
        if now >= record.expires_at:
            return NotAdmitted(why="the approval expired before the start", state=ProposalState.EXPIRED)
    elif why := _not_running(
        record, plan, step_index, around=around, finished=finished, target_holder=target_holder
    ):
        return NotAdmitted(why=why)
    if target_holder not in (None, record.id):
        return NotAdmitted(
            why=f"{plan.target} belongs to the running execution {target_holder}",
            state=_exit(record, ProposalState.CANCELLED),
        )
    if record.state is ProposalState.APPROVED and (outdated := _outdated(record, last_use, freshness, now)):
        return outdated
    step = plan.step(step_index)
    if step is None:
        return NotAdmitted(why=f"the plan has no step {step_index}")
    in_order = (*plan.steps, *plan.undo_planned)
    if waiting := [s.action.name for s in in_order if s.index < step_index and s.index not in finished]:
        return NotAdmitted(why=f"step {waiting[0]} has not finished")
    if step.attempt != last_attempt + 1:
        return NotAdmitted(
            why=f"the plan means attempt {step.attempt} at {step.action.name}, but {last_attempt} were made"
        )
    return ApprovedStep(
        incident=record.incident,
        proposal_id=record.id,
        plan=plan,
        step=step,
        effect_key=plan.effect_key(step),
    )


def _not_running(
    record: ProposalRecord,
    plan: Plan,
    step_index: int,
    *,
    around: Circumstances,
    finished: frozenset[int],
    target_holder: ProposalId | None,
) -> str:
    """Return why a step of what has started may not run in this state; "" when it may."""
    wanted = ProposalState.UNDOING if step_index >= UNDO_FROM else ProposalState.STARTED
    if record.state is not wanted:
        return f"the proposal is {record.state.value}"
    if wanted is ProposalState.STARTED:
        return ""
    if target_holder != record.id:
        return f"{plan.target} does not belong to this execution any more"
    return why_no_undo(plan, around, finished)


def why_no_undo(plan: Plan, around: Circumstances, finished: frozenset[int]) -> str:
    """Return why the undo may not run by itself; "" when it was approved with the plan and all of that ran.

    *finished* are the steps that ended `DONE`: one that is unknown, or that people told of, is not enough.
    """
    if not plan.undo_automatic:
        return "the plan does not say that its undo runs by itself"
    if around.is_killed:
        return "Handrail is stopped (`handrail kill`)"
    if plan.epoch != around.epoch:
        return "the approval was given before a restart"
    if not around.is_incident_open:
        return "the incident is resolved"
    if missing := [step.action.name for step in plan.steps if step.index not in finished]:
        return f"it is not certain that step {missing[0]} ran"
    return ""


def _outdated(
    record: ProposalRecord, last_use: TargetUse | None, freshness: Freshness | None, now: AwareDatetime
) -> NotAdmitted | None:
    """Return why what was approved no longer fits; None when it does."""
    if last_use is not None and last_use.proposal != record.id and last_use.at > record.created_at:
        why = f"{last_use.proposal} has acted on the same target since this was proposed"
        return NotAdmitted(why=why, state=ProposalState.SUPERSEDED)
    if why_stale := stale(freshness, record, now):
        return NotAdmitted(why=why_stale)
    if freshness is not None and freshness.why_not:
        return NotAdmitted(why=freshness.why_not, state=freshness.exit)
    return None


def _exit(record: ProposalRecord, state: ProposalState) -> ProposalState | None:
    """A start that began cannot be un-begun: only a proposal before its start leaves by the side."""
    return state if record.state is ProposalState.APPROVED else None


def _approval_missing(record: ProposalRecord, plan: Plan) -> str | None:
    people = different_people(a for a in record.approvals if a.digest == record.digest)
    needed = needed_for(record, plan)
    return f"{people} of {needed} approvals" if people < needed else None


def is_idempotent(action: PlannedAction) -> bool:
    """Say whether the effect may be asked for again under the same key after a lost answer."""
    match action:
        case HttpRequest() | CommandRun() | AnsibleRun():
            return action.idempotent
        case KubernetesChange() | HaproxyCommand():
            return True  # They say how it shall be, and the first looks for its own mark before it acts.
        case Notice():
            return False  # People would read it twice.
        case Pause() | Check():
            return True  # Waiting and looking change nothing.
        case _:
            assert_never(action)
