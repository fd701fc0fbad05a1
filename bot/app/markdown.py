"""Write a document as Markdown in which what came from outside is text and nothing else."""

import re
from typing import Final

from bot.domain.document import Document, Line

_SIGNS: Final = re.compile(r"[\\`*\[\]<>|~]|&(?=#?\w+;)|(?<![^\W_])_|_(?![^\W_])")
_ADDRESS: Final = re.compile(r"(?i)\b(https?|ftp|mailto)(:)|\b(www)(\.)")
_AT_START: Final = re.compile(r"^(?:(?=[#+\-=!])|(\d+)(?=[.)]))")
_SAFE_ADDRESS: Final = re.compile(r"https?://[A-Za-z0-9._~:/?#@!$&'*+,;=%-]+")
_INVISIBLE: Final = re.compile(r"[\x00-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff]+")


def markdown(document: Document) -> str:
    """Return *document* with a heading for each section and a list item for each line."""
    parts = [f"# {escaped(document.title)}", ""]
    for section in document.sections:
        parts += [f"## {escaped(section.heading)}", ""]
        parts += [_item(line) for line in section.lines]
        parts.append("")
    return "\n".join(parts)


def escaped(text: str) -> str:
    """Return *text* on one line, without markup, links or invisible signs of its own."""
    shown = " ".join(_INVISIBLE.sub(" ", text).split())
    shown = _SIGNS.sub(lambda match: f"\\{match[0]}", shown)
    shown = _ADDRESS.sub(lambda match: f"{match[1] or match[3]}\\{match[2] or match[4]}", shown)
    return _AT_START.sub(lambda match: f"{match[1]}\\" if match[1] else "\\", shown)


def _item(line: Line) -> str:
    link = f" <{line.url}>" if line.url and _SAFE_ADDRESS.fullmatch(line.url) else ""
    return f"- {escaped(line.text)}{link}"
