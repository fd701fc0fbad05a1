"""Other incidents that a card shows: one line each, and how many more there are."""

from adapters.slack.views.cause import Detail, line_text
from adapters.slack.views.text import Mrkdwn, escape
from bot.domain.card import Card


def also(card: Card, detail: Detail) -> list[Mrkdwn]:
    """Return the lines about other incidents; those left out are counted, with where to read them."""
    shown = [
        Mrkdwn(f"• {line_text(line, detail.line, links=detail.links)}") for line in card.also[: detail.lines]
    ]
    if len(card.also) > len(shown):
        shown.append(escape(f"• … ({len(card.also) - len(shown)} more; /incident muted lists them)"))
    return shown
