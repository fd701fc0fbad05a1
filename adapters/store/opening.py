"""Opening a store: which database, and the ports over it."""

from dataclasses import dataclass
from pathlib import Path

from adapters.store.alarmed import AlarmedTransactions
from adapters.store.audit_log import StoredAuditLog
from adapters.store.diagnoses import StoredDiagnoses
from adapters.store.gate import StoredGate
from adapters.store.groups import StoredGroups
from adapters.store.incident_book import StoredIncidentBook
from adapters.store.labels import StoredLabels
from adapters.store.memory import MemoryTransactions
from adapters.store.outbox import StoredOutbox
from adapters.store.signing import NoSigner, Signer, new_signer
from adapters.store.sql.engine import open_reading, open_transactions
from adapters.store.transaction import Redact, StoreTime, Transactions
from adapters.store.watched import WatchedTransactions
from bot.domain.audit import Act
from bot.ports import AuditLog, Diagnoses, Gate, Groups, IncidentBook, Labels, Outbox


@dataclass(frozen=True)
class Store:
    """The ports over one record."""

    incidents: IncidentBook
    gate: Gate
    outbox: Outbox
    audit: AuditLog
    diagnoses: Diagnoses
    labels: Labels
    groups: Groups
    transactions: Transactions
    watched: WatchedTransactions

    async def probe(self) -> None:
        """Return if the record can be read, and takes what is written.

        After a write that was not kept one is tried: the entry that tells of it.

        Raises:
            Unavailable: it cannot be read, or its disk is still full.
        """
        if why := self.watched.unkept:
            await self.audit.append(Act.WRITTEN_AGAIN, actor="handrail", incident=None, body={"after": why})
        else:
            await self.gate.now()

    async def close(self) -> None:
        """Finish what was begun and let go of the database."""
        await self.transactions.close()


def open_store(
    url: str,
    *,
    redact: Redact,
    kill_file: Path | None,
    store_time: StoreTime | None = None,
    signer: Signer | None = None,
    may_archive: bool = False,
) -> Store:
    """Open the record at *url*, creating its tables when it is empty. It blocks: call it at the start.

    Args:
        url: `sqlite:///PATH` or `postgresql+psycopg://…`.
        redact: takes secrets out of the free text of the audit.
        kill_file: nothing starts while this file exists.
        store_time: the time that decides deadlines; default: the database's own.
        signer: signs the record; without one nothing can be approved or started.
        may_archive: old entries may be moved out; only for whoever does so.

    Raises:
        Invalid: the address is of no database we know, or the schema is newer than this version.
        Unavailable: the database cannot be reached or used.
    """
    return _store(
        open_transactions(
            url,
            redact=redact,
            kill_file=kill_file,
            store_time=store_time,
            signer=signer or NoSigner("No key was given to sign the record with."),
            may_archive=may_archive,
        )
    )


def open_record(url: str) -> Store:
    """Open the record at *url* to read it: nothing of it can be changed, and none is made.

    Raises:
        Invalid: the address is of no database we know, or there is no record.
        Unavailable: the database cannot be reached or used.
    """
    return _store(open_reading(url))


def open_memory_store(
    *,
    redact: Redact,
    kill_file: Path | None = None,
    store_time: StoreTime | None = None,
    signer: Signer | None = None,
) -> Store:
    """Open an empty record that is gone with the process; its key too, when none is given."""
    return _store(
        MemoryTransactions(
            redact=redact, kill_file=kill_file, store_time=store_time, signer=signer or new_signer()
        )
    )


def _store(transactions: Transactions) -> Store:
    watched = WatchedTransactions(transactions)
    transactions = AlarmedTransactions(watched)
    return Store(
        incidents=StoredIncidentBook(transactions),
        gate=StoredGate(transactions),
        outbox=StoredOutbox(transactions),
        audit=StoredAuditLog(transactions),
        diagnoses=StoredDiagnoses(transactions),
        labels=StoredLabels(transactions),
        groups=StoredGroups(transactions),
        transactions=transactions,
        watched=watched,
    )
