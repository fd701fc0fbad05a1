"""What was denied is not offered again by itself, until the evidence is another; a person may still ask."""

import json
from datetime import timedelta

from bot.app.approve import handle_click
from bot.app.investigate import investigate
from bot.app.report import summary_of
from bot.app.show import show
from bot.domain.approval import LONGEST_WHY, Action, Confirmation, Reason, Ruling
from bot.domain.ids import IncidentId
from bot.domain.person import Person
from bot.domain.plan import Plan
from bot.domain.proposal import ProposalState
from bot.domain.rejection import denied_before, fingerprint
from tests.app.test_freshness import URL, a_bot_that_reads
from tests.app.world import DANA, DEPLOY_TOKEN, EVE, OMAR, Bot
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


async def with_reason(bot: Bot, why: str, *, by: Person = DANA) -> Ruling:
    """Press *Say why* and send what its window asks for."""
    asked = await bot.press(Action.SAY_WHY, by=by)
    assert (Reason.ASKED_TO_CONFIRM, Action.SAY_WHY) == (asked.reason, bot.chat.asked[-1][1].action)
    press = bot.a_press(Action.SAY_WHY, await bot.the_last(), by=by)
    return await handle_click(bot.world, press.model_copy(update={"confirmation": Confirmation(reason=why)}))


async def test_a_denial_is_one_press_and_its_reason_may_follow() -> None:
    bot, _ = a_bot_that_reads()
    await bot.begin()
    assert (await bot.press(Action.DENY)).is_accepted
    assert S.DENIED is await bot.state()
    before = await bot.the_last()

    assert (await with_reason(bot, "the database was\nmigrated")).is_accepted

    after = await bot.the_last()
    assert "denied by Dana (the database was migrated)" == after.reason
    assert (before.state, before.changed_at, before.denied_by) == (
        after.state,
        after.changed_at,
        after.denied_by,
    )
    assert bot.card.offer is not None
    assert bot.card.offer.outcome.startswith("Denied by Dana (the database was migrated) at 03:00:05 UTC:")
    assert (await bot.store.audit.verify()).is_intact


async def test_the_reason_stands_where_the_same_plan_would_have_been_offered_again_and_in_the_summary() -> (
    None
):
    bot, _ = a_bot_that_reads()
    await bot.begin()
    await bot.press(Action.DENY)
    await with_reason(bot, "the database was migrated", by=OMAR)
    await looked_at_again(bot)
    record = await bot.world.book.get(ID)
    assert record is not None

    assert "denied by Dana (Omar: the database was migrated) at 03:00:05 UTC" in bot.card.notes[0].text
    assert "03:00:05 UTC (Omar: the database was migrated)" in (await summary_of(bot.world, record)).as_text()


async def test_a_reason_is_redacted_bounded_and_given_once() -> None:
    bot, _ = a_bot_that_reads()
    await bot.begin()
    await bot.press(Action.DENY)
    await with_reason(bot, f"{DEPLOY_TOKEN} leaked {'x' * 500}")

    reason = (await bot.the_last()).reason
    assert (DEPLOY_TOKEN in reason, len(reason) <= LONGEST_WHY + 20, reason[-2:]) == (False, True, "…)")
    assert not any(DEPLOY_TOKEN in entry.body for entry in await bot.entries())
    assert Reason.ALREADY_DECIDED is (await bot.press(Action.SAY_WHY)).reason


async def test_nobody_who_may_not_decide_gives_a_reason() -> None:
    bot, _ = a_bot_that_reads()
    await bot.begin()
    await bot.press(Action.DENY)

    assert Reason.NOT_ALLOWED is (await bot.press(Action.SAY_WHY, by=EVE)).reason
    assert "denied by Dana" == (await bot.the_last()).reason


async def test_a_window_without_a_word_in_it_is_no_reason() -> None:
    bot, _ = a_bot_that_reads()
    await bot.begin()
    await bot.press(Action.DENY)

    assert Reason.NOT_CONFIRMED is (await with_reason(bot, " ")).reason


def test_number_epoch_and_expiry_are_no_part_of_what_was_rejected() -> None:
    first = a_plan()
    later = a_plan(number=2, epoch=3, evidence="other", expires_at=first.expires_at + timedelta(hours=1))

    assert fingerprint(first) == fingerprint(later)
    assert len({fingerprint(first), fingerprint(a_plan(version="40")), fingerprint(a_plan(target="x"))}) == 3


def test_only_denials_count() -> None:
    denied, expired = a_record(state=S.DENIED), a_record(a_plan(number=2), state=S.EXPIRED)

    assert denied == denied_before(a_plan(number=3), [denied, expired])
    assert None is denied_before(a_plan(number=3), [expired])
