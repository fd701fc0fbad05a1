"""The audit chain and the switches as SQL rows."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final

from sqlalchemy import Connection, Row, bindparam, delete, insert, select, text, update

from adapters.store.sql.tables import ARCHIVING_POSTGRES, ARCHIVING_SQLITE, audit, meta
from bot.domain.audit import Entry
from bot.domain.ids import Digest, IncidentId
from bot.domain.seal import PublicKey, Seal, Signature

# Made once: every entry needs them, and making a statement costs more than running it.
_LAST: Final = select(audit).order_by(audit.c.seq.desc()).limit(1)
_ADD: Final = insert(audit)
_NUMBER: Final = select(meta.c.value).where(meta.c.key == bindparam("wanted"))
_NO_TIME: Final = datetime.min.replace(tzinfo=UTC)


@dataclass
class SqlLog:
    """The chain within one transaction. A writing one holds the chain's lock, so its end is read once."""

    connection: Connection
    _end: Entry | None = field(default=None, init=False, repr=False)

    def last(self) -> Entry | None:
        if self._end is None:
            found = _entries(self.connection.execute(_LAST))
            self._end = found[0] if found else None
        return self._end

    def last_signed(self) -> Entry | None:
        found = _entries(self.connection.execute(_LAST.where(audit.c.key.is_not(None))))
        return found[0] if found else None

    def get(self, seq: int) -> Entry | None:
        found = _entries(self.connection.execute(select(audit).where(audit.c.seq == seq)))
        return found[0] if found else None

    def add(self, entry: Entry) -> None:
        columns = {
            **entry.model_dump(exclude={"seal"}),
            "at": entry.at.isoformat(),
            "key": entry.seal.key if entry.seal is not None else None,
            "signature": entry.seal.signature if entry.seal is not None else None,
        }
        self.connection.execute(_ADD, columns)
        self._end = entry

    def drop_until(self, seq: int) -> None:
        """Remove the entries up to *seq*: the one place where the guard is put aside, and back at once.

        The database must be open for archiving: the claims go on naming entries that are in a file now.
        """
        is_postgres = self.connection.dialect.name == "postgresql"
        before, after = ARCHIVING_POSTGRES if is_postgres else ARCHIVING_SQLITE
        for statement in before:
            self.connection.execute(text(statement))
        self.connection.execute(delete(audit).where(audit.c.seq <= seq))
        self._end = None
        for statement in after:
            self.connection.execute(text(statement))

    def after(self, seq: int, limit: int) -> Sequence[Entry]:
        query = select(audit).where(audit.c.seq > seq).order_by(audit.c.seq).limit(limit)
        return _entries(self.connection.execute(query))

    def latest(self, incident: IncidentId | None, limit: int) -> Sequence[Entry]:
        query = select(audit).order_by(audit.c.seq.desc()).limit(max(0, limit))
        if incident is not None:
            query = query.where(audit.c.incident == incident)
        return _entries(self.connection.execute(query))[::-1]


def _entries(rows: Iterable[Row[Any]]) -> list[Entry]:
    # A changed row must come out as an entry that does not fit, never as an error that hides which one it is.
    return [
        Entry(
            seq=row.seq,
            at=_time(row.at),
            incident=IncidentId(str(row.incident)) if row.incident is not None else None,
            act=str(row.act),
            actor=str(row.actor),
            body=str(row.body),
            prev=Digest(str(row.prev)),
            hash=Digest(str(row.hash)),
            seal=_seal(row.key, row.signature),
        )
        for row in rows
    ]


def _seal(key: object, signature: object) -> Seal | None:
    if key is None and signature is None:
        return None
    return Seal(key=PublicKey(str(key)), signature=Signature(str(signature)))


def _time(text: object) -> datetime:
    try:
        at = datetime.fromisoformat(str(text))
    except ValueError:
        return _NO_TIME
    return at if at.tzinfo is not None else _NO_TIME


@dataclass(frozen=True)
class SqlSwitches:
    """Whole numbers by name; one that was never set is 0."""

    connection: Connection

    def is_killed(self) -> bool:
        # Only a clean 0 lets anything start.
        return self.number("killed") != 0

    def set_killed(self, is_killed: bool) -> None:
        self.set_number("killed", int(is_killed))

    def epoch(self) -> int:
        return self.number("epoch")

    def set_epoch(self, epoch: int) -> None:
        self.set_number("epoch", epoch)

    def number(self, key: str) -> int:
        return self.connection.scalar(_NUMBER, {"wanted": key}) or 0

    def set_number(self, key: str, value: int) -> None:
        changed = self.connection.execute(update(meta).where(meta.c.key == key).values(value=value))
        if changed.rowcount == 0:
            self.connection.execute(insert(meta).values(key=key, value=value))
