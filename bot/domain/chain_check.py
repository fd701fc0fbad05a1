"""Checking the audit chain: the hashes, the signatures, and the keys from one to the next."""

from collections.abc import Iterable
from typing import Final

from bot.domain.audit import DECISIVE, GENESIS, Act, Entry, content_hash
from bot.domain.frozen import Frozen
from bot.domain.ids import Digest
from bot.domain.seal import PublicKey, Signature, Verifies, entry_statement, rotation_statement

NOT_SIGNED: Final = (
    "it is not signed: it was written while the key could not be used, or by somebody without it"
)


class ChainReport(Frozen):
    """What a check of the chain found."""

    entries: int
    """Sequence number of the last entry that fits: all up to it do."""
    head: Digest
    first_bad: int | None = None
    """Sequence number of the first entry that does not fit."""
    why: str = ""
    signed: int = 0
    key: PublicKey | None = None
    """The key in use at the end; None when nothing is signed."""
    contradictions: tuple[str, ...] = ()
    """Rows of the tables that lack their entry, and entries that lack their row."""
    notes: tuple[str, ...] = ()
    """What a reader should know although the chain is intact."""

    @property
    def is_intact(self) -> bool:
        return self.first_bad is None and not self.contradictions


class ChainCheck:
    """A check of the chain, one entry after the other, so that a long chain needs little memory.

    Args:
        verifies: how a signature is checked; None: the hashes alone are.
        start: what is known of the entries before the first one taken; default: there are none.
        accepted: keys that may take over without a word of the key before them.
    """

    def __init__(
        self,
        verifies: Verifies | None = None,
        *,
        start: ChainReport | None = None,
        accepted: frozenset[PublicKey] = frozenset(),
    ) -> None:
        self._verifies = verifies
        self._accepted = accepted
        self._report = start or ChainReport(entries=0, head=GENESIS)
        self._unsigned: dict[int, Digest] = {}
        self.archived: dict[int, str] = {}
        """The last hash of each archived segment, by the sequence number of its last entry."""

    @property
    def report(self) -> ChainReport:
        if not self._unsigned:
            return self._report
        first, bad = min(self._unsigned), self._report.first_bad
        if bad is not None and bad <= first:
            return self._report
        return self._report.model_copy(update={"first_bad": first, "why": NOT_SIGNED})

    def take(self, entry: Entry) -> bool:
        """Check the next entry; False once one does not fit, and nothing after that one is looked at."""
        if not self._report.is_intact:
            return False
        expected, head = self._report.entries + 1, self._report.head
        if entry.seq != expected:
            self._fail(expected, f"entry {expected} is missing")
        elif entry.prev != head:
            self._fail(expected, "it does not follow the one before")
        elif content_hash(entry) != entry.hash:
            self._fail(expected, "its content was changed")
        else:
            self._take_seal(entry)
        return self._report.is_intact

    def _take_seal(self, entry: Entry) -> None:
        update: dict[str, object] = {"entries": entry.seq, "head": entry.hash}
        if self._verifies is not None:
            if why := self._wrong_seal(entry, self._verifies):
                self._fail(entry.seq, why)
                return
            if entry.seal is not None:
                update |= {"signed": self._report.signed + 1, "key": self._follow(entry, entry.seal.key)}
            elif self._report.key is not None:
                self._unsigned[entry.seq] = entry.hash
        self._report = self._report.model_copy(update=update)

    def _wrong_seal(self, entry: Entry, verifies: Verifies) -> str | None:
        key = self._report.key
        if entry.seal is None:
            return NOT_SIGNED if key is not None and entry.act in DECISIVE else None
        if key is not None and entry.seal.key != key and not self._takes_over(entry, entry.seal.key):
            return f"it is signed with the key {entry.seal.key}, which is not the one in use ({key})"
        if not verifies(entry.seal.key, entry_statement(entry.hash), entry.seal.signature):
            return "its signature does not hold"
        if entry.act == Act.KEY_ROTATED and not _is_rotation(entry, entry.seal.key, verifies):
            return "the new key that it names did not sign for itself"
        return None

    def _takes_over(self, entry: Entry, key: PublicKey) -> bool:
        return entry.act == Act.KEY_REPLACED and key in self._accepted

    def _follow(self, entry: Entry, key: PublicKey) -> PublicKey:
        """Note what a signed entry says of others, and return the key that signs the next one."""
        body = entry.body_values() if entry.act in (Act.KEY_ROTATED, Act.VOUCHED, Act.ARCHIVED) else {}
        match entry.act:
            case Act.KEY_ROTATED:
                return PublicKey(str(body["new_key"]))
            case Act.VOUCHED:
                seq = body["entry"]
                if isinstance(seq, int) and self._unsigned.get(seq) == body["entry_hash"]:
                    del self._unsigned[seq]
            case Act.ARCHIVED:
                self.archived[int(str(body["last"]))] = str(body["last_hash"])
        return key

    def _fail(self, seq: int, why: str) -> None:
        self._report = self._report.model_copy(update={"first_bad": seq, "why": why})


def verify_chain(entries: Iterable[Entry], verifies: Verifies | None = None) -> ChainReport:
    """Check every entry in order and name the first one that does not fit."""
    check = ChainCheck(verifies)
    for entry in entries:
        if not check.take(entry):
            break
    return check.report


def key_after(entry: Entry) -> PublicKey | None:
    """Return the key that the entry after a signed *entry* must be signed with."""
    if entry.seal is None or entry.act != Act.KEY_ROTATED:
        return entry.seal.key if entry.seal is not None else None
    try:
        return PublicKey(str(entry.body_values().get("new_key")))
    except ValueError:
        return PublicKey("unreadable")  # Nobody has it: nothing can be signed until somebody has looked.


def _is_rotation(entry: Entry, old: PublicKey, verifies: Verifies) -> bool:
    body = entry.body_values()
    new, proof = PublicKey(str(body.get("new_key"))), Signature(str(body.get("proof")))
    return verifies(new, rotation_statement(old, new, entry.prev), proof)
