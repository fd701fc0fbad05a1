"""What the commands over the record share: opening it, and saying since when."""

import os
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta

from adapters.settings import store_settings
from adapters.store.opening import Store, open_record
from bot.domain.errors import Invalid

BEGINNING = datetime(2000, 1, 1, tzinfo=UTC)
_SPAN = re.compile(r"([1-9][0-9]{0,4})([mhdw])")
_UNIT = {"m": timedelta(minutes=1), "h": timedelta(hours=1), "d": timedelta(days=1), "w": timedelta(weeks=1)}


def moment(since: str | None, now: datetime) -> datetime:
    """Return the time that `7d`, `12h` or `2026-11-01` means; the beginning without one.

    Raises:
        Invalid: it is none of these.
    """
    if since is None:
        return BEGINNING
    if span := _SPAN.fullmatch(since):
        return now - int(span[1]) * _UNIT[span[2]]
    try:
        at = datetime.fromisoformat(since)
    except ValueError as exc:
        raise Invalid(f"{since!r} is no time: use such as 12h, 7d or 2026-11-01.") from exc
    return at if at.tzinfo is not None else at.replace(tzinfo=UTC)


@asynccontextmanager
async def recorded() -> AsyncIterator[Store]:
    """Open the record that the environment names, to read it; the bot may run meanwhile."""
    store = open_record(store_settings(os.environ).database_url)
    try:
        yield store
    finally:
        await store.close()
