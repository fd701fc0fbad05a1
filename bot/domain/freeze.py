"""Freeze windows: times in which nothing should be changed, each week or at dates."""

from datetime import UTC, datetime, time
from enum import StrEnum
from functools import lru_cache
from typing import Annotated
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import AfterValidator, AwareDatetime, Field, NaiveDatetime, model_validator

from bot.domain.frozen import Frozen
from bot.domain.ids import ServiceName
from bot.domain.words import Line


class Level(StrEnum):
    """What it means that a rule speaks against a start."""

    ADVISORY = "advisory"
    """It is shown."""
    SOFT = "soft"
    """It may be overridden with a typed reason, which is recorded."""
    HARD = "hard"
    """It is refused."""


class Day(StrEnum):
    """A day of the week."""

    MON = "mon"
    TUE = "tue"
    WED = "wed"
    THU = "thu"
    FRI = "fri"
    SAT = "sat"
    SUN = "sun"


_DAYS = tuple(Day)


def _known_zone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as exc:
        raise ValueError(
            "is no time zone of this machine; write `UTC` or a name such as `Europe/Zurich`"
        ) from exc
    return name


Zone = Annotated[str, AfterValidator(_known_zone)]


class Weekly(Frozen):
    """The same hours of each named day."""

    days: tuple[Day, ...] = Field(min_length=1, description="The days on which it begins.")
    begins: time = Field(alias="from", description="`HH:MM` in its zone.")
    ends: time = Field(
        alias="to", description="`HH:MM` in its zone; not later than `from`: it ends on the following day."
    )

    @model_validator(mode="after")
    def _clock_times(self) -> "Weekly":
        if self.begins.tzinfo or self.ends.tzinfo:
            raise ValueError("`from` and `to` have no zone of their own: name it under `zone`")
        return self

    def holds(self, local: datetime) -> bool:
        """Say whether the wall clock *local* stands within the hours."""
        today, clock = _DAYS[local.weekday()], local.time()
        yesterday = _DAYS[local.weekday() - 1]
        if self.begins < self.ends:
            return today in self.days and self.begins <= clock < self.ends
        return (today in self.days and clock >= self.begins) or (yesterday in self.days and clock < self.ends)


class Dated(Frozen):
    """From one time to another."""

    begins: NaiveDatetime = Field(alias="from", description="`YYYY-MM-DDTHH:MM` in its zone.")
    ends: NaiveDatetime = Field(alias="to", description="The same; it ends just before.")

    @model_validator(mode="after")
    def _ends_after_it_begins(self) -> "Dated":
        if self.begins >= self.ends:
            raise ValueError("`to` must be later than `from`")
        return self

    def holds(self, now: datetime, zone: ZoneInfo) -> bool:
        """Say whether *now* lies within. A clock time that comes twice, or never, is taken at its longest."""
        return min(_moments(self.begins, zone)) <= now < max(_moments(self.ends, zone))


def _moments(clock: datetime, zone: ZoneInfo) -> tuple[datetime, datetime]:
    """Return both meanings of a clock time; they differ when clocks are put back or forward over it."""
    first, second = (clock.replace(tzinfo=zone, fold=fold).astimezone(UTC) for fold in (0, 1))
    return first, second


class Freeze(Frozen):
    """A window in which starts are spoken against."""

    name: Line = Field(description="What people call it, such as `weekend`.")
    weekly: Weekly | None = Field(default=None, description="Each week, or …")
    dated: Dated | None = Field(default=None, description="… once.")
    zone: Zone = Field(
        default="UTC", description="Of its clock times: `UTC` or a name such as `Europe/Zurich`."
    )
    level: Level = Level.HARD
    services: tuple[ServiceName, ...] | None = Field(
        default=None, min_length=1, description="Only for these; default: for all."
    )

    @model_validator(mode="after")
    def _one_kind(self) -> "Freeze":
        if (self.weekly is None) == (self.dated is None):
            raise ValueError("name `weekly` or `dated`, and not both")
        return self

    def holds(self, service: ServiceName, now: AwareDatetime) -> bool:
        """Say whether *service* is frozen at *now*."""
        if self.services is not None and service not in self.services:
            return False
        zone = _zone(self.zone)
        if self.dated is not None:
            return self.dated.holds(now, zone)
        return self.weekly is not None and self.weekly.holds(now.astimezone(zone))


@lru_cache(maxsize=64)
def _zone(name: str) -> ZoneInfo:
    return ZoneInfo(name)
