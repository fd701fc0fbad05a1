"""Cards go where the routes say, and some incidents get a channel of their own, or it is told why not."""

from collections.abc import Sequence
from datetime import timedelta

import pytest

from adapters.slack.memory import MemoryOwnChannels, OwnChannel
from bot.app.channel_topic import MOST_LOOKS, keep_topics
from bot.app.own_channel import open_own_channel
from bot.app.running_summary import MOST_OPEN
from bot.app.storm import Painter
from bot.app.topics import Topics
from bot.domain.alert import Severity
from bot.domain.approval import Action
from bot.domain.card import CardRef
from bot.domain.catalogue import Catalogue, Route
from bot.domain.errors import Refused, Unavailable
from bot.domain.ids import IncidentId, ServiceName
from bot.domain.incident import Incident, IncidentEventKind
from tests.app.world import CHANNEL, OMAR, Bot, a_bot, a_resolved, a_service, with_world
from tests.builders import INCIDENT, an_alert, an_incident

MAJOR, TEAM, PRIVATE = "C0MAJOR", "C0TEAM", "C0SECRET"
MINUTE = timedelta(minutes=1)
OWN = Route(service=(ServiceName("checkout"),), own_channel=True)


def a_routed_bot(*routes: Route, incident: Incident | None = None, channel: str | None = None) -> Bot:
    bot = a_bot(incidents=[incident or an_incident()])
    services = {ServiceName("checkout"): a_service(owner="shop team", channel=channel)}
    catalogue = Catalogue(services=services, routes=routes)
    return with_world(bot, catalogue=catalogue, own_channels=MemoryOwnChannels(private={PRIVATE}))


def channels(bot: Bot) -> MemoryOwnChannels:
    assert isinstance(bot.world.own_channels, MemoryOwnChannels)
    return bot.world.own_channels


def where(bot: Bot) -> str:
    (ref,) = bot.chat.cards
    return ref.channel


def critical(**changed: object) -> Incident:
    alerts = (an_alert().model_copy(update={"severity": Severity.CRITICAL}),)
    return an_incident().model_copy(update={"alerts": alerts, **changed})


@pytest.mark.parametrize(
    ("routes", "incident", "expected"),
    [
        ([Route(service=(ServiceName("checkout"),), channel=TEAM)], an_incident(), TEAM),
        ([Route(team=("shop team",), channel=TEAM)], an_incident(), TEAM),
        ([Route(team=("web team",), channel=TEAM)], an_incident(), CHANNEL),
        ([Route(severity=(Severity.CRITICAL,), channel=MAJOR)], critical(), MAJOR),
        ([Route(severity=(Severity.WARNING,), channel=MAJOR)], critical(), CHANNEL),
        ([Route(priority=("P1",), channel=MAJOR)], critical(priority="P1"), MAJOR),
        ([Route(priority=("P1",), channel=MAJOR)], critical(), CHANNEL),
        ([Route(priority=("P1",), team=("web team",), channel=MAJOR)], critical(priority="P1"), CHANNEL),
        ([Route(priority=("P1",), channel=MAJOR), Route(channel=TEAM)], critical(), TEAM),
    ],
)
async def test_the_first_route_that_fits_says_where_the_card_goes(
    routes: Sequence[Route], incident: Incident, expected: str
) -> None:
    bot = a_routed_bot(*routes, incident=incident)
    await bot.begin()

    assert expected == where(bot)


async def test_a_route_without_a_channel_leaves_the_card_in_the_services_own() -> None:
    bot = a_routed_bot(OWN, channel=TEAM)
    await bot.begin()

    assert TEAM == where(bot)


async def test_a_card_stays_where_it_stands_when_the_incident_gets_worse() -> None:
    bot = a_routed_bot(Route(priority=("P1",), channel=MAJOR))
    await bot.begin()
    bot.pager.put(critical(priority="P1"))
    await bot.ask("propose")

    assert CHANNEL == where(bot)


async def opened(bot: Bot) -> None:
    await bot.begin()
    await open_own_channel(bot.world, IncidentId(INCIDENT), sleep=bot.sleep)


async def test_an_incident_has_a_channel_with_topic_links_and_who_is_on_call() -> None:
    bot = a_routed_bot(OWN, incident=critical(url="https://example.pagerduty.com/incidents/Q1"))
    await opened(bot)

    (card,) = bot.chat.cards
    address = f"https://example.slack.com/archives/{card.channel}/p{card.ts.replace('.', '')}"
    assert {
        "C0OWN1": OwnChannel(
            name=f"inc-{INCIDENT.lower()}-checkout",
            topic=f"Waiting for approval · checkout · Error rate is 12 % · PagerDuty {INCIDENT}",
            links={
                address: "The card, with its buttons",
                "https://example.pagerduty.com/incidents/Q1": "PagerDuty",
            },
            invited=[OMAR.id],
        )
    } == channels(bot).opened
    assert [f"#inc-{INCIDENT.lower()}-checkout"] == [
        r.document.sections[0].lines[0].text for r in bot.chat.replies
    ]
    (welcome,) = bot.chat.documents.items()
    assert ("C0OWN1", f"The channel of {INCIDENT}") == (welcome[0].channel, welcome[1].document.title)


async def test_a_channel_is_as_private_as_the_one_in_which_the_card_stands() -> None:
    bot = a_routed_bot(OWN, channel=PRIVATE)
    await opened(bot)

    assert [True] == [own.is_private for own in channels(bot).opened.values()]


async def test_a_channel_is_opened_once_whatever_crashes() -> None:
    """Slack goes away between the channel and the words in it, for longer than one try is patient."""
    bot = a_routed_bot(OWN)
    await bot.begin()
    whole = bot.chat.post_document
    bot.chat.post_document = _silent  # type: ignore[method-assign]
    await open_own_channel(bot.world, IncidentId(INCIDENT), sleep=bot.sleep)
    assert ["degraded Slack channel of an incident"] * 3 == bot.telemetry.said[-3:]
    bot.chat.post_document = whole  # type: ignore[method-assign]

    for _ in range(2):
        await open_own_channel(bot.world, IncidentId(INCIDENT), sleep=bot.sleep)

    assert (1, 1, 1) == (len(channels(bot).opened), len(bot.chat.documents), len(bot.chat.replies))


async def _silent(*_: object, **__: object) -> CardRef:
    raise Unavailable("Slack did not answer")


async def test_a_name_that_is_taken_is_told_in_the_thread_and_the_card_is_all_there_is() -> None:
    bot = a_routed_bot(OWN)
    name = f"inc-{INCIDENT.lower()}-checkout"
    channels(bot).taken.add(name)
    await opened(bot)
    await open_own_channel(bot.world, IncidentId(INCIDENT), sleep=bot.sleep)

    (reply,) = bot.chat.replies
    assert (
        f"There is no channel of its own for it, so it is all here: the name #{name} is taken by a channel "
        "that is not ours"
    ) == reply.document.sections[0].lines[0].text
    assert CHANNEL == where(bot)


async def test_who_cannot_be_invited_is_named_and_the_rest_goes_on() -> None:
    bot = a_routed_bot(OWN)
    channels(bot).strangers.add(OMAR.id)
    await opened(bot)

    (posted,) = bot.chat.documents.values()
    assert "Omar could not be invited: Slack does not let U0OMAR join" in posted.document.as_text()


async def test_without_such_a_route_no_channel_is_opened() -> None:
    bot = a_routed_bot(Route(service=(ServiceName("checkout"),), channel=TEAM))
    await opened(bot)

    assert ({}, []) == (channels(bot).opened, bot.chat.replies)


NAME = f"inc-{INCIDENT.lower()}-checkout"


def topics(bot: Bot) -> list[str]:
    """Return the first words of every topic that was set, in order."""
    return [said.partition(" · checkout · ")[0] for said in channels(bot).topics]


async def painted(bot: Bot, *, after: timedelta = timedelta()) -> bool:
    bot.time.advance(after)
    return await Painter(bot.world).paint()


async def test_the_topic_begins_with_the_state_and_follows_it() -> None:
    bot = a_routed_bot(OWN)
    await opened(bot)
    await bot.press(Action.DENY)
    assert not await painted(bot, after=MINUTE)

    bot.pager.put(a_resolved())
    await bot.hear(IncidentEventKind.RESOLVED)
    await painted(bot, after=MINUTE)

    assert ["Waiting for approval", "Open", "Resolved"] == topics(bot)
    assert [] == channels(bot).sought


async def test_a_topic_is_set_once_a_minute_at_most_and_the_last_state_wins() -> None:
    bot = a_routed_bot(OWN)
    await opened(bot)
    await bot.press(Action.DENY)
    assert await painted(bot)
    bot.pager.put(a_resolved())
    await bot.hear(IncidentEventKind.RESOLVED)
    assert await painted(bot, after=MINUTE - timedelta(seconds=1))

    assert not await painted(bot, after=timedelta(seconds=1))
    assert ["Waiting for approval", "Resolved"] == topics(bot)


async def test_what_did_not_change_is_not_set_again() -> None:
    bot = a_routed_bot(OWN)
    await opened(bot)
    for _ in range(3):
        bot.world.topics.due.add(IncidentId(INCIDENT))
        await painted(bot, after=MINUTE)

    assert ["Waiting for approval"] == topics(bot)


async def test_after_a_restart_the_channel_is_found_by_its_name() -> None:
    bot = a_routed_bot(OWN)
    await opened(bot)
    bot = with_world(bot, topics=Topics())
    await bot.press(Action.DENY)
    await painted(bot)

    assert (["Waiting for approval", "Open"], [NAME]) == (topics(bot), channels(bot).sought)


async def test_a_channel_that_is_not_there_yet_is_not_made_for_its_topic() -> None:
    bot = a_routed_bot(OWN)
    await bot.begin()
    for _ in range(2):
        assert not await painted(bot)
    assert ({}, [NAME]) == (channels(bot).opened, channels(bot).sought)

    await open_own_channel(bot.world, IncidentId(INCIDENT), sleep=bot.sleep)
    await bot.press(Action.DENY)
    await painted(bot, after=MINUTE)

    assert ["Waiting for approval", "Open"] == topics(bot)


async def test_a_silent_slack_is_asked_again_a_minute_later(monkeypatch: pytest.MonkeyPatch) -> None:
    bot = a_routed_bot(OWN)
    await opened(bot)
    with monkeypatch.context() as while_silent:
        while_silent.setattr(channels(bot), "describe", _silent)
        await bot.press(Action.DENY)
        assert await painted(bot, after=MINUTE)
    assert await painted(bot)
    await painted(bot, after=MINUTE)

    assert ["Waiting for approval", "Open"] == topics(bot)


async def test_a_channel_that_is_not_found_is_looked_for_a_few_times_and_not_at_every_change() -> None:
    bot = a_routed_bot(OWN)
    await bot.begin()
    for _ in range(MOST_LOOKS + 2):
        bot.world.topics.due.add(IncidentId(INCIDENT))
        await painted(bot, after=MINUTE)

    assert ([NAME] * MOST_LOOKS, set()) == (channels(bot).sought, bot.world.topics.due)


async def test_a_look_that_slack_does_not_answer_in_time_is_given_up_after_a_few(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """In a workspace of thousands of channels no look through all of them ends in time."""
    sought: list[str] = []

    async def endless(name: str) -> None:
        sought.append(name)
        raise TimeoutError

    bot = a_routed_bot(OWN)
    await opened(bot)
    bot = with_world(bot, topics=Topics())
    monkeypatch.setattr(channels(bot), "find", endless)
    await bot.press(Action.DENY)
    waits = [await painted(bot, after=MINUTE) for _ in range(MOST_LOOKS + 2)]

    assert [True] * (MOST_LOOKS - 1) + [False] * 3 == waits
    assert [NAME] * MOST_LOOKS == sought


async def test_a_channel_that_was_found_is_not_looked_for_again_when_its_topic_is_not_taken(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    bot = a_routed_bot(OWN)
    await opened(bot)
    bot = with_world(bot, topics=Topics())
    await bot.press(Action.DENY)
    with monkeypatch.context() as while_silent:
        while_silent.setattr(channels(bot), "describe", _silent)
        assert await painted(bot)
    await painted(bot, after=MINUTE)

    assert (["Waiting for approval", "Open"], [NAME]) == (topics(bot), channels(bot).sought)


async def test_a_topic_stays_due_while_the_record_cannot_be_read(monkeypatch: pytest.MonkeyPatch) -> None:
    bot = a_routed_bot(OWN)
    await opened(bot)
    await bot.press(Action.DENY)
    bot.time.advance(MINUTE)
    with monkeypatch.context() as while_away:
        while_away.setattr(bot.world.book, "get", _silent)
        with pytest.raises(Unavailable):
            await keep_topics(bot.world)
    await keep_topics(bot.world)

    assert ["Waiting for approval", "Open"] == topics(bot)


async def test_a_channel_that_people_archived_is_left_alone() -> None:
    bot = a_routed_bot(OWN)
    await opened(bot)
    channels(bot).opened["C0OWN1"].is_archived = True
    await bot.press(Action.DENY)

    assert not await painted(bot, after=MINUTE)
    assert ["Waiting for approval"] == topics(bot)


async def test_in_a_crowd_topics_wait_until_it_is_over() -> None:
    names = [f"Q{number}" for number in range(MOST_OPEN + 1)]
    bot = with_world(a_routed_bot(OWN), own_channels=MemoryOwnChannels())
    for name in names:
        bot.pager.put(an_incident(name))
        await bot.begin(name)
    await open_own_channel(bot.world, IncidentId(names[0]), sleep=bot.sleep)
    await bot.press(Action.DENY, incident=names[0])
    assert not await painted(bot, after=MINUTE)
    assert ["Waiting for approval"] == topics(bot)

    bot.pager.put(a_resolved(an_incident(names[1])))
    await bot.hear(IncidentEventKind.RESOLVED, incident=names[1])
    while await painted(bot, after=MINUTE):
        pass

    assert ["Waiting for approval", "Open"] == topics(bot)


async def test_a_topic_that_cannot_be_set_is_named_and_the_channel_stands(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def refused(*_: object) -> None:
        raise Refused("Slack does not let us")

    bot = a_routed_bot(OWN)
    monkeypatch.setattr(channels(bot), "describe", refused)
    await opened(bot)

    (posted,) = bot.chat.documents.values()
    assert "Its topic could not be set: Slack does not let us" in posted.document.as_text()
    assert [f"#{NAME}"] == [reply.document.sections[0].lines[0].text for reply in bot.chat.replies]


async def test_an_incident_without_a_channel_of_its_own_costs_no_look() -> None:
    bot = a_routed_bot(Route(priority=("P1",), own_channel=True))
    await bot.begin()

    assert not await painted(bot)
    assert ([], {}) == (channels(bot).sought, bot.world.topics.known)
