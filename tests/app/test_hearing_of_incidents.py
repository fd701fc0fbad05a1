"""What webhooks, changes and looks at the pager lead to."""

from datetime import UTC, datetime, timedelta

import pytest

from adapters.settings import Settings
from bot.app.intake import reconcile
from bot.app.investigate import investigate
from bot.app.show import show
from bot.domain.approval import Action
from bot.domain.change import ChangeEvent, ChangeKind
from bot.domain.course import Await, Finish
from bot.domain.errors import Unavailable, Unclear
from bot.domain.ids import IncidentId
from bot.domain.incident import IncidentEventKind, IncidentStatus
from bot.domain.proposal import ProposalState
from tests.app.world import CHANNEL, DANA, OMAR, Bot, a_bot, a_resolved, a_service
from tests.builders import INCIDENT, NOW, a_change, an_alert, an_incident

K = IncidentEventKind
ID = IncidentId(INCIDENT)


async def test_a_webhook_leads_to_one_card_with_a_proposal(bot: Bot) -> None:
    proposal = await bot.begin()

    assert proposal is not None
    card = bot.card
    assert card.cause is not None
    assert card.offer is not None
    assert ("Probably the deploy of checkout 42", True) == (
        card.cause.headline,
        card.cause.confidence_percent > 50,
    )
    assert ("Roll checkout back to 41", ProposalState.PROPOSED, proposal.digest) == (
        card.offer.plan.title,
        card.offer.state,
        card.offer.digest,
    )
    assert ((OMAR.id,), ("Omar",)) == (card.mentions, card.on_call)
    assert ((DANA.id, "Dana"),) == card.approvers
    assert [(ID, 1)] == bot.workflows.started
    assert [] == bot.runner.ran


async def test_the_card_that_is_edited_mentions_nobody_again(bot: Bot) -> None:
    await bot.begin()
    await bot.follow()
    bot.pager.put(an_incident(status=IncidentStatus.ACKNOWLEDGED))
    await bot.hear(K.ACKNOWLEDGED)

    assert ((), ("Omar",), ()) == (bot.card.mentions, bot.card.on_call, bot.card.approvers)


async def test_the_same_webhook_again_changes_nothing(bot: Bot) -> None:
    await bot.begin()
    before = (await bot.entries(), dict(bot.chat.cards))
    for _ in range(3):
        await bot.hear()
        await bot.course()

    assert before[0] == await bot.entries()
    assert list(before[1]) == list(bot.chat.cards)
    assert [(ID, 1)] == bot.workflows.started


async def test_an_unmapped_service_gets_a_card_that_names_the_missing_entry() -> None:
    stranger = an_incident(service=None).model_copy(update={"pagerduty_service_id": "PSTRANGE"})
    bot = a_bot(incidents=[stranger])
    await bot.hear(pagerduty_service_id="PSTRANGE")
    await bot.course()

    assert None is await bot.last()
    (note,) = bot.card.notes
    assert "No entry of services.yaml maps PagerDuty service PSTRANGE (Checkout)" in note.text
    assert None is bot.card.offer


async def test_a_card_goes_to_the_channel_that_the_service_names() -> None:
    bot = a_bot(services={"checkout": a_service(channel="C0CHECKOUT")})
    await bot.begin()

    assert ["C0CHECKOUT"] == [ref.channel for ref in bot.chat.cards]


async def test_resolved_then_an_older_trigger_makes_no_card() -> None:
    bot = a_bot(incidents=[a_resolved()])
    await bot.hear(K.RESOLVED)
    await bot.hear(K.TRIGGERED, occurred_at=NOW)
    moves = await bot.course()

    assert ({}, [Finish()]) == (bot.chat.cards, moves)


@pytest.mark.parametrize("is_down", [False, True])
async def test_resolved_stays_resolved_whatever_comes_late_and_without_the_pager(is_down: bool) -> None:
    bot = a_bot(incidents=[a_resolved()])
    bot.pager.is_down = is_down
    for kind in (K.RESOLVED, K.TRIGGERED, K.ACKNOWLEDGED, K.TRIGGERED):
        await bot.hear(kind)
        await bot.course()

    record = await bot.world.book.get(ID)
    assert record is not None
    assert (IncidentStatus.RESOLVED, 1) == (record.incident.status, record.life)
    assert ({}, []) == (bot.chat.cards, bot.workflows.started)


async def test_a_reopened_incident_begins_its_next_life_on_the_same_card(bot: Bot) -> None:
    await bot.begin()
    bot.pager.put(a_resolved())
    await bot.hear(K.RESOLVED)
    await bot.follow()
    bot.pager.put(an_incident())
    await bot.hear(K.REOPENED)
    await bot.course()

    assert [(ID, 1), (ID, 2)] == bot.workflows.started
    assert (1, ProposalState.PROPOSED, 2) == (
        len(bot.chat.cards),
        await bot.state(),
        (await bot.the_last()).number,
    )


async def test_an_incident_that_comes_back_after_a_recovery_is_not_called_recovered(bot: Bot) -> None:
    bot.signals.values = [0.3, 0.0]
    await bot.begin()
    await bot.press(Action.APPROVE)
    bot.pager.put(a_resolved())
    await bot.hear(K.RESOLVED)
    await bot.follow()
    recovered = bot.card.status_line
    await bot.tell(a_change(version="41", previous_version="42"))  # What we ran, as its pipeline reports it.
    bot.pager.put(an_incident())
    await bot.hear(K.REOPENED)
    await bot.course()

    assert (ProposalState.VERIFIED, "Recovered", "Open") == (
        await bot.state(),
        recovered,
        bot.card.status_line,
    )
    assert (await bot.ask("status")).document.title == "Open · Error rate is 12 %"
    bot.pager.put(a_resolved())
    await bot.hear(K.RESOLVED)
    await bot.follow()
    assert "Resolved" == bot.card.status_line
    told = [reply.document for reply in bot.chat.replies if reply.document.title.startswith("Summary")]
    assert [True, False] == ["Proven at" in summary.as_text() for summary in told]


async def test_events_of_no_concern_are_not_followed(bot: Bot) -> None:
    await bot.hear(K.OTHER)

    assert (None, []) == (await bot.world.book.get(ID), bot.workflows.started)


async def test_without_the_pager_the_card_still_stands_and_says_what_is_missing(bot: Bot) -> None:
    bot.pager.is_down = True
    await bot.begin()

    assert bot.card.cause is not None
    assert (
        "PagerDuty did not answer: the confidence is capped",
        "on-call schedule did not answer: the confidence is capped",
    ) == bot.card.cause.limits
    assert "degraded PagerDuty" in bot.telemetry.said


@pytest.mark.parametrize("changes", [[], None], ids=["nothing changed", "a change is suspected"])
async def test_what_did_not_answer_lowers_what_is_claimed_whatever_is_claimed(
    changes: list[ChangeEvent] | None,
) -> None:
    bot = a_bot(changes=changes)
    bot.pager.is_down = True
    await bot.hear(pagerduty_service_id="PUNMAPPED" if changes == [] else "PCHECKOUT")
    await bot.course()
    record = await bot.world.book.get(ID)

    assert record is not None
    assert record.assessment is not None
    assert record.assessment.ranking is not None
    cause, coverage = record.assessment.cause, record.assessment.ranking.coverage
    assert cause.headline.startswith("No change" if changes == [] else "Probably")
    most = round(coverage.share * 100)
    assert (most, 2) == (50, len(cause.limits))
    assert (cause.confidence_percent <= most, cause.nothing_changed_percent <= most) == (True, True)
    assert cause.confidence_word != "high"


async def test_an_old_page_opens_a_card_only_when_the_pager_says_that_it_is_open(bot: Bot) -> None:
    bot.time.advance(timedelta(days=8))
    bot.pager.is_down = True
    await bot.hear(occurred_at=NOW, opened_at=NOW)
    with pytest.raises(Unavailable, match="does not say whether Q1INCIDENT0001"):
        await investigate(bot.world, ID)
    none_yet = dict(bot.chat.cards)
    bot.pager.is_down = False
    await bot.course()

    assert {} == none_yet
    assert ["This reached Handrail 8 d after the page."] == [
        note.text for note in bot.card.notes if "reached" in note.text
    ]


async def test_an_old_page_whose_incident_is_over_opens_no_card() -> None:
    bot = a_bot(incidents=[a_resolved()])
    bot.time.advance(timedelta(days=8))
    await bot.hear(occurred_at=NOW)
    await bot.course()

    assert {} == bot.chat.cards


async def test_what_webhooks_missed_is_found_by_looking(bot: Bot) -> None:
    found = await reconcile(bot.world)
    await bot.course()
    again = await reconcile(bot.world)

    assert (1, 0, 1, [(ID, 1)]) == (found, again, len(bot.chat.cards), bot.workflows.started)


async def test_pd_lost_of_a_thousand_incidents_one_look_finds_the_tenth_that_went_unheard() -> None:
    """And it looks often enough that two looks come within 120 s."""
    pages = [an_incident(f"Q4LOST{number:08d}") for number in range(1000)]
    bot = a_bot(incidents=pages)
    for page in pages[::-1]:
        if int(page.id[-1]):
            await bot.hear(incident=page.id)
    heard = {record.id for record in await bot.world.book.open()}

    assert (900, 100, 0) == (len(heard), await reconcile(bot.world), await reconcile(bot.world))
    assert {page.id for page in pages} == {record.id for record in await bot.world.book.open()}
    assert 120 >= 2 * Settings.model_fields["handrail_reconcile_s"].default


async def test_a_resolve_that_webhooks_missed_is_found_by_looking(bot: Bot) -> None:
    await bot.begin()
    bot.pager.put(a_resolved())

    assert 1 == await reconcile(bot.world)
    await bot.follow()
    assert ("Resolved", ProposalState.CANCELLED) == (bot.card.status_line, await bot.state())


async def test_a_secret_in_an_alert_is_nowhere() -> None:
    token = "xoxb-1234567890-abcdefghijklmnop"
    alert = an_alert(title=f"failed with {token}", details=f"Authorization: Bearer {token}")
    bot = a_bot(incidents=[an_incident(title=f"boom {token}", alerts=[alert])])
    await bot.hear(title=f"boom {token}")
    await bot.course()
    record = await bot.world.book.get(ID)

    assert token not in f"{record!r}{bot.chat.cards!r}{await bot.entries()!r}"


async def test_a_rollback_elsewhere_withdraws_the_proposal_and_says_so(bot: Bot) -> None:
    await bot.begin()
    bot.time.advance(timedelta(minutes=1))
    rollback = a_change(version="41", previous_version="42", finished_at=bot.time.at, title="by hand")
    await bot.tell(rollback.model_copy(update={"kind": ChangeKind.ROLLBACK}))

    offer = bot.card.offer
    assert offer is not None
    assert (ProposalState.CANCELLED, True) == (offer.state, offer.may_propose_again)
    assert (
        "Withdrawn at 03:01:05 UTC: checkout 41 · rollback by dana went live at 03:01:05 UTC, after this was "
        "proposed. Nothing ran."
    ) == offer.outcome
    assert [(ID, 1)] == bot.workflows.woken


@pytest.mark.parametrize(
    "change",
    [
        a_change(service="payments", version="7", finished_at=NOW + timedelta(seconds=30)),
        a_change(finished_at=NOW - timedelta(minutes=2)),
        a_change(version="43", finished_at=NOW + timedelta(days=1)),
        a_change(version="43", finished_at=NOW - timedelta(days=3652)),
    ],
    ids=["of another service", "told again", "of tomorrow", "of ten years ago"],
)
async def test_a_change_that_does_not_concern_the_proposal_leaves_it(bot: Bot, change: ChangeEvent) -> None:
    await bot.begin()
    bot.time.advance(timedelta(minutes=1))
    await bot.tell(change)

    assert ProposalState.PROPOSED is await bot.state()


async def test_a_change_with_an_impossible_time_is_kept_and_never_named() -> None:
    """A deploy dated tomorrow, and one of ten years ago."""
    bot = a_bot(changes=[])
    for version, at in (("43", NOW + timedelta(days=1)), ("2", NOW - timedelta(days=3652))):
        await bot.tell(a_change(version=version, finished_at=at))
    await bot.begin()

    assert bot.card.cause is not None
    assert ("No change is suspected", ()) == (bot.card.cause.headline, bot.card.cause.suspects)
    assert 2 == len([said for said in bot.telemetry.said if "impossible time" in said])
    assert None is not await bot.ledger.get(a_change(version="43").id)


async def test_a_deploy_of_a_service_that_has_nothing_to_do_with_it_is_not_named() -> None:
    bot = a_bot(
        changes=[a_change(service="newsletter", version="7")],
        services={"checkout": a_service(), "newsletter": a_service(pagerduty=(), names=())},
    )
    await bot.begin()

    assert bot.card.cause is not None
    assert bot.card.offer is not None
    assert ("No change is suspected", "Restart checkout") == (
        bot.card.cause.headline,
        bot.card.offer.plan.title,
    )


async def test_a_missing_previous_version_is_read_from_the_ledger() -> None:
    bot = a_bot(changes=[])
    await bot.tell(a_change(version="41", previous_version="40", finished_at=NOW - timedelta(days=2)))
    await bot.tell(a_change(version="42", previous_version=None))
    await bot.begin()

    assert bot.card.offer is not None
    assert "Roll checkout back to 41" == bot.card.offer.plan.title


async def test_two_changes_that_cannot_be_told_apart_lead_to_no_plan() -> None:
    at = NOW - timedelta(minutes=2)
    bot = a_bot(changes=[a_change(version="42", finished_at=at), a_change(version="43", finished_at=at)])
    await bot.begin()

    assert None is await bot.last()
    assert ["No playbook is proposed: two changes cannot be told apart."] == [
        note.text for note in bot.card.notes
    ]


async def test_a_card_whose_answer_was_lost_is_found_and_not_posted_again(bot: Bot) -> None:
    bot.chat.loses_answers = 1
    await bot.hear()
    await investigate(bot.world, ID)
    with pytest.raises(Unclear):
        await show(bot.world, ID)
    moves = await bot.follow()

    assert (1, ProposalState.PROPOSED) == (len(bot.chat.cards), await bot.state())
    assert isinstance(moves[-1], Await)


async def test_an_acknowledgement_before_the_first_card_does_not_post_a_second(bot: Bot) -> None:
    await bot.hear()
    bot.pager.put(an_incident(status=IncidentStatus.ACKNOWLEDGED))
    await bot.hear(K.ACKNOWLEDGED)
    before = dict(bot.chat.cards)
    await bot.course()

    assert ({}, 1, IncidentStatus.ACKNOWLEDGED) == (before, len(bot.chat.cards), bot.card.incident.status)


async def test_a_silent_slack_loses_nothing(bot: Bot) -> None:
    bot.chat.is_down = True
    await bot.hear()
    await investigate(bot.world, ID)
    with pytest.raises(Unavailable):
        await bot.follow()
    bot.chat.is_down = False
    await bot.follow()

    assert (1, CHANNEL, ProposalState.PROPOSED) == (
        len(bot.chat.cards),
        next(iter(bot.chat.cards)).channel,
        await bot.state(),
    )
    assert DANA.id not in bot.card.mentions


async def test_an_old_page_that_the_pager_does_not_know_is_closed_and_audited() -> None:
    bot = a_bot(incidents=[])
    await bot.hear(incident="QOLD001", occurred_at=datetime(1999, 1, 1, tzinfo=UTC))
    moves = await bot.course("QOLD001")
    again = await reconcile(bot.world)
    said = (await bot.ask("status QOLD001")).document

    assert ([Finish()], 0, {}, ()) == (moves, again, bot.chat.cards, tuple(await bot.world.book.open()))
    entry = (await bot.entries("QOLD001"))[-1]
    assert ("resolved", {"status": "resolved", "life": 1, "unknown_to_pager": True}) == (
        entry.act,
        entry.body_values(),
    )
    assert said.title.startswith("Closed: PagerDuty does not know this incident")


async def test_a_fresh_page_that_the_pager_does_not_know_says_so_and_is_closed_when_it_is_old() -> None:
    bot = a_bot(incidents=[], changes=[])
    await bot.hear()
    await bot.course()
    fresh = bot.card
    kept = await reconcile(bot.world)
    bot.time.advance(timedelta(minutes=16))
    closed = await reconcile(bot.world)
    await bot.hear()
    await bot.follow()

    assert fresh.cause is not None
    assert fresh.cause.limits == ("PagerDuty does not know this incident: the confidence is capped",)
    assert (fresh.cause.confidence_percent, fresh.cause.nothing_changed_percent) == (75, 75)
    assert ("Waiting for approval", 0, 1) == (fresh.status_line, kept, closed)
    assert "Closed: PagerDuty does not know this incident" == bot.card.status_line
    assert [] == list(await bot.world.book.open())


async def test_an_incident_that_the_pager_has_known_is_not_closed_when_it_hides_it() -> None:
    """A token that lost its rights is told that nothing is there."""
    bot = a_bot(incidents=[an_incident().model_copy(update={"number": 7})])
    await bot.begin()
    bot.pager.forget(ID)
    bot.time.advance(timedelta(minutes=16))

    assert 0 == await reconcile(bot.world)
    assert [ID] == [record.id for record in await bot.world.book.open()]
