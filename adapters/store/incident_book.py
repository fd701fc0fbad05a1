"""What is remembered of each incident."""

from collections.abc import Callable, Sequence

from adapters.store import entries
from adapters.store.transaction import Transaction, Transactions
from bot.domain.audit import Act
from bot.domain.card import CardRef
from bot.domain.errors import NotFound
from bot.domain.ids import IncidentId
from bot.domain.incident import Incident, IncidentStatus
from bot.domain.record import Assessment, IncidentRecord, OnCallTold


class StoredIncidentBook:
    """The port `IncidentBook` over any rows."""

    def __init__(self, transactions: Transactions) -> None:
        self._transactions = transactions

    async def see(self, incident: Incident, *, heard_as: str = "") -> IncidentRecord:
        """Remember the incident or refresh it. Only `reopen` makes a resolved one count as open again."""
        return await self._transactions.write(lambda tx: _see(tx, incident, heard_as))

    async def get(self, incident: IncidentId) -> IncidentRecord | None:
        return await self._transactions.read(lambda tx: tx.rows.incidents.get(incident))

    async def open(self) -> Sequence[IncidentRecord]:
        return await self._transactions.read(lambda tx: tx.rows.incidents.open())

    async def recent(self, limit: int) -> Sequence[IncidentRecord]:
        return await self._transactions.read(lambda tx: tx.rows.incidents.recent(limit))

    async def reopen(self, incident: IncidentId) -> IncidentRecord:
        """Begin the next life of a resolved incident; one that is open goes on living as it is."""
        return await self._transactions.write(lambda tx: _reopen(tx, incident))

    async def assess(self, incident: IncidentId, assessment: Assessment) -> None:
        await self._change(incident, lambda record: record.model_copy(update={"assessment": assessment}))

    async def learn(
        self, incident: Incident, assessment: Assessment, on_call: OnCallTold | None
    ) -> IncidentRecord:
        return await self._transactions.write(lambda tx: _learn(tx, incident, assessment, on_call))

    async def set_card(self, incident: IncidentId, ref: CardRef) -> None:
        await self._change(incident, lambda record: record.model_copy(update={"card": ref}))

    async def _change(self, incident: IncidentId, change: Callable[[IncidentRecord], IncidentRecord]) -> None:
        await self._transactions.write(lambda tx: tx.rows.incidents.put(change(_known(tx, incident))))


def _see(tx: Transaction, incident: Incident, heard_as: str = "") -> IncidentRecord:
    record = _seen(tx, tx.rows.incidents.get(incident.id), incident, heard_as)
    tx.rows.incidents.put(record, is_sighting=True)
    return record


def _seen(
    tx: Transaction, known: IncidentRecord | None, incident: Incident, heard_as: str = ""
) -> IncidentRecord:
    """Return what is remembered from now on, with its entries written; the row is the caller's to put."""
    if known is None:
        record = IncidentRecord(incident=incident, seen_at=tx.now, heard_as=heard_as)
        tx.append(entries.incident_met(Act.SEEN, record))
    else:
        record = known.model_copy(update={"incident": incident})
    if record.resolved_at is None and not incident.is_open:
        record = record.model_copy(update={"resolved_at": tx.now})
        tx.append(entries.incident_met(Act.RESOLVED, record))
    return record


def _learn(
    tx: Transaction, incident: Incident, assessment: Assessment, on_call: OnCallTold | None
) -> IncidentRecord:
    known = _known(tx, incident.id)
    # Read before this: whoever resolved it since then is right.
    is_open = known.resolved_at is None
    record = _seen(tx, known, incident) if is_open else known
    told = {"on_call": on_call.users, "on_call_names": on_call.names} if on_call is not None else {}
    record = record.model_copy(update={"assessment": assessment, **told})
    tx.rows.incidents.put(record, is_sighting=is_open)
    return record


def _reopen(tx: Transaction, incident: IncidentId) -> IncidentRecord:
    known = _known(tx, incident)
    if known.resolved_at is None:
        return known
    seen = known.incident
    if not seen.is_open:
        seen = seen.model_copy(update={"status": IncidentStatus.TRIGGERED})
    record = known.model_copy(update={"incident": seen, "life": known.life + 1, "resolved_at": None})
    tx.append(entries.incident_met(Act.REOPENED, record))
    tx.rows.incidents.put(record, is_sighting=True)
    return record


def _known(tx: Transaction, incident: IncidentId) -> IncidentRecord:
    record = tx.rows.incidents.get(incident)
    if record is None:
        raise NotFound(f"Incident {incident} was never seen here.")
    return record
