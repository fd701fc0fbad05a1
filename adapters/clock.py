"""The wall clock, and one that tests turn by hand."""

from datetime import UTC, datetime, timedelta


class SystemClock:
    """Implements `Clock` by the machine's time."""

    def now(self) -> datetime:
        return datetime.now(UTC)


class ManualClock:
    """Implements `Clock`; time moves only when told to."""

    def __init__(self, start: datetime) -> None:
        self._now = start

    def now(self) -> datetime:
        return self._now

    def advance(self, span: timedelta) -> None:
        """Move time forward."""
        self._now += span
