"""Moving old entries of the record to files, a segment at a time."""

import asyncio
import fcntl
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Final, NamedTuple, NoReturn

import structlog

from adapters.store.entries import Draft
from adapters.store.segments import Segment, read_lines, segments_in, write_segment
from adapters.store.signing import verifies
from adapters.store.transaction import Transaction, Transactions
from adapters.store.verification import BEFORE_ALL, PAGE
from bot.domain.audit import Act, Entry
from bot.domain.chain_check import ChainCheck, ChainReport
from bot.domain.errors import Tampered, Unavailable
from bot.domain.seal import PublicKey

log = structlog.get_logger()

LONGEST_SEGMENT: Final = 50_000  # Our choice: about 50 MB, read whole while it is moved.
_LOCK: Final = "archiving.lock"


class Archived(NamedTuple):
    """A segment that was moved out."""

    path: Path
    entries: int


async def archive(
    transactions: Transactions, folder: Path, before: datetime, by: str, *, most: int = LONGEST_SEGMENT
) -> Archived | None:
    """Move the oldest entries, at most *most* and all from before *before*, to a segment file.

    None when none are old enough, or when another process moves them at this moment. The file is whole,
    durable and read back before anything leaves the database; what leaves and the entry that says so are one
    transaction. A file that an interrupted run left is taken up. Claims stay.

    Raises:
        Tampered: the entries do not fit, or a file says something else of them; nothing was moved.
        Unavailable: the file or the database cannot be written; what was moved is as it was.
    """
    if not await transactions.read(lambda tx: _closed(tx, before, 1)):
        return None
    with _alone_in(folder) as is_alone:
        old = await transactions.read(lambda tx: _closed(tx, before, most)) if is_alone else []
        left = await asyncio.to_thread(_left_behind, folder, old)
        if left is not None and most < (longer := min(left.last - left.first + 1, LONGEST_SEGMENT)):
            old = await transactions.read(lambda tx: _closed(tx, before, longer))
        moved = old[: await asyncio.to_thread(_how_many, left, old)]
        if not moved:
            return None
        if why := await asyncio.to_thread(_why_wrong, moved):
            await transactions.write(lambda _: _refuse(why))
        path = await asyncio.to_thread(write_segment, folder, moved, moved[0].seq, moved[-1].seq)
        if await asyncio.to_thread(lambda: list(read_lines(path))) != moved:
            raise Tampered(f"{path} does not hold what was written. Nothing was moved.")
        is_moved = await transactions.write(lambda tx: _move(tx, moved, path.name, by))
    return Archived(path, len(moved)) if is_moved else None


@contextmanager
def _alone_in(folder: Path) -> Iterator[bool]:
    """Hold the folder's lock for the block, and say whether it was to be had."""
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        fd = os.open(folder / _LOCK, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
    except OSError as exc:
        raise Unavailable(f"The folder {folder} cannot be written: {exc.strerror}.") from exc
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield True
    except BlockingIOError:
        yield False
    finally:
        os.close(fd)


def _closed(tx: Transaction, before: datetime, most: int) -> list[Entry]:
    """Return the entries that may go: a prefix, never the last entry, at most a segment."""
    found: list[Entry] = []
    while len(found) < most:
        page = tx.rows.log.after(found[-1].seq if found else BEFORE_ALL, min(PAGE, most - len(found)))
        for entry in page:
            if entry.at >= before:
                break
            found.append(entry)
        if not page or found[-1:] != [page[-1]]:
            break
    last = tx.rows.log.last()
    return [entry for entry in found if last is not None and entry.seq < last.seq]


def _left_behind(folder: Path, old: Sequence[Entry]) -> Segment | None:
    """Return the file that an interrupted run has written of *old*; None when there is none.

    Raises:
        Tampered: a file holds entries that the database holds too, and no interrupted run explains it.
    """
    if not old:
        return None
    first = old[0].seq
    left = [segment for segment in segments_in(folder) if segment.last >= first]
    if not left:
        return None
    if len(left) > 1 or left[0].first != first:
        raise Tampered(f"{left[0].path} holds entries that are still in the database. Nothing was moved.")
    return left[0]


def _how_many(left: Segment | None, old: Sequence[Entry]) -> int:
    """Return how many of *old* go into the next file: as many as an interrupted run has *left* there already.

    Raises:
        Tampered: that file says something else of them.
    """
    if left is None:
        return len(old)
    count = left.last - left.first + 1
    if count > len(old):  # It was written under a shorter retention: its time comes.
        log.warning("archive_waits", file=str(left.path), entries=count, old=len(old))
        return 0
    if list(read_lines(left.path)) != list(old[:count]):
        raise Tampered(f"{left.path} does not say what the database says. Nothing was moved.")
    return count


def _why_wrong(moved: Sequence[Entry]) -> str:
    """Return what does not fit; "" when all does. Whether a lost key was rightly replaced is for a check."""
    first = moved[0]
    named = frozenset(
        entry.seal.key for entry in moved if entry.act == Act.KEY_REPLACED and entry.seal is not None
    )
    start = ChainReport(entries=first.seq - 1, head=first.prev)
    check = ChainCheck(verifies, start=start, accepted=frozenset[PublicKey](named))
    if all(check.take(entry) for entry in moved):
        return ""
    return f"Entry {check.report.first_bad}: {check.report.why}. Nothing was moved."


def _refuse(why: str) -> NoReturn:
    """Raise within a transaction: then it stands on the record, and people are told."""
    raise Tampered(why)


def _move(tx: Transaction, moved: Sequence[Entry], name: str, by: str) -> bool:
    """Take the entries out; False when another process has done it in the meantime."""
    first, last = moved[0], moved[-1]
    oldest = tx.rows.log.after(BEFORE_ALL, 1)
    if oldest and oldest[0].seq > first.seq:
        return False
    entry = tx.rows.log.get(last.seq)
    if oldest[:1] != [first] or entry != last:
        raise Tampered("The entries changed while they were copied. Nothing was moved.")
    tx.rows.log.drop_until(last.seq)
    tx.append(
        Draft(
            act=Act.ARCHIVED,
            incident=None,
            facts={"first": first.seq, "last": last.seq, "last_hash": last.hash, "file": name},
            actor=by,
            is_actor_known=False,
        )
    )
    return True
