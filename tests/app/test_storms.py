"""Ten thousand alerts in a minute, and a Slack that is down for ten: few messages, in order, none lost."""

import asyncio
from datetime import timedelta

import pytest

from bot.domain.errors import RateLimited, Unavailable, Unclear
from tests.app.flood import Fault, Flood, flooded
from tests.app.world import CHANNEL
from tests.conftest import Rounds
from tests.virtual_time import in_virtual_time

MOST_MESSAGES = 150
OWN_CARDS = 10
DOWN_FROM_S, BACK_AT_S = 20.0, 620.0
CAUGHT_UP_S = 60.0

pytestmark = pytest.mark.timeout(600)


def storm_cards(flood: Flood, channel: str = CHANNEL) -> list[str]:
    return [m.shown.partition(". ")[0] for m in flood.api.roots(channel) if m.key.startswith("storm:")]


def test_a_storm_in_one_channel_is_few_messages_and_never_two_in_a_second(rounds: Rounds) -> None:
    alerts = rounds(1_000, 10_000)

    async def play(flood: Flood) -> None:
        await flood.page(alerts, services=200, within_s=60)
        await asyncio.sleep(60)

    flood = in_virtual_time(flooded(play, services=200))

    assert [f"Storm · {alerts - OWN_CARDS} open incidents"] == storm_cards(flood)
    assert OWN_CARDS == sum(m.key.startswith("card:") for m in flood.api.roots())
    assert len(flood.api.sent) <= MOST_MESSAGES
    assert 1 == flood.api.fastest()


def test_a_storm_over_many_channels_is_as_few_messages(rounds: Rounds) -> None:
    """Ten channels get a storm card; what hurts in the other ninety is on that of the usual channel."""
    alerts = rounds(400, 3_000)

    async def play(flood: Flood) -> None:
        await flood.page(alerts, services=200, within_s=60)
        await asyncio.sleep(60)

    flood = in_virtual_time(flooded(play, services=200, rooms=100))

    cards = [m for m in flood.api.messages.values() if m.key.startswith("storm:")]
    told = sum(int(m.shown.split("· ")[1].split(" ")[0]) for m in cards)
    assert (alerts - OWN_CARDS, 11) == (told, len(cards))
    assert 1 == len(storm_cards(flood))
    assert len(flood.api.sent) <= MOST_MESSAGES
    assert 1 == flood.api.fastest()


def test_what_hurts_in_another_channel_is_counted_on_the_usual_ones_card_without_its_title() -> None:
    async def play(flood: Flood) -> None:
        await flood.page(100, services=50, within_s=10)
        await asyncio.sleep(60)

    flood = in_virtual_time(flooded(play, services=50, rooms=50))

    lists = [m for m in flood.api.messages.values() if m.key.startswith("storm-list:")]
    (listed,) = [m for m in lists if m.channel == CHANNEL]
    assert "service-49" in listed.shown
    assert "fails" not in listed.shown


def limited(at: float) -> Exception:
    return RateLimited("Slack asks to wait 30 s.", retry_after=timedelta(seconds=30))


def refusing(at: float) -> Exception:
    return Unclear("Slack's answer was lost (HTTP 503): it may have happened.")


def unreachable(at: float) -> Exception:
    return Unavailable("Slack cannot be reached.")


def changing(at: float) -> Exception:
    """Fail in another way every minute."""
    return (limited, refusing, unreachable)[int(at // 60) % 3](at)


def down(failure: Fault) -> Fault:
    return lambda at: failure(at) if DOWN_FROM_S <= at < BACK_AT_S else None


@pytest.mark.parametrize("failure", [limited, refusing, unreachable, changing], ids=lambda f: f.__name__)
def test_after_ten_minutes_without_slack_the_last_state_is_shown_within_a_minute(
    failure: Fault, rounds: Rounds
) -> None:
    """Cards are posted before the outage; it grows to a storm and half of it resolves while Slack is down."""
    alerts = rounds(150, 2_000)
    over = alerts // 2

    async def play(flood: Flood) -> None:
        await flood.page(3, services=200, within_s=10)
        await asyncio.sleep(DOWN_FROM_S + 10 - asyncio.get_running_loop().time())
        await flood.page(alerts, services=200, within_s=60)
        await asyncio.sleep(200)
        await flood.resolve(over, services=200)
        await asyncio.sleep(BACK_AT_S + CAUGHT_UP_S - asyncio.get_running_loop().time())

    flood = in_virtual_time(flooded(play, services=200, fault=down(failure)))

    cards = [m for m in flood.api.roots() if m.key.startswith("card:")]
    assert [f"card:{one}" for one in flood.courses.begun] == [m.key for m in cards]
    assert ["Resolved" in m.shown.splitlines()[0] for m in cards] == [True] * len(cards)
    hidden = alerts - over
    assert [f"Storm · {hidden} open incidents"] == storm_cards(flood)
    assert 1 == flood.api.fastest()
    assert len(flood.api.messages) == len({(m.key, m.thread_ts) for m in flood.api.messages.values()})
