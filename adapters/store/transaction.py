"""One moment: what a transaction sees of the world, and how it adds to the record."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Protocol, TypeVar

from adapters.store.entries import Draft
from adapters.store.rows import Rows
from bot.domain.approval import Circumstances
from bot.domain.audit import Entry, chain
from bot.domain.errors import NotFound
from bot.domain.ids import IncidentId, ProposalId
from bot.domain.proposal import ProposalRecord

T = TypeVar("T")

Redact = Callable[[str], str]
"""Takes secrets out of free text before it enters the record for ever."""

StoreTime = Callable[[], datetime]
"""The time that decides deadlines, zone-aware. A store asks its database when none is given."""


@dataclass(frozen=True)
class Transaction:
    """The rows and the store's time within one transaction; a writing one holds the chain's lock."""

    rows: Rows
    now: datetime
    redact: Redact
    kill_file: Path | None

    def proposal(self, proposal: ProposalId) -> ProposalRecord:
        """Raises `NotFound`."""
        record = self.rows.proposals.get(proposal)
        if record is None:
            raise NotFound(f"There is no proposal {proposal}.")
        return record

    def is_killed(self) -> bool:
        """Say whether the row or the file stops every start."""
        return self.rows.switches.is_killed() or (self.kill_file is not None and _stands(self.kill_file))

    def circumstances(self, incident: IncidentId) -> Circumstances:
        """Return what holds around the incident's proposals; an unknown incident counts as closed."""
        known = self.rows.incidents.get(incident)
        return Circumstances(
            epoch=self.rows.switches.epoch(),
            is_incident_open=known is not None and known.resolved_at is None and known.incident.is_open,
            is_killed=self.is_killed(),
        )

    def append(self, draft: Draft) -> Entry:
        """Add an entry to the chain; it becomes durable and visible with the rest of the transaction."""
        seq, head = self.rows.log.head()
        entry = chain(
            seq=seq + 1,
            at=self.now,
            incident=draft.incident,
            act=draft.act,
            actor=draft.actor_text(self.redact),
            body=draft.body(self.redact),
            prev=head,
        )
        self.rows.log.add(entry)
        return entry


class Transactions(Protocol):
    """Runs work in transactions. All of a transaction happens, or nothing of it; the first to commit wins."""

    async def write(self, work: Callable[[Transaction], T]) -> T:
        """Run *work* under the chain's lock. Raises `Unavailable` when the store cannot do it."""
        ...

    async def read(self, work: Callable[[Transaction], T]) -> T:
        """Run *work*, which changes nothing, on one consistent view of the rows."""
        ...

    async def close(self) -> None: ...


def _stands(path: Path) -> bool:
    # Any doubt counts as killed: a folder that cannot be read may hold the file.
    try:
        path.lstat()
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError:
        return True
    return True
