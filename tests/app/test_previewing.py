"""Previews: what targets say beforehand is bound to the plan, shown in the details, and holds nothing up."""

import asyncio
import json
from dataclasses import dataclass, field

from adapters.runners.plain import PlainRunner
from bot.app.commands.details import details
from bot.app.previewing import NOT_IN_TIME, PREVIEWED
from bot.domain.document import Section
from bot.domain.errors import Unavailable
from bot.domain.execution import ApprovedStep, Preview, StepOutcome
from bot.domain.ids import IncidentId
from bot.domain.plan import Plan, PlannedAction
from bot.domain.proposal import ProposalState
from tests.app.world import DEPLOY_TOKEN, DONE, Bot, a_bot, with_world
from tests.builders import INCIDENT


@dataclass
class Slow(PlainRunner):
    """Shows what a step changes once it may."""

    may_answer: asyncio.Event = field(default_factory=asyncio.Event)

    async def preview(self, action: PlannedAction) -> Preview | None:
        await self.may_answer.wait()
        return Preview(step=action.name, text="41 → 40")

    async def run(self, step: ApprovedStep) -> StepOutcome:
        return DONE


async def shown(bot: Bot) -> list[tuple[str, str]]:
    document = await details(bot.world, IncidentId(INCIDENT))
    found = [section for section in document.sections if section.heading.startswith("Preview")]
    return [(section.heading, _text(section)) for section in found]


def _text(section: Section) -> str:
    return "\n".join(line.text for line in section.lines)


async def test_what_a_target_says_is_shown_redacted_and_bound_to_the_plan() -> None:
    bot = a_bot()
    bot.runner.shows = f"version 42 → 41, with {DEPLOY_TOKEN}"
    await bot.begin()

    plan = Plan.from_bytes((await bot.the_last()).plan)
    [(heading, text)] = await shown(bot)
    assert "Preview of roll-back" == heading
    assert (True, False) == (text.startswith("version 42 → 41"), DEPLOY_TOKEN in text)
    kept = [json.loads(entry.body)["digest"] for entry in await bot.entries() if entry.act == PREVIEWED]
    assert [plan.preview_digest] == kept


async def test_without_a_preview_the_plan_says_nothing_of_one() -> None:
    bot = a_bot()
    await bot.begin()

    assert None is Plan.from_bytes((await bot.the_last()).plan).preview_digest
    assert [] == await shown(bot)


async def test_a_preview_that_comes_late_holds_nothing_up_and_is_told_apart() -> None:
    bot, runner = a_bot(), Slow()
    bot = with_world(bot, runners={"http": runner})
    await bot.begin()
    proposed = (await bot.the_last()).state
    early = await shown(bot)
    runner.may_answer.set()
    await bot.world.latecomers.ended()

    assert ProposalState.PROPOSED is proposed
    assert [("Preview of roll-back", f"None: {NOT_IN_TIME}.")] == early
    late = "Preview of roll-back (came after the plan was made; no part of what is approved)"
    assert [(late, "41 → 40")] == await shown(bot)


async def test_a_preview_that_breaks_is_shown_as_missing() -> None:
    class Broken(Slow):
        async def preview(self, action: PlannedAction) -> Preview | None:
            raise RuntimeError("boom")

    bot = with_world(a_bot(), runners={"http": Broken()})
    await bot.begin()

    assert [("Preview of roll-back", "None: the runner broke (RuntimeError).")] == await shown(bot)


async def test_a_preview_that_cannot_be_kept_is_not_bound() -> None:
    bot = a_bot()
    bot.runner.shows = "41 → 40"

    class Broken:
        async def append(self, *_: object, **__: object) -> object:
            raise Unavailable("disk full")

        def __getattr__(self, name: str) -> object:
            return getattr(bot.world.audit, name)

    await with_world(bot, audit=Broken()).begin()

    assert None is Plan.from_bytes((await bot.the_last()).plan).preview_digest
