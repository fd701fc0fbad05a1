"""The rows of grouping as SQL rows: whole values as JSON, with what they are found by beside them."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Select, Table, func, insert, or_, select, update

from adapters.store.sql.group_tables import group_members, merges, storms
from adapters.store.sql.reading import read_json
from bot.domain.ids import IncidentId
from bot.domain.merging import Member, MergeEntry, Standing, Storm

_m = group_members.c
_MERGED = _m.standing == Standing.MERGED.value
_GROUPED = (Standing.OWN.value, Standing.MERGED.value)
_MUTED = _m.standing == Standing.MUTED.value


@dataclass(frozen=True)
class SqlGroups:
    connection: Connection

    def get(self, incident: IncidentId) -> Member | None:
        found = self._members(select(_m.snapshot).where(_m.incident == incident))
        return found[0] if found else None

    def put(self, member: Member) -> None:
        self._put(
            group_members,
            {"incident": member.incident},
            {
                "opened_at": member.opened_at,
                "heard_at": member.heard_at,
                "standing": member.standing.value,
                "host": member.host,
                "named": member.group,
                "open": int(member.is_open),
                "told": int(member.is_told),
                "snapshot": member.model_dump_json(),
            },
        )

    def between(self, start: datetime, end: datetime) -> Sequence[Member]:
        return self._members(
            select(_m.snapshot)
            .where(_m.opened_at.between(start, end), _m.standing.in_(_GROUPED))
            .order_by(_m.opened_at, _m.incident)
        )

    def held_by(self, incident: IncidentId) -> Sequence[Member]:
        return self._members(
            select(_m.snapshot)
            .where(or_(_m.host == incident, _m.named == incident), _m.incident != incident)
            .order_by(_m.opened_at, _m.incident)
        )

    def of_groups(self, groups: Collection[IncidentId], start: datetime, end: datetime) -> Sequence[Member]:
        return self._members(
            select(_m.snapshot)
            .where(_m.named.in_(groups), _m.opened_at.between(start, end), _m.standing.in_(_GROUPED))
            .order_by(_m.opened_at, _m.incident)
        )

    def were_heard_since(self, start: datetime, number: int) -> bool:
        # Asked in a storm of ten thousand: the one that decides is looked at, and nothing is counted.
        last = select(_m.heard_at).order_by(_m.heard_at.desc()).offset(number - 1).limit(1)
        found = self.connection.scalar(last)
        return found is not None and found >= start

    def merged_into(self, host: str) -> Sequence[Member]:
        return self._members(
            select(_m.snapshot).where(_m.host == host, _MERGED).order_by(_m.opened_at, _m.incident)
        )

    def standings(self) -> Mapping[IncidentId, Standing]:
        found = self.connection.execute(select(_m.incident, _m.standing).where(_m.open == 1))
        return {IncidentId(row.incident): Standing(row.standing) for row in found}

    def untold(self) -> Sequence[Member]:
        return self._members(
            select(_m.snapshot).where(_m.open == 1, _MERGED, _m.told == 0).order_by(_m.opened_at, _m.incident)
        )

    def add(self, entry: MergeEntry) -> None:
        self.connection.execute(
            insert(merges).values(
                seq=entry.seq, incident=entry.incident, at=entry.at, snapshot=entry.model_dump_json()
            )
        )

    def ledger(self, limit: int) -> Sequence[MergeEntry]:
        return self._entries(select(merges.c.snapshot).order_by(merges.c.seq.desc()).limit(max(0, limit)))

    def last_of(self, incident: IncidentId) -> MergeEntry | None:
        found = self._entries(
            select(merges.c.snapshot)
            .where(merges.c.incident == incident)
            .order_by(merges.c.seq.desc())
            .limit(1)
        )
        return found[0] if found else None

    def last_storm(self, channel: str) -> Storm | None:
        found = self._storms(
            select(storms.c.snapshot)
            .where(storms.c.channel == channel)
            .order_by(storms.c.began_at.desc())
            .limit(1)
        )
        return found[0] if found else None

    def put_storm(self, storm: Storm) -> None:
        values = {
            "channel": storm.channel,
            "began_at": storm.began_at,
            "snapshot": storm.model_dump_json(),
        }
        self._put(storms, {"id": storm.id}, values)

    def storms(self) -> Sequence[Storm]:
        return self._storms(select(storms.c.snapshot).order_by(storms.c.began_at, storms.c.id))

    def storm_counts(self) -> Mapping[str, tuple[int, int]]:
        found = self.connection.execute(
            select(_m.host, func.sum(_m.open), func.count()).where(_MUTED).group_by(_m.host)
        )
        return {str(host): (int(open_), int(all_)) for host, open_, all_ in found}

    def muted_by(self, storm: str, limit: int) -> Sequence[Member]:
        return self._members(
            select(_m.snapshot)
            .where(_m.host == storm, _m.open == 1, _MUTED)
            .order_by(_m.heard_at.desc(), _m.incident.desc())
            .limit(max(0, limit))
        )

    def _put(self, table: Table, key: Mapping[str, object], values: Mapping[str, object]) -> None:
        changed = self.connection.execute(update(table).filter_by(**key).values(**values))
        if changed.rowcount == 0:
            self.connection.execute(insert(table).values(**key, **values))

    def _members(self, query: Select[Any]) -> list[Member]:
        return [read_json(Member, text) for text in self.connection.scalars(query)]

    def _entries(self, query: Select[Any]) -> list[MergeEntry]:
        return [read_json(MergeEntry, text) for text in self.connection.scalars(query)]

    def _storms(self, query: Select[Any]) -> list[Storm]:
        return [read_json(Storm, text) for text in self.connection.scalars(query)]
