"""An incident's lines bear the id of the delivery that told of it first, for ever."""

from collections.abc import Iterator

import pytest
import structlog
from structlog.contextvars import clear_contextvars, get_contextvars, merge_contextvars

from bot.app.intake import reconcile
from bot.app.stories import MOST, Stories
from bot.domain.approval import Action
from bot.domain.errors import Unavailable
from bot.domain.ids import IncidentId
from bot.domain.incident import Incident, IncidentEventKind
from bot.domain.record import IncidentRecord
from tests.app.world import Bot, a_bot, a_resolved, with_world
from tests.builders import INCIDENT, NOW, an_incident

ID = IncidentId(INCIDENT)


@pytest.fixture(autouse=True)
def nothing_bound() -> Iterator[None]:
    clear_contextvars()
    yield
    clear_contextvars()


class Silent:
    """A book that does not answer."""

    async def get(self, incident: IncidentId) -> IncidentRecord | None:
        raise Unavailable("the store is busy")


def a_record(incident: Incident, heard_as: str = "") -> IncidentRecord:
    return IncidentRecord(incident=incident, seen_at=NOW, heard_as=heard_as)


async def heard(bot: Bot, kind: IncidentEventKind, event_id: str) -> list[tuple[object, object]]:
    with structlog.testing.capture_logs(processors=[merge_contextvars]) as lines:
        await bot.hear(kind, event_id=event_id)
    return [(line["event"], line["correlation_id"]) for line in lines]


async def test_later_deliveries_are_told_under_the_first_ones_id() -> None:
    bot = a_bot()
    first = await heard(bot, IncidentEventKind.TRIGGERED, "01FIRST")
    bot.pager.put(a_resolved())
    then = await heard(bot, IncidentEventKind.RESOLVED, "01SECOND")
    bot.pager.put(an_incident())
    again = await heard(bot, IncidentEventKind.REOPENED, "01THIRD")

    assert [("incident_seen", "01FIRST")] == first
    assert [("incident_resolved", "01FIRST"), ("incident_reopened", "01FIRST")] == [*then, *again]


async def test_what_a_look_at_the_pager_found_has_an_id_too_and_leaves_none_behind() -> None:
    bot = a_bot()
    with structlog.testing.capture_logs(processors=[merge_contextvars]) as lines:
        await reconcile(bot.world)

    assert [("incident_seen", f"incident-{INCIDENT}")] == [(x["event"], x["correlation_id"]) for x in lines]
    assert {} == get_contextvars()


async def test_a_click_finds_its_incidents_id_after_a_restart() -> None:
    bot = a_bot()
    await bot.hear(event_id="01FIRST")
    await bot.course()
    bot = with_world(bot, stories=Stories())
    with structlog.testing.capture_logs(processors=[merge_contextvars]) as lines:
        await bot.press(Action.DENY)
    clicked = next(line for line in lines if line["event"] == "clicked")

    assert ("01FIRST", ID, "deny", True) == (
        clicked["correlation_id"],
        clicked["incident_id"],
        clicked["action"],
        clicked["is_accepted"],
    )


async def test_a_silent_record_leaves_the_incidents_own_id() -> None:
    await Stories().begin_with(ID, Silent())  # type: ignore[arg-type]

    assert {"incident_id": ID} == get_contextvars()


async def test_what_is_remembered_is_bounded() -> None:
    stories = Stories()
    for number in range(MOST + 1):
        with stories.within(a_record(an_incident(f"Q{number}"), "01")):
            pass
    await stories.begin_with(IncidentId("Q0"), Silent())  # type: ignore[arg-type]

    assert {"incident_id": "Q0"} == get_contextvars()
