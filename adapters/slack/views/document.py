"""Titled texts: replies in the thread, answers to commands, and modals."""

import json
from bisect import bisect_left
from collections.abc import Mapping

from adapters.slack.actions import UNDO
from adapters.slack.views.asking import ask_blocks
from adapters.slack.views.blocks import PARAGRAPH, Block, actions, button, fences, header, sections
from adapters.slack.views.limits import (
    ACTIONS_ELEMENTS,
    FALLBACK_TEXT,
    MESSAGE_BLOCKS,
    MESSAGE_TEXT,
    VIEW_BLOCKS,
    VIEW_TITLE,
)
from adapters.slack.views.limits import text_length as length_of
from adapters.slack.views.text import (
    Mrkdwn,
    bold,
    escape,
    join,
    link,
    link_to_host,
    literal,
    pieces,
    shorten,
    visible,
)
from bot.domain.document import Document, Line

_MODAL_TEXT = 100_000  # Our choice: Slack refuses a view beyond 250,000 bytes of JSON.


def document_blocks(document: Document) -> tuple[Block, ...]:
    """Return *document* as a message; what does not fit is counted at its end."""
    return _within(document, most_blocks=MESSAGE_BLOCKS, most_text=MESSAGE_TEXT)


def document_text(document: Document) -> str:
    """Return *document* as one escaped text in sentences, for notifications and screen readers."""
    said = [document.title]
    for section in document.sections:
        said.append(f"{section.heading}: {'; '.join(line.text for line in section.lines)}")
    return shorten(". ".join(said), FALLBACK_TEXT - 100)


def document_modal(document: Document) -> Mapping[str, object]:
    """Return *document* as a modal without a button but Close."""
    title = visible(document.title).strip() or "Details"
    short = title if len(title) <= VIEW_TITLE else title[: VIEW_TITLE - 1] + "…"
    return {
        "type": "modal",
        "title": {"type": "plain_text", "text": short, "emoji": False},
        "close": {"type": "plain_text", "text": "Close", "emoji": False},
        "blocks": list(_within(document, most_blocks=VIEW_BLOCKS, most_text=_MODAL_TEXT)),
    }


def _within(document: Document, *, most_blocks: int, most_text: int) -> tuple[Block, ...]:
    title = header(document.title)
    is_short = title[0]["type"] == "header"
    paragraphs = ([] if is_short else _bold(document.title)) + _paragraphs(document)
    asked = [block for ask in document.asks for block in ask_blocks(ask)]
    undone = _undo_buttons(document)

    def laid_out(kept: int) -> tuple[Block, ...]:
        rest = len(paragraphs) - kept
        tail = [escape(f"… ({rest} more paragraphs do not fit here)")] if rest else []
        return (*(title if is_short else ()), *asked, *sections([*paragraphs[:kept], *tail]), *undone)

    def is_too_much(kept: int) -> bool:
        blocks = laid_out(kept)
        return len(blocks) > most_blocks or length_of(blocks) > most_text

    if not is_too_much(len(paragraphs)):
        return laid_out(len(paragraphs))
    return laid_out(bisect_left(range(len(paragraphs)), True, key=is_too_much) - 1)


def _undo_buttons(document: Document) -> tuple[Block, ...]:
    """Return a button for each incident that may have a card of its own again, as many as one row holds."""
    found = [
        button(
            f"Undo {incident}",
            action_id=f"{UNDO}{number}",
            value=json.dumps({"i": incident}, separators=(",", ":")),
            spoken=f"Undo: give {incident} a card of its own",
        )
        for number, incident in enumerate(document.undoable[:ACTIONS_ELEMENTS])
    ]
    return (actions(found),) if found else ()


def _bold(text: str) -> list[Mrkdwn]:
    return [bold(piece) for piece in pieces(text, PARAGRAPH)]


def _paragraphs(document: Document) -> list[Mrkdwn]:
    found: list[Mrkdwn] = []
    for index, section in enumerate(document.sections):
        # An empty line before each heading but the first lets the eye find it.
        lead = "\n" if index else ""
        found += [
            Mrkdwn(f"{lead if part == 0 else ''}{text}") for part, text in enumerate(_bold(section.heading))
        ]
        for line in section.lines:
            found += _line(line)
    return found


def _line(line: Line) -> list[Mrkdwn]:
    if line.is_literal:
        return [
            *fences(literal(part) if part else "" for part in line.text.split("\n")),
            link_to_host(line.url),
        ]
    first, *rest = pieces(line.text, PARAGRAPH - 1_200) or [Mrkdwn("")]
    return [join([Mrkdwn("•"), link(line.url, first)], " "), *rest]
