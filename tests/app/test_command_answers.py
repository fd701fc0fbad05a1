"""What each command answers, word for word, and who may have what done."""

from datetime import timedelta

import pytest

from bot.app.commands.asked import Way
from bot.domain.approval import Action
from bot.domain.document import Document, Section, lines
from bot.domain.errors import Unavailable, Unclear
from bot.domain.ids import IncidentId, PagerDutyUserId, SlackUserId
from bot.domain.incident import IncidentEventKind, IncidentStatus
from bot.domain.person import OnCall, Person
from bot.domain.plan import Plan
from bot.domain.proposal import ProposalState
from tests.app.world import CHANNEL, DANA, DEPLOY_TOKEN, OMAR, Bot, a_bot, a_resolved, a_service
from tests.builders import INCIDENT, an_incident

ID = IncidentId(INCIDENT)
SECOND = "Q2INCIDENT0002"
OUTSIDER = Person(id=SlackUserId("U0OUT"), team_id="T0HANDRAIL", name="Otto")
GUEST = Person(id=SlackUserId("U0GUEST"), team_id="T0HANDRAIL", name="Gus", is_guest=True)


def a_document(title: str, **sections: list[str]) -> Document:
    """Return a document; an underscore in a heading's name stands for a blank."""
    return Document(
        title=title,
        sections=tuple(
            Section(heading=h.replace("_", " "), lines=lines(said)) for h, said in sections.items()
        ),
    )


async def told(bot: Bot, text: str, *, by: Person = DANA, way: Way = Way.SLASH) -> Document:
    """Return the answer without its links."""
    document = (await bot.ask(text, by=by, way=way)).document
    plain = [s.model_copy(update={"lines": lines(x.text for x in s.lines)}) for s in document.sections]
    return document.model_copy(update={"sections": tuple(plain)})


async def title(bot: Bot, text: str, *, by: Person = DANA) -> str:
    return (await bot.ask(text, by=by)).document.title


async def commanded(bot: Bot) -> list[tuple[str, object]]:
    entries = await bot.entries()
    return [(e.actor, e.body_values()["command"]) for e in entries if e.act == "commanded"]


async def test_list(bot: Bot) -> None:
    await bot.begin()

    line = f"Error rate is 12 % · triggered for 5 s · checkout · #7, {INCIDENT}"
    assert a_document("1 open incident", Open=[line], Ended_last=["None."]) == await told(bot, "list")


async def test_status(bot: Bot) -> None:
    await bot.begin()

    said = [
        "Opened at 03:00:00 UTC, triggered",
        "On call: Omar",
        "Probably the deploy of checkout 42 (high confidence, 91 %)",
        "Roll checkout back to 41: proposed",
    ]
    expected = a_document("Waiting for approval · Error rate is 12 %", **{f"Incident {INCIDENT}": said})
    assert expected == await told(bot, "status")


async def test_timeline(bot: Bot) -> None:
    await bot.begin()
    await bot.ask("propose restart-service", by=OMAR)

    assert a_document(
        "Timeline of Error rate is 12 %",
        **{
            "In order of time, with the source": [
                "02:58:00 UTC change: checkout 42 · deploy by dana (change ledger)",
                "03:00:00 UTC it opened (PagerDuty)",
                "03:00:00 UTC alert: Error rate is 12 % (PagerDuty)",
                "03:00:05 UTC it reached Handrail (record)",
                "03:00:05 UTC Probably the deploy of checkout 42, high confidence, 91 % (ranking)",
                "03:00:05 UTC “Roll checkout back to 41” was proposed (record)",
                "03:00:05 UTC “Roll checkout back to 41” was replaced: proposal 2 took its place (record)",
                "03:00:05 UTC “Restart checkout” was proposed, asked for by Omar (record)",
            ]
        },
    ) == await told(bot, "timeline")


async def test_suspects(bot: Bot) -> None:
    await bot.begin()

    assert a_document(
        "Suspects of Error rate is 12 %",
        **{
            "In short": [
                "Probably the deploy of checkout 42 (high confidence, 91 %)",
                "Rules only: no model took part.",
            ],
            "91 % checkout 42 · deploy by dana": [
                "changed checkout, which alerts",
                "against it: finished 2 min before the first symptom",
            ],
            "9 % nothing changed": ["most alerts are not caused by a recorded change"],
        },
    ) == await told(bot, "suspects")


async def two_alike() -> Bot:
    """A bot that fixed the first incident, and hears of a second like it an hour later."""
    bot = a_bot()
    await bot.begin()
    bot.signals.values = [0.3, 0.0]
    await bot.press(Action.APPROVE)
    bot.pager.put(a_resolved())
    await bot.hear(IncidentEventKind.RESOLVED)
    bot.time.advance(timedelta(hours=1))
    bot.pager.put(an_incident(SECOND, opened_at=bot.time.at).model_copy(update={"number": 8}))
    await bot.hear(incident=SECOND)
    await bot.course(SECOND)
    return bot


async def test_similar_tells_what_fixed_it_last_time() -> None:
    bot = await two_alike()

    said = f"{INCIDENT}, 03:00:00 UTC, Error rate is 12 % · fixed by “Roll checkout back to 41” "
    said += "(rollback-deploy) · suspected: checkout 42 · deploy by dana"
    assert a_document(
        "Like Error rate is 12 %", **{"Earlier on checkout, and what fixed it": [said]}
    ) == await told(bot, "similar")
    assert said in (await told(bot, "context")).as_text()


async def test_who(bot: Bot) -> None:
    await bot.begin()

    assert a_document(
        "Who is on it: Error rate is 12 %",
        Now=[
            "On call: Omar",
            "Approval: only Dana or whoever is on call in PagerDuty may decide this",
        ],
        Who_decided_and_said_what=["Nobody yet."],
    ) == await told(bot, "who")


async def test_runbook() -> None:
    bot = a_bot(services={"checkout": a_service(runbook_url="https://wiki.example.com/checkout")})
    await bot.begin()
    answer = (await bot.ask("runbook")).document

    assert "https://wiki.example.com/checkout" == answer.sections[0].lines[0].url
    said = "answers deploy; risk medium; steps roll-back. Ask: /incident propose rollback-deploy"
    assert f"rollback-deploy: {said}" == answer.sections[1].lines[0].text


async def test_verify_reads_the_signal_now_and_changes_nothing(bot: Bot) -> None:
    await bot.begin()
    before = await bot.entries()
    sick = await told(bot, "verify")
    bot.signals.values = [0.001]
    well = await title(bot, "verify")
    bot.signals.values = [None]
    unknown = await title(bot, "verify")

    assert (
        a_document(
            f"{INCIDENT} is not healthy at 03:00:05 UTC",
            Now=[
                "error_ratio of checkout reads 0.3, it should be below 0.02: not healthy",
                "Roll checkout back to 41 is proposed; this look changes nothing about that.",
            ],
        )
        == sick
    )
    assert f"{INCIDENT} is healthy at 03:00:05 UTC" == well
    assert f"{INCIDENT} is unknown, which never counts as healthy at 03:00:05 UTC" == unknown
    assert before == await bot.entries()


async def test_summary_and_handover(bot: Bot) -> None:
    await bot.begin()
    summary = await told(bot, "summary")

    assert "Summary of Error rate is 12 %" == summary.title
    assert (
        lines(["Nothing has proven a recovery so far; the incident is open."]) == summary.sections[-1].lines
    )
    (decided,) = (section for section in summary.sections if section.heading == "Who decided what")
    assert decided.lines[0].text.endswith("” is proposed and waits for a decision")
    assert a_document(
        "Hand-over at 03:00:05 UTC: 1 open incident",
        **{
            f"{INCIDENT} · Error rate is 12 % · Waiting for approval": [
                "Opened at 03:00:00 UTC, triggered",
                "On call: Omar",
                "Probably the deploy of checkout 42 (high confidence, 91 %)",
                "Roll checkout back to 41 is proposed",
                "Waits for: somebody who approves or denies what is proposed",
            ],
            "Ended in the last 12 h": ["None."],
        },
    ) == await told(bot, "handover")


async def test_report_counts_what_the_asker_may_know_of() -> None:
    bot = await two_alike()

    assert a_document(
        "The last 7 days: 2 incidents",
        Incidents=[
            "1 is open, 1 ended",
            "From opening to the end: median 10 s, longest 10 s",
            "A change was named as the cause of 2 of 2",
        ],
        Playbooks=["2 proposed, 1 approved by people", "1 proposed", "1 verified"],
        By_service=["checkout: 2"],
    ) == await told(bot, "report")
    assert "The last 30 min: 1 incident" == await title(bot, "report 30m")


async def test_a_person_may_have_another_playbook_proposed_and_the_plan_says_who(bot: Bot) -> None:
    await bot.begin()
    said = await told(bot, "propose restart-service", by=OMAR)
    made = await bot.the_last()

    assert f"restart-service is proposed for {INCIDENT}" == said.title
    assert (ProposalState.PROPOSED, "restart-service", OMAR.id) == (
        made.state,
        Plan.from_bytes(made.plan).playbook,
        Plan.from_bytes(made.plan).requester,
    )
    assert [] == bot.runner.ran


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("propose", "“Roll checkout back to 41” waits for a decision on the card already."),
        ("propose rollback-deploy", "“Roll checkout back to 41” waits for a decision on the card already."),
        (
            "propose disable-flag",
            "playbook disable-flag: parameter 'flag' needs suspect.flag, which nobody reported.",
        ),
    ],
)
async def test_what_cannot_be_proposed_leaves_what_is(bot: Bot, text: str, why: str) -> None:
    before = await bot.begin()

    assert f"Nothing was proposed: {why}" == await title(bot, text)
    assert before == (await bot.last()).model_copy() if before else None  # type: ignore[union-attr]


async def test_a_guest_changes_nothing(bot: Bot) -> None:
    await bot.begin()
    bot.directory.put(GUEST)
    before = await bot.entries()
    for text in ("ack", "resolve", "escalate", "note hello", "propose restart-service", "stop"):
        assert "Nothing was done: guests do not count." == await title(bot, text, by=GUEST)

    assert before == await bot.entries()


async def test_ack_and_resolve_reach_the_pager_once_under_a_name(bot: Bot) -> None:
    await bot.begin()
    said = [await title(bot, "ack"), await title(bot, "resolve", by=OMAR)]

    assert [
        f"{INCIDENT} is acknowledged in PagerDuty, on your word.",
        f"{INCIDENT} is resolved in PagerDuty, on your word. What was proposed for it is withdrawn.",
    ] == said
    assert IncidentStatus.RESOLVED is (await bot.pager.read(ID)).status
    assert [(DANA.id, "ack"), (OMAR.id, "resolve")] == await commanded(bot)


async def test_escalate_goes_to_the_next_level() -> None:
    bot = a_bot()
    bot.pager._on_call["PESCALATE"] = [
        OnCall(user_id=PagerDutyUserId("POMAR"), name="Omar", level=1),
        OnCall(user_id=PagerDutyUserId("PLEAD"), name="Lea", level=3),
    ]
    await bot.begin()

    assert f"{INCIDENT} is escalated to level 3: Lea." == await title(bot, "escalate")
    assert f"Nobody is on call above level 3 for {INCIDENT}." == await title(bot, "escalate")


@pytest.mark.parametrize("form", ["note {0} it is back, see #42", "NOTE it is back, see #42"])
async def test_a_note_is_written_once_however_often_it_is_handed_out(bot: Bot, form: str) -> None:
    await bot.begin()
    for _ in range(3):
        await bot.ask(form.format(INCIDENT), key="one-asking")

    marker = f"[handrail pagerduty:note:{INCIDENT}:one-asking]"
    assert (f"it is back, see #42\n\nDana, from Slack {marker}",) == await bot.pager.notes(ID)
    assert [(DANA.id, "note")] == await commanded(bot)


async def test_a_note_whose_answer_was_lost_is_found_and_not_written_again(bot: Bot) -> None:
    await bot.begin()
    bot.pager.loses_answers = 1

    assert f"The note is in {INCIDENT}." == await title(bot, "note hello")
    assert 1 == len(await bot.pager.notes(ID))


async def test_a_note_lost_twice_says_so(bot: Bot) -> None:
    await bot.begin()
    bot.pager.loses_notes = 2

    assert (
        f"The note is in {INCIDENT}. Its answer was lost twice: look there whether it is so."
        == await title(bot, "note hello")
    )


async def test_no_secret_goes_into_a_note_or_the_record(bot: Bot) -> None:
    await bot.begin()

    assert "A secret in it was replaced." in await title(bot, f"note the token is {DEPLOY_TOKEN}")
    assert DEPLOY_TOKEN not in str(await bot.pager.notes(ID)) + str(await bot.entries())


async def test_a_pager_that_is_down_is_said_and_nothing_waits(bot: Bot) -> None:
    await bot.begin()
    bot.pager.is_down = True

    assert f"PagerDuty was not told to note {INCIDENT}: PagerDuty did not answer" == await title(
        bot, "note hello"
    )


@pytest.mark.parametrize("failure", [Unavailable("down"), Unclear("lost")])
async def test_a_failure_of_ours_is_an_answer_too(
    bot: Bot, failure: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fail(limit: int) -> None:
        raise failure

    monkeypatch.setattr(bot.world.book, "recent", fail)

    assert f"I could not answer that now: {failure}" == await title(bot, "status")


async def a_bot_with_two_open() -> Bot:
    bot = a_bot()
    await bot.begin()
    bot.time.advance(timedelta(seconds=1))
    bot.pager.put(an_incident(SECOND, opened_at=bot.time.at).model_copy(update={"number": 8}))
    await bot.hear(incident=SECOND)
    await bot.course(SECOND)
    return bot


async def test_of_two_open_ones_the_newest_is_told_of_and_the_other_is_named() -> None:
    bot = await a_bot_with_two_open()
    said = await told(bot, "status")

    assert f"Incident {SECOND}" == said.sections[0].heading
    assert INCIDENT in said.sections[-1].lines[0].text


async def test_of_two_open_ones_none_is_changed_by_a_guess() -> None:
    bot = await a_bot_with_two_open()

    assert "2 incidents are open here. Say which one is meant." == await title(bot, "resolve")
    assert [] == await commanded(bot)
    assert f"{INCIDENT} is resolved" in await title(bot, "resolve #7")


async def test_in_a_thread_its_incident_is_meant() -> None:
    bot = await a_bot_with_two_open()
    record = await bot.world.book.get(ID)
    assert record is not None
    assert record.card is not None
    answer = await bot.ask("status", thread_ts=record.card.ts, way=Way.MENTION)

    assert (f"Incident {INCIDENT}", 1) == (answer.document.sections[0].heading, len(answer.document.sections))


async def test_sl_idor_another_channel_hears_what_it_hears_of_nothing(bot: Bot) -> None:
    await bot.begin()
    commands = (
        "status",
        "context",
        "timeline",
        "suspects",
        "who",
        "verify",
        "summary",
        "handover",
        "ack",
        "split",
    )
    for name in commands:
        real = await bot.ask(f"{name} {INCIDENT}", by=OUTSIDER, channel="D0OTTO")
        none = await bot.ask(f"{name} Q9NOTHING", by=OUTSIDER, channel="D0OTTO")
        assert none.document.as_text().replace("Q9NOTHING", INCIDENT) == real.document.as_text()
    for name in ("list", "report", "handover", "status"):
        said = (await bot.ask(name, by=OUTSIDER, channel="D0OTTO")).document.as_text()
        assert INCIDENT not in said

    bot.rooms.put(CHANNEL, OUTSIDER.id)
    assert (
        f"Incident {INCIDENT}" in (await bot.ask("status", by=OUTSIDER, channel="D0OTTO")).document.as_text()
    )


async def test_an_answer_is_shared_where_its_incident_belongs_and_nowhere_else(bot: Bot) -> None:
    await bot.begin()
    here, elsewhere = await bot.ask("status —share"), await bot.ask("status --SHARE", channel="D0DANA")

    assert (True, False) == (here.is_shared, elsewhere.is_shared)
    assert "--share" == elsewhere.document.sections[-1].heading
    assert (await bot.ask("changes --share", channel="D0DANA")).is_shared


@pytest.mark.parametrize(
    ("words", "taken_as"),
    [
        ("who is on call?", "who"),
        ("did checkout change today?", "changes checkout 24h"),
        ("what changed in the last 3 hours in checkout-api", "changes checkout 3h"),
        ("what fixed this last time?", "similar"),
        ("have we seen this before?", "similar"),
        ("why did it break", "suspects"),
        ("is it better now?", "verify"),
        ("can you summarise it", "summary"),
        ("what is going on", "status"),
    ],
)
async def test_a_question_in_words_is_answered_by_the_nearest_command(
    bot: Bot, words: str, taken_as: str
) -> None:
    await bot.begin()
    said = await told(bot, words, way=Way.MENTION)

    expected = f"I took this as: /incident {taken_as}. Mention me with help for all of them."
    assert [expected] == [line.text for line in said.sections[-1].lines]


@pytest.mark.parametrize(
    "words", ["resolve this please", "ack that is fine", "please stop it", "lovely weather"]
)
async def test_words_alone_change_nothing(bot: Bot, words: str) -> None:
    await bot.begin()
    before = await bot.entries()
    said = await told(bot, words, way=Way.MENTION)

    assert before == await bot.entries()
    assert "Usage" == said.sections[0].heading


async def test_the_shortcut_tells_how_it_stands_and_what_can_be_asked(bot: Bot) -> None:
    await bot.begin()
    said = await told(bot, "", way=Way.SHORTCUT)

    assert ("Incident commands", "Waiting for approval · Error rate is 12 %", "Commands") == (
        said.title,
        said.sections[0].heading,
        said.sections[1].heading,
    )
