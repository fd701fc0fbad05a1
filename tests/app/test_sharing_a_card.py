"""Incidents of one cause share a card; people undo that; what is let go of goes on by itself."""

from datetime import timedelta

from adapters.handlers import Handlers
from adapters.slack.actions import UndoPressed, to_bytes
from bot.app.intake import reconcile
from bot.app.storm import Painter
from bot.app.world import Manners
from bot.domain.approval import Action
from bot.domain.catalogue import Approvers, Catalogue
from bot.domain.document import Document
from bot.domain.ids import ClickId, IncidentId, ServiceName
from bot.domain.incident import Incident, IncidentEventKind, IncidentStatus
from bot.domain.merging import MergingRules
from bot.domain.person import Person
from bot.domain.proposal import ProposalState
from bot.ports import Message, Stream
from tests.app.world import CHANNEL, DANA, EVE, OMAR, Bot, a_bot, a_resolved, a_service, with_world
from tests.builders import NOW, an_incident

CHECKOUT, PAYMENTS, WEB = "PCHECKOUT", "PPAYMENTS", "PWEB"
ACKNOWLEDGED = IncidentEventKind.ACKNOWLEDGED
RESOLVED = IncidentEventKind.RESOLVED
PRIVATE = "C0PAYMENTS"


def page(name: str, service: str, *, minutes: float = 0) -> Incident:
    at = NOW + timedelta(minutes=minutes)
    made = an_incident(name, service=service, title=f"{service} fails", opened_at=at)
    return made.model_copy(update={"pagerduty_service_id": f"P{service.upper()}"})


FIRST, SECOND, THIRD = page("P1", "checkout"), page("P2", "payments", minutes=2), page("P3", "web", minutes=3)


def a_shop(*, storm: int = 100, resolves: bool = False, incidents: tuple[Incident, ...] = ()) -> Bot:
    """Return a bot that knows of three services, `web → checkout → payments`, and groups."""
    return a_bot(
        incidents=incidents or (FIRST, SECOND, THIRD),
        services={
            "checkout": a_service(dependencies=(ServiceName("payments"),)),
            "payments": a_service(
                pagerduty=(PAYMENTS,), names=(), playbooks=(), approvers=Approvers(users=(DANA.id,))
            ),
            "web": a_service(
                pagerduty=(WEB,), names=(), playbooks=(), dependencies=(ServiceName("checkout"),)
            ),
        },
        manners=Manners(
            default_channel=CHANNEL,
            approval_ttl=timedelta(minutes=15),
            merging=MergingRules(storm_incidents=storm),
            resolve_when_recovered=resolves,
        ),
    )


async def hear(bot: Bot, incident: Incident, kind: IncidentEventKind = IncidentEventKind.TRIGGERED) -> None:
    await bot.hear(
        kind,
        incident.id,
        title=incident.title,
        pagerduty_service_id=incident.pagerduty_service_id,
        opened_at=incident.opened_at,
        occurred_at=incident.opened_at,
    )


async def three_of_one_cause(bot: Bot) -> None:
    """Hear of all three, and play the course of the first."""
    await hear(bot, FIRST)
    await bot.course("P1")
    await hear(bot, SECOND)
    await hear(bot, THIRD)


async def resolve(bot: Bot, incident: Incident) -> None:
    bot.pager.put(a_resolved(incident))
    await hear(bot, incident, RESOLVED)


async def ask(bot: Bot, text: str, *, by: Person = DANA) -> Document:
    return (await bot.ask(text, by=by)).document


def also(bot: Bot) -> list[str]:
    return [line.text for line in bot.card.also]


async def test_three_services_of_one_cause_have_one_card_one_proposal_and_one_course() -> None:
    bot = a_shop()
    await three_of_one_cause(bot)

    assert [("P1", 1)] == bot.workflows.started
    assert [
        "also: payments P2, triggered, joined because payments is 1 hop from checkout, 2 min later",
        "also: web P3, triggered, joined because web is 1 hop from checkout, 3 min later",
    ] == also(bot)
    assert (None, None) == (await bot.last("P2"), await bot.last("P3"))
    assert {"P1", "P2", "P3"} == {record.id for record in await bot.world.book.open()}


async def test_what_comes_before_the_card_is_on_it_from_the_beginning() -> None:
    bot = a_shop()
    await hear(bot, FIRST)
    await hear(bot, SECOND)
    await bot.course("P1")

    assert 1 == len(also(bot))


async def test_the_thread_has_the_detail_of_each_once() -> None:
    bot = a_shop()
    await hear(bot, FIRST)
    await hear(bot, SECOND)

    is_waiting = await Painter(bot.world).paint()
    await bot.course("P1")
    again = await Painter(bot.world).paint()
    await Painter(bot.world).paint()

    assert (True, False) == (is_waiting, again)
    (reply,) = bot.chat.replies
    assert "Also of this cause: payments fails" == reply.document.title
    assert "Undo: /incident split P2" in reply.document.as_text()


def a_shop_with_a_private_channel() -> Bot:
    """Return the shop, in which what payments suffers is read in a channel of its own."""
    bot = a_shop()
    services = {
        name: service.model_copy(update={"channel": PRIVATE}) if name == "payments" else service
        for name, service in bot.world.catalogue.services.items()
    }
    return with_world(bot, catalogue=Catalogue(services=services))


async def test_sl_summary_leak_a_merged_incidents_title_stays_in_its_channel() -> None:
    """It is merged twice, the second time as the same alert: neither sentence repeats the title."""
    again = page("P4", "payments", minutes=4)
    bot = a_shop_with_a_private_channel()
    bot.pager.put(again)
    await hear(bot, FIRST)
    await bot.course("P1")
    await hear(bot, SECOND)
    await hear(bot, again)

    await Painter(bot.world).paint()
    muted = await ask(bot, "muted")

    assert ["Also of this cause: P2", "Also of this cause: P4"] == [
        r.document.title for r in bot.chat.replies
    ]
    assert [
        "also: payments P2, triggered, joined because payments is 1 hop from checkout, 2 min later",
        "also: payments P4, triggered, joined because the same alert of payments, 4 min later",
    ] == also(bot)
    said = [*(reply.document.as_text() for reply in bot.chat.replies), *also(bot), muted.as_text()]
    assert not [text for text in said if SECOND.title in text]


async def test_a_merged_incident_that_is_acknowledged_or_resolved_says_so_on_its_line() -> None:
    bot = a_shop()
    await three_of_one_cause(bot)
    bot.pager.put(SECOND.model_copy(update={"status": IncidentStatus.ACKNOWLEDGED}))
    await hear(bot, SECOND, ACKNOWLEDGED)
    await resolve(bot, THIRD)

    assert ["also: payments P2, acknowledged", "also: web P3, resolved"] == [
        line.split(", joined")[0] for line in also(bot)
    ]
    assert [] == bot.workflows.woken
    assert [("P1", 1)] == bot.workflows.started


async def test_reconciling_starts_no_course_for_what_is_merged() -> None:
    bot = a_shop()
    await three_of_one_cause(bot)

    await reconcile(bot.world)

    assert [("P1", 1)] == bot.workflows.started


async def test_a_person_takes_one_out_and_it_lives_its_own_life() -> None:
    bot = a_shop()
    await three_of_one_cause(bot)

    said = await ask(bot, "split P2")
    await bot.course("P2")
    await hear(bot, SECOND)

    assert "P2 goes on by itself now. Its own card follows." == said.title
    assert [("P1", 1), ("P2", 1)] == bot.workflows.started
    cards = {str(card.incident.id): [line.text for line in card.also] for card in bot.chat.cards.values()}
    assert ["also: web P3, triggered, joined because web is 1 hop from checkout, 3 min later"] == cards["P1"]
    assert ["Dana took this out of P1: it was there because payments is 1 hop from checkout."] == cards["P2"]


async def test_nobody_who_does_not_count_undoes_a_merge() -> None:
    bot = a_shop()
    await three_of_one_cause(bot)
    bot.directory.put(EVE.model_copy(update={"is_guest": True}))

    said = await ask(bot, "split P2", by=EVE)

    assert "You cannot undo this: guests do not count." == said.title
    assert [("P1", 1)] == bot.workflows.started


async def test_what_cannot_be_split_is_answered_with_why() -> None:
    bot = a_shop()
    await three_of_one_cause(bot)

    assert "Incident P1 has a card of its own already." == (await ask(bot, "split P1")).title
    assert "There is no incident PX on record." == (await ask(bot, "split PX")).title
    assert "Which incident?" in (await ask(bot, "split")).title


async def test_muted_lists_what_is_hidden_with_the_rule_and_the_way_back() -> None:
    bot = a_shop()
    await three_of_one_cause(bot)
    await ask(bot, "split P3")

    said = (await ask(bot, "muted")).as_text()

    assert said.startswith("Without a card of their own: 1 open incident\n")
    assert "P2 merged into P1: payments is 1 hop from checkout (rule near). Undo: /incident split P2" in said
    assert "P3 taken out of P1 by Dana: it was there because web is 1 hop from checkout" in said
    assert (
        "Shown on the card of P1: payments is 1 hop from checkout" in (await ask(bot, "status P2")).as_text()
    )


async def test_muted_offers_an_undo_for_each_that_is_hidden_now() -> None:
    bot = a_shop()
    await three_of_one_cause(bot)
    hidden = (await ask(bot, "muted")).undoable
    await press_undo(bot, "P3")

    assert {"P2", "P3"} == set(hidden)
    assert ("P2",) == (await ask(bot, "muted")).undoable


async def test_undo_does_what_split_does_and_answers_whoever_pressed_it_alone() -> None:
    bot = a_shop()
    await three_of_one_cause(bot)

    await press_undo(bot, "P2", by=OMAR)
    await press_undo(bot, "P2", by=OMAR)

    assert [("P1", 1), ("P2", 1)] == bot.workflows.started
    assert [
        (CHANNEL, OMAR.id, "P2 goes on by itself now. Its own card follows."),
        (CHANNEL, OMAR.id, "P2 is by itself; it will not be merged again."),
    ] == [(w.channel, w.user, w.said.title) for w in bot.chat.told if isinstance(w.said, Document)][-2:]


async def test_nobody_who_does_not_count_undoes_a_merge_by_a_button() -> None:
    bot = a_shop()
    await three_of_one_cause(bot)
    bot.directory.put(EVE.model_copy(update={"is_guest": True}))

    await press_undo(bot, "P2", by=EVE)

    assert [("P1", 1)] == bot.workflows.started


async def press_undo(bot: Bot, incident: str, *, by: Person = DANA) -> None:
    """Handle a press of Undo as it lies in the queue."""
    press = UndoPressed(
        click_id=ClickId(f"{incident}-{by.id}"),
        incident_id=IncidentId(incident),
        user_id=by.id,
        channel=CHANNEL,
    )
    message = Message(
        id="1", stream=Stream.ACTIONS, key=press.key, payload=to_bytes(press), received_at=bot.time.at
    )
    await Handlers(bot.world).action(message)


async def test_when_the_first_is_resolved_the_rest_goes_on_by_itself() -> None:
    bot = a_shop()
    await hear(bot, FIRST)
    await bot.course("P1")
    await hear(bot, SECOND)
    await resolve(bot, FIRST)
    await bot.course("P2")

    assert [("P1", 1), ("P2", 1)] == bot.workflows.started
    (mine,) = [card for card in bot.chat.cards.values() if card.incident.id == "P2"]
    assert ["This was shown on the card of P1 until then: P1 was resolved."] == [
        line.text for line in mine.also
    ]


async def test_a_resolved_incident_takes_nothing_more() -> None:
    bot = a_shop()
    await hear(bot, FIRST)
    await bot.course("P1")
    await resolve(bot, FIRST)
    await hear(bot, SECOND)

    assert [("P1", 1), ("P2", 1)] == bot.workflows.started


async def test_a_recovered_incident_takes_nothing_more_though_it_is_open() -> None:
    bot = a_shop()
    await hear(bot, FIRST)
    await bot.course("P1")
    bot.signals.values = [0.3, 0.0]
    await bot.press(Action.APPROVE, incident="P1")
    assert ProposalState.VERIFIED is await bot.state("P1")

    await hear(bot, SECOND)

    assert [("P1", 1), ("P2", 1)] == bot.workflows.started


async def test_a_release_that_a_crash_cut_short_is_made_good_by_the_next_look() -> None:
    bot = a_shop()
    await hear(bot, FIRST)
    await hear(bot, SECOND)
    bot.pager.put(a_resolved(FIRST))
    await bot.world.book.see(a_resolved(FIRST))
    await bot.world.groups.close(a_resolved(FIRST), bot.world.topology(), MergingRules())

    await reconcile(bot.world)

    assert [("P1", 1), ("P2", 1)] == bot.workflows.started


async def test_a_recovery_is_noted_on_each_and_resolves_none_by_itself() -> None:
    bot = a_shop()
    await three_of_one_cause(bot)
    bot.signals.values = [0.3, 0.0]
    await bot.press(Action.APPROVE, incident="P1")
    await bot.follow("P1")

    assert ProposalState.VERIFIED is await bot.state("P1")
    (note,) = await bot.pager.notes(IncidentId("P2"))
    assert note.startswith("This was handled together with P1, “checkout fails”, because payments is 1 hop")
    assert "Roll checkout back to 41: recovered" in note
    assert 1 == len(await bot.pager.notes(IncidentId("P3")))
    assert (await bot.pager.read(IncidentId("P2"))).is_open
    assert 1 == len(bot.runner.ran)


async def test_with_leave_to_resolve_the_merged_ones_are_resolved_too() -> None:
    bot = a_shop(resolves=True)
    await three_of_one_cause(bot)
    bot.signals.values = [0.3, 0.0]
    await bot.press(Action.APPROVE, incident="P1")

    assert [False] * 3 == [(await bot.pager.read(IncidentId(one))).is_open for one in ("P1", "P2", "P3")]


async def test_a_storm_is_one_card_and_one_list_and_everything_is_on_record() -> None:
    bot = a_shop(storm=2, incidents=tuple(page(f"P{n}", f"service-{n}") for n in range(30)))
    for number in range(30):
        await hear(bot, page(f"P{number}", f"service-{number}"))
    painter = Painter(bot.world)
    await painter.paint()
    await painter.paint()

    assert 2 == len(bot.workflows.started)
    assert ["Storm · 28 open incidents", "28 open incidents of this storm, the newest first"] == [
        one.document.title for one in bot.chat.documents.values()
    ]
    assert [] == bot.chat.document_edits
    assert 30 == len(await bot.world.book.open())

    await resolve(bot, page("P9", "service-9"))
    await painter.paint()
    assert ["Storm · 27 open incidents", "27 open incidents of this storm, the newest first"] == [
        one.document.title for one in bot.chat.documents.values()
    ]
    assert 2 == len(bot.workflows.started)


async def test_a_storm_card_whose_answer_was_lost_is_found_again() -> None:
    bot = a_shop(storm=1, incidents=tuple(page(f"P{n}", f"service-{n}") for n in range(3)))
    for number in range(3):
        await hear(bot, page(f"P{number}", f"service-{number}"))
    (view,) = await bot.world.groups.storms_to_show(9)
    key = f"storm:{view.storm.id}"
    await bot.world.outbox.claim(key, IncidentId("P1"))
    stood = await bot.chat.post_document(CHANNEL, Document(title="Storm", sections=()), key=key)

    await Painter(bot.world).paint()

    assert 2 == len(bot.chat.documents)
    assert "Storm · 2 open incidents" == bot.chat.documents[stood].document.title


async def test_a_muted_incident_is_taken_out_of_the_storm() -> None:
    bot = a_shop(storm=1, incidents=tuple(page(f"P{n}", f"service-{n}") for n in range(3)))
    for number in range(3):
        await hear(bot, page(f"P{number}", f"service-{number}"))
    await ask(bot, "split P2")

    assert [("P0", 1), ("P2", 1)] == bot.workflows.started


async def test_without_grouping_each_has_its_own() -> None:
    bot = a_bot(incidents=[FIRST, page("P9", "checkout")])
    await hear(bot, FIRST)
    await hear(bot, page("P9", "checkout"))

    assert [("P1", 1), ("P9", 1)] == bot.workflows.started
    assert "Nothing is merged or muted" in (await ask(bot, "muted")).title
    assert "Nothing is merged here" in (await ask(bot, "split P9")).title
