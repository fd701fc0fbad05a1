"""What a model said is kept with what it was given, and can be asked again."""

from datetime import timedelta

import pytest

from adapters.llm.scripted import ScriptedAnalyst
from bot.app.consult import consult
from bot.app.diagnosing import Choice, keep_diagnosis
from bot.app.replay import UNREADABLE, replay_opinion
from bot.app.world import World
from bot.domain.diagnosed import Opined
from bot.domain.diagnosis import Dossier, Likelihood, Silence
from bot.domain.grounding import ground
from bot.domain.ids import ChangeId, IncidentId
from bot.domain.label import Settled
from bot.ports import Analyst
from tests.app.test_consult import for_checkout
from tests.builders import INCIDENT, NOW, a_change
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


async def test_an_opinion_that_moves_nothing_leaves_what_the_rules_named() -> None:
    """The rules name by their own threshold: a share that is too close for the fused one is still named."""
    first = a_change(finished_at=NOW - timedelta(minutes=2))
    second = a_change(version="43", previous_version="42", finished_at=NOW - timedelta(minutes=3))
    world = await an_assessed_world(changes=[first, second])
    await keep_diagnosis(world, ID)
    (diagnosis,) = await world.diagnoses.all(incident=ID)

    await consult(world, ScriptedAnalyst([for_checkout(Likelihood.UNCLEAR)]), ID)

    (opinion,) = await world.diagnoses.opinions(incident=ID)
    assert (diagnosis.first, diagnosis.named) == (opinion.first, opinion.named)
    dossier = await dossier_of(world, opinion)
    assert dossier is not None
    for named in (CHECKOUT, None):
        unmoved = ground(for_checkout(Likelihood.UNCLEAR), dossier)
        kept = Choice.of(dossier, unmoved, named_by_rules=named)
        assert (diagnosis.first, named) == (kept.first, kept.named)


async def test_another_model_is_asked_about_what_was_known_then() -> None:
    world, opinion = await consulted(ScriptedAnalyst([for_checkout()]))
    other = ScriptedAnalyst([for_checkout(Likelihood.VERY_UNLIKELY)])
    dossier = await dossier_of(world, opinion)

    right = Settled(right=CHECKOUT)
    replayed = await replay_opinion(other, opinion, dossier, right, named_by_rules=CHECKOUT)

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

    silent = ScriptedAnalyst([Silence.OVERLOADED])
    replayed = await replay_opinion(silent, opinion, dossier, Settled(), named_by_rules=CHECKOUT)

    why = "the model did not answer (overloaded: as scripted)" if is_there else UNREADABLE
    assert (None, why) == (replayed.after, replayed.why)
