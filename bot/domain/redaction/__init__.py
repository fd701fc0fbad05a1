"""Redaction: a text in which every secret is replaced by a keyed pseudonym such as `<aws_key:3fa9c1>`.

    held secrets -> fixed formats -> places -> keywords -> opaque tokens -> personal data -> extra detectors
                                     (all read the same View)
                                                 |
                                  findings, merged -> one replacement

The same secret has the same pseudonym within one deployment, and another one in the next: text still
correlates, and no table of digests tells the secret. What is no secret stays byte for byte.
"""

import hmac
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final, NamedTuple, NewType, Protocol

from bot.domain.redaction import contexts, formats, personal
from bot.domain.redaction.contexts import find_contexts
from bot.domain.redaction.finding import Finding, Layer
from bot.domain.redaction.formats import find_formats
from bot.domain.redaction.held import HeldSecrets
from bot.domain.redaction.keywords import find_keywords
from bot.domain.redaction.opaque import find_opaque
from bot.domain.redaction.personal import find_personal
from bot.domain.redaction.view import INERT, View, view_of

__all__ = ["REDACTOR_VERSION", "Detector", "Redacted", "Redaction", "Redactor"]

REDACTOR_VERSION: Final = (
    "2"  # Grows with every change of what is found; evidence and audit entries carry it.
)

Redacted = NewType("Redacted", str)
"""Text that went through a Redactor."""

_HELD_KIND: Final = "held_secret"
_OWN_KINDS: Final = formats.KINDS | contexts.KINDS | personal.KINDS | {_HELD_KIND, "opaque"}
_Finder = Callable[[View], Iterator[Finding]]
_FINDERS: Final[tuple[_Finder, ...]] = (find_formats, find_contexts, find_keywords, find_personal)
# What reads further than to the next character: a replacement nearby can show it something new.
_FAR_SIGHTED: Final[tuple[_Finder, ...]] = (find_contexts, find_keywords)
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


class _Replacement(NamedTuple):
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
        # To begin from a copy takes half the time of beginning from the key.
        self._mac = hmac.new(key, digestmod="sha256")
        self._held = HeldSecrets(known_secrets)
        self._detectors = tuple(detectors)
        # Only our own kinds count as pseudonyms, so that nobody hides a secret in the shape of one.
        pseudonym = rf"<(?:{'|'.join(sorted(kinds))}):[0-9a-f]{{6}}>"
        self._pseudonym = re.compile(pseudonym)
        self._touched = re.compile(rf"[^\s\"'=,;:&|{{\[(]{pseudonym}|{pseudonym}[^\s\"',;:&|}}\])]")

    def redact(self, text: str) -> Redaction:
        """Return *text* with every secret replaced; redacting the result again changes nothing."""
        counts: Counter[str] = Counter()
        for _ in range(_MAX_LOOKS):
            replacements = self._replacements(text)
            counts.update(replacement.kind for replacement in replacements)
            text = self._replaced(text, replacements)
            if not replacements or not self._would_find_more(text):
                break
        return Redaction(Redacted(text), MappingProxyType(dict(counts)))

    def redact_lines(self, lines: Sequence[str]) -> list[Redaction]:
        """Return each of *lines* redacted, as parts of one text: a key over several lines is known as one.

        Each line that such a secret takes up becomes its pseudonym; it is counted where it begins.
        """
        text = "\n".join(lines)
        counts = [Counter[str]() for _ in lines]
        for _ in range(_MAX_LOOKS):
            replacements = self._replacements(text)
            seen = nth = 0
            for replacement in replacements:
                nth += text.count("\n", seen, replacement.start)
                seen = replacement.start
                counts[nth][replacement.kind] += 1
            text = self._replaced(text, replacements, keeps_lines=True)
            if not replacements or not self._would_find_more(text):
                break
        parts = text.split("\n") if lines else []
        return [
            Redaction(Redacted(part), MappingProxyType(dict(count)))
            for part, count in zip(parts, counts, strict=True)
        ]

    def would_change(self, text: str) -> bool:
        """Return whether redaction would change a byte of *text*."""
        return bool(self._replacements(text))

    def pseudonym(self, kind: str, secret: str) -> Redacted:
        """Return `<kind:id>`: six hexadecimal digits of the keyed digest of *secret*."""
        mac = self._mac.copy()
        mac.update(secret.encode("utf-8", "surrogatepass"))
        return Redacted(f"<{kind}:{mac.digest()[:3].hex()}>")

    def _would_find_more(self, text: str) -> bool:
        """Return whether a second look finds something in *text*: it can only be on a line with a pseudonym.

        Tokens and personal data are told by themselves and the characters at their ends, so they are looked
        for again only where a pseudonym touches something, and always when another detector takes part.
        """
        touched, settled = list[str](), list[str]()
        for line in text.split("\n"):
            if "<" in line and self._pseudonym.search(line):
                (touched if self._detectors or self._touched.search(line) else settled).append(line)
        return bool(
            (touched and self._replacements("\n".join(touched)))
            or (settled and self._replacements("\n".join(settled), _FAR_SIGHTED))
        )

    def _replacements(self, text: str, finders: Sequence[_Finder] = _FINDERS) -> list[_Replacement]:
        shown = self._pseudonym.sub(lambda match: INERT * len(match.group()), text) if "<" in text else text
        view = view_of(shown)
        found = [*self._held_in(shown, view), *self._found_in(view, finders), *self._detected_in(shown)]
        return [r for r in _merged(found, shown) if shown[r.start : r.end].replace(INERT, "")]

    def _held_in(self, shown: str, view: View) -> Iterator[_Replacement]:
        for start, end, secret in self._held.find(shown):
            yield _Replacement(start, end, _HELD_KIND, Layer.HELD, secret)
        if view.text is not shown:
            for start, end, secret in self._held.find(view.text):
                yield _Replacement(*view.original(start, end), _HELD_KIND, Layer.HELD, secret)

    def _found_in(self, view: View, finders: Sequence[_Finder]) -> Iterator[_Replacement]:
        text = view.text
        found = [f for find in finders for f in find(view) if not _is_reference(text, f)]
        opaque = [f for f in find_opaque(view, found) if not _is_reference(text, f)]
        for first, last, kind, layer in (*found, *opaque):
            start, end = view.original(first, last)
            yield _Replacement(start, end, kind, layer, text[first:last])

    def _detected_in(self, shown: str) -> Iterator[_Replacement]:
        for detector in self._detectors:
            for start, end, kind in detector.find(shown):
                yield _Replacement(start, end, kind, Layer.DETECTOR, shown[start:end])

    def _replaced(self, text: str, replacements: Sequence[_Replacement], *, keeps_lines: bool = False) -> str:
        parts: list[str] = []
        seen = 0
        for replacement in replacements:
            name = self.pseudonym(replacement.kind, replacement.secret)
            more = text.count("\n", replacement.start, replacement.end) if keeps_lines else 0
            parts += (text[seen : replacement.start], name, f"\n{name}" * more)
            seen = replacement.end
        return "".join((*parts, text[seen:]))


def _is_reference(text: str, found: Finding) -> bool:
    return (
        text.startswith("secret:", found.start, found.end)
        and _REFERENCE.fullmatch(text, found.start, found.end) is not None
    )


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
