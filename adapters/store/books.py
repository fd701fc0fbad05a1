"""Holding the tables against the chain: what decides is on the record, and what is on it is there."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from adapters.store.rows import Decided, Post, Rows
from bot.domain.audit import Act, Entry
from bot.domain.execution import Claim
from bot.domain.ids import ProposalId
from bot.domain.plan import UNDO_FROM
from bot.domain.proposal import ProposalRecord, ProposalState

_STATE_OF: Final[Mapping[str, ProposalState]] = {
    Act.PROPOSED: ProposalState.PENDING,
    Act.OFFERED: ProposalState.PROPOSED,
    Act.EXPIRED: ProposalState.EXPIRED,
    Act.CANCELLED: ProposalState.CANCELLED,
    Act.SUPERSEDED: ProposalState.SUPERSEDED,
    Act.CLAIMED: ProposalState.STARTED,
}
_TOLD: Final = frozenset({Act.APPROVED, Act.DENIED, Act.ANSWERED, Act.REFUSED, Act.CONCLUDED})


@dataclass(frozen=True)
class Tables:
    """The rows that decide, read at one moment, when *last* was the last entry."""

    last: int
    claims: Sequence[tuple[int, Claim]]
    decisions: Sequence[Decided]
    proposals: Sequence[ProposalRecord]
    posts: Sequence[Post]


def tables_of(rows: Rows) -> Tables:
    """Read the tables. The end of the chain comes first: what is added meanwhile is not called missing."""
    last = rows.log.last()
    return Tables(
        last=last.seq if last is not None else 0,
        claims=rows.claims.all(),
        decisions=rows.decisions.all(),
        proposals=rows.proposals.all(),
        posts=rows.posts.all(),
    )


@dataclass
class Books:
    """What the chain says of the rows that should be there, each with its entry."""

    _claimed: dict[tuple[str, int], tuple[int, str]] = field(default_factory=dict)
    _finished: dict[tuple[str, int], tuple[int, str]] = field(default_factory=dict)
    _clicks: dict[str, tuple[int, str, bool]] = field(default_factory=dict)
    _digests: dict[str, tuple[int, str]] = field(default_factory=dict)
    _states: dict[str, tuple[int, str]] = field(default_factory=dict)
    _approved: dict[str, tuple[int, str, str]] = field(default_factory=dict)
    _posts: dict[str, tuple[int, bool]] = field(default_factory=dict)

    def take(self, entry: Entry) -> None:
        """Note what one entry, whose content is proven, says of the tables."""
        seq, body = entry.seq, entry.body_values()
        proposal = str(body.get("proposal"))
        match entry.act:
            case Act.CLAIMED:
                self._claimed[str(body["effect"]), int(str(body["attempt"]))] = (seq, proposal)
            case Act.FINISHED:
                self._finished[str(body["effect"]), int(str(body["attempt"]))] = (seq, str(body["result"]))
            case Act.PROPOSED:
                self._digests[proposal] = (seq, str(body["digest"]))
            case Act.POST_CLAIMED | Act.POST_SENT:
                self._posts[str(body["key"])] = (seq, entry.act == Act.POST_SENT)
        if "click" in body and "allowed" in body:
            self._clicks[str(body["click"])] = (seq, proposal, body["answer"] == "accepted")
        if entry.act == Act.APPROVED:
            self._approved[str(body["click"])] = (seq, str(body["user"]), str(body["digest"]))
        state = _state(entry, body.get("state"))
        if state is not None:
            self._states[proposal] = (seq, state)

    def contradictions(self, tables: Tables) -> Iterator[str]:
        """Yield each row that lacks its entry, and each entry up to the tables' moment that lacks its row."""
        yield from self._of_claims(tables)
        yield from self._of_decisions(tables)
        yield from self._of_proposals(tables)
        yield from self._of_posts(tables)

    def _of_claims(self, tables: Tables) -> Iterator[str]:
        found = set()
        for entry, claim in tables.claims:
            key = (str(claim.effect_key), claim.attempt)
            found.add(key)
            name = f"the claim on step {claim.step_index} of {claim.proposal_id}"
            if self._claimed.get(key) != (entry, claim.proposal_id):
                yield f"{name} has no entry {entry} of its own"
            ended = self._finished.get(key)
            if claim.outcome is not None and (ended is None or ended[1] != claim.outcome.result.value):
                yield f"{name} ended {claim.outcome.result.value}, and the record does not say so"
            if claim.outcome is None and ended is not None and ended[0] <= tables.last:
                yield f"{name} has no end, and entry {ended[0]} says {ended[1]}"
        for key, (seq, proposal) in self._claimed.items():
            if seq <= tables.last and key not in found:
                yield f"entry {seq} claims a step of {proposal}, and the claim is gone"

    def _of_decisions(self, tables: Tables) -> Iterator[str]:
        found = set()
        for decided in tables.decisions:
            found.add(str(decided.click))
            told = self._clicks.get(decided.click)
            if told is None or told[1:] != (decided.proposal, decided.is_accepted):
                yield f"the decision on {decided.proposal} by {decided.user} has no entry that says the same"
        for click, (seq, proposal, _) in self._clicks.items():
            if seq <= tables.last and click not in found:
                yield f"entry {seq} decides on {proposal}, and the decision is gone"

    def _of_proposals(self, tables: Tables) -> Iterator[str]:
        rows = {record.id: record for record in tables.proposals}
        for record in rows.values():
            yield from self._of_proposal(record)
        for proposal, (seq, _) in self._digests.items():
            if seq <= tables.last and ProposalId(proposal) not in rows:
                yield f"entry {seq} proposes {proposal}, and the proposal is gone"

    def _of_proposal(self, record: ProposalRecord) -> Iterator[str]:
        if self._digests.get(record.id, (0, ""))[1] != record.digest:
            yield f"the proposal {record.id} is not the one on record"
        told = self._states.get(record.id)
        if told is not None and told[1] != record.state.value:
            yield f"the proposal {record.id} is {record.state.value}, and entry {told[0]} left it {told[1]}"
        for approval in record.approvals:
            if self._approved.get(approval.click_id, (0, "", ""))[1:] != (approval.user_id, approval.digest):
                yield f"the approval of {record.id} by {approval.user_id} has no entry that says the same"

    def _of_posts(self, tables: Tables) -> Iterator[str]:
        found = {post.key: post for post in tables.posts}
        for post in found.values():
            told = self._posts.get(post.key)
            if told is None or (post.is_sent and not told[1]):
                yield f"the post {post.key} has no entry that says the same"
        for key, (seq, is_sent) in self._posts.items():
            row = found.get(key)
            if seq <= tables.last and (row is None or (is_sent and not row.is_sent)):
                yield f"entry {seq} tells of the post {key}, and the row does not"


def _state(entry: Entry, told: object) -> str | None:
    """Return the state in which an entry left its proposal, if it says one."""
    if entry.act in _TOLD:
        return str(told) if told is not None else None
    state = _STATE_OF.get(entry.act)
    if entry.act == Act.CLAIMED and int(str(entry.body_values()["step"])) >= UNDO_FROM:
        state = ProposalState.UNDOING
    return state.value if state is not None else None
