"""What a bot left undone while Slack was silent is made good by the one that is started after it."""

import asyncio
from datetime import timedelta

from adapters.background import paint_for_ever
from bot.app.intake import reconcile
from bot.app.look_back import AT_ONCE, LookBack
from bot.app.storm import Painter
from bot.app.summaries import Summaries
from bot.app.world import Bell, Turns
from bot.domain.card import Card, CardRef
from bot.domain.ids import IncidentId
from bot.domain.incident import IncidentEventKind, IncidentStatus
from tests.app.world import Bot, a_bot, a_resolved, with_world
from tests.builders import INCIDENT, an_incident

Q = IncidentId(INCIDENT)
ACKNOWLEDGED = an_incident().model_copy(update={"status": IncidentStatus.ACKNOWLEDGED})


def restarted(bot: Bot) -> Bot:
    """Return the bot without anything that it only had in memory."""
    return with_world(bot, overdue=set(), summaries=Summaries(), turns=Turns(), bell=Bell())


async def acknowledged_in_vain(bot: Bot) -> Bot:
    """Let somebody acknowledge while Slack is silent, and the bot be ended before Slack is back."""
    await bot.begin()
    bot.chat.is_down = True
    bot.pager.put(ACKNOWLEDGED)
    await bot.hear(IncidentEventKind.ACKNOWLEDGED)
    bot.chat.is_down = False
    return restarted(bot)


async def test_a_card_that_was_never_brought_up_to_date_is_by_the_next_bot_and_its_summary_too() -> None:
    bot = await acknowledged_in_vain(a_bot())
    await reconcile(bot.world)
    await Painter(bot.world).paint()
    before = (bot.card.incident.status, len(bot.chat.documents))

    assert not await LookBack(bot.world).step()
    await Painter(bot.world).paint()

    assert (IncidentStatus.TRIGGERED, 0) == before
    assert (IncidentStatus.ACKNOWLEDGED, 1) == (bot.card.incident.status, len(bot.chat.documents))


async def test_a_started_bot_looks_back_by_itself_while_pagerduty_is_silent() -> None:
    bot = await acknowledged_in_vain(a_bot())
    bot.pager.is_down = True
    drawn = asyncio.Event()
    whole = bot.chat.update_card

    async def seen(ref: CardRef, card: Card) -> None:
        await whole(ref, card)
        drawn.set()

    bot.chat.update_card = seen  # type: ignore[method-assign]
    painting = asyncio.create_task(paint_for_ever(bot.world))
    try:
        async with asyncio.timeout(60):
            await drawn.wait()
    finally:
        painting.cancel()
        await asyncio.gather(painting, return_exceptions=True)

    assert IncidentStatus.ACKNOWLEDGED is bot.card.incident.status


async def test_many_cards_are_drawn_a_few_at_a_time_the_newest_first() -> None:
    """A new incident's first card must not wait behind all of them."""
    names = [f"Q{number}" for number in range(AT_ONCE + 2)]
    bot = a_bot(incidents=[an_incident(name) for name in names])
    for name in names:
        await bot.begin(name)
        bot.time.advance(timedelta(seconds=1))
    bot = restarted(bot)
    looking = LookBack(bot.world)
    drawn: list[list[str]] = []
    is_going_on = True
    while is_going_on:
        before = len(bot.chat.edits)
        is_going_on = await looking.step()
        await Painter(bot.world).paint()
        drawn.append(sorted(card.incident.id for _, card in bot.chat.edits[before:]))

    assert [sorted(names[2:]), sorted(names[:2])] == drawn
    assert not await looking.step()


async def test_an_incident_that_ended_lately_is_drawn_and_an_older_one_is_not() -> None:
    bot = a_bot()
    await bot.begin()
    bot.pager.put(a_resolved())
    await bot.hear(IncidentEventKind.RESOLVED)
    await bot.follow()
    bot = restarted(bot)

    await LookBack(bot.world).step()
    lately = set(bot.world.overdue)
    bot.world.overdue.clear()
    bot.time.advance(timedelta(hours=2))
    await LookBack(bot.world).step()

    assert ({Q}, set()) == (lately, bot.world.overdue)


async def test_an_incident_without_a_card_is_left_to_its_course() -> None:
    bot = a_bot()
    await bot.hear()
    await LookBack(bot.world).step()

    assert set() == bot.world.overdue
