"""What one activity of the engine does when a part of it fails."""

import pytest
from temporalio.testing import ActivityEnvironment

import adapters.engine.activities
from adapters.engine.activities import Activities
from adapters.llm.scripted import ScriptedAnalyst
from bot.app.world import World
from bot.domain.catalogue import Catalogue
from bot.domain.errors import Unavailable
from bot.domain.ids import IncidentId, ServiceName
from bot.domain.incident import IncidentEventKind
from bot.domain.updates import Milestone, Updates
from tests.app.world import a_bot, a_resolved, a_service, with_world
from tests.builders import INCIDENT
from tests.model_builders import a_verdict
from tests.model_world import NotedTelemetry, an_assessed_world, assessment_of

Q = IncidentId(INCIDENT)


async def test_stakeholders_hear_of_the_end_while_the_pager_is_away() -> None:
    """The summary's note waits for the pager, and is tried until it is there."""
    updates = Updates(service=(ServiceName("checkout"),), channel="C0ALL", automatic=(Milestone.RESOLVED,))
    catalogue = Catalogue(services={ServiceName("checkout"): a_service()}, updates=(updates,))
    bot = with_world(a_bot(), catalogue=catalogue)
    await bot.begin()
    bot.pager.put(a_resolved())
    await bot.hear(IncidentEventKind.RESOLVED)
    bot.pager.is_down = True

    with pytest.raises(Unavailable):
        await ActivityEnvironment().run(Activities(bot.world, None).wind_up, Q)

    told = [one.document.title for ref, one in bot.chat.documents.items() if ref.channel == "C0ALL"]
    assert ["checkout: resolved"] == told


async def test_what_is_done_beside_the_models_opinion_does_not_cancel_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def away(world: World, incident: IncidentId) -> None:
        raise Unavailable("the store did not answer")

    monkeypatch.setattr(adapters.engine.activities, "inform", away)
    world = await an_assessed_world()
    analyst = ScriptedAnalyst([a_verdict()])

    assert await ActivityEnvironment().run(Activities(world, analyst).consult, Q)
    assert (await assessment_of(world)).cause.speaker.startswith("scripted")
    assert isinstance(world.telemetry, NotedTelemetry)
    assert ["what is done beside the model's opinion"] == world.telemetry.degradations
