"""What is written back to PagerDuty beside notes: once, and only what the catalogue names."""

from collections.abc import Sequence

from bot.app.intake import reconcile
from bot.app.pager_fields import MOST_AT_ONCE, prioritise, prioritise_missed, tell_fields
from bot.domain.alert import Severity
from bot.domain.approval import Action
from bot.domain.catalogue import Catalogue, PagerDutyFields, Told
from bot.domain.errors import Unclear
from bot.domain.ids import IncidentId, ServiceName
from bot.domain.incident import Incident
from tests.app.world import Bot, a_bot, a_resolved, a_service, with_world
from tests.builders import INCIDENT, an_alert, an_incident

Q = IncidentId(INCIDENT)
NAMED = PagerDutyFields(
    custom_fields={"probable_cause": Told.CAUSE, "recovery": Told.OUTCOME},
    priorities={Severity.CRITICAL: "P1"},
)
CRITICAL = an_incident().model_copy(
    update={"alerts": (an_alert().model_copy(update={"severity": Severity.CRITICAL}),)}
)


def a_telling_bot(fields: PagerDutyFields = NAMED, *, incidents: Sequence[Incident] = (CRITICAL,)) -> Bot:
    catalogue = Catalogue(services={ServiceName("checkout"): a_service()}, pagerduty=fields)
    return with_world(a_bot(incidents=incidents), catalogue=catalogue)


async def recovered(bot: Bot) -> None:
    bot.signals.values = [0.3, 0.0]
    await bot.begin()
    await bot.press(Action.APPROVE)


async def test_the_custom_fields_tell_cause_and_outcome_once_it_recovered() -> None:
    bot = a_telling_bot()
    await bot.begin()
    await tell_fields(bot.world, Q, sleep=bot.sleep)
    assert {} == await bot.pager.fields(Q)

    await recovered(bot)

    told = await bot.pager.fields(Q)
    assert {"probable_cause", "recovery"} == set(told)
    assert told["probable_cause"].startswith("Probably the deploy of checkout 42")
    assert told["recovery"].startswith("verified: error_ratio is 0")


async def test_what_people_write_there_afterwards_stays() -> None:
    bot = a_telling_bot()
    await recovered(bot)
    await bot.pager.set_fields(Q, {"probable_cause": "a switch failed"})

    await tell_fields(bot.world, Q, sleep=bot.sleep)

    assert "a switch failed" == (await bot.pager.fields(Q))["probable_cause"]


async def test_a_lost_answer_is_looked_for_and_the_fields_are_not_written_again() -> None:
    bot = a_telling_bot()
    written: list[object] = []
    whole = bot.pager.set_fields

    async def lost(incident: IncidentId, values: dict[str, str]) -> None:
        written.append(values)
        await whole(incident, values)
        raise Unclear("the answer was lost")

    bot.pager.set_fields = lost  # type: ignore[method-assign, assignment]
    await recovered(bot)
    await tell_fields(bot.world, Q, sleep=bot.sleep)

    assert 1 == len(written)


async def test_a_field_that_the_account_lacks_holds_nothing_up() -> None:
    bot = a_telling_bot(PagerDutyFields(custom_fields={"weather": Told.CAUSE}))
    await recovered(bot)

    assert "degraded PagerDuty custom fields" in bot.telemetry.said


async def test_an_incident_without_a_priority_gets_that_of_its_severity_once() -> None:
    bot = a_telling_bot()
    await bot.begin()
    assert "P1" == (await bot.pager.read(Q)).priority

    bot.pager.put(CRITICAL)
    await prioritise(bot.world, Q, sleep=bot.sleep)
    await prioritise_missed(bot.world)

    assert (await bot.pager.read(Q)).priority is None


async def test_a_priority_is_set_some_seconds_later_when_the_pager_was_away_for_a_moment() -> None:
    bot = a_telling_bot()
    bot.pager.takes_no_priority = True
    await bot.begin()
    slept: list[float] = []

    async def comes_back(seconds: float) -> None:
        slept.append(seconds)
        bot.pager.takes_no_priority = False

    await prioritise(bot.world, Q, sleep=comes_back)

    assert ("P1", 1) == ((await bot.pager.read(Q)).priority, len(slept))


async def test_a_priority_is_set_by_the_next_look_at_the_pager_when_it_was_away_for_longer() -> None:
    """A bot that was ended meanwhile knows from the record that it is still owed."""
    bot = a_telling_bot()
    bot.pager.takes_no_priority = True
    await bot.begin()
    asked = bot.pager.priorities_asked
    bot.pager.takes_no_priority = False

    await reconcile(bot.world)
    await reconcile(bot.world)

    assert ("P1", 1) == ((await bot.pager.read(Q)).priority, bot.pager.priorities_asked - asked)


async def test_a_priority_whose_answer_was_lost_is_looked_for_and_not_set_again() -> None:
    bot = a_telling_bot()
    bot.pager.loses_priorities = 1
    await bot.begin()
    await reconcile(bot.world)

    assert ("P1", 1) == ((await bot.pager.read(Q)).priority, bot.pager.priorities_asked)


async def test_what_people_chose_while_the_pager_was_away_stays() -> None:
    bot = a_telling_bot()
    bot.pager.takes_no_priority = True
    await bot.begin()
    bot.pager.takes_no_priority = False
    bot.pager.put(CRITICAL.model_copy(update={"priority": "P2"}))
    await prioritise_missed(bot.world)

    assert "P2" == (await bot.pager.read(Q)).priority


async def test_a_pager_that_stays_away_is_asked_once_for_all_that_is_missed() -> None:
    names = ["Q1", "Q2", "Q3"]
    bot = a_telling_bot(incidents=[CRITICAL.model_copy(update={"id": name}) for name in names])
    bot.pager.takes_no_priority = True
    for name in names:
        await bot.begin(name)
    asked = bot.pager.priorities_asked
    await prioritise_missed(bot.world)

    assert 1 == bot.pager.priorities_asked - asked


async def test_an_old_incident_gets_its_priority_however_many_newer_ones_have_theirs() -> None:
    names = [f"Q{number:03d}" for number in range(MOST_AT_ONCE + 1)]
    bot = a_telling_bot(incidents=[CRITICAL.model_copy(update={"id": name}) for name in names])
    bot.pager.takes_no_priority = True
    await bot.begin(names[0])
    bot.pager.takes_no_priority = False
    for name in names[1:]:
        await bot.begin(name)
    await prioritise_missed(bot.world)

    assert "P1" == (await bot.pager.read(IncidentId(names[0]))).priority


async def test_a_priority_that_was_refused_is_not_asked_for_again_in_this_run() -> None:
    bot = a_telling_bot(PagerDutyFields(priorities={Severity.CRITICAL: "SEV-9"}))
    await bot.begin()
    asked = bot.pager.priorities_asked
    for _ in range(2):
        await prioritise_missed(bot.world)
    assert 0 == bot.pager.priorities_asked - asked

    mended = Catalogue(services={ServiceName("checkout"): a_service()}, pagerduty=NAMED)
    await prioritise_missed(with_world(bot, catalogue=mended).world)
    assert "P1" == (await bot.pager.read(Q)).priority


async def test_a_priority_that_the_account_lacks_holds_nothing_up() -> None:
    bot = a_telling_bot(PagerDutyFields(priorities={Severity.CRITICAL: "SEV-9"}))
    await bot.begin()

    assert "degraded PagerDuty priority" in bot.telemetry.said
    assert (await bot.pager.read(Q)).priority is None


async def test_a_priority_that_people_set_stays() -> None:
    bot = a_telling_bot()
    bot.pager.put(CRITICAL.model_copy(update={"priority": "P2"}))
    await bot.begin()

    assert "P2" == (await bot.pager.read(Q)).priority


async def test_what_the_catalogue_does_not_name_is_not_written() -> None:
    bot = a_telling_bot(PagerDutyFields())
    await recovered(bot)

    assert (None, {}) == ((await bot.pager.read(Q)).priority, await bot.pager.fields(Q))


async def test_a_resolved_incident_is_given_no_priority() -> None:
    bot = a_telling_bot()
    bot.pager.takes_no_priority = True
    await bot.begin()
    bot.pager.takes_no_priority = False
    await bot.world.book.see(a_resolved(CRITICAL))
    await prioritise(bot.world, Q, sleep=bot.sleep)
    await prioritise_missed(bot.world)

    assert (await bot.pager.read(Q)).priority is None
