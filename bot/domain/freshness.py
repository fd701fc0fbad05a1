"""Whether what a plan rests on still holds: asked at the approval, and again before the first step."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import TypeVar

from pydantic import AwareDatetime

from bot.domain.basis import Basis, changes_digest
from bot.domain.change import ChangeEvent
from bot.domain.frozen import Frozen
from bot.domain.ids import ChangeId, Digest, ProposalId
from bot.domain.plan import Plan
from bot.domain.proposal import ProposalRecord, ProposalState

FRESH_FOR = timedelta(seconds=10)  # Our choice: what was read longer ago than this admits nothing.

T = TypeVar("T")


@dataclass(frozen=True)
class Missed:
    """A source that did not say what was asked."""

    source: str
    """In words, such as `PagerDuty` or `the version of checkout`."""
    why: str

    def __str__(self) -> str:
        return f"{self.source} did not answer ({self.why})"


@dataclass(frozen=True)
class Reads:
    """What the sources say of a plan's ground at this moment."""

    is_open: bool | Missed
    """Whether the pager says that the incident is open."""
    suspected: ChangeId | Missed | None
    """The change that is suspected now."""
    suspect: ChangeEvent | Missed | None
    """The plan's suspect, as its source reports it now."""
    changes: Sequence[ChangeEvent] | Missed
    """The changes of the services that the plan watches, since the time that it watches from."""
    serving: str | Missed | None
    """The version that the service says it runs; None when nothing is declared that could say so."""
    policy_version: str


class Freshness(Frozen):
    """What a look at a plan's ground found, bound to the plan's bytes and to the store's time."""

    proposal: ProposalId
    digest: Digest
    at: AwareDatetime
    """The store's time before the first source was asked."""
    is_closed: bool = False
    """The pager says that the incident is resolved."""
    differences: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()
    """Sources that did not answer, and why."""
    asked_under: str | None = None
    """The version of the policy whose policy server was asked; None when none was."""
    objections: tuple[str, ...] = ()
    """What that server says against the start."""

    @property
    def why_not(self) -> str:
        """Return why the plan may not start, in words; "" when it may."""
        if self.is_closed:
            return "PagerDuty says that the incident is resolved"
        return "; ".join(self.differences or self.missing)

    @property
    def exit(self) -> ProposalState:
        """Return the state that a proposal which may not start for this takes."""
        if self.differences and not self.is_closed:
            return ProposalState.SUPERSEDED
        return ProposalState.CANCELLED


def compared(plan: Plan, digest: Digest, reads: Reads, at: AwareDatetime) -> Freshness:
    """Return what differs between the plan's ground and what the sources say now."""
    return Freshness(
        proposal=plan.id,
        digest=digest,
        at=at,
        is_closed=reads.is_open is False,
        differences=tuple(_differences(plan, reads)),
        missing=tuple(_missing(plan, reads)),
    )


def changed_by_others(plan: Plan, basis: Basis, changes: Sequence[ChangeEvent], serving: str | None) -> str:
    """Return what others changed since the plan was made, in words; "" when only the plan itself did.

    *serving* is the version that the service says it runs; None when nothing is declared that could say so.
    """
    meant = basis.reaches or basis.serving
    if serving is not None and meant is not None and serving != meant:
        return f"{plan.service} serves {serving} now, not {meant}"
    for change in changes:
        if max(change.reported_at, change.live_at) > basis.read_at and not _is_own(plan, basis, change):
            what = f"{change.service} {change.version or change.flag or ''}".strip()
            return f"another change was reported since: {change.kind.value} of {what}"
    return ""


def _is_own(plan: Plan, basis: Basis, change: ChangeEvent) -> bool:
    """Say whether *change* is the suspect, told again, or what the plan itself did to the service."""
    if change.id == basis.suspect:
        return True
    brought = {basis.reaches} if basis.reaches is not None else {value.value for value in plan.parameters}
    return change.service == plan.service and bool({change.version, change.flag} & brought)


def stale(freshness: Freshness | None, record: ProposalRecord, now: AwareDatetime) -> str | None:
    """Return why *freshness* does not speak for the proposal at the store's time *now*; None when it does."""
    if freshness is None:
        return "nobody looked whether it still fits"
    if (freshness.proposal, freshness.digest) != (record.id, record.digest):
        return "somebody looked whether another plan still fits"
    # A clock that went back is a clock in doubt.
    if not timedelta(0) <= now - freshness.at <= FRESH_FOR:
        return f"what it rests on was not read within the last {FRESH_FOR.seconds} s"
    return None


def _missing(plan: Plan, reads: Reads) -> Iterable[str]:
    if plan.basis is None:
        yield "what this plan rests on was not written down"
    for read in (reads.is_open, reads.suspected, reads.suspect, reads.changes, reads.serving):
        if isinstance(read, Missed):
            yield str(read)


def _differences(plan: Plan, reads: Reads) -> Iterable[str]:
    if plan.policy_version != reads.policy_version:
        yield f"the policy is {reads.policy_version} now, and it was {plan.policy_version}"
    basis = plan.basis
    if basis is None:
        return
    if not isinstance(reads.suspected, Missed) and reads.suspected != basis.suspect:
        yield f"{_named(reads.suspected)} is suspected now, and it was {_named(basis.suspect)}"
    if not isinstance(reads.suspect, Missed):
        yield from _suspect_differs(basis, reads.suspect)
    if not isinstance(reads.serving, Missed):
        yield from _version_differs(plan, basis, reads.serving)
    if not isinstance(reads.changes, Missed):
        yield from _changes_differ(basis, reads.changes)


def _suspect_differs(basis: Basis, suspect: ChangeEvent | None) -> Iterable[str]:
    if basis.suspect is None:
        return
    if suspect is None:
        yield f"the change {basis.suspect} is not on record any more"
    elif suspect.version != basis.suspect_version:
        yield (
            f"the suspect is reported with version {suspect.version or 'none'} now, "
            f"and it was {basis.suspect_version or 'none'}"
        )


def _version_differs(plan: Plan, basis: Basis, serving: str | None) -> Iterable[str]:
    if serving is None:
        return
    if serving == basis.reaches:
        yield f"{plan.service} serves {serving} already"
    elif basis.serving is not None and serving != basis.serving:
        yield f"{plan.service} serves {serving} now, and it was {basis.serving}"


def _changes_differ(basis: Basis, changes: Sequence[ChangeEvent]) -> Iterable[str]:
    if changes_digest(changes) == basis.changes:
        return
    since = [change for change in changes if max(change.reported_at, change.live_at) > basis.read_at]
    newest = max(since, key=lambda change: change.reported_at, default=None)
    if newest is None:
        yield f"what is known of the changes of {', '.join(basis.watched)} differs"
        return
    what = f"{newest.service} {newest.version or newest.flag or ''}".strip()
    yield f"a change was reported since: {newest.kind.value} of {what}"


def _named(change: ChangeId | None) -> str:
    return f"change {change}" if change is not None else "no change"
