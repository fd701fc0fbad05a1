"""The port `Versions`: which version of a service runs, asked over HTTP."""

import json
from typing import Final

from adapters.evidence.fetching import NoAnswer, fetch
from adapters.evidence.source_http import Asking
from adapters.runners.secrets import with_secrets
from bot.domain.catalogue import HttpVersion
from bot.domain.errors import Unavailable

MOST: Final = 64 * 1024
LONGEST: Final = 200  # Characters: more is no version but a page.


class HttpVersions:
    """Asks each time: an answer of a moment ago says nothing of now."""

    def __init__(self, asking: Asking) -> None:
        self._asking = asking

    async def serving(self, source: HttpVersion) -> str:
        """Return the version. Raises `NotFound` when a secret has no value, else `Unavailable`."""
        headers = {n: with_secrets(value, self._asking.secrets) for n, value in source.headers.items()}
        try:
            raw = await fetch(
                self._asking.client,
                source.url,
                headers=headers,
                within_s=self._asking.within_s,
                most=MOST,
            )
        except NoAnswer as exc:
            raise Unavailable(f"{source.url} gave nothing ({exc})") from exc
        return _version(source, raw)


def _version(source: HttpVersion, raw: bytes) -> str:
    found: object
    try:
        text = raw.decode()
        found = text.strip() if source.field is None else json.loads(text)
    except (ValueError, RecursionError) as exc:
        raise Unavailable(f"{source.url} gave an answer that cannot be read") from exc
    for key in source.field.split(".") if source.field is not None else ():
        found = found.get(key) if isinstance(found, dict) else None
    if isinstance(found, int) and not isinstance(found, bool):
        found = str(found)
    if not isinstance(found, str) or not 0 < len(found) <= LONGEST or not found.isprintable():
        raise Unavailable(
            f"{source.url} says no version" + (f" under {source.field}" if source.field else "")
        )
    return found
