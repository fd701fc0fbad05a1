"""The port `Directory`, on the sandbox Slack and in memory."""

from collections.abc import AsyncIterator

import pytest

from adapters.sandbox.slack import SandboxSlack, SlackUser, running_slack
from adapters.slack.api import Installation, SlackApi, read_installation
from adapters.slack.directory import SlackDirectory
from adapters.slack.memory import MemoryDirectory
from bot.domain.errors import NotFound, Unavailable
from bot.domain.ids import SlackUserId
from bot.domain.person import Person
from bot.ports import Directory
from tests.contracts.sandbox_slack_builders import PEOPLE, a_workspace

TEAM = "T0SANDBOX"
ALICE = Person(id=SlackUserId("U0ALICE"), team_id=TEAM, name="Alice Adler", email="alice@example.com")
GUEST = Person(
    id=SlackUserId("U0GUEST"), team_id=TEAM, name="Gus Guest", email="gus@partner.example", is_guest=True
)
GONE = Person(
    id=SlackUserId("U0GONE"), team_id=TEAM, name="Gone Girl", email="gone@example.com", is_deactivated=True
)
ROBOT = Person(id=SlackUserId("U0ROBOT"), team_id=TEAM, name="Rob Robot", is_bot=True)
STRANGER = Person(
    id=SlackUserId("U0ELSEWHERE"),
    team_id="T0OTHER",
    name="Eve Else",
    email="eve@other.example",
    is_external=True,
)
EVERYBODY = (ALICE, GUEST, GONE, ROBOT, STRANGER)


@pytest.fixture
async def slack() -> AsyncIterator[SandboxSlack]:
    others = (
        SlackUser("U0ROBOT", "robot", "Rob Robot", "", is_bot=True),
        SlackUser("U0ELSEWHERE", "eve", "Eve Else", "eve@other.example", team_id="T0OTHER"),
    )
    async with running_slack(a_workspace(users=(*PEOPLE, *others))) as slack:
        yield slack


@pytest.fixture
async def us(api: SlackApi) -> Installation:
    return await read_installation(api, app_id="A0APP")


@pytest.fixture(params=["memory", "slack"])
def directory(request: pytest.FixtureRequest) -> Directory:
    if request.param == "memory":
        return MemoryDirectory(EVERYBODY, groups={"S0ONCALL": [ALICE.id, SlackUserId("U0BOB")]})
    return SlackDirectory(request.getfixturevalue("api"), request.getfixturevalue("us"))


@pytest.mark.parametrize("person", EVERYBODY, ids=lambda person: person.name)
async def test_a_person_is_as_slack_knows_them(person: Person, directory: Directory) -> None:
    assert person == await directory.person(person.id)


@pytest.mark.parametrize("person", [GUEST, GONE, ROBOT, STRANGER], ids=lambda person: person.name)
async def test_sl_bot_click_bots_guests_strangers_and_the_deactivated_never_count(
    person: Person, directory: Directory
) -> None:
    assert (await directory.person(person.id)).disqualification is not None


async def test_somebody_slack_does_not_know_is_not_found(directory: Directory) -> None:
    with pytest.raises(NotFound):
        await directory.person(SlackUserId("U0NOBODY"))


async def test_an_address_leads_to_its_person(directory: Directory) -> None:
    assert ALICE.id == await directory.by_email("Alice@Example.com")
    assert await directory.by_email("nobody@example.com") is None
    assert await directory.by_email("gone@example.com") is None


async def test_a_user_group_has_its_members(directory: Directory) -> None:
    assert frozenset({"U0ALICE", "U0BOB"}) == await directory.group_members("S0ONCALL")
    with pytest.raises(NotFound):
        await directory.group_members("S0NOBODY")


async def test_people_are_asked_for_anew_each_time(
    api: SlackApi, us: Installation, slack: SandboxSlack
) -> None:
    directory = SlackDirectory(api, us)

    await directory.person(ALICE.id)
    await directory.person(ALICE.id)

    assert 2 == len([call for call in slack.calls if call.method == "users.info"])


async def test_a_read_is_repeated_after_a_server_error(
    api: SlackApi, us: Installation, slack: SandboxSlack
) -> None:
    slack.fail("users.info", status=503)

    assert ALICE == await SlackDirectory(api, us).person(ALICE.id)


async def test_a_slack_that_stays_broken_is_unavailable(
    api: SlackApi, us: Installation, slack: SandboxSlack
) -> None:
    slack.fail("users.info", status=502, times=9)

    with pytest.raises(Unavailable):
        await SlackDirectory(api, us).person(ALICE.id)
