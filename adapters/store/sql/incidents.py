"""Incidents and posts as SQL rows."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Row, Select, func, insert, select, update

from adapters.store.rows import Post
from adapters.store.sql.reading import read_json
from adapters.store.sql.tables import incidents, posts
from bot.domain.ids import IncidentId
from bot.domain.record import IncidentRecord


@dataclass(frozen=True)
class SqlIncidents:
    """Whole records as JSON, with what they are found by beside it."""

    connection: Connection

    def get(self, incident: IncidentId) -> IncidentRecord | None:
        found = self._read(select(incidents.c.snapshot).where(incidents.c.id == incident))
        return found[0] if found else None

    def put(self, record: IncidentRecord, *, is_sighting: bool = False) -> None:
        values: dict[str, object] = {
            "opened_at": record.incident.opened_at,
            "resolved_at": record.resolved_at,
            "snapshot": record.model_dump_json(),
        }
        if is_sighting:
            values["sighting"] = self._next_sighting()
        changed = self.connection.execute(
            update(incidents).where(incidents.c.id == record.id).values(**values)
        )
        if changed.rowcount == 0:
            values.setdefault("sighting", self._next_sighting())
            self.connection.execute(insert(incidents).values(id=record.id, **values))

    def open(self) -> Sequence[IncidentRecord]:
        return self._read(
            select(incidents.c.snapshot)
            .where(incidents.c.resolved_at.is_(None))
            .order_by(incidents.c.opened_at, incidents.c.id)
        )

    def recent(self, limit: int) -> Sequence[IncidentRecord]:
        return self._read(
            select(incidents.c.snapshot).order_by(incidents.c.sighting.desc()).limit(max(0, limit))
        )

    def _read(self, query: Select[Any]) -> list[IncidentRecord]:
        return [read_json(IncidentRecord, text) for text in self.connection.scalars(query)]

    def _next_sighting(self) -> int:
        last = self.connection.scalar(select(func.max(incidents.c.sighting)))
        return (last or 0) + 1


@dataclass(frozen=True)
class SqlPosts:
    connection: Connection

    def get(self, key: str) -> Post | None:
        row = self.connection.execute(select(posts).where(posts.c.key == key)).one_or_none()
        return _post(row) if row is not None else None

    def all(self) -> Sequence[Post]:
        return [_post(row) for row in self.connection.execute(select(posts).order_by(posts.c.key))]

    def put(self, post: Post) -> None:
        values = {"sent": int(post.is_sent), "possibly_double": int(post.possibly_double)}
        changed = self.connection.execute(update(posts).where(posts.c.key == post.key).values(**values))
        if changed.rowcount == 0:
            self.connection.execute(insert(posts).values(key=post.key, incident=post.incident, **values))


def _post(row: Row[Any]) -> Post:
    return Post(
        key=row.key,
        incident=IncidentId(row.incident),
        is_sent=bool(row.sent),
        possibly_double=bool(row.possibly_double),
    )
