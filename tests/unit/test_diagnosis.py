"""What of a model's answer is believed, and how far it may move the rules' ranking."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from math import exp
from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from bot.domain.diagnosis import (
    NONE_OF_THESE,
    Candidate,
    CandidateId,
    Claim,
    Dossier,
    Likelihood,
    Verdict,
    VerdictOutcome,
)
from bot.domain.fusion import BETA, CAP, fuse
from bot.domain.grounding import Fault, Grounded, GroundedHypothesis, Problem, ground
from tests.builders import NOW
from tests.model_builders import (
    DIFF_LINE,
    OTHER_LINE,
    SIGNAL_LINE,
    a_candidate,
    a_claim,
    a_dossier,
    a_hypothesis,
    a_verdict,
    no_candidate,
)


def test_an_answer_that_rests_on_the_evidence_is_kept_whole() -> None:
    verdict = a_verdict(
        a_hypothesis(
            a_claim(),
            a_claim(
                "It retries when the gateway answers 502.", evidence=["E2"], quotes=["gateway answers 502"]
            ),
            contradicting=[a_claim("C2 was live at 02:40.", evidence=["E1"], quotes=["deploy of payments"])],
        ),
        playbook="rollback-deploy",
    )

    found = ground(verdict, a_dossier())

    hypothesis = verdict.ranked[0]
    assert found == Grounded(
        hypotheses=(
            GroundedHypothesis(
                candidate=CandidateId("C1"),
                likelihood=Likelihood.LIKELY,
                mechanism=hypothesis.mechanism,
                contradicting=hypothesis.contradicting,
            ),
        ),
        outcome=VerdictOutcome.CAUSE_IDENTIFIED,
        playbook="rollback-deploy",
        problems=(),
        dropped_claims=0,
    )


@dataclass(frozen=True)
class Seeded:
    """A fault put into a sound answer, and whether the check is expected to see it."""

    id: str
    verdict: Verdict
    fault: Fault
    dossier: Callable[[], Dossier] = a_dossier


def late_candidate() -> Dossier:
    return a_dossier(candidates=[a_candidate("C1", minutes=-3), no_candidate()])


SEEDED: Final = [
    Seeded("G01-unknown-candidate", a_verdict(a_hypothesis(candidate="C9")), Fault.UNKNOWN_CANDIDATE),
    Seeded(
        "G02-change-id-for-candidate",
        a_verdict(a_hypothesis(candidate="deploy-checkout-42")),
        Fault.UNKNOWN_CANDIDATE,
    ),
    Seeded("G03-candidate-twice", a_verdict(a_hypothesis(), a_hypothesis()), Fault.CANDIDATE_TWICE),
    Seeded(
        "G04-result-never-fetched", a_verdict(a_hypothesis(a_claim(evidence=["E9"]))), Fault.UNKNOWN_EVIDENCE
    ),
    Seeded(
        "G05-one-invented-result-of-two",
        a_verdict(a_hypothesis(a_claim(evidence=["E1", "E8"]))),
        Fault.UNKNOWN_EVIDENCE,
    ),
    Seeded(
        "G06-quote-not-in-the-source",
        a_verdict(a_hypothesis(a_claim(quotes=["deploy of checkout broke it"]))),
        Fault.QUOTE_NOT_FOUND,
    ),
    Seeded(
        "G07-quote-of-another-result",
        a_verdict(a_hypothesis(a_claim(evidence=["E4"]))),
        Fault.QUOTE_NOT_FOUND,
    ),
    Seeded(
        "G08-quote-with-a-changed-letter",
        a_verdict(a_hypothesis(a_claim(quotes=["Deploy of checkout version 42"]))),
        Fault.QUOTE_NOT_FOUND,
    ),
    Seeded(
        "G09-quote-joined-from-two-lines",
        a_verdict(a_hypothesis(a_claim(quotes=[f"0.60 {OTHER_LINE[:20]}"]))),
        Fault.QUOTE_NOT_FOUND,
    ),
    Seeded(
        "G10-number-not-in-the-evidence",
        a_verdict(a_hypothesis(a_claim("The error rate rose to 37 %."))),
        Fault.TOKEN_NOT_FOUND,
    ),
    Seeded(
        "G11-time-not-in-the-evidence",
        a_verdict(a_hypothesis(a_claim("It was live at 02:57:00."))),
        Fault.TOKEN_NOT_FOUND,
    ),
    Seeded(
        "G12-invented-commit",
        a_verdict(a_hypothesis(a_claim("Commit 9f3c2ab changed the retries."))),
        Fault.TOKEN_NOT_FOUND,
    ),
    Seeded(
        "G13-invented-ticket",
        a_verdict(a_hypothesis(a_claim("As OPS-77 says, the deploy did it."))),
        Fault.TOKEN_NOT_FOUND,
    ),
    Seeded(
        "G14-uncited-result-named",
        a_verdict(a_hypothesis(a_claim("E4 shows it as well."))),
        Fault.TOKEN_NOT_FOUND,
    ),
    Seeded(
        "G15-swapped-candidate",
        a_verdict(a_hypothesis(a_claim("It was live before the onset."), candidate="C2")),
        Fault.OTHER_CANDIDATE,
    ),
    Seeded(
        "G16-diff-of-another-candidate",
        a_verdict(a_hypothesis(a_claim("It retries.", evidence=["E2"], quotes=[DIFF_LINE]), candidate="C2")),
        Fault.OTHER_CANDIDATE,
    ),
    Seeded(
        "G17-other-candidate-named", a_verdict(a_hypothesis(a_claim("C2 did it."))), Fault.OTHER_CANDIDATE
    ),
    Seeded(
        "G18-other-change-named",
        a_verdict(a_hypothesis(a_claim("The deploy-payments-7 change did it."))),
        Fault.OTHER_CANDIDATE,
    ),
    Seeded("G19-after-the-onset", a_verdict(), Fault.AFTER_ONSET, late_candidate),
    Seeded("G20-no-claim-left", a_verdict(a_hypothesis(a_claim(evidence=["E9"]))), Fault.NO_CLAIM_LEFT),
    Seeded("G21-invented-playbook", a_verdict(playbook="drop-database"), Fault.UNKNOWN_PLAYBOOK),
    Seeded(
        "G22-playbook-of-another-service",
        a_verdict(playbook="drain-backend"),
        Fault.PLAYBOOK_OF_ANOTHER_SERVICE,
    ),
    Seeded(
        "G23-playbook-of-another-kind", a_verdict(playbook="disable-flag"), Fault.PLAYBOOK_OF_ANOTHER_KIND
    ),
]

MISSED: Final = {
    "M01-order-told-wrong-in-words": a_claim("The deploy of 42 began after the onset."),
    "M02-number-in-words": a_claim("The error rate rose tenfold, to nearly half of all requests."),
    "M03-real-quote-beside-a-false-conclusion": a_claim("The deploy of 42 emptied the database."),
    "M04-number-from-elsewhere-in-the-evidence": a_claim("The deploy of 42 began 20 min before the onset."),
    "M05-other-candidate-by-its-short-version": a_claim("Version 7 did it."),
}
"""What the check cannot see: it proves that words exist, not that they follow."""


@pytest.mark.parametrize("seeded", SEEDED, ids=lambda seeded: seeded.id)
def test_a_seeded_fault_is_caught_and_named(seeded: Seeded) -> None:
    found = ground(seeded.verdict, seeded.dossier())

    assert seeded.fault in {problem.fault for problem in found.problems}


@pytest.mark.parametrize("claim", MISSED.values(), ids=MISSED)
def test_a_fault_that_is_known_to_be_missed_is_missed(claim: Claim) -> None:
    """They are listed so that a better check shows itself, and so that nobody believes there are none."""
    verdict = a_verdict(a_hypothesis(claim))

    assert () == ground(verdict, a_dossier()).problems


def test_faulty_claims_are_dropped_and_counted_and_the_rest_is_kept() -> None:
    bad = a_claim("The error rate rose to 37 %.")
    verdict = a_verdict(a_hypothesis(a_claim(), bad, contradicting=[bad]), a_hypothesis(bad, candidate="C2"))

    found = ground(verdict, a_dossier())

    assert [("C1", (a_claim(),), ())] == [
        (h.candidate, h.mechanism, h.contradicting) for h in found.hypotheses
    ]
    assert 3 == found.dropped_claims
    assert [
        Problem(Fault.TOKEN_NOT_FOUND, "hypothesis 1, mechanism 2"),
        Problem(Fault.TOKEN_NOT_FOUND, "hypothesis 1, contradicting 1"),
        Problem(Fault.TOKEN_NOT_FOUND, "hypothesis 2, mechanism 1"),
        Problem(Fault.NO_CLAIM_LEFT, "hypothesis 2"),
    ] == list(found.problems)


def test_a_problem_is_said_without_quoting_the_model() -> None:
    assert "hypothesis 1: unknown candidate" == str(Problem(Fault.UNKNOWN_CANDIDATE, "hypothesis 1"))


def test_when_nothing_holds_the_answer_is_inconclusive() -> None:
    found = ground(a_verdict(a_hypothesis(candidate="C9")), a_dossier())

    assert VerdictOutcome.INCONCLUSIVE == found.outcome


def test_a_claim_on_free_text_alone_is_grounded_and_moves_nothing() -> None:
    verdict = a_verdict(a_hypothesis(a_claim("It retries.", evidence=["E2", "E4"], quotes=[DIFF_LINE])))

    assert [(False, False)] == [(h.is_backed, h.is_cleared) for h in ground(verdict, a_dossier()).hypotheses]


def test_a_playbook_may_belong_to_the_service_of_the_suspect() -> None:
    claim = a_claim("It is near.", evidence=["E1"], quotes=["C2 deploy of payments"])
    dossier = a_dossier()
    option = dossier.playbooks[0].model_copy(update={"service": "payments"})

    found = ground(
        a_verdict(a_hypothesis(claim, candidate="C2"), playbook="rollback-deploy"),
        dossier.model_copy(update={"playbooks": (option,)}),
    )

    assert "rollback-deploy" == found.playbook


@pytest.mark.parametrize(
    "raw",
    [
        '{"unknowns":[],"ranked":[],"outcome":"inconclusive","playbook_id":null,"risk":"low"}',
        '{"unknowns":[],"ranked":[],"outcome":"inconclusive"}',
        '{"unknowns":[],"ranked":[],"outcome":"APPROVED","playbook_id":null}',
        '{"unknowns":[],"ranked":[],"outcome":"inconclusive","playbook_id":3}',
        '{"unknowns":[1],"ranked":[],"outcome":"inconclusive","playbook_id":null}',
        '{"unknowns":"","ranked":[],"outcome":"inconclusive","playbook_id":null}',
    ],
    ids=["extra-key", "missing-key", "outside-enum", "number-for-text", "number-in-list", "text-for-list"],
)
def test_an_answer_of_another_shape_is_refused(raw: str) -> None:
    with pytest.raises(ValidationError):
        Verdict.model_validate_json(raw, strict=True)


@pytest.mark.parametrize(
    "change",
    [{"evidence": []}, {"quotes": []}, {"quotes": ["short"]}, {"text": "x" * 301}, {"evidence": ["E1"] * 7}],
    ids=["uncited", "unquoted", "quote-too-short", "text-too-long", "too-much-evidence"],
)
def test_a_claim_without_evidence_or_beyond_its_limits_is_refused(change: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        Claim.model_validate_json(json.dumps({**a_claim().model_dump(mode="json"), **change}), strict=True)


def test_the_digest_of_a_dossier_changes_with_everything_in_it_but_the_calls_allowed() -> None:
    digest = a_dossier().input_sha256

    assert digest == a_dossier(max_calls=1).input_sha256
    assert digest != a_dossier(title="Error rate is 13 %").input_sha256


def grounded(*opinions: tuple[str, Likelihood], has_ground: bool = True) -> Grounded:
    return Grounded(
        hypotheses=tuple(
            GroundedHypothesis(CandidateId(c), likelihood, (a_claim(),), (), has_ground, has_ground)
            for c, likelihood in opinions
        ),
        outcome=VerdictOutcome.CAUSE_IDENTIFIED,
        playbook=None,
        problems=(),
        dropped_claims=0,
    )


def candidates(first: float, second: float, none: float) -> tuple[Candidate, ...]:
    return (
        a_candidate("C1", prior=first),
        a_candidate("C2", service="payments", version="7", prior=second),
        no_candidate(none),
    )


def test_without_an_opinion_the_rules_order_and_shares_stay() -> None:
    fused = fuse(candidates(0.6, 0.25, 0.1), grounded())

    assert [("C1", 0.6), ("C2", 0.25), ("none", 0.1)] == [(c, round(p, 6)) for c, p in fused.order]
    assert "C1" == fused.named


def test_an_opinion_may_turn_a_close_order_round() -> None:
    fused = fuse(candidates(0.4, 0.35, 0.2), grounded(("C2", Likelihood.VERY_LIKELY)))

    assert "C2" == fused.named


def test_an_opinion_does_not_turn_a_clear_order_round() -> None:
    for_the_other = grounded(("C2", Likelihood.VERY_LIKELY), ("C1", Likelihood.VERY_UNLIKELY))

    assert "C1" == fuse(candidates(0.88, 0.07, 0.05), for_the_other).order[0][0]


def test_free_text_that_anyone_could_have_written_moves_nothing() -> None:
    opinion = grounded(("C2", Likelihood.VERY_LIKELY), ("C1", Likelihood.VERY_UNLIKELY), has_ground=False)

    assert fuse(candidates(0.4, 0.35, 0.2), opinion) == fuse(candidates(0.4, 0.35, 0.2), grounded())


@pytest.mark.parametrize(
    ("shares", "named"),
    [((0.6, 0.2, 0.2), "C1"), ((0.49, 0.2, 0.2), None), ((0.52, 0.4, 0.05), None), ((0.1, 0.1, 0.8), "none")],
    ids=["named", "too-unlikely", "too-close", "no-change"],
)
def test_something_is_named_only_when_likely_enough_and_far_enough_ahead(
    shares: tuple[float, float, float], named: str | None
) -> None:
    assert named == fuse(candidates(*shares), grounded()).named


opinions = st.dictionaries(st.sampled_from(["C1", "C2", NONE_OF_THESE]), st.sampled_from(Likelihood))
shares = st.tuples(*[st.floats(0.01, 1.0)] * 3).map(lambda s: tuple(x / (sum(s) * 1.01) for x in s))


@given(shares=shares, opinion=opinions)
def test_no_opinion_moves_the_odds_between_two_candidates_by_more_than_twice_the_cap(
    shares: tuple[float, float, float], opinion: dict[str, Likelihood]
) -> None:
    before = {c.id: c.prior for c in candidates(*shares)}
    after = dict(fuse(candidates(*shares), grounded(*opinion.items())).order)

    assert before.keys() == after.keys()
    assert BETA * 2 <= CAP
    for one in before:
        for other in before:
            ratio = (after[one] / after[other]) / (before[one] / before[other])
            assert exp(-2 * CAP) * 0.999 <= ratio <= exp(2 * CAP) * 1.001


def test_the_onset_itself_still_counts_as_before() -> None:
    dossier = a_dossier(candidates=[a_candidate("C1", minutes=0), no_candidate()])

    assert () == ground(a_verdict(), dossier).problems
    assert dossier.onset == NOW - timedelta(0)


def test_a_reading_may_be_quoted() -> None:
    claim = a_claim("The error_ratio is 0.12.", evidence=["E4"], quotes=[SIGNAL_LINE[:30]])

    assert ["C1"] == [h.candidate for h in ground(a_verdict(a_hypothesis(claim)), a_dossier()).hypotheses]
