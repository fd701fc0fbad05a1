"""Check each sentence of a reply against what was looked up: what does not hold is dropped and counted."""

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from bot.domain.diagnosis import Claim, ToolResult, ToolStatus
from bot.domain.grounding import known_tokens, tokens
from bot.domain.ids import PlaybookId
from bot.domain.orders import is_order
from bot.domain.reply import Reply, ReplyOutcome

_WORD: Final = re.compile(r"[a-z0-9][a-z0-9-]*")
_COMMAND: Final = re.compile(
    r"`|\$\(|&&|\|\||(?:^|\s)[~.]?/[a-z]"  # Code, a shell's signs, a path or a slash command.
    r"|\b(?:sudo|ssh|scp|kubectl|helm|docker|podman|systemctl|journalctl|curl|wget|bash|chmod|chown|kill|"
    r"pkill|killall|rm|dd|psql|mysql|redis-cli|aws|gcloud|az|terraform|ansible(?:-playbook)?|argocd|git|"
    r"python3?|node|npm|pip|eval|exec)\s+[-\w./]",
    re.IGNORECASE,
)


class ReplyFault(StrEnum):
    """What can be wrong with a sentence that has the right shape, in the order of the checks."""

    UNKNOWN_EVIDENCE = "unknown_evidence"
    QUOTE_NOT_FOUND = "quote_not_found"
    TOKEN_NOT_FOUND = "token_not_found"  # noqa: S105 - a token of text, no secret
    UNKNOWN_PLAYBOOK = "unknown_playbook"
    COMMAND = "command"
    ORDER = "order"


@dataclass(frozen=True)
class GroundedReply:
    """What is left of a reply."""

    sentences: tuple[Claim, ...]
    outcome: ReplyOutcome
    faults: tuple[ReplyFault, ...]
    """One for each sentence that was dropped."""


def ground_reply(
    reply: Reply,
    results: Sequence[ToolResult],
    *,
    allowed: Collection[PlaybookId],
    known: Collection[PlaybookId],
) -> GroundedReply:
    """Return what of *reply* rests on *results*, and names no playbook of *known* beyond *allowed*.

    It proves that the words exist and that nothing is told to be done, not that the conclusion follows.
    """
    by_id = {result.result_id: result for result in results}
    kept: list[Claim] = []
    faults: list[ReplyFault] = []
    for sentence in reply.sentences:
        fault = _fault(sentence, by_id, frozenset(known) - frozenset(allowed))
        if fault is None:
            kept.append(sentence)
        else:
            faults.append(fault)
    outcome = reply.outcome
    if outcome is ReplyOutcome.ANSWERED and not kept:
        outcome = ReplyOutcome.UNKNOWN
    if outcome is not ReplyOutcome.ANSWERED:
        kept = []
    return GroundedReply(tuple(kept), outcome, tuple(faults))


def _fault(
    sentence: Claim, by_id: dict[str, ToolResult], forbidden: frozenset[PlaybookId]
) -> ReplyFault | None:
    cited = [by_id.get(result_id) for result_id in sentence.evidence]
    results = [r for r in cited if r is not None and r.status is not ToolStatus.ERROR]
    if len(results) < len(cited):
        return ReplyFault.UNKNOWN_EVIDENCE
    if not all(
        any(quote in item for result in results for item in result.items) for quote in sentence.quotes
    ):
        return ReplyFault.QUOTE_NOT_FOUND
    if not tokens(sentence.text) <= known_tokens(results):
        return ReplyFault.TOKEN_NOT_FOUND
    if forbidden & set(_WORD.findall(sentence.text.casefold())):
        return ReplyFault.UNKNOWN_PLAYBOOK
    if _COMMAND.search(sentence.text):
        return ReplyFault.COMMAND
    if is_order(sentence.text):
        return ReplyFault.ORDER
    return None
