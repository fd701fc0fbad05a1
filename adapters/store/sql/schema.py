"""Making the tables, once, and refusing those of a later version."""

from collections.abc import Sequence

from sqlalchemy import Connection, inspect, text

from adapters.store.sql.log import SqlSwitches
from adapters.store.sql.tables import SCHEMA_VERSION, metadata
from bot.domain.errors import Invalid


def prepare(connection: Connection, guards: Sequence[str]) -> None:
    """Make tables and guards when the database is empty. The caller holds the chain's lock.

    Raises:
        Invalid: the schema was made by a later version.
    """
    numbers = SqlSwitches(connection)
    if not inspect(connection).has_table("meta"):
        metadata.create_all(connection, checkfirst=False)
        for guard in guards:
            connection.execute(text(guard))
        numbers.set_number("schema", SCHEMA_VERSION)
    found = numbers.number("schema")
    if found != SCHEMA_VERSION:
        raise Invalid(
            f"The database has schema {found}, and this Handrail knows schema {SCHEMA_VERSION} only: "
            "start the version that made it, or name another database."
        )
