"""The audit chain: every entry carries the hash of the one before it."""

import hashlib
from enum import StrEnum
from typing import Final

import rfc8785
from pydantic import AwareDatetime, TypeAdapter

from bot.domain.frozen import Frozen
from bot.domain.ids import Digest, IncidentId
from bot.domain.seal import PublicKey, Seal, Signature

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

    FOREIGN_REFUSED = "foreign_refused"
    """Slack signed it, and it is of another workspace, organisation or app."""
    STOPPED = "stopped"
    """A person stopped one proposal; the entry after it says what came of that."""
    KILLED = "killed"
    REVIVED = "revived"
    EPOCH_RAISED = "epoch_raised"

    POLICY_CHANGED = "policy_changed"
    POLICY_REFUSED = "policy_refused"
    """A new policy file is wrong or too loose: the one before stays in force."""

    COMMANDED = "commanded"
    """A person had something written to the pager; the entry is there before it is sent."""
    INFORMED = "informed"
    """People who only need to know are told how an incident stands; the entry is there before it is sent."""
    POST_CLAIMED = "post_claimed"
    POST_SENT = "post_sent"

    TAMPERED = "tampered"
    """The record, or what it was asked to do, contradicts itself."""
    KEY_ROTATED = "key_rotated"
    """Signed by the old key, it names the new one; the new key's own signature stands in the body."""
    KEY_REPLACED = "key_replaced"
    """Signed by a new key alone, because the old one is lost. A check accepts it only when told to."""
    VOUCHED = "vouched"
    """A person stands in for an entry that was written while nothing could be signed."""
    ARCHIVED = "archived"
    """The oldest entries were moved to a segment file."""
    WRITTEN_AGAIN = "written_again"
    """The first write that was kept after one that was not, as on a full disk; it says why not."""


DECISIVE: Final = frozenset(
    {Act.APPROVED, Act.CLAIMED, Act.RESUMED, Act.KEY_ROTATED, Act.KEY_REPLACED, Act.VOUCHED, Act.ARCHIVED}
)
"""Acts that are never written without a signature: what lets something happen, and what others rest on."""


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
    seal: Seal | None = None
    """The signature over the hash; None when it was written while nothing could be signed."""

    def body_values(self) -> dict[str, str | int | bool | None]:
        """Return the body's values by name."""
        return _BODY.validate_json(self.body)


_BODY: Final = TypeAdapter(dict[str, str | int | bool | None])


def chain(
    *, seq: int, at: AwareDatetime, incident: IncidentId | None, act: str, actor: str, body: str, prev: Digest
) -> Entry:
    """Return the entry that follows the one whose hash is *prev*."""
    digest = _hash(seq=seq, at=at, incident=incident, act=act, actor=actor, body=body, prev=prev)
    return Entry(seq=seq, at=at, incident=incident, act=act, actor=actor, body=body, prev=prev, hash=digest)


def content_hash(entry: Entry) -> Digest:
    """Return the hash that *entry* should have: of every column, and of the hash before it."""
    return _hash(
        seq=entry.seq,
        at=entry.at,
        incident=entry.incident,
        act=entry.act,
        actor=entry.actor,
        body=entry.body,
        prev=entry.prev,
    )


def sealed(entry: Entry, key: PublicKey, signature: Signature) -> Entry:
    """Return *entry* with its signature."""
    return entry.model_copy(update={"seal": Seal(key=key, signature=signature)})


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
