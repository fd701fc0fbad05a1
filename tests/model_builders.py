"""Dossiers and verdicts for tests."""

from collections.abc import Sequence
from datetime import timedelta

from bot.domain.change import ChangeKind
from bot.domain.diagnosis import (
    NONE_OF_THESE,
    Candidate,
    CandidateId,
    Claim,
    Dossier,
    Hypothesis,
    Likelihood,
    PlaybookOption,
    ToolName,
    ToolResult,
    ToolStatus,
    Trust,
    Verdict,
    VerdictOutcome,
)
from bot.domain.ids import ChangeId, IncidentId, ServiceName, sha256_hex
from bot.domain.redaction import Redacted
from bot.domain.reply import WordsAsked
from tests.builders import INCIDENT, NOW

CHANGE_LINE = (
    "C1 deploy of checkout version 42 before 41 flag unknown, live 2026-11-22 02:58:00 UTC, "
    "2 min before the onset, the alerting service itself, probability by the rules 0.60"
)
OTHER_LINE = (
    "C2 deploy of payments version 7 before 6 flag unknown, live 2026-11-22 02:40:00 UTC, "
    "20 min before the onset, called by it, 1 hop away, probability by the rules 0.25"
)
SIGNAL_LINE = "error_ratio of checkout is 0.12 at 03:00:00 UTC"
DIFF_LINE = "retry payments twice when the gateway answers 502"


def a_result(
    result_id: str,
    *lines: str,
    tool: ToolName = ToolName.LIST_CHANGES,
    trust: Trust = Trust.SYSTEM,
    about: str | None = None,
) -> ToolResult:
    return ToolResult(
        result_id=result_id,
        tool=tool,
        status=ToolStatus.OK if lines else ToolStatus.NO_DATA,
        items=tuple(Redacted(line) for line in lines),
        total=len(lines),
        trust=trust,
        about=CandidateId(about) if about else None,
        sha256=sha256_hex(*lines),
        redactor_version="1",
    )


def a_candidate(
    candidate_id: str,
    *,
    service: str = "checkout",
    version: str = "42",
    prior: float = 0.6,
    minutes: float = 2,
) -> Candidate:
    return Candidate(
        id=CandidateId(candidate_id),
        change=ChangeId(f"deploy-{service}-{version}"),
        service=ServiceName(service),
        kind=ChangeKind.DEPLOY,
        names=(Redacted(f"deploy-{service}-{version}"), Redacted(version)),
        began_at=NOW - timedelta(minutes=minutes),
        prior=prior,
    )


def no_candidate(prior: float = 0.15) -> Candidate:
    return Candidate(id=NONE_OF_THESE, change=None, prior=prior)


def a_dossier(
    *,
    candidates: Sequence[Candidate] | None = None,
    results: Sequence[ToolResult] | None = None,
    max_calls: int = 4,
    title: str = "Error rate is 12 %",
) -> Dossier:
    """Return the dossier of checkout 42 (C1, 60 %), payments 7 (C2, 25 %) and nothing (15 %)."""
    return Dossier(
        incident=IncidentId(INCIDENT),
        service=ServiceName("checkout"),
        title=Redacted(title),
        urgency="high",
        onset=NOW,
        now=NOW,
        candidates=tuple(
            candidates
            or (
                a_candidate("C1"),
                a_candidate("C2", service="payments", version="7", prior=0.25, minutes=20),
                no_candidate(),
            )
        ),
        results=tuple(
            results
            or (
                a_result("E1", CHANGE_LINE, OTHER_LINE),
                a_result("E2", DIFF_LINE, tool=ToolName.GET_CHANGE_DIFF, trust=Trust.HUMAN, about="C1"),
                a_result(
                    "E3", "bump a library", tool=ToolName.GET_CHANGE_DIFF, trust=Trust.HUMAN, about="C2"
                ),
                a_result("E4", SIGNAL_LINE, tool=ToolName.GET_SIGNALS, trust=Trust.TELEMETRY),
            )
        ),
        playbooks=(
            PlaybookOption(id="rollback-deploy", service=ServiceName("checkout"), kinds=(ChangeKind.DEPLOY,)),
            PlaybookOption(id="disable-flag", service=ServiceName("checkout"), kinds=(ChangeKind.FLAG,)),
            PlaybookOption(id="drain-backend", service=ServiceName("search")),
        ),
        max_calls=max_calls,
    )


def a_claim(
    text: str = "The deploy of 42 began 2 min before the onset.",
    *,
    evidence: Sequence[str] = ("E1",),
    quotes: Sequence[str] = ("deploy of checkout version 42",),
) -> Claim:
    return Claim(text=text, evidence=tuple(evidence), quotes=tuple(quotes))


def a_hypothesis(
    *claims: Claim,
    candidate: str = "C1",
    likelihood: Likelihood = Likelihood.LIKELY,
    contradicting: Sequence[Claim] = (),
) -> Hypothesis:
    return Hypothesis(
        mechanism=claims or (a_claim(),),
        contradicting=tuple(contradicting),
        candidate_id=candidate,
        likelihood=likelihood,
    )


def a_verdict(*ranked: Hypothesis, playbook: str | None = None) -> Verdict:
    return Verdict(
        unknowns=(),
        ranked=ranked or (a_hypothesis(),),
        outcome=VerdictOutcome.CAUSE_IDENTIFIED,
        playbook_id=playbook,
    )


def a_words_asked(question: str = "did checkout change today?", **changed: object) -> WordsAsked:
    """Return a question about the incident of `a_dossier`."""
    usual = WordsAsked(
        incident=IncidentId(INCIDENT),
        service=ServiceName("checkout"),
        title=Redacted("Error rate is 12 %"),
        question=Redacted(question),
        onset=NOW,
        now=NOW + timedelta(minutes=4),
        candidates=(CandidateId("C1"), CandidateId("C2")),
        services=(ServiceName("checkout"), ServiceName("payments")),
        playbooks=("rollback-deploy",),
    )
    return usual.model_copy(update=changed)
