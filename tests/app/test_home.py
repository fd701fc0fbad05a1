"""The home tab tells one person what is open, what waits for them and what changed, and decides nothing."""

from datetime import timedelta

import pytest

from adapters.handlers import Handlers
from adapters.slack.actions import HomeOpened, to_bytes
from bot.app.home import MOST, handle_home
from bot.domain.approval import Action
from bot.domain.errors import Tampered, Unavailable
from bot.domain.home import Home, HomeLink, Look
from bot.domain.ids import PagerDutyUserId, SlackUserId
from bot.domain.incident import IncidentEventKind
from bot.domain.person import Duty, Person
from bot.ports import Message, Stream
from tests.app.test_sharing_a_card import a_shop, three_of_one_cause
from tests.app.world import DANA, EVE, OMAR, Bot, a_bot, a_resolved, a_service
from tests.builders import NOW, an_incident

NOBODY_SAID = "Nobody said in time {}, so something may be missing here. Open the tab again."


async def opened(bot: Bot, by: Person = DANA) -> Home:
    """Open the home tab; return what stands there then."""
    await handle_home(bot.world, by.id, bot.time.at)
    return bot.chat.homes[by.id]


def texts(home: Home, part: str) -> list[str]:
    return [line.text for line in getattr(home, part)]


async def test_it_names_what_is_open_and_leads_to_the_card(bot: Bot) -> None:
    bot = a_bot(
        services={
            "checkout": a_service(
                runbook_url="https://wiki.example.com/checkout", dashboard_url="https://graphs.example.com/c"
            )
        }
    )
    await bot.begin()
    home = await opened(bot)

    (line,) = home.open
    assert ("Error rate is 12 % (#7)", "Waiting for approval · checkout · triggered for 5 s") == (
        line.text,
        line.state,
    )
    ((card, _),) = bot.chat.cards.items()
    assert (card, 1, bot.time.at) == (line.card, home.open_count, home.made_at)
    assert (
        HomeLink(label="Runbook", url="https://wiki.example.com/checkout"),
        HomeLink(label="Dashboard", url="https://graphs.example.com/c"),
    ) == line.links[-2:]


@pytest.mark.parametrize(("person", "waits"), [(DANA, True), (OMAR, True), (EVE, False)])
async def test_an_approval_waits_for_those_whom_the_policy_lets_approve(
    bot: Bot, person: Person, waits: bool
) -> None:
    """Dana is named, Omar is on call; Eve is neither, and reads of the incident alone."""
    proposal = await bot.begin()
    assert proposal is not None
    home = await opened(bot, person)

    assert (["Roll checkout back to 41 · Error rate is 12 % (#7)"] if waits else []) == texts(home, "waiting")
    assert ([proposal.expires_at] if waits else []) == [line.expires_at for line in home.waiting]
    assert 1 == len(home.open)


async def test_what_is_decided_or_expired_waits_for_nobody(bot: Bot) -> None:
    await bot.begin()
    bot.time.advance(timedelta(minutes=16))
    assert () == (await opened(bot)).waiting

    other = a_bot()
    await other.begin()
    await other.press(Action.DENY)
    assert () == (await opened(other)).waiting


async def test_whoever_is_not_in_the_channel_reads_nothing_of_it(bot: Bot) -> None:
    await bot.begin()
    stranger = DANA.model_copy(update={"id": SlackUserId("U0STRANGER"), "email": "stranger@example.com"})
    bot.directory.put(stranger)
    home = await opened(bot, stranger)

    assert ((), (), (), (), 0) == (home.waiting, home.open, home.news, home.silenced, home.open_count)


async def test_it_says_for_what_the_person_is_on_call(bot: Bot) -> None:
    bot.pager.add_user(PagerDutyUserId("POMAR"), "omar@example.com")

    assert (Duty(policy="PESCALATE", level=1),) == (await opened(bot, OMAR)).duties
    assert () == (await opened(bot, DANA)).duties


async def test_the_first_opening_tells_no_news_and_the_next_one_what_changed_in_between(bot: Bot) -> None:
    first = await opened(bot)
    looked = bot.time.at
    bot.time.advance(timedelta(minutes=11))
    await bot.begin()
    home = await opened(bot)

    assert (None, ()) == (first.since, first.news)
    assert looked == home.since
    (news,) = texts(home, "news")
    assert news.startswith("Error rate is 12 % (#7): came at ")
    assert news.endswith("; “Roll checkout back to 41” is proposed")


async def test_what_ended_in_between_is_news_and_not_open(bot: Bot) -> None:
    await bot.begin()
    await opened(bot)
    bot.time.advance(timedelta(minutes=11))
    bot.pager.put(a_resolved())
    await bot.hear(IncidentEventKind.RESOLVED)
    home = await opened(bot)

    assert (0, ()) == (home.open_count, home.open)
    (news,) = texts(home, "news")
    assert "; ended at " in news or ": ended at " in news


async def test_opening_it_twice_within_minutes_tells_the_same_news_again(bot: Bot) -> None:
    await opened(bot)
    bot.time.advance(timedelta(minutes=11))
    await bot.begin()
    told = texts(await opened(bot), "news")
    bot.time.advance(timedelta(minutes=1))

    assert told == texts(await opened(bot), "news")

    bot.time.advance(timedelta(minutes=11))
    assert [] == texts(await opened(bot), "news")


async def test_each_person_has_a_look_of_their_own(bot: Bot) -> None:
    await opened(bot, OMAR)
    bot.time.advance(timedelta(minutes=11))
    await bot.begin()

    assert ([], 1) == (texts(await opened(bot, DANA), "news"), len(texts(await opened(bot, OMAR), "news")))


async def test_what_was_merged_stands_there_with_how_to_undo_it() -> None:
    bot = a_shop()
    await three_of_one_cause(bot)
    home = await opened(bot)

    assert 2 == len(home.silenced)
    assert all(". Undo: /incident split P" in text for text in texts(home, "silenced"))


async def test_more_lines_than_a_view_holds_are_counted() -> None:
    names = [f"Q{number:03d}" for number in range(MOST + 3)]
    bot = a_bot(incidents=[an_incident(name) for name in names])
    await opened(bot)
    bot.time.advance(timedelta(minutes=11))
    for name in names:
        await bot.hear(incident=name)
    home = await opened(bot)

    assert (MOST, MOST + 3) == (len(home.open), home.open_count)
    assert "and 3 more" == texts(home, "news")[-1]


async def test_a_pager_that_does_not_answer_leaves_the_rest_and_is_named(bot: Bot) -> None:
    """Who is on call is asked of PagerDuty; Dana is named, so what she may approve is known without it."""
    await bot.begin()
    bot.pager.is_down = True
    named, on_call = await opened(bot, DANA), await opened(bot, OMAR)

    assert (1, 1) == (len(named.waiting), len(named.open))
    assert () == on_call.waiting
    assert NOBODY_SAID.format("which approvals wait for you") in on_call.notes


@pytest.mark.parametrize("failure", [TimeoutError("slow"), Unavailable("Slack did not answer")])
async def test_without_an_answer_from_slack_nobody_counts_as_a_member(bot: Bot, failure: Exception) -> None:
    await bot.begin()

    async def has(channel: str, user: SlackUserId) -> bool:
        raise failure

    bot.rooms.has = has  # type: ignore[method-assign]
    home = await opened(bot)

    assert (0, ()) == (home.open_count, home.waiting)
    assert (NOBODY_SAID.format("which channels you are in"),) == home.notes


async def test_the_kill_switch_is_told(bot: Bot) -> None:
    await bot.world.gate.kill("root", "drill")

    assert ("Handrail is stopped by its kill switch: nothing starts.",) == (await opened(bot)).notes


async def test_a_home_that_could_not_be_shown_is_not_a_look(bot: Bot) -> None:
    await opened(bot)
    before = await bot.world.looks.last(DANA.id)
    bot.time.advance(timedelta(minutes=11))
    await _failing(bot, Unavailable("Slack did not answer"))

    assert before == await bot.world.looks.last(DANA.id)
    assert "degraded home" in bot.telemetry.said


async def test_a_record_that_contradicts_itself_is_not_passed_over(bot: Bot) -> None:
    with pytest.raises(Tampered):
        await _failing(bot, Tampered("the chain is broken"))


async def _failing(bot: Bot, failure: Exception) -> None:
    async def show_home(user: SlackUserId, home: Home) -> None:
        raise failure

    bot.chat.show_home = show_home  # type: ignore[method-assign]
    await handle_home(bot.world, DANA.id, bot.time.at)


async def test_the_event_opens_the_home_of_its_person_at_the_time_of_the_queue(bot: Bot) -> None:
    payload = to_bytes(HomeOpened(event_id="Ev1", user_id=DANA.id))
    message = Message(id="1", stream=Stream.ACTIONS, key="k", payload=payload, received_at=NOW)
    for _ in range(2):
        await Handlers(bot.world).action(message)

    assert [DANA.id] == list(bot.chat.homes)
    assert Look(since=None, at=NOW) == await bot.world.looks.last(DANA.id)


async def test_it_decides_nothing_and_writes_nothing_into_the_record(bot: Bot) -> None:
    await bot.begin()
    before = await bot.acts()
    await opened(bot)

    assert before == await bot.acts()


@pytest.mark.parametrize(
    ("minutes", "since"), [(0, None), (9, None), (10, NOW), (60, NOW)], ids=["same", "soon", "next", "later"]
)
def test_a_look_within_ten_minutes_is_the_same_look(minutes: int, since: object) -> None:
    at = NOW + timedelta(minutes=minutes)

    assert Look(since=since, at=at) == Look(at=NOW).again(at)  # type: ignore[arg-type]


def test_an_older_event_does_not_turn_a_look_back() -> None:
    assert Look(at=NOW) == Look(at=NOW).again(NOW - timedelta(minutes=3))
