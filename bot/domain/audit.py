"""The audit chain: every entry carries the hash of the one before it."""

import hashlib
from collections.abc import Iterable
from enum import StrEnum
from typing import Final

import rfc8785
from pydantic import AwareDatetime, TypeAdapter

from bot.domain.frozen import Frozen
from bot.domain.ids import Digest, IncidentId

GENESIS: Final = Digest("0" * 64)


class Act(StrEnum):
    """What an entry says happened."""

    SEEN = "seen"
    """An incident was heard of for the first time."""
    RESOLVED = "resolved"
    REOPENED = "reopened"

    PROPOSED = "proposed"
    OFFERED = "offered"
    """A card shows the proposal."""
    APPROVED = "approved"
    """One approval; the proposal's state says whether it was enough."""
    DENIED = "denied"
    ANSWERED = "answered"
    """An accepted click that is neither an approval nor a denial."""
    REFUSED = "refused"
    """A click that changed nothing, or that came after the expiry."""
    EXPIRED = "expired"
    CANCELLED = "cancelled"
    SUPERSEDED = "superseded"

    CLAIMED = "claimed"
    RESUMED = "resumed"
    """A claimed step that did not finish may be asked for again under the same key."""
    NOT_ADMITTED = "not_admitted"
    FINISHED = "finished"
    CONCLUDED = "concluded"
    REMARKED = "remarked"
    """The words beside a proposal's state changed, the state did not."""

    LABELLED = "labelled"
    """A person, or a recovery, said whether a change was it."""

    MERGED = "merged"
    """An incident is shown on the card of another one of the same cause."""
    MUTED = "muted"
    """An incident is shown on a storm's card."""
    RELEASED = "released"
    SPLIT = "split"
    """A person undid a merge."""

    KILLED = "killed"
    REVIVED = "revived"
    EPOCH_RAISED = "epoch_raised"

    POST_CLAIMED = "post_claimed"
    POST_SENT = "post_sent"


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

    def body_values(self) -> dict[str, str | int | bool | None]:
        """Return the body's values by name."""
        return _BODY.validate_json(self.body)


_BODY: Final = TypeAdapter(dict[str, str | int | bool | None])


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


class ChainCheck:
    """A check of the chain, one entry after the other, so that a long chain needs little memory."""

    def __init__(self) -> None:
        self._report = ChainReport(entries=0, head=GENESIS)

    @property
    def report(self) -> ChainReport:
        return self._report

    def take(self, entry: Entry) -> bool:
        """Check the next entry; False once one does not fit, and nothing after that one is looked at."""
        if not self._report.is_intact:
            return False
        expected, head = self._report.entries + 1, self._report.head
        if entry.seq != expected:
            self._fail(expected, f"entry {expected} is missing")
        elif entry.prev != head:
            self._fail(expected, "it does not follow the one before")
        elif _hash(**entry.model_dump(exclude={"hash"})) != entry.hash:
            self._fail(expected, "its content was changed")
        else:
            self._report = ChainReport(entries=expected, head=entry.hash)
        return self._report.is_intact

    def _fail(self, seq: int, why: str) -> None:
        self._report = self._report.model_copy(update={"entries": seq, "first_bad": seq, "why": why})


def verify_chain(entries: Iterable[Entry]) -> ChainReport:
    """Check every entry in order and name the first one that does not fit."""
    check = ChainCheck()
    for entry in entries:
        if not check.take(entry):
            break
    return check.report


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
