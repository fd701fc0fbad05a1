"""The append-only record, for what is not part of another change."""

import asyncio
from collections.abc import Mapping, Sequence
from datetime import UTC
from pathlib import Path
from typing import Final

from adapters.store.entries import Draft
from adapters.store.signing import verifies
from adapters.store.transaction import Transaction, Transactions
from adapters.store.verification import PAGE, Trust, verify_record
from bot.domain.audit import GENESIS, Entry
from bot.domain.chain_check import ChainCheck, ChainReport, key_after
from bot.domain.checkpoint import Checkpoint
from bot.domain.errors import Tampered, Unavailable
from bot.domain.ids import IncidentId
from bot.domain.seal import checkpoint_statement

FACTS: Final = frozenset(
    {
        "channel",
        "digest",
        "effect",
        "event_id",
        "evidence_digest",
        "life",
        "message_ts",
        "playbook",
        "playbook_sha256",
        "policy_version",
        "prompt_sha256",
        "proposal",
        "team",
        "user",
    }
)
"""Keys under which a body holds our own identifiers and digests, which no redactor may touch."""

_NOWHERE: Final = Path("/nonexistent")  # A running bot looks at the database alone.


class StoredAuditLog:
    """The port `AuditLog` over any rows."""

    def __init__(self, transactions: Transactions) -> None:
        self._transactions = transactions
        self._seen: ChainReport | None = None

    async def append(
        self,
        act: str,
        *,
        actor: str,
        incident: IncidentId | None,
        body: Mapping[str, str | int | bool | None],
    ) -> Entry:
        """Add one entry; every text in it is redacted, but for the values of `FACTS`."""
        draft = Draft(
            act=act,
            incident=incident,
            facts={key: value for key, value in body.items() if key in FACTS},
            texts={key: value for key, value in body.items() if key not in FACTS},
            actor=actor,
            is_actor_known=False,
        )
        return await self._transactions.write(lambda tx: tx.append(draft))

    async def entries(self, incident: IncidentId | None = None, *, limit: int = 1000) -> Sequence[Entry]:
        """Return the last *limit* entries in order."""
        return await self._transactions.read(lambda tx: tx.rows.log.latest(incident, limit))

    async def verify(self) -> ChainReport:
        """Check the whole chain that is in the database, and the tables against it."""
        return await verify_record(self._transactions, _NOWHERE, Trust())

    async def checkpoint(self) -> Checkpoint | None:
        """Return the present end of the chain, signed; None when it is empty or cannot be signed."""
        return await self._transactions.read(_checkpoint)

    async def news(self) -> Sequence[Entry]:
        """Return up to 500 entries added since the last call, each checked; the first call begins at the end.

        Raises:
            Tampered: an entry does not fit, or the end of before is gone. The next call begins anew.
        """
        seen, self._seen = self._seen, None
        if seen is None:
            self._seen = await self._transactions.read(_end)
            return ()
        added = await self._transactions.read(lambda tx: _added(tx, seen))
        check = ChainCheck(verifies, start=seen)
        await asyncio.to_thread(lambda: all(check.take(entry) for entry in added))
        if not check.report.is_intact:
            raise Tampered(f"Entry {check.report.first_bad} of the record: {check.report.why}.")
        self._seen = check.report
        return added


def _end(tx: Transaction) -> ChainReport:
    last, signed = tx.rows.log.last(), tx.rows.log.last_signed()
    if last is None:
        return ChainReport(entries=0, head=GENESIS)
    return ChainReport(entries=last.seq, head=last.hash, key=key_after(signed) if signed else None)


def _added(tx: Transaction, seen: ChainReport) -> Sequence[Entry]:
    if seen.entries:
        end = tx.rows.log.get(seen.entries)
        if end is None or end.hash != seen.head:
            raise Tampered(
                f"The record was cut off or replaced: entry {seen.entries}, which was its end a moment ago, "
                "is gone or another one."
            )
    return tx.rows.log.after(seen.entries, PAGE)


def _checkpoint(tx: Transaction) -> Checkpoint | None:
    last, at = tx.rows.log.last(), tx.now.astimezone(UTC).replace(microsecond=0)
    if last is None:
        return None
    try:
        seal = tx.signed(checkpoint_statement(last.seq, last.hash, at))
    except Unavailable:
        return None
    return Checkpoint(seq=last.seq, head=last.hash, at=at, seal=seal)
