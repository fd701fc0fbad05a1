"""A summary stands in the thread soon after the card, is edited as the incident changes, and ends with it."""

from datetime import timedelta

import pytest

from bot.app.running_summary import MOST_OPEN, keep_summaries
from bot.app.storm import Painter
from bot.domain.approval import Action
from bot.domain.card import CardRef
from bot.domain.document import Document
from bot.domain.errors import Unavailable, Unclear
from bot.domain.incident import IncidentEventKind
from bot.domain.proposal import ProposalState
from tests.app.world import Bot, a_bot, a_resolved
from tests.builders import an_incident


def summaries(bot: Bot) -> list[str]:
    return [one.document.as_text() for one in bot.chat.documents.values()]


async def test_it_is_posted_with_the_card_and_edited_in_place(bot: Bot) -> None:
    await bot.begin()
    await Painter(bot.world).paint()
    (first,) = summaries(bot)
    ((card, _),) = bot.chat.cards.items()
    assert first.startswith("So far: Error rate is 12 %\n")
    assert "Probably the deploy of checkout 42" in first
    assert [card.ts] == [one.thread_ts for one in bot.chat.documents.values()]

    await bot.press(Action.APPROVE)
    await Painter(bot.world).paint()
    (second,) = summaries(bot)
    assert "Dana approved “Roll checkout back to 41" in second
    assert 1 == len(bot.chat.document_edits)


async def test_what_did_not_change_is_not_edited(bot: Bot) -> None:
    await bot.begin()
    for _ in range(3):
        bot.world.summaries.due.add(an_incident().id)
        assert not await keep_summaries(bot.world)

    assert (1, []) == (len(summaries(bot)), bot.chat.document_edits)


async def test_at_the_end_the_last_summary_takes_its_place(bot: Bot) -> None:
    await bot.begin()
    await Painter(bot.world).paint()
    bot.time.advance(timedelta(minutes=5))
    bot.pager.put(a_resolved())
    await bot.hear(IncidentEventKind.RESOLVED)
    await bot.course()
    await Painter(bot.world).paint()

    (text,) = summaries(bot)
    assert text.startswith("Summary of Error rate is 12 %\n")
    assert [] == [reply for reply in bot.chat.replies if reply.key.startswith("summary:")]
    assert {} == bot.world.summaries.shown


async def test_a_proven_recovery_is_the_last_word_although_the_incident_is_open(bot: Bot) -> None:
    await bot.begin()
    await Painter(bot.world).paint()
    bot.signals.values = [0.3, 0.0]
    await bot.press(Action.APPROVE)
    assert ProposalState.VERIFIED is await bot.state()
    await Painter(bot.world).paint()

    (text,) = summaries(bot)
    assert text.startswith("Summary of Error rate is 12 %\n")


async def test_in_a_crowd_nothing_is_posted() -> None:
    names = [f"Q{number:03d}" for number in range(MOST_OPEN + 1)]
    bot = a_bot(incidents=[an_incident(name) for name in names])
    for name in names:
        await bot.begin(name)
    await Painter(bot.world).paint()

    assert [] == summaries(bot)


async def test_after_a_restart_the_same_message_is_edited(bot: Bot) -> None:
    await bot.begin()
    await Painter(bot.world).paint()
    bot.world.summaries.shown.clear()
    await bot.press(Action.DENY)
    await Painter(bot.world).paint()

    assert (1, 1) == (len(summaries(bot)), len(bot.chat.document_edits))


async def test_while_slack_is_down_it_waits_and_then_stands_once(
    bot: Bot, monkeypatch: pytest.MonkeyPatch
) -> None:
    await bot.begin()
    post = bot.chat.post_document
    failures: list[Exception] = [Unavailable("Slack did not answer"), Unclear("the answer was lost")]

    async def fails(channel: str, document: Document, *, key: str, thread_ts: str | None = None) -> CardRef:
        if failures and isinstance(failures[-1], Unclear):
            await post(channel, document, key=key, thread_ts=thread_ts)
        if failures:
            raise failures.pop()
        return await post(channel, document, key=key, thread_ts=thread_ts)

    monkeypatch.setattr(bot.chat, "post_document", fails)
    assert await keep_summaries(bot.world)
    assert not await keep_summaries(bot.world)

    assert 1 == len(summaries(bot))
