"""What is said to somebody who typed no command: a few lines, because it is read on a phone."""

from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from types import MappingProxyType
from typing import Final

from bot.app.commands.asked import Way
from bot.app.commands.table import usages
from bot.domain.document import Document, Section, lines

_MEANT: Final[Mapping[str, str]] = MappingProxyType(
    {
        "abort": "stop",
        "cancel": "stop",
        "close": "resolve",
        "deploys": "changes",
        "fix": "propose",
        "history": "timeline",
        "oncall": "who",
        "on-call": "who",
        "page": "escalate",
        "restart": "propose",
        "rollback": "propose",
        "unmute": "split",
    }
)
"""Words that people type for a command of another name."""
_DECIDES: Final = frozenset({"approve", "deny", "reject", "yes", "no", "confirm"})
ON_THE_CARD: Final = "Approving and denying are done on the card, with its buttons: words decide nothing."
IN_WORDS: Final = "A question in words is asked in the incident's thread, by mentioning me there."
ALL: Final = "All commands: /incident help"


def unknown(words: Sequence[str], way: Way) -> Document:
    """Return what to type instead of *words*, of which the first is no command."""
    word = words[0].casefold()
    if word in _DECIDES:
        return _document(ON_THE_CARD, ())
    near = _MEANT.get(word) or next(iter(get_close_matches(word, usages(), n=1)), None)
    hint = f" Did you mean /incident {near}?" if near else ""
    told = [_usage(near)] if near and near != "help" else []
    if way is Way.SLASH and len(words) > 2:
        told.append(IN_WORDS)
    return _document(f"There is no command “{words[0][:40]}”.{hint}", told)


def misused(name: str, problem: str) -> Document:
    """Return what is wrong with the words behind a command, and how it is used."""
    return _document(problem, [_usage(name)])


def _usage(name: str) -> str:
    use, said = usages()[name]
    return f"/incident {use} — {said}"


def _document(title: str, told: Sequence[str]) -> Document:
    return Document(title=title, sections=(Section(heading="Usage", lines=lines([*told, ALL])),))
