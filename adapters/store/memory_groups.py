"""The rows of grouping in memory, as SQL keeps them."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import islice

from bot.domain.ids import IncidentId
from bot.domain.merging import Member, MergeEntry, Standing, Storm


@dataclass
class MemoryGroups:
    by_id: dict[IncidentId, Member] = field(default_factory=dict)
    entries: list[MergeEntry] = field(default_factory=list)
    all_storms: dict[str, Storm] = field(default_factory=dict)

    def get(self, incident: IncidentId) -> Member | None:
        return self.by_id.get(incident)

    def put(self, member: Member) -> None:
        self.by_id[member.incident] = member

    def between(self, start: datetime, end: datetime) -> Sequence[Member]:
        return self._ordered(
            member
            for member in self.by_id.values()
            if member.standing in (Standing.OWN, Standing.MERGED) and start <= member.opened_at <= end
        )

    def held_by(self, incident: IncidentId) -> Sequence[Member]:
        return self._ordered(
            member
            for member in self.by_id.values()
            if incident in (member.host, member.group) and member.incident != incident
        )

    def of_groups(self, groups: Collection[IncidentId], start: datetime, end: datetime) -> Sequence[Member]:
        return [member for member in self.between(start, end) if member.group in groups]

    def were_heard_since(self, start: datetime, number: int) -> bool:
        # The last heard of come last: in a storm the first few that are looked at decide.
        recent = (member for member in reversed(self.by_id.values()) if member.heard_at >= start)
        return sum(1 for _ in islice(recent, number)) >= number

    def merged_into(self, host: str) -> Sequence[Member]:
        return self._ordered(
            member
            for member in self.by_id.values()
            if member.standing is Standing.MERGED and member.host == host
        )

    def standings(self) -> Mapping[IncidentId, Standing]:
        return {member.incident: member.standing for member in self.by_id.values() if member.is_open}

    def untold(self) -> Sequence[Member]:
        return self._ordered(
            member
            for member in self.by_id.values()
            if member.standing is Standing.MERGED and member.is_open and not member.is_told
        )

    def add(self, entry: MergeEntry) -> None:
        self.entries.append(entry)

    def ledger(self, limit: int) -> Sequence[MergeEntry]:
        return list(reversed(self.entries))[:limit]

    def last_of(self, incident: IncidentId) -> MergeEntry | None:
        return next((entry for entry in reversed(self.entries) if entry.incident == incident), None)

    def last_storm(self, channel: str) -> Storm | None:
        found = [storm for storm in self.all_storms.values() if storm.channel == channel]
        return max(found, key=lambda storm: storm.began_at, default=None)

    def put_storm(self, storm: Storm) -> None:
        self.all_storms[storm.id] = storm

    def storms(self) -> Sequence[Storm]:
        return sorted(self.all_storms.values(), key=lambda storm: (storm.began_at, storm.id))

    def storm_counts(self) -> Mapping[str, tuple[int, int]]:
        found: dict[str, tuple[int, int]] = {}
        for member in self.by_id.values():
            if member.standing is Standing.MUTED and member.host is not None:
                is_open, all_ = found.get(member.host, (0, 0))
                found[member.host] = (is_open + member.is_open, all_ + 1)
        return found

    def muted_by(self, storm: str, limit: int) -> Sequence[Member]:
        found = [
            member
            for member in self.by_id.values()
            if member.standing is Standing.MUTED and member.host == storm and member.is_open
        ]
        return sorted(found, key=lambda member: (member.heard_at, member.incident), reverse=True)[:limit]

    def _ordered(self, members: Iterable[Member]) -> list[Member]:
        return sorted(members, key=lambda member: member.order)
