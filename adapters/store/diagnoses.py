"""What was thought of incidents."""

from collections.abc import Sequence
from datetime import datetime

from adapters.store.transaction import Transaction, Transactions
from bot.domain.diagnosed import Diagnosed, DiagnosisId, Opined
from bot.domain.errors import Tampered
from bot.domain.ids import Digest, IncidentId
from bot.domain.snapshot import digest_of


class StoredDiagnoses:
    """The port `Diagnoses` over any rows."""

    def __init__(self, transactions: Transactions) -> None:
        self._transactions = transactions

    async def record(self, diagnosis: Diagnosed, snapshot: bytes) -> bool:
        """Raises `Tampered` when the bytes are not those that the diagnosis names."""
        _check(diagnosis.id, snapshot, diagnosis.snapshot_sha256)
        return await self._transactions.write(lambda tx: _record(tx, diagnosis, snapshot))

    async def record_opinion(self, opinion: Opined, dossier: bytes | None) -> None:
        await self._transactions.write(lambda tx: tx.rows.diagnoses.add_opinion(opinion, dossier))

    async def get(self, diagnosis: DiagnosisId) -> Diagnosed | None:
        return await self._transactions.read(lambda tx: tx.rows.diagnoses.get(diagnosis))

    async def all(
        self, *, incident: IncidentId | None = None, since: datetime | None = None
    ) -> Sequence[Diagnosed]:
        return await self._transactions.read(lambda tx: tx.rows.diagnoses.between(incident, since))

    async def opinions(
        self, *, incident: IncidentId | None = None, since: datetime | None = None
    ) -> Sequence[Opined]:
        return await self._transactions.read(lambda tx: tx.rows.diagnoses.opinions(incident, since))

    async def snapshot(self, diagnosis: DiagnosisId) -> bytes | None:
        def read(tx: Transaction) -> bytes | None:
            known, raw = tx.rows.diagnoses.get(diagnosis), tx.rows.diagnoses.snapshot(diagnosis)
            if known is None or raw is None:
                return None
            _check(diagnosis, raw, known.snapshot_sha256)
            return raw

        return await self._transactions.read(read)

    async def dossier(self, opinion: Opined) -> bytes | None:
        raw = await self._transactions.read(lambda tx: tx.rows.diagnoses.dossier(opinion.id))
        if raw is not None and opinion.snapshot_sha256 is not None:
            _check(opinion.id, raw, opinion.snapshot_sha256)
        return raw


def _record(tx: Transaction, diagnosis: Diagnosed, snapshot: bytes) -> bool:
    if tx.rows.diagnoses.get(diagnosis.id) is not None:
        return False
    tx.rows.diagnoses.add(diagnosis, snapshot)
    return True


def _check(name: str, raw: bytes, expected: Digest) -> None:
    if digest_of(raw) != expected:
        raise Tampered(f"The snapshot of {name} is not the one that it was thought from.")
