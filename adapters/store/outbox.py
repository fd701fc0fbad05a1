"""Claims on notes and posts."""

from adapters.store import entries
from adapters.store.rows import Post
from adapters.store.transaction import Transaction, Transactions
from bot.domain.audit import Act
from bot.domain.errors import NotFound
from bot.domain.ids import IncidentId
from bot.ports import PostState


class StoredOutbox:
    """The port `Outbox` over any rows."""

    def __init__(self, transactions: Transactions) -> None:
        self._transactions = transactions

    async def claim(self, key: str, incident: IncidentId) -> PostState:
        return await self._transactions.write(lambda tx: _claim(tx, key, incident))

    async def sent(self, key: str, *, possibly_double: bool = False) -> None:
        """Record the end of a claimed post, once. Raises `NotFound` when nobody claimed it."""
        await self._transactions.write(lambda tx: _sent(tx, key, possibly_double))


def _claim(tx: Transaction, key: str, incident: IncidentId) -> PostState:
    post = tx.rows.posts.get(key)
    if post is not None:
        return PostState.SENT if post.is_sent else PostState.IN_DOUBT
    claimed = Post(key=key, incident=incident)
    tx.append(entries.posted(Act.POST_CLAIMED, claimed))
    tx.rows.posts.put(claimed)
    return PostState.FIRST


def _sent(tx: Transaction, key: str, possibly_double: bool) -> None:
    post = tx.rows.posts.get(key)
    if post is None:
        raise NotFound(f"Post {key} was never claimed.")
    if post.is_sent:
        return
    sent = Post(key=key, incident=post.incident, is_sent=True, possibly_double=possibly_double)
    tx.append(entries.posted(Act.POST_SENT, sent))
    tx.rows.posts.put(sent)
