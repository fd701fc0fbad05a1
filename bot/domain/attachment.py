"""A file for people to read in a card's thread: a picture, or a longer text."""

import re
from enum import StrEnum
from typing import Final

from bot.domain.frozen import Frozen

_NOT_IN_A_NAME: Final = re.compile(r"[^A-Za-z0-9_]+")


class AttachmentKind(StrEnum):
    """What the file holds; the value is how its name ends."""

    PNG = "png"
    MARKDOWN = "md"


class Attachment(Frozen):
    """A file, and the words for whoever does not open it."""

    kind: AttachmentKind
    title: str
    """Such as `Timeline of Error rate is 12 %`. It is data: whoever shows it escapes it."""
    alt: str
    """What the file shows, in words, for screen readers."""
    content: bytes

    def name(self, key: str) -> str:
        """Return the file's name, which tells *key*: shared files carry no other mark of ours."""
        return f"{_NOT_IN_A_NAME.sub('-', key)}.{self.kind.value}"


def is_named_after(name: str, key: str) -> bool:
    """Say whether a file's *name* is one that `Attachment.name` makes of *key*."""
    return name in {f"{_NOT_IN_A_NAME.sub('-', key)}.{kind.value}" for kind in AttachmentKind}
