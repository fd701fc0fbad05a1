"""Exact matching of the secrets the bot itself holds, in the forms in which they get into a text."""

import base64
import json
import re
from collections.abc import Iterable, Iterator
from typing import Final
from urllib.parse import quote, quote_plus

MIN_LENGTH: Final = 6  # Shorter ones would hit ordinary words.


class HeldSecrets:
    """The secrets of this process, and every form in which one may be written."""

    def __init__(self, secrets: Iterable[str]) -> None:
        self._secret_of = {
            form: secret for secret in set(secrets) if len(secret) >= MIN_LENGTH for form in _forms(secret)
        }
        longest_first = sorted(self._secret_of, key=len, reverse=True)
        self._pattern = (
            re.compile("|".join(re.escape(form) for form in longest_first)) if longest_first else None
        )

    def find(self, text: str) -> Iterator[tuple[int, int, str]]:
        """Yield start, end and the secret itself for every form of a held secret in *text*."""
        if self._pattern is None or not any(form in text for form in self._secret_of):
            return
        for match in self._pattern.finditer(text):
            yield match.start(), match.end(), self._secret_of[match.group()]


def _forms(secret: str) -> set[str]:
    raw = secret.encode("utf-8", "surrogatepass")
    encoded = {base64.b64encode(raw).decode(), base64.urlsafe_b64encode(raw).decode()}
    escaped = json.dumps(secret)[1:-1]
    quoted = quote(secret, safe="", errors="replace")
    forms = {
        secret,
        escaped,
        json.dumps(escaped)[1:-1],
        quoted,
        quoted.lower(),
        quote_plus(secret, errors="replace"),
    }
    forms |= encoded | {form.rstrip("=") for form in encoded}
    return {form for form in forms if len(form) >= MIN_LENGTH}
