"""Personal data that a pattern can tell for certain: mail, payment cards, social security, phones."""

# ruff: noqa: E501 -- one pattern a line reads better than a wrapped one.
import re
from collections.abc import Iterator
from typing import Final

from bot.domain.redaction.finding import Finding, Layer
from bot.domain.redaction.view import View
from bot.domain.redaction.words import words

_LONGEST_LOCAL: Final = 64
# Read from the @ to both sides: to try every word for one behind it would cost as much as all the rest here.
_LOCAL: Final = re.compile(rf"(?<![\w.+%@/:-])[\w.+%-]{{1,{_LONGEST_LOCAL}}}\Z")
_DOMAIN: Final = re.compile(r"@(?:[A-Za-z0-9-]{1,63}\.){1,6}([A-Za-z]{2,24})(?![\w@-])")
# Unit names, machines inside a network and ssh remotes have an @ as well.
_NOT_MAIL: Final = words(
    """
    service socket target timer slice mount scope device path swap local internal localdomain lan
    cluster svc lock log java conf yaml json git
    """
)
# One look at numbers; the first character stands before its look-behind, so that text without numbers is skipped fast.
_NUMBER: Final = re.compile(
    r"[\d(+](?<![\w.:/+-][\d(+])(?:"
    r"(?P<card>(?:(?<=[3-6])\d{3}([ -]?)\d{4}\2\d{4}\2\d{4}|(?<=3)[47]\d{2}([ -]?)\d{6}\3\d{5})(?![\w.:/-]?\d)(?![A-Za-z_]))"
    r"|(?P<ssn>(?<=[0-8])\d{2}(?<!000)(?<!666)-(?!00)\d{2}-(?!0000)\d{4}(?![\w:/-]))"
    r"|(?P<phone>(?:(?<=\+)[1-9](?:\d{10,13}|\d{0,2}[ .-]?\(?\d{1,4}\)?(?:[ .-]\d{2,4}){2,4})"
    r"|(?<=\()\d{3}\)[ ]?\d{3}-\d{4}|(?<=[2-9])\d{2}-[2-9]\d{2}-\d{4})(?![\w:/-]))"
    r")"
)

KINDS: Final = frozenset({"email", "card", "ssn", "phone"})


def find_personal(view: View) -> Iterator[Finding]:
    """Yield the personal data in *view*. Addresses of machines stay: on-call needs them."""
    text = view.text
    yield from _mail(text)
    for match in _NUMBER.finditer(text):
        kind = match.lastgroup or "card"
        if kind == "card" and not _passes_luhn(match.group()):
            continue
        if kind != "phone" or 10 <= sum(char.isdigit() for char in match.group()) <= 15:
            yield Finding(match.start(), match.end(), kind, Layer.PERSONAL)


def _mail(text: str) -> Iterator[Finding]:
    for domain in _DOMAIN.finditer(text):
        at = domain.start()
        first = max(0, at - _LONGEST_LOCAL)
        local = _LOCAL.search(text, text.rfind(" ", first, at) + 1 or first, at)
        if local is not None and local.group() != "git" and domain.group(1).lower() not in _NOT_MAIL:
            yield Finding(local.start(), domain.end(), "email", Layer.PERSONAL)


def _passes_luhn(number: str) -> bool:
    digits = [int(char) for char in number if char.isdigit()][::-1]
    doubled = (sum(divmod(2 * digit, 10)) for digit in digits[1::2])
    return (sum(digits[::2]) + sum(doubled)) % 10 == 0
