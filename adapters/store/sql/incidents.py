"""Incidents and posts as SQL rows."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import Connection, Row, Select, bindparam, func, insert, select, update

from adapters.store.rows import Post
from adapters.store.sql.reading import read_json
from adapters.store.sql.tables import incidents, posts
from bot.domain.ids import IncidentId
from bot.domain.record import IncidentRecord

# Made once: each is needed several times for every card, and making one costs more than running it.
_GET: Final = select(incidents.c.snapshot).where(incidents.c.id == bindparam("wanted"))
_CHANGE: Final = update(incidents).where(incidents.c.id == bindparam("wanted"))
_ADD: Final = insert(incidents)
_LAST_SIGHTING: Final = select(func.max(incidents.c.sighting))
_GET_POST: Final = select(posts).where(posts.c.key == bindparam("wanted"))
_CHANGE_POST: Final = update(posts).where(posts.c.key == bindparam("wanted"))
_ADD_POST: Final = insert(posts)


@dataclass(frozen=True)
class SqlIncidents:
    """Whole records as JSON, with what they are found by beside it."""

    connection: Connection

    def get(self, incident: IncidentId) -> IncidentRecord | None:
        text = self.connection.scalar(_GET, {"wanted": incident})
        return read_json(IncidentRecord, text) if text is not None else None

    def put(self, record: IncidentRecord, *, is_sighting: bool = False) -> None:
        values: dict[str, object] = {
            "opened_at": record.incident.opened_at,
            "resolved_at": record.resolved_at,
            "snapshot": record.model_dump_json(),
        }
        if is_sighting:
            values["sighting"] = self._next_sighting()
        changed = self.connection.execute(_CHANGE, {"wanted": record.id, **values})
        if changed.rowcount == 0:
            if not is_sighting:
                values["sighting"] = self._next_sighting()
            self.connection.execute(_ADD, {"id": record.id, **values})

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
        last = self.connection.scalar(_LAST_SIGHTING)
        return (last or 0) + 1


@dataclass(frozen=True)
class SqlPosts:
    connection: Connection

    def get(self, key: str) -> Post | None:
        row = self.connection.execute(_GET_POST, {"wanted": key}).one_or_none()
        return _post(row) if row is not None else None

    def all(self) -> Sequence[Post]:
        return [_post(row) for row in self.connection.execute(select(posts).order_by(posts.c.key))]

    def put(self, post: Post) -> None:
        values = {"sent": int(post.is_sent), "possibly_double": int(post.possibly_double)}
        changed = self.connection.execute(_CHANGE_POST, {"wanted": post.key, **values})
        if changed.rowcount == 0:
            self.connection.execute(_ADD_POST, {"key": post.key, "incident": post.incident, **values})


def _post(row: Row[Any]) -> Post:
    return Post(
        key=row.key,
        incident=IncidentId(row.incident),
        is_sent=bool(row.sent),
        possibly_double=bool(row.possibly_double),
    )
