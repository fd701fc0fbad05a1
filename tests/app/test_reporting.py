"""The summary: once in the thread, once in the pager, whatever answers are lost."""

from datetime import timedelta
from typing import Any

import pytest

from adapters.store.signing import verifies
from bot.app.report import resolve_if_recovered
from bot.app.world import Manners
from bot.domain.approval import Action
from bot.domain.audit import Act
from bot.domain.checkpoint import checkpoints_in
from bot.domain.errors import NotFound, Unavailable
from bot.domain.ids import IncidentId
from bot.domain.incident import IncidentEventKind
from bot.domain.proposal import ProposalState
from tests.app.world import CHANNEL, Bot, a_bot, a_resolved, with_world
from tests.builders import INCIDENT, an_incident

ID = IncidentId(INCIDENT)
MARKER = f"[handrail summary:{INCIDENT}:1]"


async def recovered(bot: Bot) -> Bot:
    await bot.begin()
    bot.signals.values = [0.3, 0.0]
    await bot.press(Action.APPROVE)
    return bot


async def resolved(bot: Bot) -> None:
    bot.pager.put(a_resolved())
    await bot.hear(IncidentEventKind.RESOLVED)
    await bot.follow()


async def the_posts(bot: Bot) -> tuple[int, int]:
    """Return how many summaries stand in the thread and in the pager."""
    return len(bot.chat.replies), len(await bot.pager.notes(ID))


async def doubtful(bot: Bot) -> list[object]:
    """Return what the record says of each finished post that was looked for, in order."""
    return [
        entry.body_values()["possibly_double"]
        for entry in await bot.entries()
        if entry.act == Act.POST_SENT and "summary" in str(entry.body_values()["key"])
    ]


async def test_a_recovery_is_told_in_the_thread_and_in_the_pager(bot: Bot) -> None:
    await recovered(bot)
    (reply,), (note,) = bot.chat.replies, await bot.pager.notes(ID)

    checkpoint = next(word for word in note.split() if word.startswith("handrail-checkpoint."))
    assert f"{reply.document.as_text()}\n\nRecord: {checkpoint}\n\n{MARKER}" == note
    assert all(kept.is_signed(verifies) for kept in checkpoints_in(checkpoint))
    assert ["What happened", "Cause", "Who decided what", "What ran", "Recovery"] == [
        section.heading for section in reply.document.sections
    ]
    for fact in (
        "Error rate is 12 % on checkout, opened 2026-11-22 03:00:00 UTC, reached Handrail 03:00:05 UTC",
        "Probably the deploy of checkout 42 (",
        "Dana approved “Roll checkout back to 41",
        "roll-back: done at 03:00:05 UTC, took 0 s: POST answered 200",
        "Before the first step error_ratio was 0.3",
        "Proven at 03:00:10 UTC: error_ratio is 0, below 0.02",
    ):
        assert fact in note


async def test_the_summary_is_posted_once_for_a_life(bot: Bot) -> None:
    await recovered(bot)
    await bot.wind_up()
    await resolved(bot)
    await bot.wind_up()

    assert (1, 1) == await the_posts(bot)


async def test_the_summary_waits_while_more_may_be_tried(bot: Bot) -> None:
    """Told after the first attempt, it would never tell of the one that helped."""
    await bot.begin()
    await bot.press(Action.APPROVE)
    too_early = await the_posts(bot)
    await bot.press(Action.PROPOSE_AGAIN)
    bot.signals.values = [0.0]
    await bot.press(Action.APPROVE)
    (note,) = await bot.pager.notes(ID)

    assert (0, 0) == too_early
    assert 2 == note.count("Dana approved")
    assert "Proven at" in note


async def test_a_resolve_by_hand_is_summed_up_too(bot: Bot) -> None:
    await bot.begin()
    await resolved(bot)
    (note,) = await bot.pager.notes(ID)

    assert "Resolved 03:00:05 UTC, 5 s after it opened" in note
    assert "Nothing ran." in note
    assert "was not approved; it is cancelled: the incident was resolved" in note
    assert "Handrail did not prove a recovery" in note


async def test_a_note_whose_answer_was_lost_is_found_and_not_sent_again(bot: Bot) -> None:
    bot.pager.loses_answers = 1
    await recovered(bot)

    assert ((1, 1), [False, False]) == (await the_posts(bot), await doubtful(bot))


async def test_a_reply_whose_answer_was_lost_is_found_and_not_sent_again(bot: Bot) -> None:
    await bot.begin()
    bot.signals.values = [0.3, 0.0]
    bot.chat.loses_answers = 1
    await bot.press(Action.APPROVE)

    assert ((1, 1), [False, False]) == (await the_posts(bot), await doubtful(bot))


async def test_a_note_that_was_lost_is_sent_once_more_and_the_record_says_possibly_double(bot: Bot) -> None:
    bot.pager.loses_notes = 1
    await recovered(bot)

    assert ((1, 1), [False, True]) == (await the_posts(bot), await doubtful(bot))


async def test_a_note_that_is_lost_twice_is_not_sent_a_third_time(bot: Bot) -> None:
    bot.pager.loses_notes = 99
    await recovered(bot)
    await bot.wind_up()

    assert (97, [False, True]) == (bot.pager.loses_notes, await doubtful(bot))
    assert "degraded post sent twice without an answer" in bot.telemetry.said


async def test_a_worker_that_died_while_sending_is_followed_by_a_look_first(bot: Bot) -> None:
    await recovered_without_summary(bot)
    await bot.world.outbox.claim(f"pagerduty:summary:{INCIDENT}:1", ID)
    await bot.pager.add_note(ID, f"the summary\n\n{MARKER}")
    before = bot.time.at
    await bot.wind_up()

    assert (1, ["the summary"]) == (
        (await the_posts(bot))[0],
        [note.split("\n")[0] for note in await bot.pager.notes(ID)],
    )
    assert bot.time.at > before


async def recovered_without_summary(bot: Bot) -> None:
    bot.pager.is_down = False
    await bot.begin()
    bot.signals.values = [0.3, 0.0]
    bot.chat.is_down = True
    with pytest.raises(Unavailable):
        await bot.press(Action.APPROVE)
    bot.chat.is_down = False
    with pytest.raises(Unavailable):
        await _with_silent_thread(bot)
    assert ProposalState.VERIFIED is await bot.state()


async def _with_silent_thread(bot: Bot) -> None:
    """Play on up to the summary, which Slack does not take."""

    class Silent:
        async def reply(self, *_: object, **__: object) -> None:
            raise Unavailable("Slack did not answer")

        def __getattr__(self, name: str) -> object:
            return getattr(bot.chat, name)

    await with_world(bot, chat=Silent()).follow()


async def test_a_silent_slack_and_a_silent_pager_are_told_later(bot: Bot) -> None:
    await recovered_without_summary(bot)
    bot.pager.is_down = True
    with pytest.raises(Unavailable):
        await bot.wind_up()
    bot.pager.is_down = False
    await bot.wind_up()

    assert (1, 1) == await the_posts(bot)


async def test_an_incident_that_the_pager_no_longer_knows_does_not_hold_the_course_up(bot: Bot) -> None:
    class Forgetful:
        async def add_note(self, *_: object) -> None:
            raise NotFound("There is no such incident.")

        def __getattr__(self, name: str) -> object:
            return getattr(bot.pager, name)

    await recovered(with_world(bot, incidents=Forgetful()))

    assert ((1, 0), True) == (await the_posts(bot), "degraded PagerDuty note" in bot.telemetry.said)


async def test_the_next_life_has_a_summary_of_its_own(bot: Bot) -> None:
    await recovered(bot)
    await resolved(bot)
    bot.pager.put(an_incident())
    await bot.hear(IncidentEventKind.REOPENED)
    await resolved(bot)

    markers = [note.rsplit("\n", 1)[1] for note in await bot.pager.notes(ID)]
    assert [MARKER, f"[handrail summary:{INCIDENT}:2]"] == markers


async def test_an_incident_without_a_card_has_no_summary() -> None:
    bot = a_bot(incidents=[a_resolved()])
    await bot.hear()
    await bot.course()
    await bot.wind_up()

    assert (0, 0) == await the_posts(bot)


@pytest.mark.parametrize("way", ["acknowledge", "resolve"])
async def test_a_state_that_the_pager_takes_is_on_record_before_it_is_sent(way: str) -> None:
    is_resolved = way == "resolve"
    manners = Manners(
        CHANNEL,
        timedelta(minutes=15),
        acknowledge_on_approval=not is_resolved,
        resolve_when_recovered=is_resolved,
    )
    bot = a_bot(manners=manners)
    written: list[list[str]] = []

    async def posts() -> list[str]:
        return [one.act for one in await bot.entries(INCIDENT) if f"pagerduty:{way}:" in one.body]

    class Watched:
        def __getattr__(self, name: str) -> Any:
            return self._noting if name == way else getattr(bot.pager, name)

        async def _noting(self, incident: IncidentId) -> None:
            written.append(await posts())
            await getattr(bot.pager, way)(incident)

    watched = with_world(bot, incidents=Watched())
    await watched.begin()
    bot.signals.values = [0.3, 0.0]
    await watched.press(Action.APPROVE)
    await resolve_if_recovered(watched.world, ID)

    assert ([["post_claimed"]], ["post_claimed", "post_sent"]) == (written, await posts())
