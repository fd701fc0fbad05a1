"""The port `OwnChannels`, on the sandbox Slack and in memory."""

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from datetime import timedelta

import pytest

from adapters.sandbox.slack import SandboxSlack, SlackChannel, running_slack
from adapters.slack.api import SlackApi, read_installation, slack_api
from adapters.slack.manifest import bot_scopes
from adapters.slack.memory import MemoryOwnChannels
from adapters.slack.own_channels import SlackOwnChannels
from bot.app.channel_topic import channel_name
from bot.app.own_channel import open_own_channel
from bot.app.storm import Painter
from bot.domain.approval import Action
from bot.domain.catalogue import Catalogue, Route
from bot.domain.errors import Refused, Unavailable, Unclear
from bot.domain.ids import IncidentId, ServiceName, SlackUserId
from bot.domain.record import IncidentRecord
from bot.ports import FoundChannel, OwnChannels
from tests.app.world import Bot, a_bot, a_service, with_world
from tests.builders import INCIDENT
from tests.contracts.sandbox_slack_builders import ALICE, BOT, CLOSED_ROOM, INCIDENTS, a_workspace

NAME = "inc-q1-checkout"
TAKEN = "others"


@dataclass
class Seen:
    """A channel as people see it."""

    name: str
    topic: str
    links: list[str]
    has_alice: bool


@dataclass
class Bench:
    channels: OwnChannels
    seen: Callable[[str], Seen]


@pytest.fixture
async def slack() -> AsyncIterator[SandboxSlack]:
    async with running_slack(a_workspace()) as slack:
        yield slack


@pytest.fixture
async def api(slack: SandboxSlack) -> AsyncIterator[SlackApi]:
    async with slack_api(slack.config.bot_token, base_url=slack.api_url) as api:
        yield api


@pytest.fixture
async def ours(api: SlackApi, slack: SandboxSlack) -> SlackOwnChannels:
    return SlackOwnChannels(api, await read_installation(api, app_id=slack.config.app_id))


@pytest.fixture(params=["memory", "slack"])
def bench(request: pytest.FixtureRequest) -> Bench:
    if request.param == "memory":
        memory = MemoryOwnChannels(taken={TAKEN})

        def remembered(channel: str) -> Seen:
            own = memory.opened[channel]
            return Seen(own.name, own.topic, list(own.links), ALICE in own.invited)

        return Bench(memory, remembered)
    slack: SandboxSlack = request.getfixturevalue("slack")

    def shown(channel: str) -> Seen:
        room = _room(slack, channel)
        links = [one["link"] for one in slack.bookmarks if one["channel_id"] == channel]
        return Seen(room.name, room.topic, links, ALICE in (room.members or ()))

    return Bench(request.getfixturevalue("ours"), shown)


def _room(slack: SandboxSlack, channel: str) -> SlackChannel:
    return next(room for room in slack.channels if room.id == channel)


async def test_a_channel_is_made_once_and_furnished_once(bench: Bench) -> None:
    for _ in range(2):
        channel = await bench.channels.open(NAME, like=INCIDENTS)
        await bench.channels.describe(channel, "checkout · PagerDuty Q1")
        await bench.channels.link(channel, "PagerDuty", "https://example.pagerduty.com/Q1")
        await bench.channels.invite(channel, SlackUserId(ALICE))

    assert Seen(
        NAME, "checkout · PagerDuty Q1", ["https://example.pagerduty.com/Q1"], has_alice=True
    ) == bench.seen(channel)


async def test_a_channel_is_found_by_its_name_with_what_stands_above_it(bench: Bench) -> None:
    channel = await bench.channels.open(NAME, like=INCIDENTS)
    await bench.channels.describe(channel, "Open · checkout")

    assert FoundChannel(id=channel, topic="Open · checkout") == await bench.channels.find(NAME)
    assert await bench.channels.find("inc-other") is None
    assert await bench.channels.find(TAKEN) is None


async def test_an_incidents_channel_is_furnished_and_its_topic_follows_its_state(bench: Bench) -> None:
    route = Route(service=(ServiceName("checkout"),), channel=INCIDENTS, own_channel=True)
    catalogue = Catalogue(services={ServiceName("checkout"): a_service()}, routes=(route,))
    bot = with_world(a_bot(), catalogue=catalogue, own_channels=bench.channels)
    await bot.begin()
    await open_own_channel(bot.world, IncidentId(INCIDENT), sleep=bot.sleep)
    found = await bench.channels.find(channel_name(await the_record(bot)))
    assert found is not None
    assert found.topic.startswith("Waiting for approval · checkout · ")

    await bot.press(Action.DENY)
    bot.time.advance(timedelta(minutes=1))
    await Painter(bot.world).paint()

    (card,) = bot.chat.cards
    seen = bench.seen(found.id)
    assert (
        f"inc-{INCIDENT.lower()}-checkout",
        f"Open · checkout · Error rate is 12 % · PagerDuty {INCIDENT}",
        bench.channels.address(INCIDENTS, card.ts),
    ) == (seen.name, seen.topic, seen.links[0])


async def the_record(bot: Bot) -> IncidentRecord:
    record = await bot.world.book.get(IncidentId(INCIDENT))
    assert record is not None
    return record


async def test_a_name_that_another_has_is_refused(bench: Bench) -> None:
    with pytest.raises(Refused, match="#others is taken by a channel that is not ours"):
        await bench.channels.open(TAKEN, like=INCIDENTS)


async def test_a_message_has_an_address(bench: Bench) -> None:
    assert bench.channels.address("C0A", "1.000002").endswith("/archives/C0A/p1000002")


async def test_a_channel_is_made_again_after_its_answer_was_lost(
    ours: SlackOwnChannels, slack: SandboxSlack
) -> None:
    slack.fail("conversations.create", drop_answer=True)
    with pytest.raises(Unclear, match="may have happened"):
        await ours.open(NAME, like=INCIDENTS)

    channel = await ours.open(NAME, like=INCIDENTS)

    assert [NAME] == [room.name for room in slack.channels if room.id == channel]
    assert 1 == len([room for room in slack.channels if room.name == NAME])


@pytest.mark.parametrize(
    ("error", "said"),
    [
        ("restricted_action", "ask a workspace owner"),
        ("missing_scope", "the scope"),
        ("no_permission", "no_permission"),
        ("invalid_name_specials", "invalid_name_specials"),
    ],
)
async def test_what_slack_forbids_is_refused_with_its_reason(
    error: str, said: str, ours: SlackOwnChannels, slack: SandboxSlack
) -> None:
    slack.fail("conversations.create", error=error)

    with pytest.raises(Refused, match=said):
        await ours.open(NAME, like=INCIDENTS)


@pytest.mark.parametrize("error", ["is_archived", "not_in_channel", "too_long"])
async def test_a_topic_that_slack_does_not_take_is_refused(
    error: str, ours: SlackOwnChannels, slack: SandboxSlack
) -> None:
    channel = await ours.open(NAME, like=INCIDENTS)
    slack.fail("conversations.setTopic", error=error)

    with pytest.raises(Refused):
        await ours.describe(channel, "Open · checkout")


async def test_an_archived_channel_is_not_found() -> None:
    rooms = (SlackChannel(INCIDENTS, "incidents"), SlackChannel("C0OLD", NAME, is_archived=True, creator=BOT))
    async with (
        running_slack(a_workspace(channels=rooms)) as slack,
        slack_api(slack.config.bot_token, base_url=slack.api_url) as api,
    ):
        ours = SlackOwnChannels(api, await read_installation(api, app_id=slack.config.app_id))

        assert await ours.find(NAME) is None
        with pytest.raises(Refused, match="archived"):
            await ours.describe("C0OLD", "Open · checkout")


async def test_a_silent_slack_is_unavailable_and_not_a_refusal(
    ours: SlackOwnChannels, slack: SandboxSlack
) -> None:
    slack.fail("conversations.info", status=503, times=9)

    with pytest.raises(Unavailable):
        await ours.open(NAME, like=INCIDENTS)


async def test_a_person_whom_slack_does_not_let_in_is_refused(
    ours: SlackOwnChannels, slack: SandboxSlack
) -> None:
    channel = await ours.open(NAME, like=INCIDENTS)
    slack.fail("conversations.invite", error="user_is_restricted")

    with pytest.raises(Refused, match="user_is_restricted"):
        await ours.invite(channel, SlackUserId(ALICE))


async def test_a_private_channel_needs_its_scope_and_is_as_private_as_the_card() -> None:
    rooms = (SlackChannel("C0SECRET", "secret", is_private=True),)
    async with (
        running_slack(a_workspace(channels=rooms)) as slack,
        slack_api(slack.config.bot_token, base_url=slack.api_url) as api,
    ):
        ours = SlackOwnChannels(api, await read_installation(api, app_id=slack.config.app_id))
        channel = await ours.open(NAME, like="C0SECRET")

    assert _room(slack, channel).is_private


async def test_a_channel_that_we_do_not_see_is_like_none(ours: SlackOwnChannels) -> None:
    with pytest.raises(Unavailable):
        await ours.open(NAME, like=CLOSED_ROOM)


def test_a_team_without_own_channels_is_not_asked_for_their_scopes() -> None:
    more = set(bot_scopes()) - set(bot_scopes(own_channels=False))

    assert {"bookmarks:read", "bookmarks:write", "channels:manage", "groups:write"} == more
