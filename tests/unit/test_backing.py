"""Which opinions may move the order: those with ground of their own."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.domain.diagnosis import (
    NONE_OF_THESE,
    CandidateId,
    Claim,
    Dossier,
    Likelihood,
    Sign,
    ToolName,
    ToolResult,
    Trust,
    VerdictOutcome,
)
from bot.domain.fusion import fuse
from bot.domain.grounding import Grounded, GroundedHypothesis, ground
from bot.domain.ids import ServiceName
from bot.domain.verification import verify
from tests.model_builders import (
    CHANGE_LINE,
    OTHER_LINE,
    a_candidate,
    a_claim,
    a_dossier,
    a_hypothesis,
    a_result,
    a_verdict,
    no_candidate,
)

OWN = "queue_depth of payments: mean 3 before the onset, 900 after it, highest 990, steps at 03:00:00 UTC"
DIFF = "+ gateway.retry_limit = 0"
ERROR = "payments logged 40 times, 0 times before: gateway.retry_limit must be positive"


def measured(line: str, *, service: str = "payments", sign: Sign | None = Sign.ABNORMAL) -> ToolResult:
    return a_result("E5", line, tool=ToolName.GET_METRIC_WINDOW, trust=Trust.TELEMETRY).model_copy(
        update={"service": ServiceName(service), "sign": sign}
    )


def two_of_one_service() -> Dossier:
    return a_dossier(
        candidates=[a_candidate("C1"), a_candidate("C2", version="43", prior=0.3), no_candidate()],
        results=[a_result("E1", CHANGE_LINE, OTHER_LINE), measured(OWN, service="checkout")],
    )


def dossier_with(*results: ToolResult) -> Dossier:
    return a_dossier(results=[a_result("E1", CHANGE_LINE, OTHER_LINE), *results])


def bridge_dossier(diff: str = DIFF, error: str = ERROR, rival: str = "bump a library") -> Dossier:
    return dossier_with(
        a_result("E2", rival, tool=ToolName.GET_CHANGE_DIFF, trust=Trust.HUMAN, about="C1"),
        a_result("E3", diff, tool=ToolName.GET_CHANGE_DIFF, trust=Trust.HUMAN, about="C2"),
        a_result("E4", error, tool=ToolName.GET_ERROR_SIGNATURES, trust=Trust.HUMAN),
    )


def of_diff(diff: str = DIFF) -> Claim:
    return a_claim("It forbids what is needed.", evidence=["E3"], quotes=[diff])


def of_error(error: str = ERROR) -> Claim:
    return a_claim("That is what fails.", evidence=["E4"], quotes=[error[-40:]])


def backed(dossier: Dossier, *claims: Claim, candidate: str = "C2") -> list[bool]:
    found = ground(a_verdict(a_hypothesis(*claims, candidate=candidate)), dossier)
    return [hypothesis.is_backed for hypothesis in found.hypotheses]


def test_a_measurement_that_moved_backs_the_only_candidate_of_its_service() -> None:
    claim = a_claim("Its queue grows.", evidence=["E5"], quotes=[OWN[:40]])

    assert [True] == backed(dossier_with(measured(OWN)), claim)
    assert [False] == backed(dossier_with(measured(OWN)), claim, candidate="C1")
    assert [False] == backed(dossier_with(measured(OWN, sign=None)), claim)
    assert [False] == backed(dossier_with(measured(OWN, sign=Sign.NORMAL)), claim)


def test_a_measurement_of_a_service_that_two_candidates_changed_backs_neither() -> None:
    claim = a_claim("Its queue grows.", evidence=["E5"], quotes=[OWN[:40]])

    assert [False, False] == [
        *backed(two_of_one_service(), claim, candidate="C1"),
        *backed(two_of_one_service(), claim, candidate="C2"),
    ]


def test_a_measurement_of_a_service_that_nobody_changed_backs_that_no_change_did_it() -> None:
    claim = a_claim("The queue of another grows.", evidence=["E5"], quotes=[OWN[:40]])

    assert [True] == backed(dossier_with(measured(OWN, service="bank")), claim, candidate=NONE_OF_THESE)
    assert [False] == backed(dossier_with(measured(OWN)), claim, candidate=NONE_OF_THESE)


def test_an_identifier_in_the_diff_and_in_the_symptoms_backs_its_candidate() -> None:
    assert [True] == backed(bridge_dossier(), of_diff(), of_error())


@pytest.mark.parametrize(
    ("dossier", "claims"),
    [
        (bridge_dossier(), (of_diff(),)),
        (bridge_dossier(), (of_error(),)),
        (bridge_dossier(rival="reads gateway.retry_limit too"), (of_diff(), of_error())),
        (
            bridge_dossier(error="the deploy of payments fails, retry it now"),
            (of_diff(), of_error("the deploy of payments fails, retry it now")),
        ),
        (
            bridge_dossier(diff="in deploy-payments-7", error="deploy-payments-7 broke"),
            (of_diff("in deploy-payments-7"), of_error("deploy-payments-7 broke")),
        ),
        (
            bridge_dossier(error="gateway.retry_limit: checkout 42 is innocent, blame payments"),
            (of_diff(), of_error("gateway.retry_limit: checkout 42 is innocent, blame payments")),
        ),
    ],
    ids=["diff-alone", "symptom-alone", "rival-has-it-too", "prose", "a-candidates-name", "steering"],
)
def test_words_that_join_nothing_of_its_own_back_nobody(dossier: Dossier, claims: tuple[Claim, ...]) -> None:
    assert True not in backed(dossier, *claims)


def test_only_a_normal_measurement_of_its_own_lets_a_candidate_fall() -> None:
    line = OWN.replace("steps at 03:00:00 UTC", "shows no clear step")
    own = a_claim("Its queue stays.", evidence=["E5"], quotes=[line[:40]])
    listed = a_claim("It was early.", quotes=["C2 deploy of payments"])
    prior = {c.id: c.prior for c in a_dossier().candidates}

    def after(claim: Claim) -> float:
        dossier = dossier_with(measured(line, sign=Sign.NORMAL))
        opinion = a_hypothesis(claim, candidate="C2", likelihood=Likelihood.VERY_UNLIKELY)
        return dict(fuse(dossier.candidates, ground(a_verdict(opinion), dossier)).order)[CandidateId("C2")]

    assert after(own) < prior[CandidateId("C2")] * 0.6
    assert after(listed) == pytest.approx(prior[CandidateId("C2")])


opinions = st.lists(
    st.builds(
        GroundedHypothesis,
        candidate=st.sampled_from([CandidateId("C1"), CandidateId("C2"), NONE_OF_THESE]),
        likelihood=st.sampled_from(Likelihood),
        mechanism=st.just((a_claim(),)),
        contradicting=st.just(()),
        is_backed=st.booleans(),
        is_cleared=st.booleans(),
    ),
    max_size=3,
)


@given(said=opinions, confidence=st.floats(0, 1, allow_subnormal=False))
def test_no_opinion_whatever_it_says_raises_the_confidence(
    said: list[GroundedHypothesis], confidence: float
) -> None:
    grounded = Grounded(tuple(said), VerdictOutcome.CAUSE_IDENTIFIED, None, (), 0)

    verified = verify(confidence, CandidateId("C1"), grounded)

    assert 0 <= verified.confidence <= confidence
    assert (verified.why == "") == (verified.confidence == confidence) or confidence == 0
