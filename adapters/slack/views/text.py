"""Text that Slack shows as written: everything from outside passes through here."""

import json
import re
import unicodedata
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import NewType
from urllib.parse import urlsplit

Mrkdwn = NewType("Mrkdwn", str)
"""Text in Slack's markup, safe to send: made only by the functions of this module."""

_ENTITIES = {"&": "&amp;", "<": "&lt;", ">": "&gt;"}
_RESERVED = str.maketrans(_ENTITIES)
# Slack's markup has no escape for its own signs, so data gets look-alikes that mean nothing to it.
_LOOKALIKES = {"*": "\u2217", "~": "\u223c", "`": "\u02cb"}
_UNDERSCORE = "\u02cd"
_COLON = "\ua789"
_NO_QUOTE = "\u203a"  # At the start of a line even an escaped `>` would make a quotation.
_SIGN = re.compile(r"[&<>*~`_:]")
_EMOJI = re.compile(r":(?!\d{1,2}:)(?=[\w+'-]+:)")  # A clock's `12:30:45` holds none.
_ADDRESS = re.compile(r"https?://[!-~]+", re.IGNORECASE)
_UNSAFE_IN_ADDRESS = frozenset('<>|"`\\')
_ESCAPED_MENTION = re.compile(r"&lt;@([UW][A-Z0-9]{2,30})&gt;")
_USER_ID = re.compile(r"[UW][A-Z0-9]{2,30}")
_BARE_LINE = re.compile(r"(?!\")[!-_a-~](?:[ -_a-~]*[!-_a-~])?")
_BARE_WORD = re.compile(r"(?![\"'])[!-_a-~]+")


def visible(text: str) -> str:
    """Return *text* on one line, without control characters, invisible ones named such as `U+202E`."""
    if text.isascii() and text.isprintable():
        return text
    return "".join([_visible(character) for character in text])


def _visible(character: str) -> str:
    if character in "\t\n\r\v\f\u2028\u2029\x85":
        return " "
    category = unicodedata.category(character)
    if category == "Cc":
        return ""
    if category in ("Cf", "Cs", "Co", "Cn") or character in "\u115f\u1160\u3164\uffa0\u2800\u034f":
        return f"U+{ord(character):04X}"
    return character


def escape(text: str) -> Mrkdwn:
    """Return *text* so that Slack shows it and nothing in it makes a mention, a link or a style."""
    return Mrkdwn(_SIGN.sub(_harmless, visible(text)))


def units(text: str) -> Iterator[str]:
    """Yield the escaped form of *text*, one shown unit at a time, none of which may be divided."""
    shown = visible(text)
    done = 0
    for sign in _SIGN.finditer(shown):
        yield from shown[done : sign.start()]
        yield _harmless(sign)
        done = sign.end()
    yield from shown[done:]


def _harmless(sign: re.Match[str]) -> str:
    """Return what is shown for one of Slack's signs where it stands."""
    text, index, character = sign.string, sign.start(), sign.group()
    if character == "_":
        return character if _is_inside_word(text, index) else _UNDERSCORE
    if character == ":":
        return _COLON if _EMOJI.match(text, index) else character
    if character == ">" and index == 0:
        return _NO_QUOTE
    return _ENTITIES.get(character) or _LOOKALIKES[character]


def _is_inside_word(text: str, index: int) -> bool:
    return text[index - 1 : index].isalnum() and text[index + 1 : index + 2].isalnum()


def shorten(text: str, limit: int) -> Mrkdwn:
    """Return *text* escaped in at most about *limit* characters; what is left out is counted in words."""
    whole = escape(text)
    if len(whole) <= limit:
        return whole
    found = list(units(text))
    kept, length = 0, 0
    while kept < len(found) and length + len(found[kept]) <= limit:
        length += len(found[kept])
        kept += 1
    return Mrkdwn(f"{''.join(found[:kept])}… ({len(found) - kept} more characters in Details)")


def pieces(text: str, limit: int) -> list[Mrkdwn]:
    """Return the whole of *text* escaped, in pieces of at most *limit* characters; none for no text."""
    parts: list[str] = []
    for unit in units(text):
        if not parts or len(parts[-1]) + len(unit) > limit:
            parts.append("")
            unit = _NO_QUOTE if unit == "&gt;" else unit
        parts[-1] += unit
    return [Mrkdwn(part) for part in parts]


def bold(text: Mrkdwn) -> Mrkdwn:
    stripped = text.strip()
    return Mrkdwn(f"*{stripped}*" if stripped else "")


def code(text: str) -> Mrkdwn:
    """Return *text* in fixed width within a line; quoted when it is not plain printable ASCII."""
    return Mrkdwn(f"`{entities(literal(text))}`")


def entities(text: str) -> str:
    """Return *text* with Slack's three reserved characters escaped, and nothing else changed."""
    return text.translate(_RESERVED)


def literal(text: str) -> str:
    """Return *text* as it is when it is printable ASCII, else as a JSON string that shows every byte."""
    return text if _BARE_LINE.fullmatch(text) else quoted(text)


def word(text: str) -> str:
    """Return *text* as it is when it is one plain word, else as a JSON string; a space joins words."""
    return text if _BARE_WORD.fullmatch(text) else quoted(text)


def quoted(text: str) -> str:
    """Return *text* as a JSON string of printable ASCII without a backtick, which would end a code block."""
    return json.dumps(text, ensure_ascii=True).replace("`", "\\u0060").replace("\x7f", "\\u007f")


def address(url: str | None) -> str | None:
    """Return *url* when it may be linked: http or https, a host, printable ASCII, no user name; else None."""
    if url is None or not _ADDRESS.fullmatch(url) or _UNSAFE_IN_ADDRESS & set(url) or len(url) > 1_000:
        return None
    try:
        parts = urlsplit(url)
        host = parts.hostname
    except ValueError:
        return None
    return url if host and "@" not in parts.netloc else None


def link(url: str | None, label: Mrkdwn) -> Mrkdwn:
    """Return *label* leading to *url*, or the label alone when the address may not be linked."""
    checked = address(url)
    return Mrkdwn(f"<{entities(checked)}|{label.replace('|', '¦')}>") if checked and label else label


def link_to_host(url: str | None) -> Mrkdwn:
    """Return a link that is called by its host, so that nobody is led elsewhere; empty without an address."""
    checked = address(url)
    return link(checked, escape(urlsplit(checked).netloc)) if checked else Mrkdwn("")


def mention(user: str) -> Mrkdwn:
    """Return a mention of the Slack user *user*, who is notified; the id as text when it is none."""
    return Mrkdwn(f"<@{user}>") if _USER_ID.fullmatch(user) else escape(user)


def when(moment: datetime) -> Mrkdwn:
    """Return *moment* in the reader's own zone; in UTC where Slack cannot say it."""
    return _date(moment, "{date_short_pretty} {time}", f"{moment.astimezone(UTC):%Y-%m-%d %H:%M} UTC")


def clock_time(moment: datetime) -> Mrkdwn:
    """Return the time of day of *moment* in the reader's own zone."""
    return _date(moment, "{time}", f"{moment.astimezone(UTC):%H:%M} UTC")


def countdown(moment: datetime) -> Mrkdwn:
    """Return how far off *moment* is, which Slack keeps up to date by itself."""
    return _date(moment, "{ago}", f"at {moment.astimezone(UTC):%H:%M} UTC")


def _date(moment: datetime, form: str, fallback: str) -> Mrkdwn:
    return Mrkdwn(f"<!date^{int(moment.timestamp())}^{form}|{fallback}>")


def join(parts: list[Mrkdwn], separator: str = "\n") -> Mrkdwn:
    """Return the parts that are not empty, joined."""
    return Mrkdwn(separator.join(part for part in parts if part))


def sentence(text: str) -> Mrkdwn:
    """Return a sentence of our own for one person: its styles and mentions of people stay.

    Only that person sees it, so a mention in it calls nobody. All else is escaped.
    """
    shown = "\n".join(visible(line) for line in text.split("\n"))
    return Mrkdwn(_ESCAPED_MENTION.sub(r"<@\1>", entities(shown)))
