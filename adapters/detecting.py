"""A further finder of secrets beside our own patterns: a library's vendor rules, when settings ask for it."""

import importlib
from collections.abc import Callable, Iterable, Sequence
from typing import Final, Protocol, cast

from bot.domain.errors import Invalid
from bot.domain.redaction import Detector

_KIND: Final = "vendor_secret"
_LEAST: Final = 8
"""Characters: what is shorter is found by its place, if at all."""


class Found(Protocol):
    """What the library tells of one secret."""

    rule_id: str
    secret: str


class VendorRules:
    """Implements `Detector` on the library's look at a text."""

    def __init__(self, scan: Callable[[str], Iterable[Found]]) -> None:
        self._scan = scan

    @property
    def kinds(self) -> frozenset[str]:
        """Return the one kind that is reported: the library's hundreds of names tell a reader no more."""
        return frozenset({_KIND})

    def find(self, text: str) -> Iterable[tuple[int, int, str]]:
        """Yield every place where a secret stands that the library knows by its vendor."""
        # Its generic rules guess from a key's name, as our own keywords do with more care.
        secrets = {found.secret for found in self._scan(text) if not found.rule_id.startswith("generic")}
        for secret in secrets:
            at = text.find(secret) if len(secret) >= _LEAST else -1
            while at >= 0:
                yield at, at + len(secret), _KIND
                at = text.find(secret, at + len(secret))


def further_detectors(name: str | None) -> Sequence[Detector]:
    """Return what finds secrets beside our own patterns; nothing without a *name*.

    Raises:
        Invalid: the library is not installed, or does not load here.
    """
    if name is None:
        return ()
    try:
        library = importlib.import_module(name)
    except (ImportError, OSError) as exc:
        raise Invalid(f"HANDRAIL_DETECTOR: install the extra `detector`: {exc}") from exc
    return (VendorRules(cast("Callable[[str], Iterable[Found]]", library.scan_string)),)
