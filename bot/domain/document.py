"""Text with a shape but no markup: views turn it into Slack blocks, notes into plain lines."""

from collections.abc import Iterable

from bot.domain.frozen import Frozen
from bot.domain.ids import ChangeId, Digest, IncidentId


class Line(Frozen):
    """One line of plain text. It is data: whoever shows it escapes it."""

    text: str
    url: str | None = None
    """Where the line leads; only addresses from the catalogue or PagerDuty, never from an alert's text."""
    is_literal: bool = False
    """Shown in fixed width, byte for byte: a request, a command, a log line."""


class Section(Frozen):
    """Lines under a heading."""

    heading: str
    lines: tuple[Line, ...]


class Ask(Frozen):
    """A suspect of whom people may say whether it was it."""

    incident: IncidentId
    change: ChangeId
    digest: Digest
    """Of the evidence that the diagnosis rests on."""
    title: str
    """Such as `checkout 42 · deploy by dana`."""
    channel: str | None = None
    """Where the person is answered; None on the card, which says so itself."""


class Document(Frozen):
    """A titled text of sections: a summary, an answer to a command, the details of a proposal."""

    title: str
    sections: tuple[Section, ...]
    asks: tuple[Ask, ...] = ()
    """Suspects of whom the reader may say whether it was one of them."""
    undoable: tuple[IncidentId, ...] = ()
    """Merged or muted incidents that the reader may give a card of their own."""

    def as_text(self) -> str:
        """Return the document as plain text, for notes and for screen readers."""
        parts = [self.title]
        for section in self.sections:
            parts += ["", section.heading, *(f"- {line.text}" for line in section.lines)]
        return "\n".join(parts)


def lines(texts: Iterable[str]) -> tuple[Line, ...]:
    """Return one plain line for each text."""
    return tuple(Line(text=text) for text in texts)
