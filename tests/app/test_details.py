"""Behind the button Details: everything that the card shortens or leaves out."""

from datetime import timedelta

from bot.app.commands.details import details
from bot.app.wording import weighed
from bot.domain.approval import Action
from bot.domain.ids import IncidentId
from bot.domain.incident import IncidentEventKind
from tests.app.world import Bot, a_resolved
from tests.builders import INCIDENT

ID = IncidentId(INCIDENT)


async def test_details_hold_the_plans_description_and_its_exact_bytes(bot: Bot) -> None:
    proposal = await bot.begin()
    assert proposal is not None
    said = (await details(bot.world, ID)).as_text()

    assert bot.card.offer is not None
    assert bot.card.offer.plan.description in said
    assert proposal.plan.decode() in said
    assert proposal.digest in said


async def test_details_hold_every_term_of_every_suspect_with_its_weight(bot: Bot) -> None:
    await bot.begin()
    said = (await details(bot.world, ID)).as_text()
    record = await bot.world.book.get(ID)

    assert record is not None
    assert record.assessment is not None
    assert record.assessment.ranking is not None
    ranking = record.assessment.ranking
    terms = [*ranking.nothing.terms, *(term for suspect in ranking.suspects for term in suspect.terms)]
    assert terms
    assert [] == [weighed(term) for term in terms if f"- {weighed(term)}\n" not in said]


async def test_the_card_itself_carries_no_weights(bot: Bot) -> None:
    await bot.begin()

    assert bot.card.cause is not None
    shown = [reason for suspect in bot.card.cause.suspects for reason in suspect.reasons]
    assert shown
    assert [] == [reason for reason in shown if "(+" in reason or "(-" in reason]


async def test_details_tell_who_approved_and_how_each_step_went(bot: Bot) -> None:
    await bot.begin()
    bot.signals.values = [0.3, 0.0]
    await bot.press(Action.APPROVE)
    said = (await details(bot.world, ID)).as_text()

    assert "- Approved by " in said
    assert ": done, " in said


async def test_a_resolved_incident_tells_when_it_was_resolved(bot: Bot) -> None:
    await bot.begin()
    bot.time.advance(timedelta(minutes=4))
    bot.pager.put(a_resolved())
    await bot.hear(IncidentEventKind.RESOLVED)
    said = (await bot.ask("status")).document.as_text()

    assert "Opened at 03:00:00 UTC, resolved at 03:04:" in said
