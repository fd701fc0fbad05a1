"""Transactions on SQLite and PostgreSQL: one chain lock, the database's own time, all or nothing."""

import asyncio
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

from sqlalchemy import URL, Connection, Engine, event, inspect, make_url
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import ArgumentError, DBAPIError, IntegrityError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.pool import ConnectionPoolEntry

from adapters.store.rows import Rows
from adapters.store.signing import NoSigner, Signer
from adapters.store.sql.claims import SqlClaims, SqlTargets
from adapters.store.sql.diagnoses import SqlDiagnoses
from adapters.store.sql.dialects import Dialect, Postgres, Sqlite
from adapters.store.sql.groups import SqlGroups
from adapters.store.sql.incidents import SqlIncidents, SqlPosts
from adapters.store.sql.labels import SqlLabels
from adapters.store.sql.log import SqlLog, SqlSwitches
from adapters.store.sql.proposals import SqlDecisions, SqlProposals
from adapters.store.sql.schema import prepare
from adapters.store.sql.tables import audit
from adapters.store.transaction import Redact, StoreTime, T, Transaction
from bot.domain.errors import Invalid, Tampered, Unavailable, Unclear


class SqlTransactions:
    """Runs work in threads of its own, so that no transaction ever blocks the loop.

    A call that is cancelled while its transaction runs may still commit: every change can be asked for again
    and is then found done.
    """

    def __init__(
        self,
        engine: Engine,
        dialect: Dialect,
        *,
        redact: Redact,
        kill_file: Path | None,
        store_time: StoreTime | None,
        signer: Signer,
    ) -> None:
        self._engine = engine
        self._dialect = dialect
        self._redact = redact
        self._kill_file = kill_file
        self._store_time = store_time
        self._signer = signer
        self._writers = ThreadPoolExecutor(dialect.writers, thread_name_prefix="handrail-store")
        self._readers = ThreadPoolExecutor(dialect.readers, thread_name_prefix="handrail-store-read")

    async def write(self, work: Callable[[Transaction], T]) -> T:
        return await _in_thread(self._writers, lambda: self._transact(work, is_writing=True))

    async def read(self, work: Callable[[Transaction], T]) -> T:
        return await _in_thread(self._readers, lambda: self._transact(work, is_writing=False))

    async def close(self) -> None:
        """Wait for running transactions, then let go of the connections."""
        for threads in (self._writers, self._readers):
            await asyncio.to_thread(threads.shutdown)
        self._engine.dispose()

    def _transact(self, work: Callable[[Transaction], T], *, is_writing: bool) -> T:
        with _transaction(self._engine, self._dialect, is_writing=is_writing) as connection:
            now = self._store_time() if self._store_time is not None else self._dialect.now(connection)
            return work(
                Transaction(_rows(connection), _aware(now), self._redact, self._kill_file, self._signer)
            )


async def _in_thread(threads: ThreadPoolExecutor, job: Callable[[], T]) -> T:
    try:
        future = threads.submit(job)
    except RuntimeError as exc:
        raise Unavailable("The store is closed.") from exc
    return await asyncio.wrap_future(future)


def open_transactions(
    url: str,
    *,
    redact: Redact,
    kill_file: Path | None,
    store_time: StoreTime | None,
    signer: Signer,
    may_archive: bool = False,
) -> SqlTransactions:
    """Connect to *url* and make its tables when there are none. Raises `Invalid` or `Unavailable`."""
    address = _address(url)
    dialect = _dialect(address)
    engine = _engine(dialect.engine, address)
    if may_archive and engine.dialect.name == "sqlite":
        event.listen(engine, "connect", _check_no_references)
    with _disposed_on_error(engine), _transaction(engine, dialect, is_writing=True) as connection:
        prepare(connection, dialect.guards)
    return SqlTransactions(
        engine, dialect, redact=redact, kill_file=kill_file, store_time=store_time, signer=signer
    )


def open_reading(url: str) -> SqlTransactions:
    """Connect to the record at *url* so that nothing can be changed, nor made.

    Raises:
        Invalid: there is no record.
        Unavailable: the database cannot be reached or used.
    """
    address = _address(url)
    if address.drivername == "sqlite" and not Path(address.database or "").is_file():
        raise Invalid(f"{address.database}: there is no such file. Set HANDRAIL_DATA_DIR or DATABASE_URL.")
    dialect = _dialect(address, may_create=False)
    engine = _engine(dialect.reading_engine, address)
    with _disposed_on_error(engine), _transaction(engine, dialect, is_writing=False) as connection:
        if not inspect(connection).has_table(audit.name):
            where = address.render_as_string(hide_password=True)
            raise Invalid(f"{where} holds no record: the table {audit.name!r} is missing.")
        if "signature" not in {column["name"] for column in inspect(connection).get_columns(audit.name)}:
            raise Invalid(
                "The record was made by an earlier version: start the bot once, it adds what lacks."
            )
    # Nothing is written, so nothing is redacted.
    nothing = NoSigner("The record was opened to be read.")
    return SqlTransactions(engine, dialect, redact=str, kill_file=None, store_time=None, signer=nothing)


def _check_no_references(connection: DBAPIConnection, _: ConnectionPoolEntry) -> None:
    # SQLite lets this be chosen for a connection, never inside of a transaction.
    cursor = connection.cursor()
    cursor.execute("PRAGMA foreign_keys=OFF")
    cursor.close()


def _engine(connected: Callable[[URL], Engine], address: URL) -> Engine:
    try:
        return connected(address)
    except ModuleNotFoundError as exc:
        raise Invalid(f"{exc.name} is not installed: install handrail[postgres].") from exc


@contextmanager
def _disposed_on_error(engine: Engine) -> Iterator[None]:
    try:
        yield
    except BaseException:
        engine.dispose()
        raise


def _address(url: str) -> URL:
    try:
        return make_url(url)
    except (ArgumentError, ValueError) as exc:
        # The text may hold a password, so it is not repeated.
        raise Invalid("The database address is no URL: use sqlite:///PATH or postgresql+psycopg://…") from exc


def _dialect(address: URL, *, may_create: bool = True) -> Dialect:
    if address.drivername == "sqlite" and address.database and address.database != ":memory:":
        return Sqlite(Path(address.database), may_create=may_create)
    if address.drivername == "postgresql+psycopg":
        return Postgres()
    raise Invalid(
        f"The database address begins with {address.drivername!r}: "
        "use sqlite:///PATH or postgresql+psycopg://USER@HOST/NAME."
    )


@contextmanager
def _transaction(engine: Engine, dialect: Dialect, *, is_writing: bool) -> Iterator[Connection]:
    """Yield a connection inside a transaction that is committed at the end, or leaves no trace."""
    with _translated(), engine.connect() as connection:
        dialect.begin(connection, is_writing=is_writing)
        yield connection
        _commit(connection)


def _commit(connection: Connection) -> None:
    try:
        connection.commit()
    except DBAPIError as exc:
        if exc.connection_invalidated:
            raise Unclear("The database went away during a commit: it may have happened.") from exc
        raise


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except IntegrityError as exc:
        raise Tampered(f"The database refused a row that contradicts the record: {exc.orig}") from exc
    except DBAPIError as exc:
        raise Unavailable(f"The store cannot do it: {exc.orig}") from exc
    except PoolTimeout as exc:
        raise Unavailable("All connections to the store are busy.") from exc


def _rows(connection: Connection) -> Rows:
    return Rows(
        incidents=SqlIncidents(connection),
        proposals=SqlProposals(connection),
        decisions=SqlDecisions(connection),
        claims=SqlClaims(connection),
        targets=SqlTargets(connection),
        posts=SqlPosts(connection),
        switches=SqlSwitches(connection),
        log=SqlLog(connection),
        labels=SqlLabels(connection),
        diagnoses=SqlDiagnoses(connection),
        groups=SqlGroups(connection),
    )


def _aware(now: datetime) -> datetime:
    if now.tzinfo is None:
        raise ValueError("The store's time has no zone.")
    return now
