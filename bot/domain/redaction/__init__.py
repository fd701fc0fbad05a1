"""Redaction: a text in which every secret is replaced by a keyed pseudonym such as `<aws_key:3fa9c1>`.

    held secrets -> fixed formats -> places -> keywords -> opaque tokens -> personal data -> extra detectors
                                     (all read the same View)
                                                 |
                                  findings, merged -> one replacement

The same secret has the same pseudonym within one deployment, and another one in the next: text still
correlates, and no table of digests tells the secret. What is no secret stays byte for byte.
"""

import hashlib
import hmac
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final, NewType, Protocol

from bot.domain.redaction import contexts, formats, personal
from bot.domain.redaction.contexts import find_contexts
from bot.domain.redaction.finding import Finding, Layer
from bot.domain.redaction.formats import find_formats
from bot.domain.redaction.held import HeldSecrets
from bot.domain.redaction.keys import read_key
from bot.domain.redaction.keywords import find_keywords
from bot.domain.redaction.opaque import find_opaque
from bot.domain.redaction.personal import find_personal
from bot.domain.redaction.view import INERT, View, view_of

__all__ = ["REDACTOR_VERSION", "Detector", "Redacted", "Redaction", "Redactor"]

REDACTOR_VERSION: Final = (
    "1"  # Grows with every change of what is found; evidence and audit entries carry it.
)

Redacted = NewType("Redacted", str)
"""Text that went through a Redactor."""

_HELD_KIND: Final = "held_secret"
_OWN_KINDS: Final = formats.KINDS | contexts.KINDS | personal.KINDS | {_HELD_KIND, "opaque"}
_FINDERS: Final[tuple[Callable[[View], Iterator[Finding]], ...]] = (
    find_formats,
    find_contexts,
    find_keywords,
    find_opaque,
    find_personal,
)
_REFERENCE: Final = re.compile(r"secret:[A-Z][A-Z0-9_]*")
"""Names a secret without holding it, as plans do. A value in that shape is still found by its own format."""
# A replacement can bring the ends of a secret together; one more look almost always says that it did not.
_MAX_LOOKS: Final = 6


class Detector(Protocol):
    """A further finder of secrets, such as a library of vendor rules."""

    @property
    def kinds(self) -> frozenset[str]:
        """The kinds it may report: lower-case letters and underscores."""
        ...

    def find(self, text: str) -> Iterable[tuple[int, int, str]]:
        """Return start, end and kind of every secret in *text*."""
        ...


@dataclass(frozen=True, slots=True)
class Redaction:
    """A redacted text and how many secrets of each kind were replaced in it."""

    text: Redacted
    counts: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class _Replacement:
    start: int
    end: int
    kind: str
    layer: Layer
    secret: str


class Redactor:
    """Replaces secrets by pseudonyms that only the holder of *key* can compute.

    Raises:
        ValueError: *key* is empty, or a detector has a kind that no pseudonym can show.
    """

    def __init__(
        self, key: bytes, *, known_secrets: Iterable[str] = (), detectors: Sequence[Detector] = ()
    ) -> None:
        if not key:
            raise ValueError("The redaction key is empty. Give the deployment's own random key.")
        kinds = _OWN_KINDS.union(*(detector.kinds for detector in detectors))
        if wrong := [kind for kind in kinds if not re.fullmatch(r"[a-z][a-z_]{0,31}", kind)]:
            raise ValueError(
                f"Not a kind of secret: {sorted(wrong)}. Use lower-case letters and underscores."
            )
        self._key = key
        self._held = HeldSecrets(known_secrets)
        self._detectors = tuple(detectors)
        # Only our own kinds count as pseudonyms, so that nobody hides a secret in the shape of one.
        self._pseudonym = re.compile(rf"<(?:{'|'.join(sorted(kinds))}):[0-9a-f]{{6}}>")

    def redact(self, text: str) -> Redaction:
        """Return *text* with every secret replaced; redacting the result again changes nothing."""
        counts: Counter[str] = Counter()
        for _ in range(_MAX_LOOKS):
            replacements = self._replacements(text)
            counts.update(replacement.kind for replacement in replacements)
            text = self._replaced(text, replacements)
            if not replacements or not self._replacements(self._changed_lines(text)):
                break
        return Redaction(Redacted(text), MappingProxyType(dict(counts)))

    def redact_values(self, values: Mapping[str, str]) -> Mapping[str, Redacted]:
        """Return *values* (headers, environment, cookies), those of telling keys replaced whole."""
        return MappingProxyType({name: self._value(name, value) for name, value in values.items()})

    def would_change(self, text: str) -> bool:
        """Return whether redaction would change a byte of *text*."""
        return bool(self._replacements(text))

    def pseudonym(self, kind: str, secret: str) -> Redacted:
        """Return `<kind:id>`: six hexadecimal digits of the keyed digest of *secret*."""
        digest = hmac.new(self._key, secret.encode("utf-8", "surrogatepass"), hashlib.sha256)
        return Redacted(f"<{kind}:{digest.hexdigest()[:6]}>")

    def _changed_lines(self, text: str) -> str:
        """Return the lines of *text* with a pseudonym: what a second look can find is there."""
        return "\n".join(line for line in text.split("\n") if self._pseudonym.search(line))

    def _value(self, name: str, value: str) -> Redacted:
        key = read_key(name)
        if key is None or not value or self._pseudonym.fullmatch(value):
            return self.redact(value).text
        return self.pseudonym(key.kind, value)

    def _replacements(self, text: str) -> list[_Replacement]:
        shown = self._pseudonym.sub(lambda match: INERT * len(match.group()), text) if "<" in text else text
        view = view_of(shown)
        found = [*self._held_in(shown, view), *self._found_in(view), *self._detected_in(shown)]
        return [r for r in _merged(found, shown) if shown[r.start : r.end].replace(INERT, "")]

    def _held_in(self, shown: str, view: View) -> Iterator[_Replacement]:
        for start, end, secret in self._held.find(shown):
            yield _Replacement(start, end, _HELD_KIND, Layer.HELD, secret)
        if view.text is not shown:
            for start, end, secret in self._held.find(view.text):
                yield _Replacement(*view.original(start, end), _HELD_KIND, Layer.HELD, secret)

    def _found_in(self, view: View) -> Iterator[_Replacement]:
        for find in _FINDERS:
            for finding in find(view):
                secret = view.text[finding.start : finding.end]
                if _REFERENCE.fullmatch(secret):
                    continue
                start, end = view.original(finding.start, finding.end)
                yield _Replacement(start, end, finding.kind, finding.layer, secret)

    def _detected_in(self, shown: str) -> Iterator[_Replacement]:
        for detector in self._detectors:
            for start, end, kind in detector.find(shown):
                yield _Replacement(start, end, kind, Layer.DETECTOR, shown[start:end])

    def _replaced(self, text: str, replacements: Sequence[_Replacement]) -> str:
        parts: list[str] = []
        seen = 0
        for replacement in replacements:
            parts += (text[seen : replacement.start], self.pseudonym(replacement.kind, replacement.secret))
            seen = replacement.end
        return "".join((*parts, text[seen:]))


def _merged(found: list[_Replacement], shown: str) -> list[_Replacement]:
    """Return *found* in order without overlap: the wider span wins, the surer layer names an equal one."""
    merged: list[_Replacement] = []
    for replacement in sorted(found, key=lambda r: (r.start, -r.end, r.layer)):
        last = merged[-1] if merged else None
        if last is None or replacement.start >= last.end:
            merged.append(replacement)
        elif replacement.end > last.end:
            secret = shown[last.start : replacement.end]
            merged[-1] = _Replacement(last.start, replacement.end, last.kind, last.layer, secret)
    return merged
