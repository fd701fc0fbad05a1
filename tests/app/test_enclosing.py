"""The picture and the postmortem draft in the thread: once each, and never in anybody's way."""

from dataclasses import replace
from datetime import timedelta

import pytest

from adapters.evidence.memory import MemoryHistories
from adapters.pictures.memory import MemoryPictures
from bot.app.enclose import enclose
from bot.domain.approval import Action
from bot.domain.attachment import Attachment
from bot.domain.card import CardRef
from bot.domain.errors import Unavailable, Unclear
from bot.domain.ids import IncidentId
from bot.domain.incident import IncidentEventKind
from bot.domain.sources import Point
from bot.domain.timeline import Mark, MarkKind, Timeline
from tests.app.world import Bot, FakeChat, a_bot, a_resolved, with_world
from tests.builders import INCIDENT, NOW

HEALTH = "http://127.0.0.1:8041/healthz"
POINTS = tuple(Point(at=NOW + timedelta(seconds=i), value=0.3 if i < 8 else 0.0) for i in range(-60, 10))


class ThreadChat(FakeChat):
    """A chat that can lose the answer to a file, or refuse files."""

    loses_files = 0
    refuses_files = False

    async def attach(self, ref: CardRef, attachment: Attachment, *, key: str) -> None:
        if self.refuses_files:
            raise Unavailable("Slack refused files.completeUploadExternal: the scope files:write is missing")
        await super().attach(ref, attachment, key=key)
        if self.loses_files:
            self.loses_files -= 1
            raise Unclear("Slack took it, the answer was lost")


@pytest.fixture
def pictures() -> MemoryPictures:
    return MemoryPictures()


@pytest.fixture
def bot(pictures: MemoryPictures) -> Bot:
    chat = ThreadChat()
    made = a_bot()
    sources = replace(made.world.sources, history=MemoryHistories({HEALTH: POINTS}))
    return replace(with_world(made, chat=chat, sources=sources, pictures=pictures), chat=chat)


async def recovered(bot: Bot) -> None:
    await bot.begin()
    bot.signals.values = [0.3, 0.0]
    await bot.press(Action.APPROVE)


async def resolved(bot: Bot) -> None:
    bot.pager.put(a_resolved())
    await bot.hear(IncidentEventKind.RESOLVED)
    await bot.follow()


def keys(bot: Bot) -> list[str]:
    return [attached.key for attached in bot.chat.attached]


async def test_a_recovery_is_pictured_and_the_end_is_drafted(bot: Bot) -> None:
    await recovered(bot)
    after_recovery = keys(bot)
    await resolved(bot)
    await bot.wind_up()

    assert [f"timeline:{INCIDENT}:1"] == after_recovery
    assert [f"timeline:{INCIDENT}:1", f"postmortem:{INCIDENT}:1"] == keys(bot)
    assert ["# Postmortem draft: Error rate is 12 %"] == [
        one.attachment.content.decode().splitlines()[0]
        for one in bot.chat.attached
        if one.key.startswith("postmortem")
    ]


async def test_the_picture_shows_the_plans_signal_and_what_happened(
    bot: Bot, pictures: MemoryPictures
) -> None:
    await recovered(bot)
    at = NOW + timedelta(seconds=5)

    assert [
        Timeline(
            title="Error rate is 12 %",
            metric="error_ratio of checkout, 2026-11-22",
            points=POINTS,
            marks=(
                Mark(
                    kind=MarkKind.CHANGE,
                    at=NOW - timedelta(minutes=2),
                    text="Change: checkout 42 · deploy by dana",
                ),
                Mark(kind=MarkKind.ALERT, at=NOW, text="Alert: Error rate is 12 %"),
                Mark(kind=MarkKind.APPROVAL, at=at, text="Approved by Dana: Roll checkout back to 41"),
                Mark(kind=MarkKind.STEP, at=at, text="roll-back: done"),
                Mark(
                    kind=MarkKind.RECOVERY,
                    at=at + timedelta(seconds=5),
                    text="Recovered: error_ratio is 0, below 0.02",
                ),
            ),
            threshold=0.02,
        )
    ] == pictures.drawn


async def test_nothing_is_enclosed_while_more_may_be_tried(bot: Bot, pictures: MemoryPictures) -> None:
    await bot.begin()
    await bot.press(Action.APPROVE)
    await bot.wind_up()

    assert ([], []) == (keys(bot), pictures.drawn)


async def test_without_a_drawing_program_there_is_a_draft_all_the_same(
    bot: Bot, pictures: MemoryPictures
) -> None:
    pictures.is_down = True
    await recovered(bot)
    await resolved(bot)

    assert [f"postmortem:{INCIDENT}:1"] == keys(bot)
    assert "degraded picture" in bot.telemetry.said


async def test_without_a_metric_there_is_no_picture(bot: Bot, pictures: MemoryPictures) -> None:
    bot = with_world(bot, sources=replace(bot.world.sources, history=MemoryHistories()))
    await recovered(bot)

    assert ([], []) == (keys(bot), pictures.drawn)


async def test_a_file_whose_answer_was_lost_is_found_and_not_sent_again(bot: Bot) -> None:
    assert isinstance(bot.chat, ThreadChat)
    bot.chat.loses_files = 1
    await recovered(bot)
    await bot.wind_up()

    assert [f"timeline:{INCIDENT}:1"] == keys(bot)


async def test_a_workspace_that_takes_no_files_holds_nothing_up(bot: Bot) -> None:
    """An installation from before has not granted the scope."""
    assert isinstance(bot.chat, ThreadChat)
    bot.chat.refuses_files = True
    await recovered(bot)
    await resolved(bot)

    assert [] == keys(bot)
    assert "degraded postmortem" in bot.telemetry.said
    assert (1, 1) == (len(bot.chat.replies), len(await bot.pager.notes(IncidentId(INCIDENT))))


async def test_the_card_says_recovered_before_anything_is_drawn(bot: Bot, pictures: MemoryPictures) -> None:
    said: list[str] = []

    class Looking(MemoryPictures):
        async def timeline(self, timeline: Timeline) -> bytes:
            said.append(bot.card.status_line)
            return await super().timeline(timeline)

    bot = with_world(bot, pictures=Looking())
    await recovered(bot)

    assert ["Recovered"] == said


async def test_an_incident_without_a_card_encloses_nothing(bot: Bot) -> None:
    await bot.hear()
    await enclose(bot.world, IncidentId(INCIDENT), sleep=bot.sleep)

    assert [] == keys(bot)


async def test_a_draft_may_be_asked_for_at_any_time_and_stands_once_for_an_asking(bot: Bot) -> None:
    await bot.begin()
    said = [await bot.ask("postmortem", key="one asking") for _ in range(2)]

    assert ["The draft is in the incident's thread."] * 2 == [one.document.title for one in said]
    assert 1 == len([key for key in keys(bot) if key.startswith("postmortem:")])
