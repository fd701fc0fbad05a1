"""Checking the whole record: archived files, the chain, its signatures, checkpoints, and the tables."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from adapters.store.books import Books, tables_of
from adapters.store.segments import Segment, read_lines, segments_in
from adapters.store.signing import verifies
from adapters.store.transaction import Transaction, Transactions
from bot.domain.audit import Entry
from bot.domain.chain_check import ChainCheck, ChainReport
from bot.domain.checkpoint import Checkpoint, Witnesses
from bot.domain.seal import PublicKey

BEFORE_ALL: Final = -(2**63)  # An entry put in front of the first one is found too.
PAGE: Final = 500  # Our choice: other transactions get their turn about every 10 ms of a long check.
_MOST: Final = 20  # Contradictions named one by one.


@dataclass(frozen=True)
class Trust:
    """What a check may rest on that is not in the record itself."""

    checkpoints: Sequence[Checkpoint] = ()
    key: PublicKey | None = None
    """The key that must be in use at the end; None: whichever the record names."""
    accepted: frozenset[PublicKey] = frozenset()
    """Keys that took over when the one before was lost, and that a person has accepted."""


async def verify_record(transactions: Transactions, archive: Path, trust: Trust) -> ChainReport:
    """Check everything there is, and name the first entry that does not fit.

    Raises:
        Invalid: an archived file holds something that is no entry.
        Unavailable: something cannot be read.
    """
    tables = await transactions.read(lambda tx: tables_of(tx.rows))
    run, books = _Run(trust), Books()
    async for page in walk(transactions, archive):
        if not await asyncio.to_thread(run.take, page, books):
            break
    report = run.end()
    if not report.is_intact:
        return report
    wrong = tuple(books.contradictions(tables)) if run.is_from_the_beginning else ()
    more = (f"and {len(wrong) - _MOST} more",) if len(wrong) > _MOST else ()
    return report.model_copy(update={"contradictions": wrong[:_MOST] + more})


def verify_file(path: Path, trust: Trust) -> ChainReport:
    """Check an exported file by itself. It may begin anywhere in the chain. Raises as `verify_record`."""
    run = _Run(trust, is_part=True)
    run.take(read_lines(path), None)
    return run.end()


class _Run:
    """One check from its first entry to its last."""

    def __init__(self, trust: Trust, *, is_part: bool = False) -> None:
        self._trust = trust
        self._is_part = is_part
        self._witnesses = Witnesses(trust.checkpoints)
        self._check: ChainCheck | None = None
        self._begins = 1
        self._assumed = ""
        self._keys: set[PublicKey] = set()
        self._bad: tuple[int, str] | None = None

    @property
    def is_from_the_beginning(self) -> bool:
        return self._begins == 1

    def take(self, entries: Iterable[Entry], books: Books | None) -> bool:
        """Check more entries; False once one does not fit."""
        for entry in entries:
            check = self._check = self._check or self._started(entry)
            if not check.take(entry):
                return False
            if entry.seal is not None:
                self._keys.add(entry.seal.key)
            if why := self._witnesses.pass_by(entry.seq, entry.hash):
                self._bad = (entry.seq, why)
                return False
            if books is not None:
                books.take(entry)
        return True

    def _started(self, entry: Entry) -> ChainCheck:
        """Begin after what is archived elsewhere; whether the record says so is asked at the end."""
        start = None
        if entry.seq > 1:
            self._begins, self._assumed = entry.seq, entry.prev
            start = ChainReport(entries=entry.seq - 1, head=entry.prev)
        return ChainCheck(verifies, start=start, accepted=self._trust.accepted)

    def end(self) -> ChainReport:
        check = self._check or ChainCheck(verifies)
        report = check.report
        bad = self._bad or (self._wrong_end(check) if report.is_intact else None)
        if bad is not None and (report.first_bad is None or bad[0] < report.first_bad):
            report = report.model_copy(update={"first_bad": bad[0], "why": bad[1]})
        return report.model_copy(update={"notes": tuple(self._notes(report))})

    def _wrong_end(self, check: ChainCheck) -> tuple[int, str] | None:
        report, trust = check.report, self._trust
        if self._begins > 1 and not self._is_part and check.archived.get(self._begins - 1) != self._assumed:
            return 1, "entry 1 is missing"
        if why := self._witnesses.missing_after(report.entries):
            return report.entries + 1, why
        for checkpoint in trust.checkpoints:
            if checkpoint.seq < self._begins:
                continue  # What it saw is not here; the notes say so.
            if checkpoint.seal.key not in {*self._keys, report.key} or not checkpoint.is_signed(verifies):
                return checkpoint.seq, "the checkpoint is not signed with a key that the record used"
        if trust.key is not None and report.key is not None and report.key != trust.key:
            return report.entries, f"the record ends with the key {report.key}, and ours is {trust.key}"
        return None

    def _notes(self, report: ChainReport) -> Iterable[str]:
        if self._begins > 1:
            yield (
                f"entries 1 to {self._begins - 1} are not here, so they were not looked at, nor were the "
                "tables held against the chain"
            )
        if report.key is None and report.entries:
            yield "nothing is signed: whoever can write to the database could have rewritten all of it"
        if not self._trust.checkpoints:
            yield (
                "no checkpoint was given: that the end was cut off, or an older copy put in place, cannot be "
                "seen"
            )
        if self._trust.key is None and report.key is not None:
            yield f"the key was taken from the record itself ({report.key}): compare it with yours"


def page_after(seq: int) -> Callable[[Transaction], Sequence[Entry]]:
    """Return the work that reads the next page of entries."""
    return lambda tx: tx.rows.log.after(seq, PAGE)


async def walk(transactions: Transactions, archive: Path) -> AsyncIterator[Sequence[Entry]]:
    """Yield every entry that there is, archived ones first; what leaves meanwhile is read from its file.

    Raises:
        Invalid: an archived file holds something that is no entry.
        Unavailable: something cannot be read.
    """
    first = await transactions.read(lambda tx: tx.rows.log.after(BEFORE_ALL, 1))
    begins = first[0].seq if first else 1
    last = begins - 1
    for segment in [segment for segment in segments_in(archive) if segment.first < begins]:
        yield await asyncio.to_thread(_rest, segment.path, BEFORE_ALL)
        last = segment.last
    while page := await transactions.read(page_after(last)):
        left = _left_since(archive, last + 1) if page[0].seq != last + 1 else None
        if left is not None:
            page = await asyncio.to_thread(_rest, left.path, last) or page
        yield page
        last = page[-1].seq


def _left_since(archive: Path, seq: int) -> Segment | None:
    """Return the file that entry *seq* has moved to; None when it is in none."""
    return next((each for each in segments_in(archive) if each.first <= seq <= each.last), None)


def _rest(path: Path, after: int) -> Sequence[Entry]:
    return [entry for entry in read_lines(path) if entry.seq > after]
