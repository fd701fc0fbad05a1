"""What a person does with the record: another key, a word for an unsigned entry, old entries to files."""

import asyncio
from datetime import datetime
from pathlib import Path
from typing import Final, NamedTuple

from adapters.store.entries import Draft
from adapters.store.proposing import leave
from adapters.store.segments import read_lines, write_segment
from adapters.store.signing import SeedSigner, verifies
from adapters.store.transaction import Transaction, Transactions
from adapters.store.verification import PAGE, page_after
from bot.domain.audit import GENESIS, Act, Entry
from bot.domain.chain_check import ChainCheck, ChainReport, key_after
from bot.domain.errors import Invalid, NotFound, Tampered
from bot.domain.ids import Digest
from bot.domain.proposal import ProposalState
from bot.domain.seal import rotation_statement

LONGEST_SEGMENT: Final = 50_000  # Our choice: about 50 MB, read whole while it is moved.


class Archived(NamedTuple):
    """A segment that was moved out."""

    path: Path
    entries: int


def rotate(tx: Transaction, new: SeedSigner, by: str) -> Entry:
    """Hand the record over to another key: signed by the old one, and by the new one for itself.

    Approvals that wait are signed with the old key, so they are withdrawn. Raises `Unavailable` without it.
    """
    old = tx.usable_key()
    for record in tx.rows.proposals.live():
        if record.approvals:
            leave(tx, record, ProposalState.SUPERSEDED, "the key of the record was changed: approve it anew")
    last = tx.rows.log.last()
    proof = new.sign(rotation_statement(old, new.key, last.hash if last is not None else GENESIS))
    facts = {"old_key": old, "new_key": new.key, "proof": proof}
    return tx.append(Draft(act=Act.KEY_ROTATED, incident=None, facts=facts, actor=by, is_actor_known=False))


def replace_lost_key(tx: Transaction, by: str) -> Entry:
    """Go on with the signer's own key although the chain's is lost. A check must be told to accept it."""
    signed = tx.rows.log.last_signed()
    lost = key_after(signed) if signed is not None else None
    if lost is None or lost == tx.signer.key:
        raise Invalid("The record goes on with this bot's key: nothing is lost.")
    facts = {"old_key": lost, "new_key": tx.signer.key}
    return tx.append(
        Draft(
            act=Act.KEY_REPLACED,
            incident=None,
            facts=facts,
            actor=by,
            is_actor_known=False,
            new_key=tx.signer.key,
        )
    )


def vouch(tx: Transaction, seq: int, by: str, reason: str) -> Entry:
    """Put a person's word, signed, behind an entry that was written while nothing could be signed.

    Raises:
        NotFound: there is no such entry.
        Invalid: it is signed.
    """
    entry = tx.rows.log.get(seq)
    if entry is None:
        raise NotFound(f"There is no entry {seq}.")
    if entry.seal is not None:
        raise Invalid(f"Entry {seq} is signed: nobody needs to vouch for it.")
    return tx.append(
        Draft(
            act=Act.VOUCHED,
            incident=entry.incident,
            facts={"entry": seq, "entry_hash": entry.hash},
            texts={"reason": reason},
            actor=by,
            is_actor_known=False,
        )
    )


async def archive(transactions: Transactions, folder: Path, before: datetime, by: str) -> Archived | None:
    """Move the oldest entries, all from before *before*, to a segment file; None when there are none.

    The file is whole, durable and read back before anything leaves the database; what leaves and the entry
    that says so are one transaction. Claims stay.

    Raises:
        Tampered: the entries do not fit; nothing was moved.
        Unavailable: the file or the database cannot be written; what was moved is as it was.
    """
    moved = await _closed(transactions, before)
    if not moved:
        return None
    first, last = moved[0], moved[-1]
    check = ChainCheck(verifies, start=ChainReport(entries=first.seq - 1, head=first.prev))
    if not await asyncio.to_thread(lambda: all(check.take(entry) for entry in moved)):
        raise Tampered(f"Entry {check.report.first_bad}: {check.report.why}. Nothing was moved.")
    path = await asyncio.to_thread(write_segment, folder, moved, first.seq, last.seq)
    if await asyncio.to_thread(lambda: list(read_lines(path))) != moved:
        raise Tampered(f"{path} does not hold what was written. Nothing was moved.")
    await transactions.write(lambda tx: _move(tx, first.seq, last.seq, last.hash, path.name, by))
    return Archived(path, len(moved))


async def _closed(transactions: Transactions, before: datetime) -> list[Entry]:
    """Return the entries that may go: a prefix, never the last entry, at most a segment."""
    found: list[Entry] = []
    after = -(2**63)
    while len(found) < LONGEST_SEGMENT:
        page = await transactions.read(page_after(after))
        old = [entry for entry in page if entry.at < before]
        for entry in page:
            if entry.at >= before:
                break
            found.append(entry)
        if len(page) < PAGE or len(old) < len(page):
            break
        after = page[-1].seq
    last = await transactions.read(lambda tx: tx.rows.log.last())
    return [entry for entry in found if last is not None and entry.seq < last.seq]


def _move(tx: Transaction, first: int, last: int, last_hash: Digest, name: str, by: str) -> None:
    entry = tx.rows.log.get(last)
    if entry is None or entry.hash != last_hash:
        raise Tampered("The entries changed while they were copied. Nothing was moved.")
    tx.rows.log.drop_until(last)
    tx.append(
        Draft(
            act=Act.ARCHIVED,
            incident=None,
            facts={"first": first, "last": last, "last_hash": last_hash, "file": name},
            actor=by,
            is_actor_known=False,
        )
    )
