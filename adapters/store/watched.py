"""Transactions that remember whether the last thing written was kept: a full disk still answers questions."""

from collections.abc import Callable

from adapters.store.transaction import T, Transaction, Transactions
from bot.domain.errors import Unavailable


class WatchedTransactions:
    """Implements `Transactions` over others."""

    def __init__(self, transactions: Transactions) -> None:
        self._transactions = transactions
        self.unkept = ""
        """Why the last write was not kept; "" when it was."""

    async def write(self, work: Callable[[Transaction], T]) -> T:
        try:
            kept = await self._transactions.write(work)
        except Unavailable as exc:
            self.unkept = str(exc)
            raise
        self.unkept = ""
        return kept

    async def read(self, work: Callable[[Transaction], T]) -> T:
        return await self._transactions.read(work)

    async def close(self) -> None:
        await self._transactions.close()
