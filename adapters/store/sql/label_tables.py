"""Tables that came after the first ones: diagnoses and what was said of them.

A database that lacks them gets them at the start. An older version goes on with a database that has them, so
the number of the schema stays.
"""

from collections.abc import Sequence
from typing import Final

from sqlalchemy import Column, Index, LargeBinary, Table, Text

from adapters.store.sql.tables import Moment, metadata

labels = Table(
    "labels",
    metadata,
    Column("id", Text, primary_key=True),
    Column("incident", Text, nullable=False),
    Column("at", Moment, nullable=False),
    Column("facts", Text, nullable=False),
    Index("labels_by_incident", "incident"),
    Index("labels_by_time", "at"),
)

feedback = Table(
    "feedback",
    metadata,
    Column("click_id", Text, primary_key=True),
    Column("incident", Text, nullable=False),
    Column("user", Text, nullable=False),
    Column("answer", Text, nullable=False),
    Column("at", Moment, nullable=False),
)

diagnoses = Table(
    "diagnoses",
    metadata,
    Column("id", Text, primary_key=True),
    Column("incident", Text, nullable=False),
    Column("at", Moment, nullable=False),
    Column("facts", Text, nullable=False),
    Column("snapshot", LargeBinary, nullable=False),
    Index("diagnoses_by_incident", "incident"),
    Index("diagnoses_by_time", "at"),
)

opinions = Table(
    "opinions",
    metadata,
    Column("id", Text, primary_key=True),
    Column("incident", Text, nullable=False),
    Column("at", Moment, nullable=False),
    Column("facts", Text, nullable=False),
    Column("snapshot", LargeBinary),
    Index("opinions_by_incident", "incident"),
    Index("opinions_by_time", "at"),
)

ADDED: Final = (labels, feedback, diagnoses, opinions)

_FINAL: Final = {
    "labels": ("UPDATE", "DELETE"),
    "feedback": ("UPDATE", "DELETE"),
    # Old ones may be thrown away to save room; none is ever rewritten.
    "diagnoses": ("UPDATE",),
    "opinions": ("UPDATE",),
    "merges": ("UPDATE", "DELETE"),
}


def added_guards(table: str, dialect: str) -> Sequence[str]:
    """Return what lets nobody rewrite *table*, for SQLAlchemy's name of the *dialect*."""
    if dialect == "postgresql":
        return [
            f"CREATE TRIGGER {table}_{verb.lower()} BEFORE {verb} ON {table} "
            "FOR EACH ROW EXECUTE FUNCTION handrail_refuse()"
            for verb in _FINAL.get(table, ())
        ]
    return [
        f"CREATE TRIGGER {table}_{verb.lower()} BEFORE {verb} ON {table} "
        f"BEGIN SELECT RAISE(ABORT, '{table} is append-only'); END"
        for verb in _FINAL.get(table, ())
    ]
