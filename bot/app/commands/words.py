"""The command nearest to a question in words: fixed patterns, so that the same words always mean the same.

What changes something is never guessed: those commands are typed as they are.
"""

import re
from collections.abc import Sequence
from typing import Final

from bot.app.commands.changing import service_of, span_of
from bot.app.world import World

_PATTERNS: Final[Sequence[tuple[str, Sequence[str]]]] = (
    # The first that fits counts, so the narrower ones stand before the wider ones.
    ("who", (r"on.?call", r"who (is|are|was|were|has|have|can|may|do|does|should|owns?)\b", "whom", "owner")),
    (
        "similar",
        (r"fixed|fix (it|this)", "last time", r"before\b", "similar", r"again\b", r"\bever ", "previous"),
    ),
    ("verify", (r"recover", "healthy", r"is it (better|ok|fine|back)", r"better now", r"did it (help|work)")),
    (
        "runbook",
        ("runbook", "playbook", r"\bdocs?\b", "dashboard", r"what can (i|we) ", r"how (do|can) (i|we)"),
    ),
    (
        "changes",
        (r"chang(e|ing)", "deploy", "releas", r"roll(ed)?.?out", "shipped", r"merged\b", r"\bflags?\b"),
    ),
    ("suspects", (r"\bwhy\b", r"cause", "suspect", "blame", "culprit", "reason", r"brok(e|en)\b", "wrong")),
    ("timeline", (r"time.?line", "when did", "what happened", "history")),
    ("handover", (r"hand.?over", r"\bshift")),
    ("summary", ("summar", "recap", r"tl;?dr", "sum up")),
    ("report", (r"\breport", "statistics", "numbers", "how many")),
    ("muted", ("muted", "silenced", "suppressed")),
    ("list", (r"(other|open|all|which|any) incidents?", "what is open", "anything else")),
    (
        "context",
        ("context", "alert", r"neighbou?r", "depend", r"tell me (more|about)", "details", "evidence"),
    ),
    (
        "status",
        ("status", r"state\b", "stand", "going on", "happening", "update", r"how (is|are)", "what is"),
    ),
)
_COMPILED: Final = tuple((name, re.compile("|".join(parts))) for name, parts in _PATTERNS)
_SPANS: Final = (
    (re.compile(r"\b(last|past|this) hour\b"), "1h"),
    (re.compile(r"\byesterday\b"), "2d"),
    (re.compile(r"\b(this|last|past) week\b"), "7d"),
    (re.compile(r"\b(today|tonight|last 24|past day)\b"), "24h"),
)
_COUNTED_SPAN: Final = re.compile(r"\b([1-9][0-9]{0,3}) ?(minutes?|mins?|hours?|hrs?|days?)\b")
_WORD: Final = re.compile(r"[\w.-]+")


def guess(world: World, text: str) -> Sequence[str] | None:
    """Return the command and its words that answer *text* best; None when no pattern fits."""
    folded = " ".join(text.casefold().replace("’", "'").replace("what's", "what is").split())
    folded = folded.replace("who's", "who is").replace("how's", "how is")
    for name, pattern in _COMPILED:
        if pattern.search(folded):
            return [name, *_further(world, name, folded)]
    return None


def _further(world: World, name: str, folded: str) -> Sequence[str]:
    match name:
        case "changes":
            service = next((s for w in _words(folded) if (s := service_of(world, w))), None)
            return [part for part in (service, _span(folded)) if part]
        case "report":
            span = _span(folded)
            return [span] if span else []
        case _:
            return []


def _span(folded: str) -> str | None:
    if found := _COUNTED_SPAN.search(folded):
        return f"{found[1]}{found[2][0]}"
    typed = next((word for word in _words(folded) if span_of(word)), None)
    return typed or next((span for pattern, span in _SPANS if pattern.search(folded)), None)


def _words(folded: str) -> Sequence[str]:
    return [word.strip(".-_") for word in _WORD.findall(folded)]
