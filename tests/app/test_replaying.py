"""What a model said is kept with what it was given, and can be asked again."""

import pytest

from adapters.llm.scripted import ScriptedAnalyst
from bot.app.consult import consult
from bot.app.diagnosing import keep_diagnosis
from bot.app.replay import UNREADABLE, replay_opinion
from bot.app.world import World
from bot.domain.diagnosed import Opined
from bot.domain.diagnosis import Dossier, Likelihood, Silence
from bot.domain.ids import ChangeId, IncidentId
from bot.domain.label import Settled
from bot.ports import Analyst
from tests.app.test_consult import for_checkout
from tests.builders import INCIDENT
from tests.model_world import SECRET, an_assessed_world

ID = IncidentId(INCIDENT)
CHECKOUT = ChangeId("deploy-checkout-42")


async def consulted(analyst: Analyst) -> tuple[World, Opined]:
    """Return a world after its model was asked, and what was kept of that."""
    world = await an_assessed_world()
    await keep_diagnosis(world, ID)
    await consult(world, analyst, ID)
    (opinion,) = await world.diagnoses.opinions(incident=ID)
    return world, opinion


async def dossier_of(world: World, opinion: Opined) -> Dossier | None:
    raw = await world.diagnoses.dossier(opinion)
    return Dossier.model_validate_json(raw) if raw is not None else None


async def test_an_opinion_is_kept_with_the_dossier_it_was_given() -> None:
    analyst = ScriptedAnalyst([for_checkout()])

    world, opinion = await consulted(analyst)

    (diagnosis,) = await world.diagnoses.all(incident=ID)
    assert (opinion.diagnosis, opinion.first, opinion.model) == (diagnosis.id, CHECKOUT, "scripted")
    assert (1, 0, None) == (len(opinion.calls), opinion.dropped_claims, opinion.silence)
    kept = await dossier_of(world, opinion)
    assert kept is not None
    assert opinion.input_sha256 == kept.input_sha256 == analyst.asked[-1].input_sha256
    raw = await world.diagnoses.dossier(opinion)
    assert raw is not None
    assert SECRET.encode() not in raw


async def test_a_model_that_was_silent_is_kept_as_that_and_can_be_asked_again() -> None:
    world, opinion = await consulted(ScriptedAnalyst([Silence.TIMEOUT]))

    assert (Silence.TIMEOUT, None, None) == (opinion.silence, opinion.first, opinion.named)
    assert (await dossier_of(world, opinion)) is not None


async def test_another_model_is_asked_about_what_was_known_then() -> None:
    world, opinion = await consulted(ScriptedAnalyst([for_checkout()]))
    other = ScriptedAnalyst([for_checkout(Likelihood.VERY_UNLIKELY)])
    dossier = await dossier_of(world, opinion)

    replayed = await replay_opinion(other, opinion, dossier, Settled(right=CHECKOUT))

    assert [dossier] == other.asked
    assert replayed.after is not None
    assert (CHECKOUT, True) == (replayed.before.first, replayed.before.is_right)
    before, after = replayed.before.confidence, replayed.after.confidence
    assert before is not None
    assert after is not None
    assert after <= before


@pytest.mark.parametrize("is_there", [True, False])
async def test_what_cannot_be_asked_again_says_why(is_there: bool) -> None:
    world, opinion = await consulted(ScriptedAnalyst([for_checkout()]))
    dossier = await dossier_of(world, opinion) if is_there else None

    replayed = await replay_opinion(ScriptedAnalyst([Silence.OVERLOADED]), opinion, dossier, Settled())

    why = "the model did not answer (overloaded: as scripted)" if is_there else UNREADABLE
    assert (None, why) == (replayed.after, replayed.why)
