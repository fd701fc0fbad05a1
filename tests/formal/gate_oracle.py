"""What the gate must answer, told a second time and as plainly as can be: the state machine's oracle.

It shares no code with the gate. One incident has at most one live proposal; all proposals mean one target.
"""

from dataclasses import dataclass, field
from datetime import datetime

LIVE = ("pending", "proposed", "approved")
HOLDS = ("started", "done", "undoing", "unknown")
RUNS = ("started", "undoing")
UNDO = 1000
"""The step that takes back what did not help."""
NEXT = {
    "started": ("done", "failed", "unknown"),
    "done": ("verified", "not_recovered", "failed"),
    "undoing": ("not_recovered", "unknown"),
    "unknown": ("done", "failed"),
}
ASK_AGAIN = ("expired", "denied", "cancelled", "superseded", "failed", "not_recovered")


@dataclass
class Card:
    """A proposal on its card."""

    incident: str
    number: int
    quorum: int
    epoch: int
    created_at: datetime
    expires_at: datetime
    attempts: tuple[int, ...]
    """Which attempt each of its steps means to be."""
    undo_attempt: int | None
    """Which attempt its undo means to be, if that runs by itself."""
    state: str = "proposed"
    people: set[str] = field(default_factory=set)

    @property
    def name(self) -> str:
        return f"{self.incident}-{self.number}"


@dataclass
class Start:
    """One claimed attempt at one step's effect."""

    card: str
    attempt: int
    result: str | None = None


@dataclass
class Oracle:
    """The whole of what matters, in dictionaries."""

    open: dict[str, bool]
    cards: dict[str, Card] = field(default_factory=dict)
    starts: dict[tuple[str, int], list[Start]] = field(default_factory=dict)
    holder: str | None = None
    last_use: tuple[str, datetime] | None = None
    """Who took the target last, and when; it stays when the target is let go."""
    killed: bool = False
    epoch: int = 0

    def last(self, incident: str) -> Card | None:
        return next((c for c in reversed(self.cards.values()) if c.incident == incident), None)

    def attempts(self, incident: str, steps: int, *, stale: bool) -> tuple[int, ...]:
        """Return the next attempt at each step, or with *stale* the one made last."""
        made = [len(self.starts.get((incident, step), ())) for step in range(steps)]
        return tuple(max(1, count) if stale else count + 1 for count in made)

    def undo_attempt(self, incident: str) -> int:
        """Return the next attempt at taking back."""
        return len(self.starts.get((incident, UNDO), ())) + 1

    def propose(self, card: Card) -> None:
        for old in self.cards.values():
            if old.incident == card.incident and old.state in LIVE:
                old.state = "superseded"
        self.cards[card.name] = card

    def press(self, action: str, card: Card, who: str, now: datetime) -> bool:
        """Return whether a press on the right card, in time and by somebody who may decide, is accepted."""
        match action:
            case "approve":
                return self._approve(card, who, now)
            case "deny":
                if card.state not in ("proposed", "approved"):
                    return False
                card.state = "denied"
                return True
            case "propose_again":
                return self.open[card.incident] and card.state in ASK_AGAIN
            case "say_why":
                return False  # It takes a window, which these presses do not come from.
            case _:
                return self._answer(action, card)

    def _approve(self, card: Card, who: str, now: datetime) -> bool:
        if (
            card.state != "proposed"
            or self.killed
            or card.epoch != self.epoch
            or not self.open[card.incident]
        ):
            return False
        if now >= card.expires_at:
            card.state = "expired"
            return False
        if who in card.people:
            return False
        card.people.add(who)
        if len(card.people) >= card.quorum:
            card.state = "approved"
        return True

    def _answer(self, action: str, card: Card) -> bool:
        if card.state != "unknown":
            return False
        if action != "check_again":
            self._move(card, "done" if action == "it_ran" else "failed")
        return True

    def withdraw(self, card: Card, state: str) -> bool:
        if card.state not in LIVE:
            return False
        card.state = state
        return True

    def claim(self, card: Card, step: int, now: datetime) -> str:
        """Return `mine`, `taken` or `refused`."""
        made = self.starts.setdefault((card.incident, step), [])
        if any(start.card == card.name for start in made):
            return "taken"
        if self.killed:
            return "refused"
        if card.state == "approved" and (way_out := self._way_out(card, now)):
            card.state = way_out
            return "refused"
        attempt = card.undo_attempt if step == UNDO else card.attempts[step]
        if attempt != len(made) + 1 or not self._may_run(card, step):
            return "refused"
        made.append(Start(card.name, attempt))
        if self.holder is None:
            self.holder, self.last_use = card.name, (card.name, now)
        card.state = "started" if card.state == "approved" else card.state
        return "mine"

    def _way_out(self, card: Card, now: datetime) -> str | None:
        if card.epoch != self.epoch:
            return "superseded"
        if not self.open[card.incident]:
            return "cancelled"
        if now >= card.expires_at:
            return "expired"
        if self.holder not in (None, card.name):
            return "cancelled"
        user, at = self.last_use or (card.name, now)
        return "superseded" if user != card.name and at > card.created_at else None

    def _may_run(self, card: Card, step: int) -> bool:
        if step == UNDO:
            return card.state == "undoing" and self._may_be_undone(card)
        return (
            card.state in ("approved", "started")
            and card.epoch == self.epoch
            and self.holder in (None, card.name)
            and all(self._is_done(card, earlier) for earlier in range(step))
        )

    def _may_be_undone(self, card: Card) -> bool:
        """Say whether its undo was approved with it, all of it ran, and nothing has come between."""
        return (
            card.undo_attempt is not None
            and not self.killed
            and card.epoch == self.epoch
            and self.open[card.incident]
            and self.holder == card.name
            and all(self._is_done(card, step) for step in range(len(card.attempts)))
        )

    def begin_undo(self, card: Card) -> bool:
        """Return whether its undo begins now: it does so once."""
        if card.state != "done" or self.has_started(card, UNDO) or not self._may_be_undone(card):
            return False
        card.state = "undoing"
        return True

    def stop(self, card: Card) -> str | None:
        """Return what a stop makes of it; None when there is nothing to stop."""
        is_watched = card.state == "done" and card.undo_attempt is not None
        if card.state in LIVE:
            card.state = "cancelled"
        elif card.state in RUNS and self._in_doubt(card):
            card.state = "unknown"
        elif card.state in RUNS or is_watched:
            self._move(card, "not_recovered" if card.state == "undoing" else "failed")
        else:
            return None
        return card.state

    def _in_doubt(self, card: Card) -> bool:
        return any(start.result in (None, "unknown") for start in self._starts(card))

    def has_started(self, card: Card, step: int) -> bool:
        """Say whether it claimed the step."""
        return any(start.card == card.name for start in self.starts.get((card.incident, step), ()))

    def _starts(self, card: Card) -> list[Start]:
        return [start for made in self.starts.values() for start in made if start.card == card.name]

    def _is_done(self, card: Card, step: int) -> bool:
        return any(
            s.card == card.name and s.result == "done" for s in self.starts.get((card.incident, step), ())
        )

    def resume(self, card: Card, step: int) -> bool:
        made = self.starts.get((card.incident, step), ())
        is_open = any(start.card == card.name and start.result is None for start in made)
        return is_open and not self.killed and card.state in RUNS and self._may_run(card, step)

    def finish(self, card: Card, step: int, result: str) -> bool:
        """Return whether the end is taken; a second, different one is not."""
        start = next(s for s in self.starts[card.incident, step] if s.card == card.name)
        if start.result not in (None, result):
            return False
        start.result = result
        return True

    def settled(self, card: Card) -> str | None:
        """Return what its steps have come to, or None while they have not."""
        results = [start.result for start in self._starts(card)]
        if "failed" in results:
            return "not_recovered" if card.state == "undoing" else "failed"
        if "unknown" in results:
            return "unknown"
        if card.state == "undoing":
            return "not_recovered" if results == ["done"] * (len(card.attempts) + 1) else None
        return "done" if results == ["done"] * len(card.attempts) else None

    def next_step(self, card: Card) -> int:
        """Return the first step that has not ended done; the last one when all have, or its undo."""
        if card.state == "undoing":
            return UNDO
        steps = range(len(card.attempts))
        return next((step for step in steps if not self._is_done(card, step)), steps[-1])

    def conclude(self, card: Card, state: str) -> bool:
        if card.state == state:
            return True
        if state not in NEXT.get(card.state, ()):
            return False
        if card.state in RUNS and state not in HOLDS and self._in_doubt(card):
            return False  # The target is not free while nobody knows what became of it.
        self._move(card, state)
        return True

    def raise_epoch(self) -> None:
        self.epoch += 1
        for card in self.cards.values():
            if card.state in LIVE:
                card.state = "superseded"

    def _move(self, card: Card, state: str) -> None:
        card.state = state
        if state not in HOLDS and self.holder == card.name:
            self.holder = None
