"""What a model's opinion changes on the record, and what it never does."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import timedelta

import pytest

from adapters.llm.scripted import ScriptedAnalyst
from bot.app.consult import MODEL_CALLED, consult
from bot.app.investigate import investigate
from bot.app.prompting import dossier_of
from bot.app.world import Sources, World
from bot.domain.audit import Entry
from bot.domain.catalogue import Catalogue, ExpositionSignal, Metric
from bot.domain.diagnosis import (
    Diagnosis,
    Dossier,
    FurtherTool,
    Likelihood,
    ModelCall,
    Need,
    NoDiagnosis,
    Silence,
    ToolName,
    ToolStatus,
    Trust,
    Verdict,
    Window,
)
from bot.domain.errors import Unavailable
from bot.domain.ids import IncidentId, ServiceName, sha256_hex
from bot.domain.incident import IncidentStatus
from bot.domain.proposal import ProposalState
from bot.domain.record import IncidentRecord
from bot.domain.sources import Point, VersionShare
from tests.builders import INCIDENT, NOW, a_change, an_alert, an_incident
from tests.model_builders import a_claim, a_hypothesis, a_verdict
from tests.model_world import NotedTelemetry, an_assessed_world, assessment_of
from tests.virtual_time import in_virtual_time

ID = IncidentId(INCIDENT)


def for_checkout(likelihood: Likelihood = Likelihood.LIKELY, *, playbook: str | None = None) -> Verdict:
    """Return a sound verdict on the first candidate of the usual world."""
    claims = (
        a_claim("The deploy began 2 min before the onset.", quotes=["C1 deploy of checkout version 42"]),
        a_claim("It retries payments twice.", evidence=["E2"], quotes=["Retry payments twice"]),
    )
    return a_verdict(a_hypothesis(*claims, likelihood=likelihood), playbook=playbook)


class Acting:
    """Implements `Analyst`: does something to the world while it thinks, then answers."""

    def __init__(self, act: Callable[[], object]) -> None:
        self._act = act

    async def diagnose(self, dossier: Dossier) -> Diagnosis | NoDiagnosis:
        done = self._act()
        if asyncio.iscoroutine(done):
            await done
        return await ScriptedAnalyst([for_checkout()]).diagnose(dossier)


async def test_an_opinion_stands_on_the_card_as_an_opinion_beside_what_the_rules_found() -> None:
    world = await an_assessed_world()
    before = await assessment_of(world)

    assert await consult(world, ScriptedAnalyst([for_checkout()]), ID)

    after = await assessment_of(world)
    assert "scripted re-ranked within bounds; rules spoke first" == after.cause.speaker
    assert (
        "Opinion of a model, each claim with its evidence. checkout deploy 42: likely. "
        "The deploy began 2 min before the onset. [E1] It retries payments twice. [E2]"
    ) == after.cause.prose
    assert ("1 model call: 0 tokens in, 0 out, cost unknown",) == after.cause.limits
    same = {"prose": "", "speaker": before.cause.speaker, "limits": ()}
    cause = after.cause.model_copy(update=same)
    assert before == after.model_copy(update={"cause": cause})


async def test_an_opinion_does_not_touch_the_proposal() -> None:
    world = await an_assessed_world()
    before = await world.gate.proposals(ID)

    await consult(world, ScriptedAnalyst([for_checkout(playbook="restart-service")]), ID)

    assert before == await world.gate.proposals(ID)
    assert ("The model would rather use playbook restart-service; what is proposed stays as it is.",) == (
        await assessment_of(world)
    ).notes


async def test_the_playbook_that_is_proposed_anyway_is_not_mentioned() -> None:
    world = await an_assessed_world()

    await consult(world, ScriptedAnalyst([for_checkout(playbook="rollback-deploy")]), ID)

    assert () == (await assessment_of(world)).notes


class TwoVersions:
    """Implements `Metrics`: version 43 fails where 42 does not."""

    async def series(self, metric: Metric, window: Window) -> Sequence[Point]:
        return ()

    async def by_version(self, source: ExpositionSignal | Metric) -> Sequence[VersionShare]:
        return (
            VersionShare(version="42", failed=0.001, requests=900),
            VersionShare(version="43", failed=0.2, requests=900),
        )


def measuring(world: World) -> World:
    """Return *world* with error ratios by version, which its rules have not seen."""
    metric = Metric(url="http://127.0.0.1:9090", query="errors", by_version=True)
    services = dict(world.catalogue.services)
    checkout = services[ServiceName("checkout")]
    services[ServiceName("checkout")] = checkout.model_copy(update={"metrics": {"errors": metric}})
    return replace(world, catalogue=Catalogue(services), sources=Sources(metrics=TwoVersions()))


def for_the_second() -> Verdict:
    """Return a verdict that quotes what was measured of the second of two close changes."""
    claim = a_claim(
        "Its version fails more.", evidence=["E9"], quotes=["version 43 fails 20.00 % of requests"]
    )
    return a_verdict(a_hypothesis(claim, candidate="C2", likelihood=Likelihood.VERY_LIKELY))


async def two_close_changes() -> World:
    first = a_change(finished_at=NOW - timedelta(minutes=2))
    second = a_change(version="43", previous_version="42", finished_at=NOW - timedelta(minutes=3))
    return await an_assessed_world(changes=[first, second])


async def test_an_opinion_may_turn_a_close_order_and_the_probabilities_stay_the_rules_own() -> None:
    world = measuring(await two_close_changes())
    before = await assessment_of(world)

    await consult(world, ScriptedAnalyst([for_the_second()]), ID)

    after = await assessment_of(world)
    shown = [(line.title, line.probability_percent) for line in before.cause.suspects]
    assert list(reversed(shown)) == [(line.title, line.probability_percent) for line in after.cause.suspects]
    assert (before.ranking, before.suspect, before.evidence_digest) == (
        after.ranking,
        after.suspect,
        after.evidence_digest,
    )


async def test_an_opinion_that_quotes_what_the_rules_weighed_already_turns_nothing() -> None:
    """The list of changes has a line on every candidate: whoever wants one blamed finds it there."""
    world = await two_close_changes()
    before = await assessment_of(world)
    claim = a_claim("It began before the onset.", quotes=["C2 deploy of checkout version 43"])
    opinion = a_hypothesis(claim, candidate="C2", likelihood=Likelihood.VERY_LIKELY)

    await consult(world, ScriptedAnalyst([a_verdict(opinion)]), ID)

    after = await assessment_of(world)
    assert (before.cause.headline, before.cause.suspects) == (after.cause.headline, after.cause.suspects)


async def test_doubt_lowers_the_confidence_and_agreement_does_not_raise_it() -> None:
    confidence = {}
    for likelihood in Likelihood:
        world = await an_assessed_world()
        await consult(world, ScriptedAnalyst([for_checkout(likelihood)]), ID)
        confidence[likelihood] = (await assessment_of(world)).cause.confidence_percent
    rules = (await assessment_of(await an_assessed_world())).cause.confidence_percent

    assert rules == confidence[Likelihood.VERY_LIKELY] == confidence[Likelihood.UNCLEAR]
    assert round(rules * 0.8) == pytest.approx(confidence[Likelihood.VERY_UNLIKELY], abs=1)


async def test_what_a_person_told_is_calibrated_as_the_rules_do_it() -> None:
    """Where a monitor's map would say next to nothing, the map for a person's words still holds."""
    title = "Customers tell us that they cannot pay since this morning"
    page = an_incident(title=title, alerts=[an_alert(title=title)])
    world = await an_assessed_world(incident=page)
    rules = (await assessment_of(world)).cause
    of_monitors = world.weights.calibration.model_copy(update={"intercept": -9.0})
    world = replace(world, weights=world.weights.model_copy(update={"calibration": of_monitors}))

    await consult(world, ScriptedAnalyst([for_checkout(Likelihood.UNCLEAR)]), ID)

    assert rules.named is not None
    assert rules.confidence_percent == (await assessment_of(world)).cause.confidence_percent


@pytest.mark.parametrize("reason", list(Silence))
async def test_a_silent_model_leaves_the_rules_words_and_its_reason(reason: Silence) -> None:
    world = await an_assessed_world()
    before = await assessment_of(world)

    assert await consult(world, ScriptedAnalyst([reason]), ID)

    after = await assessment_of(world)
    said = f"Rules only: model unavailable ({reason.value.replace('_', ' ')}: as scripted)"
    assert said == after.cause.speaker
    same = {"speaker": before.cause.speaker, "limits": before.cause.limits}
    assert before.cause == after.cause.model_copy(update=same)
    assert (before.ranking, before.suspect) == (after.ranking, after.suspect)


async def test_an_answer_without_any_ground_counts_as_none() -> None:
    world = await an_assessed_world()
    analyst = ScriptedAnalyst([a_verdict(a_hypothesis(candidate="C7"))])

    await consult(world, analyst, ID)

    assert "ungrounded" in (await assessment_of(world)).cause.speaker


async def test_an_answer_with_faults_is_shown_to_the_model_once() -> None:
    world = await an_assessed_world()
    faulty = a_verdict(a_hypothesis(a_claim("The rate rose to 37 %.", quotes=["C1 deploy of checkout"])))
    analyst = ScriptedAnalyst([faulty, for_checkout()])

    await consult(world, analyst, ID)

    repairs = [dossier.repair for dossier in analyst.asked]
    assert repairs[0] is None
    assert repairs[1] is not None
    assert (
        "hypothesis 1, mechanism 1: token not found",
        "hypothesis 1: no claim left",
    ) == repairs[1].problems
    assert [4, 3] == [dossier.max_calls for dossier in analyst.asked]
    cause = (await assessment_of(world)).cause
    assert "checkout deploy 42: likely" in cause.prose
    assert "2 model calls: 0 tokens in, 0 out, cost unknown" in cause.limits


async def test_a_repair_that_fails_leaves_what_held_and_counts_what_did_not() -> None:
    world = await an_assessed_world()
    faulty = a_verdict(
        a_hypothesis(
            a_claim("The deploy began before the onset.", quotes=["C1 deploy of checkout"]),
            a_claim("The rate rose to 37 %.", quotes=["C1 deploy of checkout"]),
        )
    )

    await consult(world, ScriptedAnalyst([faulty, Silence.OVERLOADED]), ID)

    cause = (await assessment_of(world)).cause
    assert "37" not in cause.prose
    assert "1 claim was not backed by the evidence and left out" in cause.limits


def asking(*needs: Need) -> Verdict:
    return for_checkout().model_copy(update={"need_evidence": needs})


def a_need(tool: FurtherTool, *, service: str | None = None, candidate: str | None = None) -> Need:
    return Need(tool=tool, service=service, candidate_id=candidate, minutes=60)


async def test_evidence_that_the_model_asks_for_is_gathered_once_and_stands_after_the_first() -> None:
    world = await an_assessed_world()
    wanted = asking(
        a_need(FurtherTool.LIST_CHANGES, service="payments"),
        a_need(FurtherTool.GET_CHANGE_DIFF, candidate="C2"),
    )
    analyst = ScriptedAnalyst([wanted])

    await consult(world, analyst, ID)

    first, second = analyst.asked
    assert [(True, 4), (False, 3)] == [(d.may_ask, d.max_calls) for d in analyst.asked]
    assert first.results == second.results[: len(first.results)]
    more = second.results[len(first.results) :]
    assert [
        (f"E{len(first.results) + 1}", ToolName.LIST_CHANGES, Trust.SYSTEM, None),
        (f"E{len(first.results) + 2}", ToolName.GET_CHANGE_DIFF, Trust.HUMAN, "C2"),
    ] == [(r.result_id, r.tool, r.trust, r.about) for r in more]
    assert more[0].text.startswith("C2 deploy of payments version 7")
    assert "2 model calls: 0 tokens in, 0 out, cost unknown" in (await assessment_of(world)).cause.limits


@pytest.mark.parametrize(
    "need",
    [
        a_need(FurtherTool.LIST_CHANGES, service="billing"),
        a_need(FurtherTool.GET_METRIC_WINDOW),
        a_need(FurtherTool.GET_CHANGE_DIFF, candidate="C9"),
        a_need(FurtherTool.GET_CHANGE_DIFF, candidate="none"),
        a_need(FurtherTool.GET_DEPENDENCIES, service="http://169.254.169.254/"),
    ],
    ids=lambda need: f"{need.tool.value}-{need.service or need.candidate_id}",
)
async def test_what_was_not_offered_cannot_be_asked_for(need: Need) -> None:
    analyst = ScriptedAnalyst([asking(need)])

    await consult(await an_assessed_world(), analyst, ID)

    assert 1 == len(analyst.asked)


async def test_an_informed_answer_with_faults_is_repaired_and_no_more_is_asked() -> None:
    world = await an_assessed_world()
    faulty = a_verdict(a_hypothesis(candidate="C9"), a_hypothesis())
    analyst = ScriptedAnalyst([asking(a_need(FurtherTool.GET_DEPENDENCIES, service="checkout")), faulty])

    await consult(world, analyst, ID)

    assert [False, False, True] == [dossier.repair is not None for dossier in analyst.asked]
    assert [4, 3, 2] == [dossier.max_calls for dossier in analyst.asked]


async def test_an_informed_round_that_fails_leaves_the_first_answer() -> None:
    world = await an_assessed_world()
    wanted = asking(a_need(FurtherTool.GET_ALERT_TIMELINE, service="payments"))

    await consult(world, ScriptedAnalyst([wanted, Silence.OVERLOADED]), ID)

    assert "checkout deploy 42: likely" in (await assessment_of(world)).cause.prose


async def test_in_a_storm_further_evidence_leaves_no_call_for_a_repair() -> None:
    world = await an_assessed_world()
    for number in range(20):
        await world.book.see(an_incident(f"Q2STORM{number:07d}"))
    faulty = a_verdict(a_hypothesis(candidate="C9"), a_hypothesis())
    analyst = ScriptedAnalyst([asking(a_need(FurtherTool.GET_DEPENDENCIES, service="checkout")), faulty])

    await consult(world, analyst, ID)

    assert [2, 1] == [dossier.max_calls for dossier in analyst.asked]


async def test_with_one_call_left_the_model_is_told_that_it_may_not_ask() -> None:
    world = await an_assessed_world()
    analyst = ScriptedAnalyst([Silence.OVERLOADED] * 3 + [asking()])
    for _ in range(4):
        await consult(world, analyst, ID)

    assert [True, True, True, False] == [dossier.may_ask for dossier in analyst.asked]


def test_what_an_earlier_consultation_came_to_is_kept_when_the_deadline_cuts_the_next_round() -> None:
    class HangsThen:
        async def diagnose(self, dossier: Dossier) -> Diagnosis | NoDiagnosis:
            if not dossier.may_ask:
                await asyncio.Event().wait()
            need = a_need(FurtherTool.GET_DEPENDENCIES, service="checkout")
            return await ScriptedAnalyst([asking(need)]).diagnose(dossier)

    async def consulted() -> tuple[str, Sequence[Entry]]:
        world = await an_assessed_world()
        await consult(world, HangsThen(), ID)
        return (await assessment_of(world)).cause.prose, await world.audit.entries(ID)

    prose, entries = in_virtual_time(consulted())

    assert "checkout deploy 42: likely" in prose
    assert 1 == len([entry for entry in entries if entry.act == MODEL_CALLED])


async def test_an_incident_resolved_meanwhile_is_left_alone() -> None:
    world = await an_assessed_world()
    before = await assessment_of(world)

    resolved = an_incident(status=IncidentStatus.RESOLVED)
    assert not await consult(world, Acting(lambda: world.book.see(resolved)), ID)

    assert before == await assessment_of(world)


async def test_an_incident_assessed_anew_meanwhile_keeps_the_newer_assessment() -> None:
    world = await an_assessed_world()
    newer = (await assessment_of(world)).model_copy(update={"notes": ("newer",)})

    assert not await consult(world, Acting(lambda: world.book.assess(ID, newer)), ID)

    assert newer == await assessment_of(world)


def test_a_model_that_never_answers_is_left_at_the_deadline() -> None:
    """The analyst is cancelled before the consultation ends: no request goes on behind it."""
    events: list[str] = []

    class Hanging:
        async def diagnose(self, dossier: Dossier) -> Diagnosis | NoDiagnosis:
            try:
                await asyncio.Event().wait()
            finally:
                events.append("cancelled")
            raise AssertionError

    async def consulted() -> str:
        world = await an_assessed_world()
        assert await consult(world, Hanging(), ID)
        events.append("card")
        return (await assessment_of(world)).cause.speaker

    assert "timeout" in in_virtual_time(consulted())
    assert ["cancelled", "card"] == events


async def test_an_incident_gets_four_calls_in_all() -> None:
    world = await an_assessed_world()
    analyst = ScriptedAnalyst([Silence.OVERLOADED])

    changed = [await consult(world, analyst, ID) for _ in range(6)]

    assert [True] * 4 + [False] * 2 == changed
    assert [4, 3, 2, 1] == [dossier.max_calls for dossier in analyst.asked]


async def test_a_reopened_incident_gets_its_calls_anew() -> None:
    world = await an_assessed_world()
    analyst = ScriptedAnalyst([Silence.OVERLOADED])
    for _ in range(4):
        await consult(world, analyst, ID)
    said = await assessment_of(world)

    await world.book.see(an_incident(status=IncidentStatus.RESOLVED))
    await world.book.reopen(ID)
    await world.book.see(an_incident())
    await world.book.assess(ID, said)

    assert await consult(world, analyst, ID)
    assert 4 == analyst.asked[-1].max_calls


async def test_the_analyst_is_told_to_end_by_itself_before_the_deadline() -> None:
    world = await an_assessed_world()
    faulty = a_verdict(a_hypothesis(candidate="C9"), a_hypothesis())
    analyst = ScriptedAnalyst([faulty, for_checkout()])

    await consult(world, analyst, ID, deadline_s=10)

    assert [True, True] == [0 < dossier.within_s < 10 for dossier in analyst.asked]


async def test_in_a_storm_an_incident_gets_two() -> None:
    world = await an_assessed_world()
    for number in range(20):
        await world.book.see(an_incident(f"Q2STORM{number:07d}"))
    analyst = ScriptedAnalyst([Silence.OVERLOADED])

    changed = [await consult(world, analyst, ID) for _ in range(3)]

    assert [True, True, False] == changed


async def test_every_call_is_on_the_record_without_any_text_of_it() -> None:
    world = await an_assessed_world()
    call = ModelCall(
        model="gpt-5-mini",
        response_model="gpt-5-mini-2026-08-07",
        prompt="rank@v1+3fa9c1d27b05",
        input_sha256=sha256_hex("input"),
        tokens_in=2310,
        tokens_cached=1200,
        tokens_out=420,
        milliseconds=2900,
        finish_reason="stop",
    )

    class Given:
        async def diagnose(self, dossier: Dossier) -> Diagnosis | NoDiagnosis:
            return Diagnosis(verdict=for_checkout(), calls=(call,))

    await consult(world, Given(), ID)

    entries = [entry for entry in await world.audit.entries(ID) if entry.act == MODEL_CALLED]
    assert [
        {
            "model": "gpt-5-mini",
            "response_model": "gpt-5-mini-2026-08-07",
            "prompt": "rank@v1+3fa9c1d27b05",
            "input_sha256": call.input_sha256,
            "tokens_in": 2310,
            "tokens_cached": 1200,
            "tokens_out": 420,
            "tokens_are_estimated": False,
            "milliseconds": 2900,
            "finish_reason": "stop",
            "level": "primary",
            "failure": None,
            "cost_usd": None,
            "validator": "grounded",
            "dropped_claims": 0,
        }
    ] == [entry.body_values() for entry in entries]


async def test_without_an_assessment_no_model_is_asked() -> None:
    world = await an_assessed_world()
    analyst = ScriptedAnalyst([for_checkout()])

    assert not await consult(world, analyst, IncidentId("QUNKNOWN"))
    assert [] == analyst.asked


async def test_a_tool_that_fails_says_so_and_the_others_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    world = await an_assessed_world()
    record = await world.book.get(ID)
    assert record is not None
    assert record.assessment is not None
    assert record.assessment.ranking is not None

    async def unavailable(limit: int) -> list[IncidentRecord]:
        raise Unavailable("The book does not answer.")

    monkeypatch.setattr(world.book, "recent", unavailable)
    dossier = await dossier_of(world, record, record.assessment.ranking, max_calls=4)

    states = {result.tool: result.status for result in dossier.results}
    assert ToolStatus.ERROR == states.pop(ToolName.FIND_SIMILAR_INCIDENTS)
    assert ToolStatus.NO_DATA == states.pop(ToolName.WHO_IS_ON_CALL)
    assert {ToolStatus.OK} == set(states.values())
    assert isinstance(world.telemetry, NotedTelemetry)
    assert ["tool find_similar_incidents"] == world.telemetry.degradations


async def test_evidence_is_bounded_and_says_when_it_was_cut() -> None:
    change = a_change().model_copy(
        update={"diff": "\n".join(f"+ line {number}" for number in range(500)), "body": "x" * 5_000}
    )
    incident = an_incident(alerts=[an_alert(details="y " * 20_000)])
    world = await an_assessed_world(changes=[change], incident=incident)
    record = await world.book.get(ID)
    assert record is not None
    assert record.assessment is not None
    assert record.assessment.ranking is not None

    dossier = await dossier_of(world, record, record.assessment.ranking, max_calls=4)

    diff = next(r for r in dossier.results if r.tool is ToolName.GET_CHANGE_DIFF)
    assert (ToolStatus.TRUNCATED, 62, 502) == (diff.status, len(diff.items), diff.total)
    assert all(len(item) <= 400 for result in dossier.results for item in result.items)
    assert all(len(result.text) <= 6_500 for result in dossier.results)


async def test_only_the_services_own_playbooks_may_be_named() -> None:
    world = await an_assessed_world()
    analyst = ScriptedAnalyst([for_checkout()])

    await consult(world, analyst, ID)

    assert {
        ("rollback-deploy", ServiceName("checkout")),
        ("restart-service", ServiceName("checkout")),
        ("rollback-deploy", ServiceName("payments")),
        ("restart-service", ServiceName("payments")),
    } == {(option.id, option.service) for option in analyst.asked[0].playbooks}


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        (Silence.GARBAGE, "Rules only: model unavailable (garbage: as scripted)"),
        (for_checkout(), "Rules only: assessed anew after the model spoke."),
    ],
    ids=["failed", "spoke"],
)
async def test_a_card_that_is_proposed_again_says_what_became_of_the_model(
    answer: Silence | Verdict, says: str
) -> None:
    """The model is asked once, so a second proposal must not say that none took part."""
    world = await an_assessed_world()
    await consult(world, ScriptedAnalyst([answer]), ID)
    [proposal] = await world.gate.proposals(ID)
    await world.gate.withdraw(proposal.id, ProposalState.CANCELLED, "somebody asked for it")

    await investigate(world, ID)

    assert says == (await assessment_of(world)).cause.speaker
