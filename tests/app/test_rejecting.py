"""What was denied is not offered again by itself, until the evidence is another; a person may still ask."""

import json
from datetime import timedelta

from bot.app.investigate import investigate
from bot.app.show import show
from bot.domain.approval import Action, Confirmation
from bot.domain.ids import IncidentId
from bot.domain.plan import Plan
from bot.domain.proposal import ProposalState
from bot.domain.rejection import denied_before, fingerprint
from tests.app.test_freshness import URL, a_bot_that_reads
from tests.app.world import DANA, Bot
from tests.builders import INCIDENT, a_change, a_plan, a_record
from tests.contracts.stores import ALLOWED

S = ProposalState
ID = IncidentId(INCIDENT)


async def looked_at_again(bot: Bot) -> None:
    """Assess the incident once more, as after a restart of the engine from empty."""
    await bot.world.gate.raise_epoch(await bot.world.gate.epoch() + 1)
    bot.time.advance(timedelta(minutes=1))
    await investigate(bot.world, ID)
    await show(bot.world, ID)


async def test_a_denied_plan_is_not_offered_again_by_itself_and_the_card_says_who_denied_it() -> None:
    bot, _ = a_bot_that_reads()
    await bot.begin()
    await bot.press(Action.DENY)
    await looked_at_again(bot)

    assert (1, S.DENIED) == ((await bot.the_last()).number, await bot.state())
    assert "denied by Dana at 03:00:05 UTC: it is not offered again by itself" in bot.card.notes[0].text
    assert bot.card.offer is not None
    assert (
        "Denied by Dana at 03:00:05 UTC: not offered again by itself. Nothing ran." == bot.card.offer.outcome
    )


async def test_a_person_may_still_ask_for_what_was_denied() -> None:
    bot, _ = a_bot_that_reads()
    await bot.begin()
    await bot.press(Action.DENY)
    await bot.press(Action.PROPOSE_AGAIN)

    assert (2, S.PROPOSED) == ((await bot.the_last()).number, await bot.state())


async def test_another_version_in_service_is_other_evidence() -> None:
    bot, versions = a_bot_that_reads()
    await bot.begin()
    await bot.press(Action.DENY)
    versions.by_url[URL] = "43"
    await looked_at_again(bot)

    assert (2, S.PROPOSED) == ((await bot.the_last()).number, await bot.state())


async def test_a_suspect_that_is_reported_with_another_version_is_another_plan() -> None:
    bot, _ = a_bot_that_reads()
    await bot.begin()
    await bot.press(Action.DENY)
    await bot.ledger.record(a_change(previous_version="40").model_copy(update={"reported_at": bot.time.at}))
    await looked_at_again(bot)

    assert "40" in (await bot.the_last()).plan.decode()
    assert S.PROPOSED is await bot.state()


async def test_the_record_names_what_was_denied_and_why() -> None:
    bot, _ = a_bot_that_reads()
    proposal = await bot.begin()
    assert proposal is not None
    press = bot.a_press(Action.DENY, proposal)
    meant = press.model_copy(update={"confirmation": Confirmation(reason="the database was migrated")})
    await bot.world.gate.rule(meant, ALLOWED, DANA)
    (denied,) = [entry for entry in await bot.entries() if entry.act == "denied"]

    assert fingerprint(Plan.from_bytes(proposal.plan)) == json.loads(denied.body)["fingerprint"]
    assert "denied by Dana (the database was migrated)" == (await bot.the_last()).reason


def test_number_epoch_and_expiry_are_no_part_of_what_was_rejected() -> None:
    first = a_plan()
    later = a_plan(number=2, epoch=3, evidence="other", expires_at=first.expires_at + timedelta(hours=1))

    assert fingerprint(first) == fingerprint(later)
    assert len({fingerprint(first), fingerprint(a_plan(version="40")), fingerprint(a_plan(target="x"))}) == 3


def test_only_denials_count() -> None:
    denied, expired = a_record(state=S.DENIED), a_record(a_plan(number=2), state=S.EXPIRED)

    assert denied == denied_before(a_plan(number=3), [denied, expired])
    assert None is denied_before(a_plan(number=3), [expired])
