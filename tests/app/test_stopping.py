"""Ending a step that runs, and asking its target when nobody heard the end."""

import asyncio
from dataclasses import dataclass, field

from adapters.runners.plain import PlainRunner
from bot.app.remediate import check_again
from bot.app.stop import stop
from bot.domain.approval import Action
from bot.domain.execution import ApprovedStep, Result, StepOutcome
from bot.domain.ids import IncidentId
from bot.domain.proposal import ProposalState
from tests.app.test_remediating import UNKNOWN, an_approved_bot, the_claim
from tests.app.world import DANA, EVE, with_world
from tests.builders import INCIDENT

S = ProposalState
ID = IncidentId(INCIDENT)
RAN = StepOutcome(result=Result.DONE, detail="the target says by key that it ran")


@dataclass
class Endless(PlainRunner):
    """Runs until it is ended."""

    started: asyncio.Event = field(default_factory=asyncio.Event)
    was_ended: bool = False

    async def run(self, step: ApprovedStep) -> StepOutcome:
        self.started.set()
        try:
            await asyncio.Event().wait()
        finally:
            self.was_ended = True
        raise AssertionError("nobody rings")


async def test_the_kill_switch_ends_a_step_that_runs() -> None:
    bot, runner = await an_approved_bot(), Endless()
    following = asyncio.create_task(with_world(bot, runners={"http": runner}).follow())
    await runner.started.wait()
    await bot.world.gate.kill("root@host", "stop it")
    await following

    assert (S.UNKNOWN, True) == (await bot.state(), runner.was_ended)
    assert "ended: Handrail was stopped; what it had done" in (await bot.the_last()).reason


async def test_a_proposal_that_is_closed_while_it_runs_ends_its_step() -> None:
    bot, runner = await an_approved_bot(), Endless()
    following = asyncio.create_task(with_world(bot, runners={"http": runner}).follow())
    await runner.started.wait()
    await bot.world.gate.conclude((await bot.the_last()).id, S.UNKNOWN, "stopped by a person")
    await following

    assert (S.UNKNOWN, True) == (await bot.state(), runner.was_ended)


async def test_a_bot_that_stops_ends_its_step() -> None:
    bot, runner = await an_approved_bot(), Endless()
    following = asyncio.create_task(with_world(bot, runners={"http": runner}).follow())
    await runner.started.wait()
    following.cancel()
    await asyncio.wait({following})

    assert runner.was_ended


async def test_a_lost_answer_is_found_by_asking_the_target() -> None:
    bot = await an_approved_bot()
    bot.runner.ends, bot.runner.says = [UNKNOWN], RAN
    await bot.follow()

    assert (S.VERIFIED, 1, bot.runner.keys) == (await bot.state(), len(bot.runner.ran), bot.runner.asked)


async def test_after_a_crash_the_target_is_asked_and_nothing_is_started_again() -> None:
    bot = await an_approved_bot()
    claimed = await the_claim(bot)
    bot.runner.says = RAN
    await bot.follow()

    assert (S.VERIFIED, []) == (await bot.state(), bot.runner.ran)
    assert [claimed.started.key] == bot.runner.asked == bot.runner.cancelled


async def test_looking_again_tells_what_the_target_says_and_leaves_the_decision_to_people() -> None:
    bot = await an_approved_bot()
    await the_claim(bot)
    await bot.follow()
    bot.runner.says = RAN
    proposal = await bot.the_last()
    await check_again(bot.world, proposal.id)

    record = await bot.the_last()
    assert (S.UNKNOWN, True) == (record.state, record.reason.startswith("step-0: the target says by key"))


async def test_a_target_that_breaks_when_asked_leaves_the_step_unknown() -> None:
    class Breaking(Endless):
        async def run(self, step: ApprovedStep) -> StepOutcome:
            return UNKNOWN

        async def status(self, step: object) -> StepOutcome | None:
            raise RuntimeError("boom")

    bot = with_world(await an_approved_bot(), runners={"http": Breaking()})
    await bot.follow()

    assert S.UNKNOWN is await bot.state()


async def test_a_person_stops_what_has_not_started() -> None:
    bot = await an_approved_bot()
    said = await stop(bot.world, ID, EVE)
    await bot.follow()

    assert ("Stopped before it started: nothing ran.", S.CANCELLED, []) == (
        said,
        await bot.state(),
        bot.runner.ran,
    )
    assert "stopped by Dana (on call)" == (await bot.the_last()).reason
    assert ["stopped", "cancelled"] == (await bot.acts())[-2:]


async def test_a_person_stops_what_runs_and_the_child_is_ended() -> None:
    bot, runner = await an_approved_bot(), Endless()
    following = asyncio.create_task(with_world(bot, runners={"http": runner}).follow())
    await runner.started.wait()
    said = await stop(bot.world, ID, DANA)
    await following

    assert (S.UNKNOWN, True) == (await bot.state(), runner.was_ended)
    assert "no further step starts, and the one that ran is being ended" in said
    assert "stopped by Dana while a step ran" in (await bot.the_last()).reason


async def test_between_two_steps_a_stop_lets_no_further_one_start() -> None:
    bot = await an_approved_bot()
    step = await the_claim(bot)
    await bot.world.gate.finish(step.effect_key, 1, StepOutcome(result=Result.DONE))
    said = await stop(bot.world, ID, DANA)
    await bot.follow()

    assert "Stopped: no further step starts. What was done stays done." == said
    assert (S.FAILED, []) == (await bot.state(), bot.runner.ran)


async def test_what_is_over_cannot_be_stopped_and_strangers_stop_nothing() -> None:
    bot = await an_approved_bot()
    guest = DANA.model_copy(update={"is_guest": True})

    assert "You cannot stop this: guests do not count." == await stop(bot.world, ID, guest)
    assert "Nothing is proposed for QOTHER." == await stop(bot.world, IncidentId("QOTHER"), DANA)
    await stop(bot.world, ID, DANA)
    assert "There is nothing to stop: the last proposal is cancelled." == await stop(bot.world, ID, DANA)


async def test_what_a_person_says_of_an_unknown_step_replaces_the_doubt() -> None:
    bot = await an_approved_bot()
    bot.runner.ends = [UNKNOWN]
    await bot.follow()
    await bot.press(Action.IT_DID_NOT)

    assert (S.FAILED, "Dana says that it did not run") == (await bot.state(), (await bot.the_last()).reason)
    assert bot.card.offer is not None
    assert "Dana says that it did not run" == bot.card.offer.outcome
