"""The audit chain: every entry carries the hash of the one before it."""

import hashlib
from collections.abc import Iterable
from typing import Final

import rfc8785
from pydantic import AwareDatetime

from bot.domain.frozen import Frozen
from bot.domain.ids import Digest, IncidentId

GENESIS: Final = Digest("0" * 64)


class Entry(Frozen):
    """One fact of the record. *body* is canonical JSON, already redacted."""

    seq: int
    at: AwareDatetime
    incident: IncidentId | None
    act: str
    actor: str
    body: str
    prev: Digest
    hash: Digest


class ChainReport(Frozen):
    """What a check of the chain found."""

    entries: int
    head: Digest
    first_bad: int | None = None
    """Sequence number of the first entry that does not fit."""
    why: str = ""

    @property
    def is_intact(self) -> bool:
        return self.first_bad is None


def chain(
    *, seq: int, at: AwareDatetime, incident: IncidentId | None, act: str, actor: str, body: str, prev: Digest
) -> Entry:
    """Return the entry that follows the one whose hash is *prev*."""
    digest = _hash(seq=seq, at=at, incident=incident, act=act, actor=actor, body=body, prev=prev)
    return Entry(seq=seq, at=at, incident=incident, act=act, actor=actor, body=body, prev=prev, hash=digest)


def verify_chain(entries: Iterable[Entry]) -> ChainReport:
    """Check every entry in order and name the first one that does not fit."""
    head, count = GENESIS, 0
    for expected, entry in enumerate(entries, start=1):
        count = expected
        if entry.seq != expected:
            return ChainReport(
                entries=count, head=head, first_bad=expected, why=f"entry {expected} is missing"
            )
        if entry.prev != head:
            return ChainReport(
                entries=count, head=head, first_bad=entry.seq, why="it does not follow the one before"
            )
        fields = entry.model_dump(exclude={"hash"})
        if _hash(**fields) != entry.hash:
            return ChainReport(entries=count, head=head, first_bad=entry.seq, why="its content was changed")
        head = entry.hash
    return ChainReport(entries=count, head=head)


def _hash(
    *, seq: int, at: AwareDatetime, incident: IncidentId | None, act: str, actor: str, body: str, prev: Digest
) -> Digest:
    columns: dict[str, str | int | None] = {
        "seq": seq,
        "at": at.isoformat(),
        "incident": incident,
        "act": act,
        "actor": actor,
        "body": body,
        "prev": prev,
    }
    return Digest(hashlib.sha256(rfc8785.dumps(columns)).hexdigest())
