"""A change that its pipeline reports late is still thought of, until somebody has decided."""

from datetime import timedelta

from bot.domain.approval import Action
from bot.domain.proposal import ProposalState
from tests.app.world import Bot, a_bot
from tests.builders import NOW, a_change, an_alert, an_incident


async def plans(bot: Bot) -> list[tuple[str, ProposalState]]:
    found = await bot.world.gate.proposals((await bot.the_last()).incident)
    return [(record.plan.decode().split('"title":"')[1].split('"')[0], record.state) for record in found]


async def test_a_deploy_reported_after_the_page_replaces_what_was_proposed_without_it() -> None:
    bot = a_bot(changes=[])
    await bot.begin()
    await bot.tell(a_change())

    assert [
        ("Restart checkout", ProposalState.CANCELLED),
        ("Roll checkout back to 41", ProposalState.PROPOSED),
    ] == await plans(bot)
    assert bot.card.cause is not None
    assert "Probably the deploy of checkout 42" == bot.card.cause.headline


async def test_what_was_approved_and_ran_stays_whatever_is_reported_later() -> None:
    bot = a_bot(changes=[])
    await bot.begin()
    await bot.press(Action.APPROVE)
    await bot.tell(a_change())

    assert [("Restart checkout", ProposalState.NOT_RECOVERED)] == await plans(bot)


async def test_a_late_report_of_a_change_that_does_not_explain_the_page_changes_nothing() -> None:
    bot = a_bot()
    await bot.begin()
    await bot.tell(a_change(service="payments", version="7", finished_at=NOW - timedelta(hours=3)))

    assert [("Roll checkout back to 41", ProposalState.PROPOSED)] == await plans(bot)


async def test_a_deploy_in_the_very_second_of_the_page_came_before_it() -> None:
    """PagerDuty tells whole seconds; the deploy's own time is finer."""
    page = an_incident(alerts=[an_alert(at=NOW)])
    bot = a_bot(incidents=[page], changes=[a_change(finished_at=NOW + timedelta(milliseconds=400))])
    await bot.begin()

    assert bot.card.cause is not None
    assert "Probably the deploy of checkout 42" == bot.card.cause.headline
