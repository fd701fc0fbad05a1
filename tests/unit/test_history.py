"""The judge of recorded histories: it passes a good one, and rejects each kind of broken one."""

import json
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from bot.domain.approval import Action
from bot.domain.audit import GENESIS, Entry, chain
from bot.domain.execution import ApprovedStep, Result, StepOutcome
from bot.domain.ids import IncidentId
from bot.domain.plan import UNDO_FROM
from bot.domain.policy import FLOOR
from bot.domain.proposal import ProposalState
from tests.builders import ManualTime, a_person, a_plan, fresh
from tests.contracts.stores import Bench
from tests.history import Effect, Violation, violations

SECOND = a_person("U0SECOND", name="Sam")


@dataclass(frozen=True)
class Line:
    """An entry without its place in the chain."""

    at: datetime
    incident: IncidentId | None
    act: str
    actor: str
    body: Mapping[str, str | int | bool | None]

    def saying(self, **changed: str | int | bool | None) -> "Line":
        return replace(self, body={**self.body, **changed})


Story = list[Line]


def told(story: Story) -> list[Entry]:
    """Return the story as a chain that is intact, as somebody who can write it would leave it."""
    entries: list[Entry] = []
    for seq, line in enumerate(story, start=1):
        entries.append(
            chain(
                seq=seq,
                at=line.at,
                incident=line.incident,
                act=line.act,
                actor=line.actor,
                body=json.dumps(line.body),
                prev=entries[-1].hash if entries else GENESIS,
            )
        )
    return entries


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    made = Bench(url=None, time=ManualTime(), kill_file=tmp_path / "KILL")
    yield made
    await made.close()


@pytest.fixture
async def story(bench: Bench) -> Story:
    """Two people approve a rollback of P1; it runs, is doubted, answered and verified. P2 waits approved."""
    plan = a_plan(incident="P1", quorum=2)
    record = await bench.offered(plan)
    await bench.press(Action.APPROVE, plan)
    await bench.press(Action.APPROVE, plan, by=SECOND)
    await bench.approved(a_plan(incident="P2"))
    await bench.store.gate.claim(record.id, 0, fresh(record, bench.time.at), policy=FLOOR)
    await bench.store.gate.finish(plan.effect_key(plan.steps[0]), 1, StepOutcome(result=Result.UNKNOWN))
    await bench.store.gate.conclude(record.id, ProposalState.UNKNOWN, "")
    await bench.press(Action.IT_RAN, plan, nonce="2")
    await bench.store.gate.conclude(record.id, ProposalState.VERIFIED, "")
    await bench.store.gate.kill("test", "over")
    entries = await bench.store.audit.entries()
    return [Line(e.at, e.incident, e.act, e.actor, e.body_values()) for e in entries]


def only(act: str, nth: int = 0) -> Callable[[Story], int]:
    return lambda story: [index for index, line in enumerate(story) if line.act == act][nth]


def without(act: str, nth: int = 0) -> Callable[[Story], Story]:
    def change(story: Story) -> Story:
        found = only(act, nth)(story)
        return story[:found] + story[found + 1 :]

    return change


def with_(act: str, nth: int = 0, **changed: str | int | bool | None) -> Callable[[Story], Story]:
    def change(story: Story) -> Story:
        found = only(act, nth)(story)
        return [*story[:found], story[found].saying(**changed), *story[found + 1 :]]

    return change


def with_both(act: str, **changed: str | int | bool | None) -> Callable[[Story], Story]:
    return lambda story: with_(act, 0, **changed)(with_(act, 1, **changed)(story))


def again(act: str, after: str, **changed: str | int | bool | None) -> Callable[[Story], Story]:
    """Repeat the entry *act* right after the entry *after*."""

    def change(story: Story) -> Story:
        found = only(after)(story)
        return [*story[: found + 1], story[only(act)(story)].saying(**changed), *story[found + 1 :]]

    return change


def inserted(line: Callable[[Story], Line], before: str, nth: int = 0) -> Callable[[Story], Story]:
    def change(story: Story) -> Story:
        found = only(before, nth)(story)
        return [*story[:found], line(story), *story[found:]]

    return change


def exit_by(act: str) -> Callable[[Story], Line]:
    def line(story: Story) -> Line:
        claimed = story[only("claimed")(story)]
        pressed = {**story[only("approved")(story)].body, "click": "another", "user": "U0SECOND"}
        return replace(claimed, act=act, body=pressed if act == "denied" else {"proposal": "P1-1"})

    return line


def a_rival(story: Story) -> Line:
    """The other incident's proposal starts on the same target."""
    claimed = story[only("claimed")(story)]
    facts = {
        "proposal": "P2-1",
        "effect": "e" * 64,
        "digest": story[only("proposed", 1)(story)].body["digest"],
    }
    return replace(claimed, incident=IncidentId("P2"), body={**claimed.body, **facts})


def late(act: str) -> Callable[[Story], Story]:
    def change(story: Story) -> Story:
        found = only(act)(story)
        return [
            line if index < found else replace(line, at=line.at + timedelta(hours=1))
            for index, line in enumerate(story)
        ]

    return change


def resolved(story: Story) -> Line:
    return replace(story[only("seen")(story)], act="resolved")


def killed(story: Story) -> Line:
    return story[only("killed")(story)]


def raised(story: Story) -> Line:
    return replace(killed(story), act="epoch_raised", body={"before": 0, "after": 1})


BROKEN: Mapping[str, tuple[str, Callable[[Story], Story]]] = {
    "one approval of two": ("I1", without("approved", 1)),
    "one person twice": ("I6", with_("approved", 1, user="U0ONCALL")),
    "about other bytes": ("I1", with_("approved", pressed_digest="0" * 64)),
    "on another card": ("I3", with_("approved", message_ts="1.1")),
    "by who may not": ("I9", with_("approved", allowed=False)),
    "approved too late": ("I1", late("approved")),
    "started too late": ("I5", late("claimed")),
    "started after a denial": ("I5", inserted(exit_by("denied"), "claimed")),
    "started after an expiry": ("I5", inserted(exit_by("expired"), "claimed")),
    "started after a withdrawal": ("I5", inserted(exit_by("cancelled"), "claimed")),
    "started after an edit": ("I5", inserted(exit_by("superseded"), "claimed")),
    "denied after the start": ("I5", inserted(exit_by("denied"), "finished")),
    "started after the resolve": ("I5", inserted(resolved, "claimed")),
    "approved after the resolve": ("I5", inserted(resolved, "approved")),
    "started while stopped": ("I7", inserted(killed, "claimed")),
    "approved while stopped": ("I7", inserted(killed, "approved")),
    "started in another epoch": ("I1", inserted(raised, "claimed")),
    "started twice": ("I2", again("claimed", "claimed")),
    "an attempt left out": ("I2", with_("claimed", attempt=2)),
    "a second attempt on the same approval": ("I2", again("claimed", "finished", attempt=2)),
    "ended twice": ("I2", again("finished", "finished", result="done")),
    "ended and never started": ("I8", without("claimed")),
    "started and never proposed": ("I8", without("proposed")),
    "two on one target": ("I13", inserted(a_rival, "finished")),
    "a target let go in doubt": ("I13", inserted(a_rival, "answered")),
    "one click decided twice": ("I10", with_both("approved", click="same")),
    "another digest": ("I3", with_("claimed", digest="0" * 64)),
    "proposed twice": ("I3", again("proposed", "proposed")),
    "verified without a start": ("I2", without("answered")),
}


async def test_a_good_history_passes(story: Story) -> None:
    plan = a_plan(incident="P1", quorum=2)
    acted = [Effect(plan.idempotency_key(plan.steps[0]), story[only("claimed")(story)].at)]

    assert violations(told(story), acted, never_shown=["hunter2"], is_over=True) == []


@pytest.mark.parametrize("how", BROKEN)
async def test_a_broken_history_is_rejected(how: str, story: Story) -> None:
    invariant, breaks = BROKEN[how]

    found = violations(told(breaks(story)))

    assert invariant in {violation.invariant for violation in found}, found


async def test_a_start_without_an_end_is_rejected_once_the_run_is_over(story: Story) -> None:
    unended = story[: only("finished")(story)]

    assert violations(told(unended)) == []
    assert {v.invariant for v in violations(told(unended), is_over=True)} == {"I10"}


async def test_a_changed_entry_is_rejected(story: Story) -> None:
    entries = told(story)
    entries[3] = entries[3].model_copy(update={"body": "{}"})

    assert violations(entries) == [Violation("I8", 4, "its content was changed")]


async def test_a_secret_in_an_entry_is_rejected(story: Story) -> None:
    changed = with_("concluded", detail="the answer was hunter2")(story)

    assert [v.invariant for v in violations(told(changed), never_shown=["hunter2"])] == ["I11"]


async def test_the_targets_own_journal_is_believed(story: Story) -> None:
    plan = a_plan(incident="P1", quorum=2)
    key, started = plan.idempotency_key(plan.steps[0]), story[only("claimed")(story)].at

    def judged(*acted: Effect) -> list[str]:
        return [violation.invariant for violation in violations(told(story), acted)]

    assert judged(Effect(key), Effect(key)) == ["I2"]
    assert judged(Effect("never claimed-1")) == ["I8"]
    assert judged(Effect(key, started - timedelta(minutes=1))) == ["I8"]


async def undone(bench: Bench) -> Story:
    """Return the story of a plan that did not help, and whose undo ran once by itself."""
    plan = a_plan(incident="P7", target="search/production").model_copy(update={"undo_automatic": True})
    step = await bench.started(plan)
    await bench.store.gate.finish(step.effect_key, 1, StepOutcome(result=Result.DONE))
    await bench.store.gate.conclude(plan.id, ProposalState.DONE, "")
    await bench.store.gate.begin_undo(plan.id, "it did not help")
    undo = await bench.store.gate.claim(plan.id, UNDO_FROM, policy=FLOOR)
    assert isinstance(undo, ApprovedStep)
    await bench.store.gate.finish(undo.effect_key, 1, StepOutcome(result=Result.DONE))
    await bench.store.gate.conclude(plan.id, ProposalState.NOT_RECOVERED, "")
    return [
        Line(e.at, e.incident, e.act, e.actor, e.body_values()) for e in await bench.store.audit.entries()
    ]


async def test_an_undo_that_was_approved_with_its_plan_passes(bench: Bench) -> None:
    assert [] == [str(one) for one in violations(told(await undone(bench)))]


async def test_an_undo_of_what_may_not_have_run_is_rejected(bench: Bench) -> None:
    story = await undone(bench)
    first = next(i for i, line in enumerate(story) if line.act == "finished")
    story[first] = story[first].saying(result="unknown")

    assert any("an undo of what is not known to have run" in str(one) for one in violations(told(story)))


async def test_an_undo_that_never_began_is_rejected(bench: Bench) -> None:
    story = [line for line in await undone(bench) if line.body.get("state") != "undoing"]

    assert any("an undo of what is done" in str(one) for one in violations(told(story)))


async def test_an_undo_that_lets_the_target_go_before_it_ended_is_rejected(bench: Bench) -> None:
    story = await undone(bench)
    del story[max(i for i, line in enumerate(story) if line.act == "finished")]

    assert {"I13"} == {violation.invariant for violation in violations(told(story))}
