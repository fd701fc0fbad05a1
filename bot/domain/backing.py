"""Tell whether an opinion about a candidate rests on ground of its own, so that it may move the order.

A model can be talked into anything by the texts it reads, and it can quote a fact that says nothing beside
them: the list of changes holds a line on every candidate, and the rules have weighed that line already. So
words count for the order only

- upwards, with a measurement that code found abnormal and that belongs to this candidate and to no other, or
  with a bridge: an identifier that stands in the candidate's own diff and in the symptoms, and in no rival's;
- downwards, with a measurement of this candidate alone that code found normal.

A line that speaks of candidates, or tells its reader what to think, is ground for nothing.
"""

import re
from collections.abc import Iterable, Sequence
from typing import Final

from bot.domain.diagnosis import NONE_OF_THESE, Candidate, Claim, Dossier, Sign, ToolName, ToolResult, Trust

_SYMPTOMS: Final = (ToolName.GET_ALERT_TEXTS, ToolName.GET_ERROR_SIGNATURES)
# An identifier of code or configuration: six characters or more, in a spelling that prose does not have.
_WORD: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*(?:(?:\.|::|-)[A-Za-z0-9_]+)*")
_IDENTIFIER: Final = re.compile(r"(?=.{6})(?=.*(?:[a-z0-9][A-Z]|_[A-Za-z]|[A-Za-z][0-9]|::|\w\.\w)).*")
_STEERING: Final = re.compile(
    r"\b(?:innocent|harmless|blame\w*|culprit|guilty|exonerat\w*|root cause|unrelated to|spare"
    r"|(?:is|are|was|were|not) (?:the |a |to )?(?:cause|fault|responsible|suspect)|caused|approv\w*"
    r"|(?:ignore|disregard|forget) (?:all|any|the|this|that|these|previous|everything|earlier)"
    r"|(?:very[ _])?(?:un)?likely|rank (?:C\d|it|this|the)|verdict|hypothes\w*|instructions?"
    r"|you (?:are|must|should|will)|C\d{1,2}|roll(?:ed|ing)? ?back)\b",
    re.IGNORECASE,
)


def is_backed(claims: Iterable[Claim], candidate: Candidate, dossier: Dossier) -> bool:
    """Return whether *claims* speak for *candidate* with ground of its own."""
    kept = tuple(claims)
    if any(_quotes_a_measurement(claim, candidate, dossier, Sign.ABNORMAL) for claim in kept):
        return True
    return candidate.id != NONE_OF_THESE and _is_bridge(kept, candidate, dossier)


def is_cleared(claims: Iterable[Claim], candidate: Candidate, dossier: Dossier) -> bool:
    """Return whether *claims* speak against *candidate* with a measurement of its own that is normal."""
    return any(_quotes_a_measurement(claim, candidate, dossier, Sign.NORMAL) for claim in claims)


def steers(line: str, dossier: Dossier) -> bool:
    """Return whether *line* speaks of candidates or to its reader, so that it can be no ground."""
    if _STEERING.search(line):
        return True
    return any(len(name) >= 6 and name in line for c in dossier.candidates for name in c.names)


def _quotes_a_measurement(claim: Claim, candidate: Candidate, dossier: Dossier, sign: Sign) -> bool:
    own = (
        result
        for result in _cited(claim, dossier)
        if result.trust is Trust.TELEMETRY and result.sign is sign and _belongs(result, candidate, dossier)
    )
    return any(quote in item for result in own for quote in claim.quotes for item in result.items)


def _belongs(result: ToolResult, candidate: Candidate, dossier: Dossier) -> bool:
    """Return whether the result tells something of this candidate that it does not tell of another."""
    if result.about is not None or result.service is None:
        return result.about == candidate.id
    owners = [c.id for c in dossier.candidates if c.service == result.service]
    return owners == [candidate.id] if owners else candidate.id == NONE_OF_THESE


def _is_bridge(claims: Sequence[Claim], candidate: Candidate, dossier: Dossier) -> bool:
    of_change, of_symptoms = set[str](), set[str]()
    for claim in claims:
        for result in _cited(claim, dossier):
            quoted = " ".join(
                quote
                for quote in claim.quotes
                for item in result.items
                if quote in item and not steers(item, dossier)
            )
            if result.about == candidate.id:
                of_change |= _identifiers(quoted)
            elif result.about is None and result.tool in _SYMPTOMS:
                of_symptoms |= _identifiers(quoted)
    shared = (of_change & of_symptoms) - _given_names(dossier)
    rivals = (r.text for r in dossier.results if r.about is not None and r.about != candidate.id)
    return bool(shared.difference(*(_identifiers(text) for text in rivals)))


def _cited(claim: Claim, dossier: Dossier) -> Iterable[ToolResult]:
    return (result for cited in claim.evidence if (result := dossier.result(cited)) is not None)


def _identifiers(text: str) -> frozenset[str]:
    """Return the names of code and configuration in *text*, each with its parts, in lower case."""
    found = set[str]()
    for word in _WORD.findall(text):
        parts = re.split(r"\.|::", word)
        found |= {part.lower() for part in (word, *parts) if _IDENTIFIER.fullmatch(part)}
    return frozenset(found)


def _given_names(dossier: Dossier) -> frozenset[str]:
    """Return what everybody calls the services and changes: such a name in two texts joins nothing."""
    names = (name for c in dossier.candidates for name in (*c.names, c.service or "", c.kind or ""))
    plain = {name.lower() for name in (*names, dossier.service or "", *dossier.services)}
    return frozenset(plain) | _identifiers(" ".join(plain))
