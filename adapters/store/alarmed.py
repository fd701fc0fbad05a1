"""Transactions that leave a trace on the record when the record contradicts itself."""

from collections import deque
from collections.abc import Callable

import structlog

from adapters.store import entries
from adapters.store.transaction import T, Transaction, Transactions
from bot.domain.errors import HandrailError, Tampered

log = structlog.get_logger()

_REMEMBERED = 100  # Texts: what is found again and again is written down once.


class AlarmedTransactions:
    """Implements `Transactions` over others. What was refused as `Tampered` becomes an entry of its own.

    The refused transaction has left nothing; the entry is what every bot's witness sees and tells people of.
    """

    def __init__(self, transactions: Transactions) -> None:
        self._transactions = transactions
        self._told: deque[str] = deque(maxlen=_REMEMBERED)

    async def write(self, work: Callable[[Transaction], T]) -> T:
        try:
            return await self._transactions.write(work)
        except Tampered as exc:
            await self._trace(str(exc))
            raise

    async def read(self, work: Callable[[Transaction], T]) -> T:
        return await self._transactions.read(work)

    async def close(self) -> None:
        await self._transactions.close()

    async def _trace(self, why: str) -> None:
        if why in self._told:
            return
        self._told.append(why)
        try:
            await self._transactions.write(lambda tx: tx.append(entries.tampered(why, None, None)))
        except HandrailError as exc:
            log.error("alarm_not_recorded", why=why, error=str(exc))  # noqa: TRY400 - It says it all.
