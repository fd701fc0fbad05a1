"""Making the tables, once, and refusing those of a later version."""

from collections.abc import Sequence
from typing import Final

from sqlalchemy import Connection, inspect, text

from adapters.store.sql.group_tables import GROUP_TABLES
from adapters.store.sql.label_tables import ADDED, added_guards
from adapters.store.sql.log import SqlSwitches
from adapters.store.sql.tables import SCHEMA_VERSION, audit, metadata, target_uses
from bot.domain.errors import Invalid

_LATER: Final = (*ADDED, *GROUP_TABLES, target_uses)


def prepare(connection: Connection, guards: Sequence[str]) -> None:
    """Make tables and guards when the database is empty. The caller holds the chain's lock.

    Raises:
        Invalid: the schema was made by a later version.
    """
    numbers = SqlSwitches(connection)
    if not inspect(connection).has_table("meta"):
        first = [table for table in metadata.sorted_tables if table not in _LATER]
        metadata.create_all(connection, tables=first, checkfirst=False)
        for guard in guards:
            connection.execute(text(guard))
        numbers.set_number("schema", SCHEMA_VERSION)
    found = numbers.number("schema")
    if found != SCHEMA_VERSION:
        raise Invalid(
            f"The database has schema {found}, and this Handrail knows schema {SCHEMA_VERSION} only: "
            "start the version that made it, or name another database."
        )
    _add_missing(connection)


def _add_missing(connection: Connection) -> None:
    """Make the tables and columns that came later, with their guards, in a database that lacks them."""
    known = inspect(connection)
    columns = {column["name"] for column in known.get_columns(audit.name)}
    for name in ("key", "signature"):
        if name not in columns:
            connection.execute(text(f"ALTER TABLE {audit.name} ADD COLUMN {name} TEXT"))
    for table in _LATER:
        if not known.has_table(table.name):
            table.create(connection, checkfirst=False)
            for guard in added_guards(table.name, connection.dialect.name):
                connection.execute(text(guard))
