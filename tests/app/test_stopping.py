"""Ending a step that runs, and asking its target when nobody heard the end."""

import asyncio
from dataclasses import dataclass, field

from adapters.runners.plain import PlainRunner
from bot.app.remediate import check_again
from bot.domain.execution import ApprovedStep, Result, StepOutcome
from bot.domain.proposal import ProposalState
from tests.app.test_remediating import UNKNOWN, an_approved_bot, the_claim
from tests.app.world import with_world

S = ProposalState
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
