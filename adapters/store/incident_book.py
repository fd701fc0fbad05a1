"""What is remembered of each incident."""

from collections.abc import Callable, Sequence

from adapters.store import entries
from adapters.store.transaction import Transaction, Transactions
from bot.domain.audit import Act
from bot.domain.card import CardRef
from bot.domain.errors import NotFound
from bot.domain.ids import IncidentId, SlackUserId
from bot.domain.incident import Incident, IncidentStatus
from bot.domain.record import Assessment, IncidentRecord


class StoredIncidentBook:
    """The port `IncidentBook` over any rows."""

    def __init__(self, transactions: Transactions) -> None:
        self._transactions = transactions

    async def see(self, incident: Incident) -> IncidentRecord:
        """Remember the incident or refresh it. Only `reopen` makes a resolved one count as open again."""
        return await self._transactions.write(lambda tx: _see(tx, incident))

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

    async def set_on_call(
        self, incident: IncidentId, users: Sequence[SlackUserId], names: Sequence[str]
    ) -> None:
        told = {"on_call": tuple(users), "on_call_names": tuple(names)}
        await self._change(incident, lambda record: record.model_copy(update=told))

    async def set_card(self, incident: IncidentId, ref: CardRef) -> None:
        await self._change(incident, lambda record: record.model_copy(update={"card": ref}))

    async def _change(self, incident: IncidentId, change: Callable[[IncidentRecord], IncidentRecord]) -> None:
        await self._transactions.write(lambda tx: tx.rows.incidents.put(change(_known(tx, incident))))


def _see(tx: Transaction, incident: Incident) -> IncidentRecord:
    known = tx.rows.incidents.get(incident.id)
    if known is None:
        record = IncidentRecord(incident=incident, seen_at=tx.now)
        tx.append(entries.incident_met(Act.SEEN, record))
    else:
        record = known.model_copy(update={"incident": incident})
    if record.resolved_at is None and not incident.is_open:
        record = record.model_copy(update={"resolved_at": tx.now})
        tx.append(entries.incident_met(Act.RESOLVED, record))
    tx.rows.incidents.put(record, is_sighting=True)
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
