"""What every gate promises of an undo that was approved with its plan: it begins once, and for a reason."""

import asyncio

import pytest

from bot.domain.approval import Action
from bot.domain.errors import Tampered
from bot.domain.execution import ApprovedStep, NotAdmitted, Result, StepOutcome
from bot.domain.plan import UNDO_FROM, Plan
from bot.domain.policy import FLOOR
from bot.domain.proposal import ProposalState
from tests.builders import a_person, a_plan, fresh
from tests.contracts.stores import Bench
from tests.history import violations

S = ProposalState
DONE = StepOutcome(result=Result.DONE, detail="HTTP 202")
WHY = "error_ratio is 0.3 after 120 s"


def itself(plan: Plan | None = None) -> Plan:
    """Return a plan whose undo runs by itself."""
    return (plan or a_plan()).model_copy(update={"undo_automatic": True})


async def watched(bench: Bench, plan: Plan, *, end: Result = Result.DONE) -> Plan:
    """Carry *plan* out until its proof is watched."""
    step = await bench.started(plan)
    await bench.store.gate.finish(step.effect_key, 1, DONE.model_copy(update={"result": end}))
    if end is Result.UNKNOWN:
        await bench.store.gate.conclude(plan.id, S.UNKNOWN, "no answer")
        assert (await bench.press(Action.IT_RAN, plan, nonce="2")).is_accepted
    else:
        await bench.store.gate.conclude(plan.id, S.DONE, "all steps are done")
    return plan


async def claimed(bench: Bench, plan: Plan, step: int = UNDO_FROM) -> object:
    return await bench.store.gate.claim(plan.id, step, policy=FLOOR)


async def test_it_begins_runs_and_ends_on_record(bench: Bench) -> None:
    plan = await watched(bench, itself())
    assert "" == await bench.store.gate.begin_undo(plan.id, WHY)

    step = await claimed(bench, plan)
    assert isinstance(step, ApprovedStep)
    assert plan.undo_steps[0] == step.action
    await bench.store.gate.finish(step.effect_key, 1, DONE)
    after = await bench.store.gate.conclude(plan.id, S.NOT_RECOVERED, f"{WHY}; its undo ran")

    assert S.NOT_RECOVERED is after.state
    assert ["concluded", "claimed", "finished", "concluded"] == (await bench.acts())[-4:]
    assert () == tuple(violations(await bench.store.audit.entries()))
    assert (await bench.store.audit.verify()).is_intact


async def test_of_two_that_begin_it_one_does(bench: Bench) -> None:
    plan = await watched(bench, itself())
    other = bench.another()
    said = await asyncio.gather(
        *(store.gate.begin_undo(plan.id, WHY) for store in (bench.store, other) for _ in range(3))
    )

    assert ["", *["the proposal is undoing"] * 5] == sorted(said)
    steps = [await claimed(bench, plan) for _ in range(3)]
    assert [True, False, False] == [isinstance(step, ApprovedStep) for step in steps]


@pytest.mark.parametrize("end", [None, Result.UNKNOWN])
async def test_it_lets_the_target_go_only_when_each_of_its_steps_has_a_certain_end(
    bench: Bench, end: Result | None
) -> None:
    plan = await watched(bench, itself())
    await bench.store.gate.begin_undo(plan.id, WHY)
    step = await claimed(bench, plan)
    assert isinstance(step, ApprovedStep)
    if end is not None:
        await bench.store.gate.finish(step.effect_key, 1, DONE.model_copy(update={"result": end}))

    with pytest.raises(Tampered, match="not known whether it took effect"):
        await bench.store.gate.conclude(plan.id, S.NOT_RECOVERED, "somebody was slow")
    assert S.UNKNOWN is await bench.store.gate.stop(plan.id, a_person())
    other = await bench.approved(a_plan(incident="P9", version="40"))
    answer = await bench.store.gate.claim(other.id, 0, fresh(other, bench.time.at), policy=FLOOR)
    assert isinstance(answer, NotAdmitted)


async def test_a_stop_of_what_ended_in_doubt_keeps_the_target(bench: Bench) -> None:
    plan = itself()
    step = await bench.started(plan)
    await bench.store.gate.finish(step.effect_key, 1, DONE.model_copy(update={"result": Result.UNKNOWN}))

    assert S.UNKNOWN is await bench.store.gate.stop(plan.id, a_person())


async def test_it_never_begins_a_second_time(bench: Bench) -> None:
    plan = await watched(bench, itself())
    await bench.store.gate.begin_undo(plan.id, WHY)
    step = await claimed(bench, plan)
    assert isinstance(step, ApprovedStep)
    await bench.store.gate.finish(step.effect_key, 1, DONE.model_copy(update={"result": Result.UNKNOWN}))
    await bench.store.gate.conclude(plan.id, S.UNKNOWN, "no answer")
    assert (await bench.press(Action.IT_RAN, plan, nonce="2")).is_accepted

    assert "it was begun before" == await bench.store.gate.begin_undo(plan.id, WHY)


async def test_what_was_unknown_is_not_taken_back_by_itself(bench: Bench) -> None:
    plan = await watched(bench, itself(), end=Result.UNKNOWN)

    assert "it is not certain that step roll-back ran" == await bench.store.gate.begin_undo(plan.id, WHY)


async def test_a_plan_that_does_not_say_so_is_not_taken_back(bench: Bench) -> None:
    plan = await watched(bench, a_plan())

    why = await bench.store.gate.begin_undo(plan.id, WHY)
    assert "the plan does not say that its undo runs by itself" == why
    assert isinstance(await claimed(bench, plan), NotAdmitted)


async def test_the_kill_switch_and_the_end_of_the_incident_keep_it_from_beginning(bench: Bench) -> None:
    plan = await watched(bench, itself())
    await bench.store.gate.kill("dana", "enough")
    assert "Handrail is stopped" in await bench.store.gate.begin_undo(plan.id, WHY)
    await bench.store.gate.revive("dana")
    await bench.store.gate.raise_epoch(1)

    assert "the approval was given before a restart" == await bench.store.gate.begin_undo(plan.id, WHY)


@pytest.mark.parametrize("state", [S.STARTED, S.DONE])
async def test_no_step_of_it_starts_before_it_began(bench: Bench, state: ProposalState) -> None:
    plan = itself()
    if state is S.DONE:
        await watched(bench, plan)
    else:
        await bench.started(plan)

    assert NotAdmitted(why=f"the proposal is {state.value}") == await claimed(bench, plan)


async def test_no_step_of_the_plan_starts_while_it_is_taken_back(bench: Bench) -> None:
    plan = await watched(bench, itself())
    await bench.store.gate.begin_undo(plan.id, WHY)

    assert NotAdmitted(why="the proposal is undoing") == await claimed(bench, plan, 1)


async def test_the_target_stays_with_it_until_the_end(bench: Bench) -> None:
    plan = await watched(bench, itself())
    await bench.store.gate.begin_undo(plan.id, WHY)
    other = await bench.approved(a_plan(incident="P9", version="40"))

    answer = await bench.store.gate.claim(other.id, 0, fresh(other, bench.time.at), policy=FLOOR)

    assert isinstance(answer, NotAdmitted)
    assert f"belongs to the running execution {plan.id}" in answer.why


@pytest.mark.parametrize("has_begun", [False, True])
async def test_a_stop_keeps_it_from_running(bench: Bench, has_begun: bool) -> None:
    plan = await watched(bench, itself())
    if has_begun:
        await bench.store.gate.begin_undo(plan.id, WHY)
    state = await bench.store.gate.stop(plan.id, a_person())

    assert (S.NOT_RECOVERED if has_begun else S.FAILED) is state
    assert isinstance(await claimed(bench, plan), NotAdmitted)
    assert f"the proposal is {state.value}" == await bench.store.gate.begin_undo(plan.id, WHY)
    assert (await bench.store.audit.verify()).is_intact
