"""Those who only need to know are told once, where the catalogue says, by a person or by themselves."""

from collections.abc import Sequence

import pytest

from bot.app.facts import gather
from bot.app.inform import inform
from bot.app.postmortem import postmortem
from bot.app.running_summary import MOST_OPEN
from bot.domain.approval import Action
from bot.domain.card import CardRef
from bot.domain.catalogue import Catalogue
from bot.domain.document import Document
from bot.domain.errors import Unavailable, Unclear
from bot.domain.ids import IncidentId, ServiceName, SlackUserId
from bot.domain.incident import IncidentEventKind
from bot.domain.person import Person
from bot.domain.updates import Milestone, Updates
from tests.app.world import (
    CHANNEL,
    DANA,
    DEPLOY_TOKEN,
    EVE,
    OMAR,
    Bot,
    a_bot,
    a_resolved,
    a_service,
    with_world,
)
from tests.builders import INCIDENT, an_incident

Q = IncidentId(INCIDENT)
KNOWING = "C0EVERYBODY"
BOTH = Updates(service=(ServiceName("checkout"),), channel=KNOWING, pagerduty=True)
OPENED, RECOVERED, RESOLVED = Milestone.OPENED, Milestone.RECOVERED, Milestone.RESOLVED
DRAFTED = """checkout: being worked on.
checkout has had a problem since 03:00 UTC.
It was most likely caused by a recent change of ours.
A fix is prepared and waits for approval."""


def a_telling_bot(*updates: Updates, incidents: Sequence[str] = (INCIDENT,)) -> Bot:
    catalogue = Catalogue(services={ServiceName("checkout"): a_service(owner="shop team")}, updates=updates)
    return with_world(a_bot(incidents=[an_incident(name) for name in incidents]), catalogue=catalogue)


def by_itself(*milestones: Milestone) -> Updates:
    return BOTH.model_copy(update={"automatic": milestones})


def posted(bot: Bot) -> list[str]:
    """Return the first lines of what stands in the stakeholders' channel."""
    return [one.document.title for ref, one in bot.chat.documents.items() if ref.channel == KNOWING]


async def told(bot: Bot) -> list[str]:
    """Return what PagerDuty's subscribers were told, without the marker."""
    return [text.partition("\n\n[handrail update:")[0] for text in await bot.pager.updates(Q)]


async def on_record(bot: Bot) -> list[tuple[str, object]]:
    return [(e.actor, e.body_values()["where"]) for e in await bot.entries() if e.act == "informed"]


async def recover(bot: Bot) -> None:
    bot.signals.values = [0.3, 0.0]
    await bot.press(Action.APPROVE)


async def resolve(bot: Bot) -> None:
    bot.pager.put(a_resolved())
    await bot.hear(IncidentEventKind.RESOLVED)
    await bot.follow()


async def test_a_person_posts_the_draft_to_those_who_are_named() -> None:
    bot = a_telling_bot(BOTH)
    await bot.begin()
    draft = (await bot.ask("update")).document.as_text()
    said = (await bot.ask("update --post")).document.as_text()

    how = f"/incident update --post {INCIDENT}, with whom it hurts behind it, posts it to channel {KNOWING}"
    assert f"{how} and PagerDuty's status updates." in draft
    assert f"- channel {KNOWING}: posted\n- PagerDuty's status updates: posted" in said
    assert said.endswith("\n".join(f"- {line}" for line in DRAFTED.splitlines()))
    assert (["checkout: being worked on"], [DRAFTED]) == (posted(bot), await told(bot))
    where = [f"channel {KNOWING}", "PagerDuty's status updates"]
    assert [(DANA.id, place) for place in where] == await on_record(bot)


async def test_what_is_asked_for_is_on_record_before_it_is_sent() -> None:
    bot = a_telling_bot(BOTH)
    await bot.begin()
    known: list[int] = []
    whole = bot.chat.post_document

    async def looks(channel: str, document: Document, *, key: str, thread_ts: str | None = None) -> CardRef:
        known.append(len(await on_record(bot)))
        return await whole(channel, document, key=key, thread_ts=thread_ts)

    bot.chat.post_document = looks  # type: ignore[method-assign]
    await bot.ask("update --post")

    assert [1] == known


@pytest.mark.parametrize(
    "form", ["update --post {id} {words}", "update {id} —post {words}", "UPDATE --POST {words}"]
)
async def test_a_person_adds_whom_it_hurts(form: str) -> None:
    bot = a_telling_bot(BOTH)
    await bot.begin()
    await bot.ask(form.format(id=INCIDENT, words="Cards are refused, <!channel> vouchers work."))

    (document,) = (one.document for ref, one in bot.chat.documents.items() if ref.channel == KNOWING)
    assert ["What is happening", "Whom it hurts", "What we know", "What we do"] == [
        section.heading for section in document.sections
    ]
    assert "Cards are refused, <!channel> vouchers work." == document.sections[1].lines[0].text
    assert "\nCards are refused, <!channel> vouchers work.\n" in (await told(bot))[0]


async def test_the_same_update_is_posted_once_whoever_asks_and_another_one_again() -> None:
    bot = a_telling_bot(BOTH)
    await bot.begin()
    await bot.ask("update --post")
    again = (await bot.ask("update --post", by=OMAR)).document.as_text()
    await bot.ask("update --post Vouchers work.", by=OMAR)

    assert "this very update was posted before" in again
    assert (2, 2) == (len(posted(bot)), len(await told(bot)))


async def test_no_lost_answer_posts_it_twice() -> None:
    bot = a_telling_bot(BOTH)
    await bot.begin()
    bot.pager.loses_answers = 1
    whole = bot.chat.post_document

    async def lost(channel: str, document: Document, *, key: str, thread_ts: str | None = None) -> CardRef:
        await whole(channel, document, key=key, thread_ts=thread_ts)
        raise Unclear("Slack took it, the answer was lost")

    bot.chat.post_document = lost  # type: ignore[method-assign]
    said = (await bot.ask("update --post")).document.as_text()

    assert f"- channel {KNOWING}: posted\n- PagerDuty's status updates: posted" in said
    assert (1, 1) == (len(posted(bot)), len(await told(bot)))


async def test_what_is_not_posted_is_said_and_the_other_place_is_told_all_the_same() -> None:
    bot = a_telling_bot(BOTH)
    await bot.begin()
    whole = bot.chat.post_document
    bot.chat.post_document = _silent  # type: ignore[method-assign]
    said = (await bot.ask("update --post")).document.as_text()
    assert f"channel {KNOWING}: not posted (Slack did not answer)" in said
    assert [DRAFTED] == await told(bot)

    bot.chat.post_document = whole  # type: ignore[method-assign]
    await bot.ask("update --post")
    assert (1, 1) == (len(posted(bot)), len(await told(bot)))


async def _silent(*_: object, **__: object) -> CardRef:
    raise Unavailable("Slack did not answer")


async def test_who_may_not_write_a_note_may_not_post_an_update() -> None:
    bot = a_telling_bot(BOTH)
    await bot.begin()
    guest = EVE.model_copy(update={"is_guest": True})
    stranger = Person(id=SlackUserId("U0STRANGER"), team_id="T0HANDRAIL", name="Stranger")
    bot.directory.put(guest)
    bot.directory.put(stranger)
    await bot.ask("update --post", by=guest)
    unseen = (await bot.ask(f"update --post {INCIDENT}", by=stranger, channel="C0ELSEWHERE")).document.title

    assert f"There is no incident {INCIDENT} on record. Nothing was posted." == unseen
    assert ([], [], []) == (posted(bot), await told(bot), await on_record(bot))


@pytest.mark.parametrize(
    "words",
    ["Q0UNKNOWN00001 Cards are refused.", "q0other123 Cards fail.", "checkout", "#77 Cards are refused."],
)
async def test_a_name_that_is_not_known_is_never_taken_for_a_text_about_another_incident(words: str) -> None:
    bot = a_telling_bot(BOTH)
    await bot.begin()
    said = (await bot.ask(f"update --post {words}")).document.title

    assert f"There is no incident {words.split()[0]} on record. Nothing was posted." == said
    assert ([], []) == (posted(bot), await told(bot))


async def test_a_text_may_begin_with_a_long_word_of_small_letters() -> None:
    bot = a_telling_bot(BOTH)
    await bot.begin()
    await bot.ask("update --post payments are refused.")

    assert ["checkout: being worked on"] == posted(bot)


async def test_without_somebody_named_a_draft_is_all_there_is() -> None:
    bot = a_telling_bot(Updates(team=("web team",), channel=KNOWING))
    await bot.begin()
    draft = (await bot.ask("update")).document.as_text()
    said = (await bot.ask("update --post")).document.title

    assert "Nobody is named to be told of it under `updates` in services.yaml" in draft
    assert said.startswith("Nothing was posted. Nobody is named")
    assert [] == posted(bot)


async def test_an_update_holds_no_title_no_names_and_no_secret() -> None:
    bot = a_telling_bot(BOTH)
    await bot.begin()
    await bot.ask(f"update --post The token {DEPLOY_TOKEN} was refused.")

    (text,) = await bot.pager.updates(Q)
    assert not [word for word in ("Error rate", "Omar", "Dana", "rollback", DEPLOY_TOKEN) if word in text]
    assert DEPLOY_TOKEN not in "".join(entry.body for entry in await bot.entries())


async def test_it_is_posted_by_itself_at_what_the_team_names_once_for_each() -> None:
    bot = a_telling_bot(by_itself(OPENED, RECOVERED, RESOLVED))
    await bot.begin()
    await recover(bot)
    await resolve(bot)
    for _ in range(2):
        await bot.wind_up()

    expected = ["checkout: being worked on", "checkout: recovered", "checkout: resolved"]
    assert expected == posted(bot)
    assert [f"{title}." for title in expected] == [text.partition("\n")[0] for text in await told(bot)]
    assert {"handrail"} == {actor for actor, _ in await on_record(bot)}


async def test_what_the_team_does_not_name_is_left_to_people() -> None:
    bot = a_telling_bot(by_itself(RESOLVED))
    await bot.begin()
    await recover(bot)
    assert [] == posted(bot)
    await resolve(bot)

    assert ["checkout: resolved"] == posted(bot)


async def test_without_a_word_about_it_nothing_is_posted_by_itself() -> None:
    bot = a_telling_bot(BOTH)
    await bot.begin()
    await recover(bot)
    await resolve(bot)

    assert ([], []) == (posted(bot), await told(bot))


async def test_in_a_crowd_nothing_is_posted_by_itself() -> None:
    names = [f"Q{number:03d}" for number in range(MOST_OPEN + 2)]
    bot = a_telling_bot(by_itself(OPENED), incidents=names)
    for name in names:
        await bot.hear(incident=name)
    for name in names:
        await bot.course(name)

    assert [] == posted(bot)


async def test_a_neighbour_that_is_away_holds_nothing_up_and_the_next_time_makes_it_good() -> None:
    bot = a_telling_bot(by_itself(RECOVERED))
    await bot.begin()
    whole = bot.chat.post_document
    bot.chat.post_document = _silent  # type: ignore[method-assign]
    await recover(bot)
    assert "degraded stakeholder update" in bot.telemetry.said
    bot.chat.post_document = whole  # type: ignore[method-assign]

    await inform(bot.world, Q, sleep=bot.sleep)
    assert (["checkout: recovered"], 1) == (posted(bot), len(await told(bot)))


async def test_timeline_and_postmortem_tell_who_asked_that_whom_be_told() -> None:
    """What is on record is written before it is sent, and Slack may have refused it."""
    bot = a_telling_bot(BOTH)
    await bot.begin()
    bot.chat.post_document = _silent  # type: ignore[method-assign]
    await bot.ask("update --post", channel=CHANNEL)

    said = f"Dana asked that channel {KNOWING} be told how it stands (record"
    timeline = (await bot.ask("timeline")).document.as_text()
    record = await bot.world.book.get(Q)
    assert record is not None
    drafted = postmortem(await gather(bot.world, record)).as_text()
    for text in (timeline, drafted):
        assert (True, False) == (said in text, f"told channel {KNOWING}" in text)
