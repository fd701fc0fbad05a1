"""A command as somebody gave it, and the answer to it."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Final

from bot.app.report import Sleep
from bot.app.world import World
from bot.domain.card import CardRef
from bot.domain.document import Document, Section
from bot.domain.ids import SlackUserId
from bot.domain.record import IncidentRecord


class Way(StrEnum):
    """How the command reached us."""

    SLASH = "slash"
    MENTION = "mention"
    SHORTCUT = "shortcut"


@dataclass(frozen=True)
class Asked:
    """What somebody asked, and where."""

    text: str
    """Untrusted: whatever was typed behind the command or the mention."""
    channel: str
    user: SlackUserId
    key: str
    """Names this asking: handed out twice, it has one effect."""
    thread_ts: str | None = None
    """The thread's root; a slash command has none."""
    way: Way = Way.SLASH


@dataclass(frozen=True)
class Answer:
    """What the person reads."""

    document: Document
    is_shared: bool = False
    """For all in the channel; else for the person alone."""
    about: tuple[IncidentRecord, ...] = ()
    """The incidents of which it tells more than that they exist: shared only where they belong."""

    instead_of: CardRef | None = None
    """A message that said that the answer follows: it is edited, for all in the thread."""

    def followed_by(self, *sections: Section) -> "Answer":
        """Return the answer with more at its end."""
        document = self.document.model_copy(update={"sections": (*self.document.sections, *sections)})
        return replace(self, document=document)


@dataclass(frozen=True)
class Question:
    """A command taken apart."""

    asked: Asked
    words: tuple[str, ...]
    """What stands behind the command's name, without `--share`."""
    rooms: dict[str, bool] = field(default_factory=dict)
    """Whether the asker is in a channel, once looked up."""
    sleep: Sleep = asyncio.sleep
    """How a write whose answer was lost is waited for."""


DASHES: Final = str.maketrans({"—": "--", "–": "--"})
"""Slack's clients write a dash for two hyphens."""

Handler = Callable[[World, Question], Awaitable[Answer]]


class Misused(Exception):
    """The words do not fit the command; the message says what is wrong with them."""


def plain(title: str, *sections: Section) -> Answer:
    """Return an answer that tells of no incident."""
    return Answer(Document(title=title, sections=sections))


def nobodys(name: str) -> str:
    """Return what is said of an incident that is not on record, or that the asker may not know of."""
    return f"There is no incident {name[:40]} on record."
