"""What SQLite and PostgreSQL do differently: connecting, locking the chain, telling the time."""

import sqlite3
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from time import monotonic, sleep
from typing import Final, Protocol
from urllib.parse import quote

from sqlalchemy import URL, Connection, Engine, create_engine, event, text
from sqlalchemy.engine.interfaces import DBAPIConnection, DBAPICursor
from sqlalchemy.pool import ConnectionPoolEntry

from adapters.store.sql.tables import POSTGRES_GUARDS, SQLITE_GUARDS
from bot.domain.errors import Unavailable

_LOCK_WAIT_MS = 5000  # Our choice: beyond it the person is told that the store is busy.
_SWITCH_PAUSE_S = 0.01
_CHAIN_LOCK = 0x68616E647261696C  # "handrail": every writer of the chain takes this advisory lock first.
_WRITES: Final = "handrail_writes"
_NOW: Final = "SELECT strftime('%Y-%m-%d %H:%M:%f', 'now')"


class Dialect(Protocol):
    @property
    def writers(self) -> int:
        """How many transactions may write at once, each in a thread and on a connection of its own."""
        ...

    @property
    def readers(self) -> int:
        """How many may read at once, beside the writers."""
        ...

    @property
    def guards(self) -> Sequence[str]: ...

    def engine(self, address: URL) -> Engine: ...

    def reading_engine(self, address: URL) -> Engine:
        """Return an engine whose connections the database itself keeps from writing."""
        ...

    def begin(self, connection: Connection, *, is_writing: bool) -> None:
        """Begin a transaction; a writing one waits for the chain's lock."""
        ...

    def now(self, connection: Connection) -> datetime: ...


class Sqlite:
    """One file; other processes may hold it as well.

    With a write-ahead log a reader sees what was committed when it began, and never waits for an fsync.
    """

    writers = 1
    readers = 1
    guards = SQLITE_GUARDS

    def __init__(self, path: Path, *, may_create: bool = True) -> None:
        self._path = path
        try:
            if may_create:
                path.touch(mode=0o600)  # SQLite gives its companion files the same rights.
            self._identity = _identity(path)
        except OSError as exc:
            raise Unavailable(f"The database file {path} cannot be opened: {exc.strerror}.") from exc

    def engine(self, address: URL) -> Engine:
        return self._engine(address, _prepare_connection)

    def reading_engine(self, address: URL) -> Engine:
        """Return an engine that can change nothing, not even the mode of the file."""
        there = address.set(database=f"file:{quote(str(self._path))}")
        return self._engine(there.update_query_dict({"mode": "ro", "uri": "true"}), _prepare_reading)

    def _engine(
        self, address: URL, prepare: Callable[[DBAPIConnection, ConnectionPoolEntry], None]
    ) -> Engine:
        engine = create_engine(
            address, pool_size=self.writers + self.readers, max_overflow=0, hide_parameters=True
        )
        event.listen(engine, "connect", prepare)
        event.listen(engine, "begin", _begin_sqlite)
        return engine

    def begin(self, connection: Connection, *, is_writing: bool) -> None:
        if is_writing:
            self._refuse_another_file()
        connection.execution_options(**{_WRITES: is_writing}).begin()

    def now(self, connection: Connection) -> datetime:
        told = connection.exec_driver_sql(_NOW).scalar()
        return datetime.fromisoformat(str(told)).replace(tzinfo=UTC)

    def _refuse_another_file(self) -> None:
        # With a write-ahead log SQLite goes on writing to a file that was moved or deleted, and says nothing.
        try:
            is_same = _identity(self._path) == self._identity
        except OSError:
            is_same = False
        if not is_same:
            raise Unavailable(f"The database file {self._path} was moved or replaced. Restart Handrail.")


def _identity(path: Path) -> tuple[int, int]:
    found = path.stat()
    return found.st_dev, found.st_ino


def _prepare_connection(connection: DBAPIConnection, entry: ConnectionPoolEntry) -> None:
    # The driver would begin transactions by itself, deferred and only before some statements.
    connection.isolation_level = None
    cursor = connection.cursor()
    cursor.execute(f"PRAGMA busy_timeout={_LOCK_WAIT_MS}")
    _use_write_ahead_log(cursor)
    cursor.execute("PRAGMA synchronous=FULL")
    cursor.execute("PRAGMA foreign_keys=ON")
    cursor.close()


def _prepare_reading(connection: DBAPIConnection, entry: ConnectionPoolEntry) -> None:
    connection.isolation_level = None
    cursor = connection.cursor()
    cursor.execute(f"PRAGMA busy_timeout={_LOCK_WAIT_MS}")
    cursor.close()


def _use_write_ahead_log(cursor: DBAPICursor) -> None:
    # SQLite does not wait by itself when two processes switch a new file over at once.
    deadline = monotonic() + _LOCK_WAIT_MS / 1000
    while True:
        try:
            cursor.execute("PRAGMA journal_mode=WAL")
        except sqlite3.OperationalError as exc:
            if exc.sqlite_errorcode != sqlite3.SQLITE_BUSY or monotonic() > deadline:
                raise
            sleep(_SWITCH_PAUSE_S)
        else:
            return


def _begin_sqlite(connection: Connection) -> None:
    # A deferred transaction that first reads and then writes can find its view outdated; an immediate one
    # waits for its turn before it reads.
    is_writing = connection.get_execution_options().get(_WRITES, False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if is_writing else "BEGIN")


class Postgres:
    """A server that several bots share."""

    writers = 4
    readers = 4
    guards = POSTGRES_GUARDS

    def engine(self, address: URL) -> Engine:
        return self._engine(address)

    def reading_engine(self, address: URL) -> Engine:
        return self._engine(address, " -c default_transaction_read_only=on")

    def _engine(self, address: URL, more: str = "") -> Engine:
        waits = f"-c lock_timeout={_LOCK_WAIT_MS} -c statement_timeout={2 * _LOCK_WAIT_MS}"
        return create_engine(
            address,
            pool_size=self.writers + self.readers,
            max_overflow=0,
            pool_pre_ping=True,
            hide_parameters=True,
            # Each statement after the lock sees what was committed before it.
            isolation_level="READ COMMITTED",
            connect_args={"options": f"{waits} -c synchronous_commit=on{more}", "connect_timeout": 5},
        )

    def begin(self, connection: Connection, *, is_writing: bool) -> None:
        connection.begin()
        if is_writing:
            connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _CHAIN_LOCK})

    def now(self, connection: Connection) -> datetime:
        told = connection.scalar(text("SELECT clock_timestamp()"))
        if not isinstance(told, datetime):
            raise Unavailable("The database did not tell the time.")
        return told.astimezone(UTC)
