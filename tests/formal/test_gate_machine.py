"""The gate played at random against an oracle, and the play itself held against seeded mistakes."""

import asyncio
import shutil
import tempfile
from collections.abc import Awaitable
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import TypeVar

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from bot.domain.approval import Action, Click, Permission, Ruling
from bot.domain.card import CardRef
from bot.domain.errors import HandrailError, Tampered
from bot.domain.execution import ApprovedStep, Claim, Result, StepOutcome
from bot.domain.ids import IncidentId, sha256_hex
from bot.domain.incident import IncidentStatus
from bot.domain.person import Person
from bot.domain.plan import Plan, PlannedStep
from bot.domain.policy import FLOOR
from bot.domain.proposal import ProposalState
from tests.builders import (
    CARD,
    ManualTime,
    a_click,
    a_person,
    a_plan,
    a_record,
    a_request,
    an_incident,
    fresh,
)
from tests.conftest import Rounds
from tests.contracts.stores import ALLOWED, FORBIDDEN, Bench
from tests.formal.gate_mistakes import MISTAKES, Mistake, mistaken
from tests.formal.gate_oracle import UNDO, Card, Oracle
from tests.history import Effect, violations

T = TypeVar("T")

INCIDENTS = ("P1", "P2")
PEOPLE = {"dana": a_person("U0ONCALL", name="Dana"), "sam": a_person("U0SECOND", name="Sam")}
OWNERS = ("anna", "ben")
STEPS = (a_request("drain"), a_request("roll-back"))
OLD_CARD = CardRef(channel=CARD.channel, ts="1795316399.000100")
WITHDRAWN = (ProposalState.EXPIRED, ProposalState.CANCELLED, ProposalState.SUPERSEDED)
BETWEEN = ("withdraw", "deny", "resolve", "kill", "lose the engine", "the other", "stop", "a wrong end")
UNDO_ENDS = (Result.UNKNOWN, Result.DONE, Result.UNKNOWN, Result.FAILED)
ENDS = ("done", "failed", "unknown", "verified", "not_recovered")
HOW = (*["right"] * 8, "old card", "other digest", "stranger", "late")


@dataclass(frozen=True)
class Held:
    """What an owner believes to be running."""

    card: str
    step: int


class GateMachine(RuleBasedStateMachine):
    """People, time and owners do what they like; each answer and each state must be the oracle's."""

    def __init__(self, *, is_on_disk: bool = False, mistake: Mistake | None = None) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp(prefix="gate-machine-"))
        self.loop = asyncio.new_event_loop()
        self.time = ManualTime()
        url = f"sqlite:///{self.folder}/audit.db" if is_on_disk else None
        self.bench = Bench(url=url, time=self.time, kill_file=self.folder / "KILL")
        self.store = self.bench.store
        self.gate = mistaken(self.store, mistake) if mistake else self.store.gate
        self.oracle = Oracle(open={})
        self.plans: dict[str, Plan] = {}
        self.held: dict[str, Held | None] = dict.fromkeys(OWNERS)
        self.journal: list[Effect] = []
        self.presses = 0
        self.pressed: tuple[Click, Permission, Person, Ruling] | None = None

    def run(self, awaitable: Awaitable[T]) -> T:
        return self.loop.run_until_complete(awaitable)

    def teardown(self) -> None:
        try:
            entries = self.run(self.store.audit.entries(limit=100_000))
            assert violations(entries, self.journal) == []
        finally:
            self.run(self.bench.close())
            self.loop.close()
            shutil.rmtree(self.folder)

    # Proposals and time.

    @initialize()
    def pages_arrive(self) -> None:
        for quorum, incident in enumerate(INCIDENTS, start=1):
            self.run(self.store.incidents.see(an_incident(incident)))
            self.oracle.open[incident] = True
            self._propose(incident, quorum=quorum, minutes=15, stale=False, undoes_itself=quorum == 1)

    @rule(
        incident=st.sampled_from(INCIDENTS),
        quorum=st.sampled_from([1, 2]),
        minutes=st.sampled_from([1, 15]),
        stale=st.integers(0, 9).map(lambda n: n == 0),
        undoes_itself=st.booleans(),
    )
    def propose(self, incident: str, quorum: int, minutes: int, stale: bool, undoes_itself: bool) -> None:
        """Also an edit: whatever lived before is superseded, and its approvals count for nothing."""
        self._propose(incident, quorum=quorum, minutes=minutes, stale=stale, undoes_itself=undoes_itself)

    def _propose(self, incident: str, *, quorum: int, minutes: int, stale: bool, undoes_itself: bool) -> None:
        last = self.oracle.last(incident)
        card = Card(
            incident=incident,
            number=last.number + 1 if last else 1,
            quorum=quorum,
            epoch=self.oracle.epoch,
            created_at=self.time.at,
            expires_at=self.time.at + timedelta(minutes=minutes),
            attempts=self.oracle.attempts(incident, len(STEPS), stale=stale),
            undo_attempt=self.oracle.undo_attempt(incident) if undoes_itself else None,
        )
        plan = self._plan(card)
        self.run(self.gate.propose(plan))
        self.run(self.gate.offer(plan.id, CARD))
        self.oracle.propose(card)
        self.plans[card.name] = plan

    def _plan(self, card: Card) -> Plan:
        drafted = a_plan(
            incident=card.incident,
            number=card.number,
            epoch=card.epoch,
            quorum=card.quorum,
            actions=STEPS,
            expires_at=card.expires_at,
        )
        steps = tuple(
            PlannedStep(index=step.index, attempt=attempt, action=step.action)
            for step, attempt in zip(drafted.steps, card.attempts, strict=True)
        )
        undo = {"undo_automatic": True, "undo_attempts": (card.undo_attempt,)} if card.undo_attempt else {}
        return drafted.model_copy(update={"steps": steps, **undo})

    @rule(
        incident=st.sampled_from(INCIDENTS),
        by=st.sampled_from([timedelta(seconds=s) for s in (1, 59, 600)]),
        near=st.sampled_from([None, None, *(timedelta(milliseconds=ms) for ms in (-1, 0, 1))]),
    )
    def time_passes(self, incident: str, by: timedelta, near: timedelta | None) -> None:
        """By so much, or until the expiry is so near."""
        until = self._last(incident).expires_at + near if near is not None else self.time.at + by
        self.time.at = max(self.time.at, until)

    # People.

    @rule(
        incident=st.sampled_from(INCIDENTS),
        is_newest=st.integers(0, 4).map(bool),
        action=st.sampled_from([Action.APPROVE, Action.APPROVE, Action.DENY, *Action]),
        who=st.sampled_from(sorted(PEOPLE)),
        how=st.sampled_from(HOW),
    )
    def press(self, incident: str, is_newest: bool, action: Action, who: str, how: str) -> None:
        card = self._last(incident)
        if not is_newest and card.number > 1:
            card = self.oracle.cards[f"{incident}-{card.number - 1}"]
        self._press(card, action, who, how)

    def _press(self, card: Card, action: Action, who: str, how: str) -> None:
        self.presses += 1
        person = PEOPLE[who]
        click = a_click(
            action,
            plan=self.plans[card.name],
            by=person,
            card=OLD_CARD if how == "old card" else CARD,
            at=self.time.at - timedelta(seconds=61) if how == "late" else self.time.at,
            digest=sha256_hex("other") if how == "other digest" else None,
            nonce=str(self.presses),
        )
        permission = FORBIDDEN if how == "stranger" else ALLOWED
        ruling = self.run(self.gate.rule(click, permission, person))
        self.pressed = (click, permission, person, ruling)
        expected = how == "right" and self.oracle.press(action.value, card, who, self.time.at)
        assert ruling.is_accepted == expected, (action, card, how, ruling)
        assert ruling.text, "a click without an answer"

    @precondition(lambda self: self.pressed is not None)
    @rule()
    def the_same_press_is_delivered_again(self) -> None:
        assert self.pressed is not None
        click, permission, person, first = self.pressed
        assert self.run(self.gate.rule(click, permission, person)) == first

    @precondition(lambda self: self.oracle.killed or not all(self.oracle.open.values()))
    @rule()
    def it_passes(self) -> None:
        if self.oracle.killed:
            self.run(self.gate.revive("test"))
            self.oracle.killed = False
        for incident in INCIDENTS:
            self.run(self.store.incidents.reopen(IncidentId(incident)))
            self.oracle.open[incident] = True

    @rule(
        incident=st.sampled_from(INCIDENTS),
        owner=st.sampled_from(OWNERS),
        moves=st.sampled_from([1, 1, 2, 3, 4, 5, 6, 12]),
        end=st.sampled_from([Result.DONE, *Result]),
        then=st.sampled_from(["nothing", "nothing", *BETWEEN]),
    )
    def get_on(self, incident: str, owner: str, moves: int, end: Result, then: str) -> None:
        """Do what usually comes next, or chance would seldom come as far as a second attempt.

        Before the last move something may come between: this is where gates are wrong.
        """
        for _ in range(moves):
            self._get_on(incident, owner, end)
        self._come_between(incident, then)
        self._get_on(incident, owner, end)

    def _come_between(self, incident: str, what: str) -> None:
        card = self._last(incident)
        match what:
            case "withdraw":
                state = WITHDRAWN[self.presses % len(WITHDRAWN)]
                gone = self.run(self.gate.withdraw(self.plans[card.name].id, state, "the machine said so"))
                assert gone == self.oracle.withdraw(card, state.value)
            case "deny":
                self._press(card, Action.DENY, "sam", "right")
            case "resolve":
                resolved = an_incident(IncidentId(incident), status=IncidentStatus.RESOLVED)
                self.run(self.store.incidents.see(resolved))
                self.oracle.open[incident] = False
            case "kill":
                self.run(self.gate.kill("test", "the machine said so"))
                self.oracle.killed = True
            case "lose the engine":
                self.oracle.raise_epoch()
                assert self.run(self.gate.raise_epoch(self.oracle.epoch)) == self.oracle.epoch
            case "stop":
                self._stop(card)
            case "a wrong end" if self.oracle.has_started(card, 0):
                self._conclude(card, "not_recovered" if card.state == "undoing" else "failed")
                self._finish(Held(card.name, 0), Result.FAILED)
            case "the other":
                for _ in range(3):
                    self._get_on(next(i for i in INCIDENTS if i != incident), "ben", Result.DONE)
            case _:
                pass

    def _get_on(self, incident: str, owner: str, end: Result) -> None:
        card = self._last(incident)
        match card.state:
            case "proposed":
                for who in sorted(PEOPLE):
                    self._press(card, Action.APPROVE, who, "right")
            case "approved" | "started" | "undoing":
                self._run_next(card, owner, end)
            case "done":
                if not self._begin_undo(card):
                    self._conclude(card, "verified")
            case "unknown":
                it_ran = card.undo_attempt is not None
                self._press(card, Action.IT_RAN if it_ran else Action.IT_DID_NOT, "dana", "right")
            case _:
                self._propose(
                    incident,
                    quorum=card.quorum,
                    minutes=15,
                    stale=False,
                    undoes_itself=card.undo_attempt is not None,
                )

    def _begin_undo(self, card: Card) -> bool:
        has_begun = self.run(self.gate.begin_undo(self.plans[card.name].id, "it did not help")) == ""
        assert has_begun == self.oracle.begin_undo(card), card
        return has_begun

    def _stop(self, card: Card) -> None:
        state = self.run(self.gate.stop(self.plans[card.name].id, PEOPLE["sam"]))
        assert (state.value if state else None) == self.oracle.stop(card), card

    def _run_next(self, card: Card, owner: str, end: Result) -> None:
        owner = next((o for o, held in self.held.items() if held and held.card == card.name), owner)
        held = self.held[owner]
        if held is not None and held.card == card.name:
            # Chance would seldom let the steps end well and their undo otherwise.
            self._finish(held, UNDO_ENDS[self.presses % len(UNDO_ENDS)] if held.step == UNDO else end)
            self.held[owner] = None
        elif (settled := self.oracle.settled(card)) is not None:
            self._conclude(card, settled)
        else:
            step = self.oracle.next_step(card)
            if self._claim(owner, card, step) == "taken":
                self._take_over(owner, card, step)

    # Owners.

    @rule(
        owner=st.sampled_from(OWNERS),
        incident=st.sampled_from(INCIDENTS),
        step=st.sampled_from([0, 0, 1, UNDO]),
    )
    def claim(self, owner: str, incident: str, step: int) -> None:
        self._claim(owner, self._last(incident), step)

    def _claim(self, owner: str, card: Card, step: int) -> str:
        plan = self.plans[card.name]
        match self.run(self.gate.claim(plan.id, step, fresh(a_record(plan), self.time.at), policy=FLOOR)):
            case ApprovedStep() as mine:
                answer = "mine"
                self.journal.append(Effect(plan.idempotency_key(mine.step), self.time.at))
                self.held[owner] = Held(card.name, step)
            case Claim():
                answer = "taken"
            case _:
                answer = "refused"
        assert answer == self.oracle.claim(card, step, self.time.at), (answer, card)
        return answer

    @rule(
        owner=st.sampled_from(OWNERS),
        incident=st.sampled_from(INCIDENTS),
        step=st.sampled_from([0, 0, 1, UNDO]),
        state=st.sampled_from(ENDS),
        how=st.sampled_from(["crashes", "takes over", "takes over", "concludes", "undoes"]),
    )
    def an_owner_strays(self, owner: str, incident: str, step: int, state: str, how: str) -> None:
        card = self._last(incident)
        match how:
            case "crashes":
                self.held[owner] = None
            case "takes over":
                self._take_over(owner, card, step)
            case "undoes":
                self._begin_undo(card)
            case _ if card.state == "started":
                self._conclude(card, self.oracle.settled(card) or "failed")
            case _:
                self._conclude(card, state)

    def _take_over(self, owner: str, card: Card, step: int) -> None:
        """The target acts once for each key, so an effect that is asked for again adds no line there."""
        is_mine = isinstance(self.run(self.gate.resume(self.plans[card.name].id, step)), ApprovedStep)
        assert is_mine == self.oracle.resume(card, step), card
        if is_mine:
            self.held[owner] = Held(card.name, step)

    @precondition(lambda self: any(self.held.values()))
    @rule(owner=st.sampled_from(OWNERS), result=st.sampled_from([Result.DONE, Result.DONE, *Result]))
    def finish(self, owner: str, result: Result) -> None:
        """Owners keep what they hold: one that was only slow reports an end after the other did."""
        held = self.held[owner] or next(held for held in self.held.values() if held)
        self._finish(held, result)

    def _finish(self, held: Held, result: Result) -> None:
        plan, card = self.plans[held.card], self.oracle.cards[held.card]
        step = plan.step(held.step)
        assert step is not None
        try:
            self.run(self.gate.finish(plan.effect_key(step), step.attempt, StepOutcome(result=result)))
            is_taken = True
        except Tampered:
            is_taken = False
        assert is_taken == self.oracle.finish(card, held.step, result.value), card

    def _conclude(self, card: Card, state: str) -> None:
        try:
            self.run(
                self.gate.conclude(self.plans[card.name].id, ProposalState(state), "the machine said so")
            )
            is_taken = True
        except Tampered:
            is_taken = False
        assert is_taken == self.oracle.conclude(card, state), card

    @invariant()
    def states_agree(self) -> None:
        for incident in self.oracle.open:
            records = self.run(self.gate.proposals(IncidentId(incident)))
            told = {record.id: record.state.value for record in records}
            meant = {c.name: c.state for c in self.oracle.cards.values() if c.incident == incident}
            assert told == meant

    def _last(self, incident: str) -> Card:
        card = self.oracle.last(incident)
        assert card is not None
        return card


def _play(*, examples: int, is_on_disk: bool = False, mistake: Mistake | None = None) -> None:
    """Play so many examples; the same ones each time while looking for a seeded mistake."""
    run_state_machine_as_test(
        # A function that makes one will do as well as a class.
        lambda: GateMachine(is_on_disk=is_on_disk, mistake=mistake),  # type: ignore[arg-type]
        settings=settings(
            max_examples=examples,
            stateful_step_count=25,
            deadline=None,
            database=None,
            derandomize=mistake is not None,
            report_multiple_bugs=False,
            phases=(Phase.generate,) if mistake else (Phase.generate, Phase.shrink),
            suppress_health_check=list(HealthCheck),
        ),
    )


@pytest.mark.timeout(900)
@pytest.mark.parametrize("is_on_disk", [False, True], ids=["memory", "sqlite"])
def test_whatever_is_played_the_gate_answers_as_the_oracle(is_on_disk: bool, rounds: Rounds) -> None:
    """Each rule asserts that store and oracle say the same; the mistakes below show that it does."""
    _play(examples=rounds(10, 150) if is_on_disk else rounds(30, 1500), is_on_disk=is_on_disk)


def test_there_are_mistakes_of_many_kinds() -> None:
    assert len(MISTAKES) >= 8


QUICK = sorted(MISTAKES, key=lambda name: MISTAKES[name].within)[:5]
"""The mistakes found soonest: what each change is tried with; the others are left to `make prove`."""


@pytest.mark.timeout(300)
@pytest.mark.parametrize("name", MISTAKES)
def test_each_seeded_mistake_is_seen_within_its_examples(name: str, rounds: Rounds) -> None:
    if not rounds(name in QUICK, True):
        pytest.skip(f"the mistake “{name}”: sought by make prove")
    mistake = MISTAKES[name]

    with pytest.raises((AssertionError, HandrailError)):
        _play(examples=mistake.within, mistake=mistake)
