"""A ranking that fails must not cost the card: it shows the alerts, and says that nothing was ranked."""

from collections.abc import Sequence
from datetime import timedelta

from pydantic import TypeAdapter

from adapters.slack.views.card import card_blocks
from bot.domain.catalogue import HttpAddress
from bot.domain.change import ChangeEvent
from bot.domain.document import Line
from bot.domain.ids import ServiceName
from bot.domain.weights import load_weights
from tests.app.world import Bot, a_bot, a_service, with_world
from tests.builders import NOW, a_change, an_alert, an_incident

RUNBOOK = TypeAdapter(HttpAddress).validate_python("https://runbooks.example.com/checkout")
PAGE = "https://pager.example.com/alerts/A1"
FIRST = an_alert(title="Error rate is 12 %").model_copy(update={"url": PAGE})
SECOND = an_alert(title="Queue is growing", at=NOW + timedelta(seconds=40))


def a_bot_that_cannot_rank(changes: Sequence[ChangeEvent] | None = None) -> Bot:
    """Return a bot whose weights are all missing, so that ranking raises."""
    page = an_incident(alerts=[SECOND, FIRST])
    bot = a_bot(incidents=[page], changes=changes, services={"checkout": a_service(runbook_url=RUNBOOK)})
    return with_world(bot, weights=load_weights().model_copy(update={"weights": {}}))


async def test_a_ranking_that_fails_leaves_a_card_of_the_alerts_the_runbook_and_who_is_on_call() -> None:
    bot = a_bot_that_cannot_rank()
    assert await bot.begin() is None

    card, cause = bot.card, bot.card.cause
    assert cause is not None
    assert "Ranking failed: shown are the alerts only" == cause.headline
    assert (
        Line(text="Runbook of checkout", url=RUNBOOK),
        Line(text="Since 03:00:00 UTC: Error rate is 12 %", url=PAGE),
        Line(text="Since 03:00:40 UTC: Queue is growing"),
    ) == cause.evidence
    assert ("Omar",) == card.on_call
    assert card.offer is None
    assert [Line(text="No playbook is proposed: what caused this was not worked out.")] == list(card.notes)


async def test_raw_facts_state_no_percentage_on_the_card_or_in_a_command() -> None:
    bot = a_bot_that_cannot_rank()
    await bot.begin()
    shown = str(card_blocks(bot.card))
    assert "Ranking failed: shown are the alerts only" in shown
    assert "confidence" not in shown
    assert "Nothing changed" not in shown
    told = (await bot.ask("status")).document.model_dump_json()
    assert "Ranking failed: shown are the alerts only (no confidence is stated)" in told


async def test_a_ranking_that_fails_is_counted_and_ends_the_activity_instead_of_repeating_it() -> None:
    bot = a_bot_that_cannot_rank()
    await bot.begin()

    assert ["degraded ranking", "card"] == bot.telemetry.said


async def test_a_late_change_that_cannot_be_ranked_leaves_the_card_and_is_on_record() -> None:
    bot = a_bot_that_cannot_rank(changes=[])
    await bot.begin()
    await bot.tell(a_change())

    assert bot.card.cause is not None
    assert "Ranking failed: shown are the alerts only" == bot.card.cause.headline
    known = await bot.ledger.between([ServiceName("checkout")], NOW - timedelta(hours=1), NOW)
    assert [a_change().id] == [change.id for change in known]


async def test_a_late_change_is_ranked_once_ranking_works_again() -> None:
    broken = a_bot_that_cannot_rank(changes=[])
    await broken.begin()
    await with_world(broken, weights=a_bot().world.weights).tell(a_change())

    assert broken.card.cause is not None
    assert "Probably the deploy of checkout 42" == broken.card.cause.headline
