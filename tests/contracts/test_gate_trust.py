"""What every gate tells of past executions: those that ended, of one playbook for one service."""

from datetime import timedelta

from bot.domain.approval import Action
from bot.domain.execution import Result, StepOutcome
from bot.domain.ids import PlaybookId, ServiceName
from bot.domain.plan import Plan
from bot.domain.proposal import ProposalState
from tests.builders import a_plan
from tests.contracts.stores import Bench

S = ProposalState
CHECKOUT, ROLL_BACK = ServiceName("checkout"), PlaybookId("roll-back")


async def ended(bench: Bench, plan: Plan, state: ProposalState) -> None:
    """Bring *plan* to its end."""
    step = await bench.started(plan)
    await bench.store.gate.finish(step.effect_key, 1, StepOutcome(result=Result.DONE))
    if state in (S.VERIFIED, S.NOT_RECOVERED):
        await bench.store.gate.conclude(plan.id, S.DONE, "all steps are done")
    await bench.store.gate.conclude(plan.id, state, "")
    bench.time.advance(timedelta(seconds=1))


async def test_past_executions_are_told_newest_first(bench: Bench) -> None:
    plans = [a_plan(incident=f"P{number}", target=f"target-{number}") for number in range(4)]
    for plan, state in zip(plans, (S.VERIFIED, S.NOT_RECOVERED, S.FAILED, S.UNKNOWN), strict=True):
        await ended(bench, plan, state)

    told = await bench.another().gate.past_runs(CHECKOUT, ROLL_BACK)

    assert [plan.id for plan in reversed(plans)] == [record.id for record in told]


async def test_others_and_what_never_ran_are_not_told(bench: Bench) -> None:
    await ended(bench, a_plan(incident="P1", target="a").model_copy(update={"service": "search"}), S.VERIFIED)
    await ended(bench, a_plan(incident="P2", target="b").model_copy(update={"undoes": "P2-0"}), S.VERIFIED)
    await bench.offered(a_plan(incident="P3"))
    await bench.press(Action.DENY, a_plan(incident="P3"))

    assert [] == list(await bench.store.gate.past_runs(CHECKOUT, ROLL_BACK))
    assert 1 == len(await bench.store.gate.past_runs(ServiceName("search"), ROLL_BACK))
    assert [] == list(await bench.store.gate.past_runs(CHECKOUT, PlaybookId("restart")))
