"""One moment: what a transaction sees of the world, and how it adds to the record."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Protocol, TypeVar

from adapters.store.entries import Draft
from adapters.store.rows import Rows
from adapters.store.signing import Signer, verifies
from bot.domain.approval import Circumstances
from bot.domain.audit import DECISIVE, GENESIS, Entry, chain, sealed
from bot.domain.chain_check import key_after
from bot.domain.errors import NotFound, Unavailable
from bot.domain.ids import IncidentId, ProposalId
from bot.domain.proposal import ProposalRecord
from bot.domain.seal import PublicKey, Seal, entry_statement

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
    signer: Signer

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
        """Add an entry to the chain; it becomes durable and visible with the rest of the transaction.

        Raises:
            Unavailable: the act is one of `DECISIVE`, and nothing can be signed.
        """
        last = self.rows.log.last()
        entry = chain(
            seq=last.seq + 1 if last is not None else 1,
            at=self.now,
            incident=draft.incident,
            act=draft.act,
            actor=draft.actor_text(self.redact),
            body=draft.body(self.redact),
            prev=last.hash if last is not None else GENESIS,
        )
        try:
            key = draft.new_key or self.usable_key(last)
            entry = sealed(entry, key, self.signer.sign(entry_statement(entry.hash)))
        except Unavailable:
            if draft.act in DECISIVE:
                raise
            # A denial, a stop and what a person must be able to read back are worth more than a signature.
        self.rows.log.add(entry)
        return entry

    def usable_key(self, last: Entry | None = None) -> PublicKey:
        """Return our key when the chain goes on with it.

        Raises:
            Unavailable: there is no key, or the chain goes on with another one.
        """
        ours = self.signer.key  # Without one there is no need to look for the chain's.
        last = last or self.rows.log.last()
        signed = last if last is None or last.seal is not None else self.rows.log.last_signed()
        in_use = key_after(signed) if signed is not None else None
        if in_use is not None and in_use != ours:
            self.signer.refresh(in_use)
        if in_use is not None and in_use != self.signer.key:
            raise Unavailable(
                f"The record goes on with the key {in_use}, and this bot has {self.signer.key}: give it the "
                "same key, or see `handrail audit rotate`."
            )
        return self.signer.key

    def why_unsigned(self) -> str | None:
        """Return why nothing can be signed, and so approved or started, at the moment."""
        try:
            self.usable_key()
        except Unavailable as exc:
            return str(exc)
        return None

    def signed(self, message: bytes) -> Seal:
        """Sign *message* with the chain's key. Raises `Unavailable`."""
        return Seal(key=self.usable_key(), signature=self.signer.sign(message))

    def is_ours(self, message: bytes, seal: Seal | None) -> bool:
        """Say whether *seal* is the chain's present key's over *message*. Raises `Unavailable`."""
        return (
            seal is not None and seal.key == self.usable_key() and verifies(seal.key, message, seal.signature)
        )


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
