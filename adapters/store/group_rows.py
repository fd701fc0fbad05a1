"""The rows of grouping, as one transaction sees them."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Protocol

from bot.domain.ids import IncidentId
from bot.domain.merging import Member, MergeEntry, Standing, Storm


class GroupRows(Protocol):
    def get(self, incident: IncidentId) -> Member | None: ...

    def put(self, member: Member) -> None: ...

    def between(self, start: datetime, end: datetime) -> Sequence[Member]:
        """Return those that grouping decides about, neither muted nor split, by the time they were opened."""
        ...

    def held_by(self, incident: IncidentId) -> Sequence[Member]:
        """Return the others whose card or group is that of *incident*, in order of opening."""
        ...

    def of_groups(self, groups: Collection[IncidentId], start: datetime, end: datetime) -> Sequence[Member]:
        """Return what `between` returns, of some groups alone."""
        ...

    def were_heard_since(self, start: datetime, number: int) -> bool:
        """Say whether so many were heard of at *start* or later, muted ones too."""
        ...

    def merged_into(self, host: str) -> Sequence[Member]:
        """Return those that the card of *host* shows, resolved ones too, in order of opening."""
        ...

    def standings(self) -> Mapping[IncidentId, Standing]:
        """Return how each open one stands."""
        ...

    def untold(self) -> Sequence[Member]:
        """Return open merged ones that no thread tells of yet."""
        ...

    def add(self, entry: MergeEntry) -> None: ...

    def ledger(self, limit: int) -> Sequence[MergeEntry]:
        """Return the last *limit* lines, the newest first."""
        ...

    def last_of(self, incident: IncidentId) -> MergeEntry | None: ...

    def last_storm(self, channel: str) -> Storm | None: ...

    def put_storm(self, storm: Storm) -> None: ...

    def storms(self) -> Sequence[Storm]: ...

    def storm_counts(self) -> Mapping[str, tuple[int, int]]:
        """Return for each storm how many of its incidents are open, and how many it has in all."""
        ...

    def muted_by(self, storm: str, limit: int) -> Sequence[Member]:
        """Return open ones of a storm, the last heard of first."""
        ...
