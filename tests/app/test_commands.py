"""`/incident …`: answered from the record, for the asker alone, without a model."""

from datetime import timedelta

import pytest

from bot.app.commands.table import usages
from bot.domain.approval import Action
from bot.domain.incident import IncidentEventKind
from tests.app.world import CHANNEL, DANA, Bot, a_bot, a_resolved, a_service
from tests.builders import INCIDENT, NOW, a_change, an_incident


async def asked(bot: Bot, text: str, *, channel: str = CHANNEL) -> str:
    return (await bot.ask(text, channel=channel)).document.as_text()


@pytest.mark.parametrize("text", ["", "help", "  help  "])
async def test_help_lists_every_command(bot: Bot, text: str) -> None:
    said = await asked(bot, text)

    assert said.startswith("What /incident can do\n")
    assert all(f"- /incident {use} — {what}" in said for use, what in usages().values())


@pytest.mark.parametrize(
    ("text", "first_line"),
    [
        ("statsu", "There is no command “statsu”. Did you mean /incident status?"),
        ("context Q1; rm -rf /", "Too many words."),
        ("status a b", "Too many words."),
        ("changes a b c", "Too many words."),
        ("'; DROP TABLE--", "There is no command “';”."),
        ("help me", "What /incident can do"),
        ("approve", "Approving and denying are done on the card, with its buttons: words decide nothing."),
        ("rollback", "There is no command “rollback”. Did you mean /incident propose?"),
        ("oncall", "There is no command “oncall”. Did you mean /incident who?"),
        ("x" * 4000, "That is not a command I know."),
        ("status \u202egnp.exe", "That is not a command I know."),
        ("status \x00", "That is not a command I know."),
        ("changes 0h", "“0h” is neither a service nor a time such as 2h."),
        ("changes chekout", "“chekout” is neither a service nor a time such as 2h. Did you mean checkout?"),
        ("changes ../../etc", "“../../etc” is neither a service nor a time such as 2h."),
        ("status Q9NOTHING", "There is no incident Q9NOTHING on record."),
        ("status", "No incident is on record."),
    ],
)
async def test_what_is_not_understood_is_answered_with_how_to_ask(
    bot: Bot, text: str, first_line: str
) -> None:
    assert (await asked(bot, text)).split("\n")[0].startswith(first_line)


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ("status a b", ["/incident status [id] — where the incident stands and what waits for a decision"]),
        ("changes 0h", ["/incident changes [service] [2h] — what changed, newest first"]),
        ("page", ["/incident escalate [id] — hand it to the next level of its escalation policy"]),
        (
            "did checkout change?",
            ["A question in words is asked in the incident's thread, by mentioning me there."],
        ),
        ("deny", []),
    ],
)
async def test_a_mistake_is_answered_in_a_few_lines_not_with_the_whole_list(
    bot: Bot, text: str, lines: list[str]
) -> None:
    (section,) = (await bot.ask(text)).document.sections

    assert [*lines, "All commands: /incident help"] == [line.text for line in section.lines]


async def test_status_says_where_it_stands_and_what_waits(bot: Bot) -> None:
    await bot.begin()
    said = await asked(bot, "status")

    assert "Error rate is 12 %" in said.split("\n")[0]
    for line in (
        "03:00:00 UTC",
        "triggered",
        "On call: Omar",
        "Probably the deploy of checkout 42 (",
        "Roll checkout back to 41: proposed",
    ):
        assert line in said


async def test_a_command_may_be_written_in_capitals(bot: Bot) -> None:
    await bot.begin()

    assert await asked(bot, "status") == await asked(bot, "STATUS") == await asked(bot, "Status")


async def test_a_time_of_another_day_has_its_date(bot: Bot) -> None:
    await bot.begin()
    assert f"Opened at {NOW:%H:%M:%S} UTC, triggered" in await asked(bot, "status")

    bot.time.advance(timedelta(days=1))

    assert f"Opened at {NOW:%Y-%m-%d %H:%M:%S} UTC, triggered" in await asked(bot, "status")
    assert f"{NOW:%Y-%m-%d} " in await asked(bot, "changes 2d")


@pytest.mark.parametrize("name", [INCIDENT, "7", "#7"])
async def test_an_incident_is_found_by_id_and_by_number(bot: Bot, name: str) -> None:
    await bot.begin()

    assert f"Incident {INCIDENT}" in await asked(bot, f"status {name}")


async def test_without_an_id_the_newest_open_one_of_the_channel_is_meant() -> None:
    other = an_incident("Q2INCIDENT0002", service="payments").model_copy(update={"number": 8})
    bot = a_bot(
        incidents=[an_incident(), other],
        services={
            "checkout": a_service(),
            "payments": a_service(pagerduty=("PPAYMENTS",), names=(), channel="C0PAYMENTS"),
        },
    )
    bot.rooms.put("C0PAYMENTS", DANA.id)
    await bot.begin()
    bot.time.advance(timedelta(seconds=1))
    await bot.hear(incident="Q2INCIDENT0002", pagerduty_service_id="PPAYMENTS")
    await bot.course("Q2INCIDENT0002")

    assert f"Incident {INCIDENT}" in await asked(bot, "status")
    assert "Incident Q2INCIDENT0002" in await asked(bot, "status", channel="C0PAYMENTS")
    assert "Incident Q2INCIDENT0002" in await asked(bot, "status", channel="C0ELSEWHERE")


async def test_context_tells_alerts_suspects_evidence_and_neighbours() -> None:
    bot = a_bot(services={"checkout": a_service(dependencies=("payments",)), "payments": a_service(names=())})
    await bot.begin()
    said = await asked(bot, "context")

    for line in (
        "Error rate is 12 %",
        "checkout 42 · deploy by dana",
        "nothing changed",
        "checkout calls payments",
        "checkout is called by nothing",
    ):
        assert line in said


async def test_changes_lists_what_was_live_newest_first() -> None:
    bot = a_bot(
        changes=[
            a_change(version="42"),
            a_change(version="41", previous_version="40", finished_at=NOW - timedelta(hours=5)),
            a_change(version="40", previous_version="39", finished_at=NOW - timedelta(hours=50)),
            a_change(version="43", finished_at=NOW + timedelta(days=1)),
        ]
    )

    def versions(said: str) -> list[str]:
        return [line.split("checkout ")[1].split(" ")[0] for line in said.split("\n") if " ago) " in line]

    assert [["42", "41"], ["42"], ["42", "41", "40"], ["42", "41"]] == [
        versions(await asked(bot, text))
        for text in ("changes", "changes checkout 2h", "changes 9999d", "changes checkout-api")
    ]
    assert "(2 min ago) checkout 42 · deploy by dana: Retry payments twice" in await asked(bot, "changes")


async def test_more_changes_than_can_be_read_are_counted() -> None:
    bot = a_bot(changes=[a_change(version=str(number)) for number in range(50)])

    assert "and 30 older ones; ask for a shorter time" in await asked(bot, "changes")


async def test_every_state_can_be_asked_about(bot: Bot) -> None:
    await bot.begin()
    bot.signals.values = [0.3, 0.0]
    await bot.press(Action.APPROVE)
    verified = await asked(bot, "status")
    bot.pager.put(a_resolved())
    await bot.hear(IncidentEventKind.RESOLVED)

    assert "Roll checkout back to 41: verified, error_ratio is 0" in verified
    assert "resolved" in await asked(bot, "status")


async def test_asking_changes_nothing(bot: Bot) -> None:
    await bot.begin()
    before = (await bot.entries(), dict(bot.chat.cards))
    for text in ("status", "context", "changes", "help", "nonsense"):
        await asked(bot, text)

    assert before == (await bot.entries(), bot.chat.cards)
