"""The tables, and the guards that let nobody rewrite the record."""

from datetime import UTC, datetime
from typing import Any, Final

from sqlalchemy import (
    BigInteger,
    Column,
    Dialect,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
    TypeDecorator,
    UniqueConstraint,
)

SCHEMA_VERSION: Final = 1

metadata = MetaData()


class Moment(TypeDecorator[datetime]):
    """A time as ISO 8601 text in UTC with microseconds, so that text order is time order."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> str | None:
        return value.astimezone(UTC).isoformat(timespec="microseconds") if value is not None else None

    def process_result_value(self, value: Any, dialect: Dialect) -> datetime | None:
        return datetime.fromisoformat(value) if value is not None else None


meta = Table(
    "meta", metadata, Column("key", Text, primary_key=True), Column("value", Integer, nullable=False)
)
"""Whole numbers by name: `schema`, `epoch`, `killed`."""

incidents = Table(
    "incidents",
    metadata,
    Column("id", Text, primary_key=True),
    Column("opened_at", Moment, nullable=False),
    Column("resolved_at", Moment),
    Column("sighting", BigInteger, nullable=False),
    Column("snapshot", Text, nullable=False),
    Index("incidents_by_sighting", "sighting"),
)

proposals = Table(
    "proposals",
    metadata,
    Column("id", Text, primary_key=True),
    Column("incident", Text, nullable=False),
    Column("number", Integer, nullable=False),
    Column("epoch", Integer, nullable=False),
    Column("digest", Text, nullable=False),
    Column("plan", LargeBinary, nullable=False),
    Column("state", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("created_at", Moment, nullable=False),
    Column("changed_at", Moment, nullable=False),
    Column("expires_at", Moment, nullable=False),
    Column("channel", Text),
    Column("message_ts", Text),
    Column("approvals", Text, nullable=False),
    Column("denied_by", Text),
    UniqueConstraint("incident", "number"),
    Index("proposals_by_state", "state"),
)

decisions = Table(
    "decisions",
    metadata,
    Column("click_id", Text, primary_key=True),
    Column("proposal", Text, nullable=False),
    Column("action", Text, nullable=False),
    Column("user", Text, nullable=False),
    Column("team", Text, nullable=False),
    Column("digest", Text, nullable=False),
    Column("allowed", Integer, nullable=False),
    Column("grounds", Text, nullable=False),
    Column("answer", Text, nullable=False),
    Column("at", Moment, nullable=False),
    Index("decisions_by_proposal", "proposal"),
)

claims = Table(
    "claims",
    metadata,
    Column("effect_key", Text, primary_key=True),
    Column("attempt", Integer, primary_key=True, autoincrement=False),
    Column("incident", Text, nullable=False),
    Column("proposal", Text, ForeignKey("proposals.id"), nullable=False),
    Column("step", Integer, nullable=False),
    # No claim without its entry, so nothing runs that the record does not know.
    Column("entry", BigInteger, ForeignKey("audit.seq"), nullable=False, unique=True),
    Column("claimed_at", Moment, nullable=False),
    Column("finished_at", Moment),
    Column("outcome", Text),
    Index("claims_by_incident", "incident"),
    Index("claims_by_proposal", "proposal"),
)

target_locks = Table(
    "target_locks",
    metadata,
    Column("target", Text, primary_key=True),
    Column("proposal", Text, ForeignKey("proposals.id"), nullable=False),
)

target_uses = Table(
    "target_uses",
    metadata,
    Column("target", Text, primary_key=True),
    Column("proposal", Text, ForeignKey("proposals.id"), nullable=False),
    Column("at", Moment, nullable=False),
)
"""Who took each target last; it stays when the lock is gone."""

posts = Table(
    "posts",
    metadata,
    Column("key", Text, primary_key=True),
    Column("incident", Text, nullable=False),
    Column("sent", Integer, nullable=False),
    Column("possibly_double", Integer, nullable=False),
)

audit = Table(
    "audit",
    metadata,
    # On SQLite only `INTEGER PRIMARY KEY` is the row id itself.
    Column("seq", BigInteger().with_variant(Integer(), "sqlite"), primary_key=True, autoincrement=False),
    Column("at", Text, nullable=False),  # Text as it was hashed: a changed entry must still be readable.
    Column("incident", Text),
    Column("act", Text, nullable=False),
    Column("actor", Text, nullable=False),
    Column("body", Text, nullable=False),
    Column("prev", Text, nullable=False),
    Column("hash", Text, nullable=False, unique=True),
    # These two came later, and stand empty in entries that were written while nothing could be signed.
    Column("key", Text),
    Column("signature", Text),
    Index("audit_by_incident", "incident", "seq"),
)

SQLITE_GUARDS: Final = (
    *(
        f"CREATE TRIGGER {table}_{verb.lower()} BEFORE {verb} ON {table} "
        f"BEGIN SELECT RAISE(ABORT, '{table} is append-only'); END"
        for table, verb in (
            ("audit", "UPDATE"),
            ("audit", "DELETE"),
            ("decisions", "UPDATE"),
            ("decisions", "DELETE"),
            ("claims", "DELETE"),
        )
    ),
    # INSERT OR REPLACE would delete without the delete guard.
    "CREATE TRIGGER audit_insert BEFORE INSERT ON audit "
    "WHEN EXISTS (SELECT 1 FROM audit WHERE seq = NEW.seq OR hash = NEW.hash) "
    "BEGIN SELECT RAISE(ABORT, 'audit is append-only'); END",
    "CREATE TRIGGER claims_update BEFORE UPDATE ON claims WHEN OLD.finished_at IS NOT NULL "
    "BEGIN SELECT RAISE(ABORT, 'a finished claim is final'); END",
)

POSTGRES_GUARDS: Final = (
    "CREATE FUNCTION handrail_refuse() RETURNS trigger LANGUAGE plpgsql AS "
    "$$ BEGIN RAISE EXCEPTION '% is append-only', TG_TABLE_NAME "
    "USING ERRCODE = 'integrity_constraint_violation'; END $$",
    *(
        f"CREATE TRIGGER {table}_guard BEFORE {verbs} ON {table} "
        "FOR EACH ROW EXECUTE FUNCTION handrail_refuse()"
        for table, verbs in (
            ("audit", "UPDATE OR DELETE"),
            ("decisions", "UPDATE OR DELETE"),
            ("claims", "DELETE"),
        )
    ),
    *(
        f"CREATE TRIGGER {table}_truncate BEFORE TRUNCATE ON {table} EXECUTE FUNCTION handrail_refuse()"
        for table in ("audit", "decisions", "claims")
    ),
    "CREATE TRIGGER claims_update BEFORE UPDATE ON claims FOR EACH ROW WHEN (OLD.finished_at IS NOT NULL) "
    "EXECUTE FUNCTION handrail_refuse()",
)

ARCHIVING_SQLITE: Final = (
    ("DROP TRIGGER audit_delete",),
    tuple(guard for guard in SQLITE_GUARDS if guard.startswith("CREATE TRIGGER audit_delete ")),
)
"""What to run before and after old entries leave the table. SQLite checks no foreign key meanwhile."""

ARCHIVING_POSTGRES: Final = (
    ("ALTER TABLE claims DROP CONSTRAINT claims_entry_fkey", "ALTER TABLE audit DISABLE TRIGGER audit_guard"),
    (
        "ALTER TABLE audit ENABLE TRIGGER audit_guard",
        # Of rows from now on; those of archived entries have nothing left to point at.
        "ALTER TABLE claims ADD CONSTRAINT claims_entry_fkey "
        "FOREIGN KEY (entry) REFERENCES audit (seq) NOT VALID",
    ),
)
"""The same for the owner of PostgreSQL's tables."""
