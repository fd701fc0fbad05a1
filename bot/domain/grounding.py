"""Check a model's answer against the evidence it was given: what does not hold is dropped and counted."""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from bot.domain.backing import is_backed, is_cleared
from bot.domain.diagnosis import (
    NONE_OF_THESE,
    Candidate,
    CandidateId,
    Claim,
    Dossier,
    Hypothesis,
    Likelihood,
    ToolResult,
    Verdict,
    VerdictOutcome,
)
from bot.domain.ids import PlaybookId


class Fault(StrEnum):
    """What can be wrong with an answer that has the right shape, in the order of the checks."""

    UNKNOWN_CANDIDATE = "unknown_candidate"
    CANDIDATE_TWICE = "candidate_twice"
    UNKNOWN_EVIDENCE = "unknown_evidence"
    QUOTE_NOT_FOUND = "quote_not_found"
    TOKEN_NOT_FOUND = "token_not_found"  # noqa: S105 - a token of text, no secret
    OTHER_CANDIDATE = "other_candidate"
    AFTER_ONSET = "after_onset"
    NO_CLAIM_LEFT = "no_claim_left"
    UNKNOWN_PLAYBOOK = "unknown_playbook"
    PLAYBOOK_OF_ANOTHER_SERVICE = "playbook_of_another_service"
    PLAYBOOK_OF_ANOTHER_KIND = "playbook_of_another_kind"


@dataclass(frozen=True)
class Problem:
    """One fault and where it stands, in words that quote nothing but ids."""

    fault: Fault
    where: str

    def __str__(self) -> str:
        return f"{self.where}: {self.fault.value.replace('_', ' ')}"


@dataclass(frozen=True)
class GroundedHypothesis:
    """A hypothesis of which every claim left is backed by a quote."""

    candidate: CandidateId
    likelihood: Likelihood
    mechanism: tuple[Claim, ...]
    contradicting: tuple[Claim, ...]
    is_backed: bool = False
    """It may rise in the order: see `bot.domain.backing`."""
    is_cleared: bool = False
    """It may fall in the order."""


@dataclass(frozen=True)
class Grounded:
    """What is left of an answer."""

    hypotheses: tuple[GroundedHypothesis, ...]
    outcome: VerdictOutcome
    playbook: PlaybookId | None
    problems: tuple[Problem, ...]
    dropped_claims: int


def ground(verdict: Verdict, dossier: Dossier) -> Grounded:
    """Return what of *verdict* rests on the results of *dossier*.

    It proves that the words exist and the ids fit, not that the conclusion follows from them.
    """
    problems: list[Problem] = []
    kept: list[GroundedHypothesis] = []
    dropped = 0
    for index, hypothesis in enumerate(verdict.ranked, 1):
        where = f"hypothesis {index}"
        found = list(_about_the_candidate(hypothesis, dossier, where, {h.candidate for h in kept}))
        if found:
            problems += found
            dropped += len(hypothesis.mechanism) + len(hypothesis.contradicting)
            continue
        grounded, found = _grounded(hypothesis, dossier, where)
        problems += found
        dropped += len(hypothesis.mechanism) + len(hypothesis.contradicting)
        if grounded is None:
            problems.append(Problem(Fault.NO_CLAIM_LEFT, where))
        else:
            dropped -= len(grounded.mechanism) + len(grounded.contradicting)
            kept.append(grounded)
    playbook, found = _playbook(verdict, dossier, kept)
    return Grounded(
        hypotheses=tuple(kept),
        outcome=verdict.outcome if kept else VerdictOutcome.INCONCLUSIVE,
        playbook=playbook,
        problems=(*problems, *found),
        dropped_claims=dropped,
    )


def _about_the_candidate(
    hypothesis: Hypothesis, dossier: Dossier, where: str, seen: set[CandidateId]
) -> Iterator[Problem]:
    candidate = dossier.candidate(hypothesis.candidate_id)
    if candidate is None:
        yield Problem(Fault.UNKNOWN_CANDIDATE, where)
    elif candidate.id in seen:
        yield Problem(Fault.CANDIDATE_TWICE, where)
    elif candidate.began_at is not None and candidate.began_at > dossier.onset:
        yield Problem(Fault.AFTER_ONSET, where)


def _grounded(
    hypothesis: Hypothesis, dossier: Dossier, where: str
) -> tuple[GroundedHypothesis | None, list[Problem]]:
    candidate = dossier.candidate(hypothesis.candidate_id)
    if candidate is None:
        return None, []
    problems: list[Problem] = []
    mechanism, contradicting = [], []
    for index, claim in enumerate(hypothesis.mechanism, 1):
        fault = _fault(claim, candidate, dossier, may_name_others=False)
        if fault is None:
            mechanism.append(claim)
        else:
            problems.append(Problem(fault, f"{where}, mechanism {index}"))
    for index, claim in enumerate(hypothesis.contradicting, 1):
        fault = _fault(claim, candidate, dossier, may_name_others=True)
        if fault is None:
            contradicting.append(claim)
        else:
            problems.append(Problem(fault, f"{where}, contradicting {index}"))
    if not mechanism:
        return None, problems
    return (
        GroundedHypothesis(
            candidate=candidate.id,
            likelihood=hypothesis.likelihood,
            mechanism=tuple(mechanism),
            contradicting=tuple(contradicting),
            is_backed=is_backed(mechanism, candidate, dossier),
            is_cleared=is_cleared((*mechanism, *contradicting), candidate, dossier),
        ),
        problems,
    )


def _fault(claim: Claim, candidate: Candidate, dossier: Dossier, *, may_name_others: bool) -> Fault | None:
    """Return the first thing wrong with *claim*, or None."""
    cited = [dossier.result(result_id) for result_id in claim.evidence]
    results = [result for result in cited if result is not None]
    if len(results) < len(cited):
        return Fault.UNKNOWN_EVIDENCE
    if not all(any(quote in result.text for result in results) for quote in claim.quotes):
        return Fault.QUOTE_NOT_FOUND
    if not tokens(claim.text) <= _known_to(results, candidate, dossier):
        return Fault.TOKEN_NOT_FOUND
    if not may_name_others and _speaks_of_another(claim, results, candidate, dossier):
        return Fault.OTHER_CANDIDATE
    return None


_TOKEN: Final = re.compile(
    r"\d{4}-\d{2}-\d{2}"  # a date
    r"|\d{1,2}:\d{2}(?::\d{2})?"  # a time
    r"|\b(?=[0-9a-f]*\d)[0-9a-f]{7,64}\b"  # a commit or digest
    r"|\b[A-Z]{1,8}-?\d+\b"  # an id such as E3, C1, OPS-12
    r"|\d+(?:\.\d+)*"  # a number or version
)


def tokens(text: str) -> frozenset[str]:
    """Return every date, time, digest, id and number of *text*."""
    return frozenset(_TOKEN.findall(text))


def _known_to(results: list[ToolResult], candidate: Candidate, dossier: Dossier) -> frozenset[str]:
    """Return the tokens that a claim about *candidate* may hold: those of *results*, and the ids we gave."""
    return known_tokens(results, candidate.names) | {c.id for c in dossier.candidates}


def known_tokens(results: Sequence[ToolResult], names: Iterable[str] = ()) -> frozenset[str]:
    """Return the tokens that a claim over *results* may hold: theirs, their ids, and those of *names*."""
    read = " ".join((*(result.text for result in results), *names))
    # A time that stands in the evidence as 02:58:00 may be written 02:58.
    minutes = frozenset(token[:5] for token in tokens(read) if re.fullmatch(r"\d{2}:\d{2}:\d{2}", token))
    return tokens(read) | minutes | frozenset(result.result_id for result in results)


def _speaks_of_another(
    claim: Claim, results: list[ToolResult], candidate: Candidate, dossier: Dossier
) -> bool:
    """Say whether the claim names another candidate, or rests on nothing but evidence about another one."""
    if all(result.about not in (None, candidate.id) for result in results):
        return True
    others = [c for c in dossier.candidates if c.id not in (candidate.id, NONE_OF_THESE)]
    if candidate.id == NONE_OF_THESE:
        return False
    if any(_names(claim.text, other) for other in others):
        return True
    return any(
        _names(line, other) and not _names(line, candidate)
        for quote in claim.quotes
        for line in _line_of(quote, results)
        for other in others
    )


def _line_of(quote: str, results: list[ToolResult]) -> tuple[str, ...]:
    """Return the line that *quote* was copied from, if only one line can be meant."""
    lines = tuple(item for result in results for item in result.items if quote in item)
    return lines if len(lines) == 1 else ()


def _names(text: str, candidate: Candidate) -> bool:
    if re.search(rf"\b{re.escape(candidate.id)}\b", text):
        return True
    # A short name such as version 42 is also a number that may stand for something else.
    return any(len(name) >= 6 and name in text for name in candidate.names)


def _playbook(
    verdict: Verdict, dossier: Dossier, kept: list[GroundedHypothesis]
) -> tuple[PlaybookId | None, list[Problem]]:
    """Return the playbook named, if the service of the cause allows it and it answers that kind of change."""
    if verdict.playbook_id is None:
        return None, []
    options = [option for option in dossier.playbooks if option.id == verdict.playbook_id]
    if not options:
        return None, [Problem(Fault.UNKNOWN_PLAYBOOK, "playbook")]
    first = dossier.candidate(kept[0].candidate) if kept else None
    service = first.service if first is not None and first.service is not None else dossier.service
    option = next((option for option in options if option.service == service), None)
    if option is None:
        return None, [Problem(Fault.PLAYBOOK_OF_ANOTHER_SERVICE, "playbook")]
    if option.kinds and (first is None or first.kind not in option.kinds):
        return None, [Problem(Fault.PLAYBOOK_OF_ANOTHER_KIND, "playbook")]
    return option.id, []
