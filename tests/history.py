"""Judging a recorded history: whatever the run did, does its audit show that the invariants held?

The checker shares no code with the gate. It walks the entries once, keeps what the acts before said, and
compares each act, and the target's own journal of effects, with what the invariants allow at that point.
What a history cannot show is not judged here: I3 and I4 (bytes shown, words of a model), I12 (nothing is
written down of what was not done) and the deadlines of I10.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from bot.domain.audit import Act, Entry
from bot.domain.chain_check import verify_chain
from bot.domain.plan import UNDO_FROM

SKEW = timedelta(seconds=2)
"""How far the target's clock may be from the store's; in these runs both are this machine's."""

BEFORE_START = frozenset({"pending", "proposed", "approved"})
HELD = frozenset({"started", "done", "undoing", "unknown"})
RUNNING = frozenset({"started", "undoing"})
EXITS = frozenset({Act.DENIED.value, Act.EXPIRED.value, Act.CANCELLED.value, Act.SUPERSEDED.value})
AFTER_START = {
    "started": {"done", "failed", "unknown"},
    "done": {"verified", "not_recovered", "undoing", "failed"},
    "undoing": {"not_recovered", "unknown"},
    "unknown": {"done", "failed"},
}
PRESSES = frozenset({Act.APPROVED.value, Act.DENIED.value, Act.ANSWERED.value, Act.REFUSED.value})


@dataclass(frozen=True)
class Effect:
    """One line of the target's own journal: it acted, under this key, at this time of its clock."""

    key: str
    at: datetime | None = None


@dataclass(frozen=True)
class Violation:
    """What is wrong, and at which entry; 0 when no entry is to blame."""

    invariant: str
    seq: int
    what: str


@dataclass
class _Proposal:
    incident: str
    digest: str
    quorum: int
    risk: str
    epoch: int
    target: str
    expires_at: datetime
    state: str = "pending"
    card: tuple[str, str] | None = None
    people: set[str] = field(default_factory=set)


@dataclass
class _Start:
    proposal: str
    step: int
    at: datetime
    result: str | None = None


@dataclass
class _Walk:
    """What the entries so far have said."""

    violations: list[Violation] = field(default_factory=list)
    open: dict[str, bool] = field(default_factory=dict)
    proposals: dict[str, _Proposal] = field(default_factory=dict)
    starts: dict[tuple[str, int], _Start] = field(default_factory=dict)
    holder: dict[str, str] = field(default_factory=dict)
    clicks: Counter[str] = field(default_factory=Counter)
    is_killed: bool = False
    epoch: int = 0
    entry: Entry | None = None

    def wrong(self, invariant: str, what: str) -> None:
        self.violations.append(Violation(invariant, self.entry.seq if self.entry else 0, what))

    def need(self, holds: bool, invariant: str, what: str) -> None:
        if not holds:
            self.wrong(invariant, what)

    def take(self, entry: Entry) -> None:
        self.entry = entry
        body = _Body(entry)
        act = entry.act
        if act in PRESSES and body.has("click"):
            self._press(body)
        if act in (Act.SEEN, Act.REOPENED, Act.RESOLVED):
            self.open[str(entry.incident)] = act != Act.RESOLVED
        elif act in (Act.KILLED, Act.REVIVED):
            self.is_killed = act == Act.KILLED
        elif act == Act.EPOCH_RAISED:
            self.need(body.number("after") > self.epoch, "I9", "the epoch did not rise")
            self.epoch = body.number("after")
        elif act == Act.PROPOSED:
            self._proposed(body, str(entry.incident))
        elif act in _OF_A_PROPOSAL and (proposal := self._known(body)) is not None:
            self._of_proposal(entry, body, proposal)
        elif act == Act.FINISHED:
            self._finished(body)

    def _press(self, body: "_Body") -> None:
        click = body.text("click")
        self.clicks[click] += 1
        self.need(self.clicks[click] == 1, "I10", f"click {click[:8]} was decided twice")

    def _proposed(self, body: "_Body", incident: str) -> None:
        name = body.text("proposal")
        self.need(name not in self.proposals, "I3", f"{name} was proposed twice")
        for other_name, other in self.proposals.items():
            if other.incident == incident and other.state in BEFORE_START:
                self.wrong("I5", f"{other_name} is still alive beside {name}")
        self.proposals[name] = _Proposal(
            incident=incident,
            digest=body.text("digest"),
            quorum=body.number("quorum"),
            risk=body.text("risk"),
            epoch=body.number("epoch"),
            target=body.text("target"),
            expires_at=body.time("expires_at"),
        )

    def _known(self, body: "_Body") -> _Proposal | None:
        known = self.proposals.get(body.text("proposal"))
        self.need(known is not None, "I8", f"{body.text('proposal')} was never proposed")
        return known

    def _of_proposal(self, entry: Entry, body: "_Body", proposal: _Proposal) -> None:
        if body.has("digest"):
            self.need(body.text("digest") == proposal.digest, "I3", "the plan's digest changed")
        match entry.act:
            case Act.OFFERED:
                self._move(proposal, {"pending"}, "proposed")
                proposal.card = (body.text("channel"), body.text("message_ts"))
            case Act.APPROVED:
                self._approved(entry, body, proposal)
            case Act.DENIED | Act.EXPIRED | Act.CANCELLED | Act.SUPERSEDED:
                if entry.act == Act.DENIED:
                    self._rightful(body, proposal)
                self._move(proposal, BEFORE_START, entry.act)
            case Act.CLAIMED:
                self._claimed(entry, body, proposal)
            case Act.RESUMED:
                self._resumed(body)
            case Act.CONCLUDED:
                self._concluded(body, proposal)
            case Act.ANSWERED:
                self._rightful(body, proposal)
                if body.has("state"):
                    self._concluded(body, proposal)

    def _approved(self, entry: Entry, body: "_Body", proposal: _Proposal) -> None:
        self._rightful(body, proposal)
        user = body.text("user")
        self.need(user not in proposal.people, "I6", f"{user} was counted twice")
        self.need(proposal.state == "proposed", "I5", f"a proposal that is {proposal.state} was approved")
        self.need(entry.at < proposal.expires_at, "I1", "an approval after the expiry")
        self.need(not self.is_killed, "I7", "an approval while stopped")
        self.need(self.open.get(proposal.incident, False), "I5", "an approval for a resolved incident")
        self.need(proposal.epoch == self.epoch, "I1", "an approval in another epoch")
        proposal.people.add(user)
        if body.has("state"):
            proposal.state = body.text("state")

    def _rightful(self, body: "_Body", proposal: _Proposal) -> None:
        """A click that counts was pressed on the proposal's own card, about its bytes, by who may."""
        self.need(body.is_true("allowed"), "I9", "a click of somebody who may not decide was accepted")
        self.need(body.text("pressed_digest") == proposal.digest, "I1", "the click is about other bytes")
        pressed_on = (body.text("channel"), body.text("message_ts"))
        self.need(pressed_on == proposal.card, "I3", "the click was not on the card that shows the plan")

    def _claimed(self, entry: Entry, body: "_Body", proposal: _Proposal) -> None:
        name, effect, attempt = body.text("proposal"), body.text("effect"), body.number("attempt")
        self.need(not self.is_killed, "I7", "a start while stopped")
        self.need(proposal.epoch == self.epoch, "I1", "a start on approvals of another epoch")
        self.need(
            len(proposal.people) >= proposal.quorum,
            "I1",
            f"a start with {len(proposal.people)} of {proposal.quorum} approvals",
        )
        self.need(proposal.risk != "critical" or len(proposal.people) >= 2, "I6", "critical with one person")
        if proposal.state in BEFORE_START:
            self.need(proposal.state == "approved", "I1", f"a start of what is {proposal.state}")
            self.need(self.open.get(proposal.incident, False), "I5", "a start after the resolve")
            self.need(entry.at < proposal.expires_at, "I5", "a start after the expiry")
        elif body.number("step") >= UNDO_FROM:
            self.need(proposal.state == "undoing", "I5", f"an undo of what is {proposal.state}")
            self.need(self.open.get(proposal.incident, False), "I5", "an undo after the resolve")
            certain = all(s.result == "done" for s in self.starts.values() if s.proposal == name)
            self.need(certain, "I2", "an undo of what is not known to have run")
        else:
            self.need(proposal.state == "started", "I5", f"a start of what is {proposal.state}")
        self.need((effect, attempt) not in self.starts, "I2", f"attempt {attempt} started twice")
        made = max((made for key, made in self.starts if key == effect), default=0)
        self.need(attempt == made + 1, "I2", f"attempt {attempt} after {made}")
        same = [s for s in self.starts.values() if (s.proposal, s.step) == (name, body.number("step"))]
        self.need(not same, "I2", "one approval started the step twice")
        holder = self.holder.get(proposal.target, name)
        self.need(holder == name, "I13", f"{proposal.target} is held by {holder}")
        self.holder.setdefault(proposal.target, name)
        proposal.state = "undoing" if proposal.state == "undoing" else "started"
        self.starts[effect, attempt] = _Start(name, body.number("step"), entry.at)

    def _resumed(self, body: "_Body") -> None:
        start = self.starts.get((body.text("effect"), body.number("attempt")))
        self.need(not self.is_killed, "I7", "a step was resumed while stopped")
        self.need(
            start is not None and start.proposal == body.text("proposal") and start.result is None,
            "I2",
            "a step was resumed that this proposal did not start, or that had ended",
        )

    def _finished(self, body: "_Body") -> None:
        start = self.starts.get((body.text("effect"), body.number("attempt")))
        if start is None:
            self.wrong("I8", "a step ended that never started")
            return
        self.need(start.result is None, "I2", "a step ended twice")
        start.result = body.text("result")

    def _concluded(self, body: "_Body", proposal: _Proposal) -> None:
        state, name = body.text("state"), body.text("proposal")
        if proposal.state in RUNNING and state not in HELD:
            certain = all(s.result in ("done", "failed") for s in self.starts.values() if s.proposal == name)
            self.need(certain, "I13", "a target was let go while a step on it had no certain end")
        allowed = {before for before, after in AFTER_START.items() if state in after}
        self._move(proposal, allowed, state)
        if state not in HELD:
            self._free(name)

    def _move(self, proposal: _Proposal, allowed: Iterable[str], state: str) -> None:
        invariant = "I5" if state in EXITS or proposal.state in EXITS else "I2"
        self.need(proposal.state in allowed, invariant, f"{proposal.state} became {state}")
        proposal.state = state

    def _free(self, name: str) -> None:
        self.holder = {target: holder for target, holder in self.holder.items() if holder != name}


_OF_A_PROPOSAL = EXITS | {
    Act.OFFERED.value,
    Act.APPROVED.value,
    Act.ANSWERED.value,
    Act.CLAIMED.value,
    Act.RESUMED.value,
    Act.CONCLUDED.value,
}


class _Body:
    """The facts of an entry by name."""

    def __init__(self, entry: Entry) -> None:
        self._values = entry.body_values()

    def has(self, name: str) -> bool:
        return self._values.get(name) is not None

    def text(self, name: str) -> str:
        return str(self._values.get(name))

    def number(self, name: str) -> int:
        return int(str(self._values[name]))

    def time(self, name: str) -> datetime:
        return datetime.fromisoformat(self.text(name)).astimezone(UTC)

    def is_true(self, name: str) -> bool:
        return self._values.get(name) is True


def violations(
    entries: Sequence[Entry],
    effects: Sequence[Effect] = (),
    *,
    never_shown: Iterable[str] = (),
    is_over: bool = False,
) -> Sequence[Violation]:
    """Return everything in the history that the invariants forbid; nothing when all of them held.

    Args:
        effects: the target's own journal.
        never_shown: secrets that must not stand in any entry.
        is_over: the run has come to rest, so whatever was started must have an end.
    """
    report = verify_chain(entries)
    if not report.is_intact:
        return [Violation("I8", report.first_bad or 0, report.why)]
    walk = _Walk()
    for entry in entries:
        walk.take(entry)
    leaks = [
        Violation("I11", entry.seq, "a secret stands in the record")
        for entry in entries
        for secret in never_shown
        if secret in entry.body or secret in entry.actor
    ]
    return [*walk.violations, *leaks, *_of_effects(walk, effects), *(_unended(walk) if is_over else ())]


def _of_effects(walk: _Walk, effects: Sequence[Effect]) -> Iterable[Violation]:
    started = {f"{effect}-{attempt}": start for (effect, attempt), start in walk.starts.items()}
    for key, times in Counter(effect.key for effect in effects).items():
        if times > 1:
            yield Violation("I2", 0, f"the target acted {times} times under {key[:12]}")
    for effect in effects:
        start = started.get(effect.key)
        if start is None:
            yield Violation("I8", 0, f"the target acted under {effect.key[:12]}, which was never started")
        elif effect.at is not None and effect.at + SKEW < start.at:
            yield Violation("I8", 0, "the target acted before the start was written down")


def _unended(walk: _Walk) -> Iterable[Violation]:
    for (effect, attempt), start in walk.starts.items():
        if start.result is None:
            yield Violation("I10", 0, f"attempt {attempt} at {effect[:12]} has no end")
    for name, proposal in walk.proposals.items():
        if proposal.state == "started":
            yield Violation("I10", 0, f"{name} started and nothing was said of its end")
