"""Say in words what the ranking found: the same sentences for the card, the summary and the commands."""

from datetime import datetime, timedelta

from bot.domain.card import Cause, SuspectLine
from bot.domain.change import ChangeEvent
from bot.domain.correlation import Outcome, Ranking, Suspect, Term
from bot.domain.document import Line

NOT_KNOWN = "PagerDuty does not know this incident"
"""Stands among the sources that did not answer: all that is known of the incident is a webhook's word."""
RULES_ONLY = "Rules only: no model took part."
MODEL_SILENT = "Rules only: model unavailable"
"""How the words begin that name a model's failure."""
ANEW = "Rules only: assessed anew after the model spoke."
SHOWN_SUSPECTS = 3
_WEIGHS_NOTHING = 0.05  # In log-odds, our choice: less moves no probability by more than a percent or so.
_HIGH, _MEDIUM = 0.85, 0.6  # Our choice of words; the number stands beside them.


def cause_in_words(ranking: Ranking, evidence: tuple[Line, ...]) -> Cause:
    """Return what the card says about the cause, from the deterministic ranking alone."""
    shown = ranking.suspects[:SHOWN_SUSPECTS]
    nothing = ranking.coverage.cap(ranking.nothing.probability)
    confidence = ranking.confidence if ranking.named else nothing
    return Cause(
        headline=_headline(ranking),
        confidence_percent=round(confidence * 100),
        confidence_word=confidence_word(confidence),
        suspects=tuple(_suspect_line(suspect) for suspect in shown),
        nothing_changed_percent=round(nothing * 100),
        nothing_reasons=reasons(ranking.nothing.terms),
        evidence=evidence,
        speaker=RULES_ONLY,
        limits=_limits(ranking),
        named=ranking.named,
    )


def confidence_word(confidence: float) -> str:
    """Return `high`, `medium` or `low` for a probability."""
    if confidence >= _HIGH:
        return "high"
    return "medium" if confidence >= _MEDIUM else "low"


def percent(whole: int) -> str:
    """Return a rounded percentage; what rounds to none or all is never said to be that."""
    if whole <= 0:
        return "under 1 %"
    return "over 99 %" if whole >= 100 else f"{whole} %"


def counted(number: int, one: str, many: str = "") -> str:
    """Return such as `1 change` or `2 changes`."""
    return f"{number} {one if number == 1 else many or f'{one}s'}"


def reasons(terms: tuple[Term, ...]) -> tuple[str, ...]:
    """Return what speaks for and against in plain words, the strongest first, without what weighs nothing.

    `weighed` tells all of it, with the numbers.
    """
    strongest = sorted(terms, key=lambda term: -abs(term.log_odds))
    return tuple(
        term.sentence if term.log_odds > 0 else f"against it: {term.sentence}"
        for term in strongest
        if term.sentence and abs(term.log_odds) >= _WEIGHS_NOTHING
    )


def weighed(term: Term) -> str:
    """Return a term with its weight in log-odds, such as `+2.58 changed checkout, which alerts`."""
    return f"{term.log_odds:+.2f} {term.sentence or term.name.replace('_', ' ')}"


def stated_confidence(cause: Cause) -> str:
    """Return such as `high confidence, 83 %`."""
    if not cause.is_ranked:
        return "no confidence is stated"
    return f"{cause.confidence_word} confidence, {percent(cause.confidence_percent)}"


def change_name(change: ChangeEvent) -> str:
    """Return such as `checkout 42 · deploy by dana`."""
    what = change.flag or change.version or change.id
    by = f" by {change.author}" if change.author else ""
    return f"{change.service} {what} · {change.kind.value}{by}"


def clock_time(at: datetime, *, today: datetime | None = None) -> str:
    """Return a time as people read it in a sentence, with its date when that is not the day of *today*."""
    is_another_day = today is not None and at.date() != today.date()
    return f"{at:%Y-%m-%d %H:%M:%S} UTC" if is_another_day else f"{at:%H:%M:%S} UTC"


def duration(span: timedelta) -> str:
    """Return such as `45 s`, `3 min`, `2 h 5 min` or `3 d 4 h`."""
    seconds = max(0, round(span.total_seconds()))
    if seconds < 90:
        return f"{seconds} s"
    minutes, hours = round(seconds / 60), seconds // 3600
    if minutes < 90:
        return f"{minutes} min"
    if hours < 48:
        return _two(hours, "h", (seconds - hours * 3600) // 60, "min")
    return _two(hours // 24, "d", hours % 24, "h")


def _two(many: int, unit: str, rest: int, of: str) -> str:
    return f"{many} {unit} {rest} {of}" if rest else f"{many} {unit}"


def _headline(ranking: Ranking) -> str:
    match ranking.outcome:
        case Outcome.CHANGE_SUSPECTED:
            change = ranking.suspects[0].change
            what = change.flag or change.version or change.id
            return f"Probably the {change.kind.value} of {change.service} {what}"
        case Outcome.CANNOT_SEPARATE:
            first, second = ranking.suspects[0].change, ranking.suspects[1].change
            return f"Cannot separate {change_name(first)} and {change_name(second)}"
        case Outcome.NOTHING_SUSPECTED:
            return "No change is suspected"


def _suspect_line(suspect: Suspect) -> SuspectLine:
    return SuspectLine(
        title=change_name(suspect.change),
        probability_percent=round(suspect.probability * 100),
        reasons=reasons(suspect.terms),
        url=suspect.change.url,
        change=suspect.change.id,
    )


def _limits(ranking: Ranking) -> tuple[str, ...]:
    return tuple(
        f"{source if source == NOT_KNOWN else f'{source} did not answer'}: the confidence is capped"
        for source in ranking.coverage.unreachable
    )
