"""Steps of type `notify`: a line in the thread or in PagerDuty, found again by its key."""

import pytest

from adapters.runners.notify import NotifyRunner
from bot.domain.execution import ApprovedStep, Result
from bot.domain.target_actions import Notice
from tests.app.world import Bot, a_bot
from tests.runner_builders import a_command, an_approved


def a_notice(to: str) -> ApprovedStep:
    return an_approved(Notice.model_validate({"name": "tell", "to": to, "text": "Rolling back <!channel>"}))


async def a_runner() -> tuple[Bot, NotifyRunner]:
    bot = a_bot()
    await bot.begin()
    return bot, NotifyRunner(bot.chat, bot.world.book, bot.pager)


@pytest.mark.parametrize("to", ["thread", "pagerduty"])
async def test_the_line_is_posted_and_found_by_its_key(to: str) -> None:
    bot, runner = await a_runner()
    step = a_notice(to)
    before = await runner.status(step.started)
    outcome = await runner.run(step)
    after = await runner.status(step.started)

    assert before is not None
    assert after is not None
    assert (Result.UNKNOWN, Result.DONE, Result.DONE) == (before.result, outcome.result, after.result)
    posted = [reply.document.title for reply in bot.chat.replies]
    notes = await bot.pager.notes(step.incident)
    assert (
        (["Rolling back <!channel>"], 0) == (posted, len(notes))
        if to == "thread"
        else (posted == [] and notes[0].startswith("Rolling back"))
    )


async def test_a_line_whose_answer_was_lost_is_not_sent_again_and_is_found() -> None:
    bot, runner = await a_runner()
    bot.pager.loses_answers = 1
    step = a_notice("pagerduty")
    outcome = await runner.run(step)
    said = await runner.status(step.started)

    assert said is not None
    assert (Result.UNKNOWN, Result.DONE, 1) == (
        outcome.result,
        said.result,
        len(await bot.pager.notes(step.incident)),
    )


async def test_a_pager_that_does_not_answer_is_a_failure() -> None:
    bot, runner = await a_runner()
    bot.pager.is_down = True

    assert Result.FAILED is (await runner.run(a_notice("pagerduty"))).result


async def test_without_a_card_there_is_no_thread() -> None:
    bot = a_bot()
    outcome = await NotifyRunner(bot.chat, bot.world.book, bot.pager).run(a_notice("thread"))

    assert (Result.FAILED, True) == (outcome.result, "has no card" in outcome.detail)


async def test_a_step_of_another_type_is_a_defect() -> None:
    _, runner = await a_runner()
    with pytest.raises(TypeError, match="type command"):
        await runner.run(a_command("true"))
