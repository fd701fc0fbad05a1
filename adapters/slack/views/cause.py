"""What happened and why we think so, at three levels of detail."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from adapters.slack.views.text import (
    Mrkdwn,
    bold,
    code,
    escape,
    join,
    link,
    link_to_host,
    literal,
    mention,
    shorten,
    when,
)
from bot.app.wording import percent
from bot.domain.card import Card, Cause, SuspectLine
from bot.domain.document import Line
from bot.domain.incident import IncidentStatus


@dataclass(frozen=True)
class Detail:
    """How long the free text on a card may be, in characters and in lines."""

    title: int
    text: int
    line: int
    reasons: int
    lines: int
    links: bool


LEVELS = (
    Detail(title=300, text=900, line=240, reasons=3, lines=5, links=True),
    Detail(title=200, text=300, line=160, reasons=3, lines=4, links=True),
    Detail(title=120, text=0, line=100, reasons=1, lines=2, links=False),
)
"""From generous to bare. The plan comes first: the rest gives way, and says so."""

WORTH_A_REASON = 5  # In percent, our choice: below it, why nothing might have changed is left to Details.


def situation(card: Card, detail: Detail) -> list[Mrkdwn]:
    """Return what is wrong, since when, how bad, and who is on it."""
    incident = card.incident
    name = f"#{incident.number}" if incident.number is not None else incident.id
    title = shorten(incident.title or "Incident without a title", detail.title)
    facts = [link(incident.url, escape(name)), escape(f"urgency {incident.urgency}"[: detail.line])]
    if incident.priority:
        facts.append(shorten(incident.priority, 60))
    facts.append(Mrkdwn(f"since {when(incident.opened_at)}"))
    if incident.status is IncidentStatus.ACKNOWLEDGED:
        facts.append(escape("acknowledged"))
    return [bold(title), join(facts, " · "), _on_call(card, detail)]


def _on_call(card: Card, detail: Detail) -> Mrkdwn:
    if card.mentions:
        return join([Mrkdwn("On call:"), *map(mention, card.mentions[:20])], " ")
    return Mrkdwn(f"On call: {shorten(', '.join(card.on_call), detail.line)}") if card.on_call else Mrkdwn("")


def reasons(cause: Cause, detail: Detail) -> list[Mrkdwn]:
    """Return the cause with its confidence, the suspects, and what speaks for no change at all."""
    if not cause.is_ranked:
        return [bold(shorten(cause.headline, detail.title)), *plain_lines(cause.evidence, detail)]
    confidence = f"confidence {cause.confidence_word}, {percent(cause.confidence_percent)}"
    nothing = f"Nothing changed: {percent(cause.nothing_changed_percent)}"
    why = cause.nothing_reasons if cause.nothing_changed_percent >= WORTH_A_REASON else ()
    return [
        join([bold(shorten(cause.headline, detail.title)), shorten(confidence, detail.line)], " — "),
        *(part for number, one in enumerate(cause.suspects[:3], 1) for part in _suspect(number, one, detail)),
        Mrkdwn(f"• {join([escape(nothing), *_some(why, detail)], ' — ')}"),
        *_prose(cause, detail),
        *plain_lines(cause.evidence, detail),
    ]


def _suspect(number: int, suspect: SuspectLine, detail: Detail) -> Iterator[Mrkdwn]:
    title = bold(shorten(suspect.title, detail.line))
    parts = [Mrkdwn(f"{number}. {title} — {percent(suspect.probability_percent)}")]
    if detail.links:
        parts.append(link_to_host(suspect.url))
    yield join(parts, " · ")
    for reason in _some(suspect.reasons, detail):
        yield Mrkdwn(f"    ◦ {reason}")


def _some(texts: tuple[str, ...], detail: Detail) -> list[Mrkdwn]:
    shown = [shorten(text, detail.line) for text in texts[: detail.reasons]]
    if shown and len(texts) > len(shown):
        shown[-1] = join([shown[-1], escape(f"({len(texts) - len(shown)} more in Details)")], " ")
    return shown


def _prose(cause: Cause, detail: Detail) -> list[Mrkdwn]:
    if not cause.prose:
        return []
    if detail.text == 0:
        return [escape(f"({len(cause.prose)} characters of explanation in Details)")]
    return [Mrkdwn(f"_In the model’s words:_ {shorten(cause.prose, detail.text)}")]


def plain_lines(lines: tuple[Line, ...], detail: Detail) -> list[Mrkdwn]:
    """Return *lines* as a list; those left out are counted."""
    shown = [
        Mrkdwn(f"• {line_text(line, detail.line, links=detail.links)}") for line in lines[: detail.lines]
    ]
    if len(lines) > len(shown):
        shown.append(escape(f"• … ({len(lines) - len(shown)} more lines in Details)"))
    return shown


def line_text(line: Line, limit: int, *, links: bool = True) -> Mrkdwn:
    """Return one line, linked when it leads somewhere, in fixed width when it is literal."""
    if line.is_literal:
        raw = literal(line.text)
        if len(raw) <= limit:
            return join([code(line.text), link_to_host(line.url) if links else Mrkdwn("")], " · ")
        rest = len(raw) - limit
        return Mrkdwn(f"{code(raw[:limit].strip())} {escape(f'… ({rest} more characters in Details)')}")
    text = shorten(line.text, limit)
    return link(line.url, text) if links else text


def provenance(cause: Cause, detail: Detail) -> Mrkdwn:
    """Return who spoke, and which sources did not answer."""
    parts: Iterable[str] = (cause.speaker, *cause.limits)
    return join([shorten(part, detail.line) for part in list(parts)[: detail.lines + 2]], " · ")
