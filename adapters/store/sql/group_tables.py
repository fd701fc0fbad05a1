"""The tables of grouping: where each incident is shown, the ledger of merges, and storms."""

from typing import Final

from sqlalchemy import BigInteger, Column, Index, Integer, Table, Text

from adapters.store.sql.tables import Moment, metadata

group_members = Table(
    "group_members",
    metadata,
    Column("incident", Text, primary_key=True),
    Column("opened_at", Moment, nullable=False),
    Column("heard_at", Moment, nullable=False),
    Column("standing", Text, nullable=False),
    Column("host", Text),
    Column("named", Text, nullable=False),  # The incident that its group is named after.
    Column("open", Integer, nullable=False),
    Column("told", Integer, nullable=False),
    Column("snapshot", Text, nullable=False),
    Index("group_members_by_opening", "opened_at"),
    Index("group_members_by_hearing", "heard_at"),
    Index("group_members_by_host", "host", "open", "heard_at"),
    Index("group_members_by_group", "named", "opened_at"),
    Index("group_members_by_state", "open", "standing", "told"),
)

merges = Table(
    "merges",
    metadata,
    # The number of its audit entry, so that neither is without the other.
    Column("seq", BigInteger().with_variant(Integer(), "sqlite"), primary_key=True, autoincrement=False),
    Column("incident", Text, nullable=False),
    Column("at", Moment, nullable=False),
    Column("snapshot", Text, nullable=False),
    Index("merges_by_incident", "incident", "seq"),
)

storms = Table(
    "storms",
    metadata,
    Column("id", Text, primary_key=True),
    Column("channel", Text, nullable=False),
    Column("began_at", Moment, nullable=False),
    Column("snapshot", Text, nullable=False),
    Index("storms_by_channel", "channel", "began_at"),
)

GROUP_TABLES: Final = (group_members, merges, storms)
