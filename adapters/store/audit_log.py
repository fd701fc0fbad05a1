"""The append-only record, for what is not part of another change."""

from collections.abc import Mapping, Sequence
from typing import Final

from adapters.store.entries import Draft
from adapters.store.transaction import Transactions
from bot.domain.audit import Entry
from bot.domain.chain_check import ChainCheck, ChainReport
from bot.domain.ids import IncidentId

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

_BEFORE_ALL = -(2**63)  # An entry put in front of the first one is found too.
_PAGE = 500  # Our choice: other transactions get their turn about every 10 ms of a long check.


class StoredAuditLog:
    """The port `AuditLog` over any rows."""

    def __init__(self, transactions: Transactions) -> None:
        self._transactions = transactions

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
        """Check the whole chain in pages; entries added meanwhile are checked too."""
        check, last = ChainCheck(), _BEFORE_ALL
        while page := await self._page(last):
            if not all(check.take(entry) for entry in page):
                break
            last = page[-1].seq
        return check.report

    async def _page(self, after: int) -> Sequence[Entry]:
        return await self._transactions.read(lambda tx: tx.rows.log.after(after, _PAGE))
