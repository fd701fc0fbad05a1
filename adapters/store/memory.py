"""The store's twin in memory: the same decisions over dictionaries, for tests and for one process."""

import asyncio
from collections.abc import Callable, Sequence, Set
from copy import copy
from dataclasses import dataclass, field, fields
from datetime import UTC, datetime
from pathlib import Path

from adapters.store.memory_groups import MemoryGroups
from adapters.store.memory_labels import MemoryDiagnoses, MemoryLabels
from adapters.store.rows import Decided, Decision, Post, Rows
from adapters.store.signing import Signer
from adapters.store.transaction import Redact, StoreTime, T, Transaction
from bot.domain.approval import Ruling
from bot.domain.audit import Entry
from bot.domain.execution import Claim, TargetUse
from bot.domain.ids import ClickId, EffectKey, IncidentId, ProposalId
from bot.domain.proposal import LIVE, ProposalRecord, ProposalState
from bot.domain.record import IncidentRecord


@dataclass
class MemoryIncidents:
    """Incidents, the most recently seen one last."""

    by_id: dict[IncidentId, IncidentRecord] = field(default_factory=dict)

    def get(self, incident: IncidentId) -> IncidentRecord | None:
        return self.by_id.get(incident)

    def put(self, record: IncidentRecord, *, is_sighting: bool = False) -> None:
        if is_sighting:
            self.by_id.pop(record.id, None)
        self.by_id[record.id] = record

    def open(self) -> Sequence[IncidentRecord]:
        unresolved = (record for record in self.by_id.values() if record.resolved_at is None)
        return sorted(unresolved, key=lambda record: (record.incident.opened_at, record.id))

    def recent(self, limit: int) -> Sequence[IncidentRecord]:
        return list(reversed(self.by_id.values()))[:limit]


@dataclass
class MemoryProposals:
    by_id: dict[ProposalId, ProposalRecord] = field(default_factory=dict)

    def get(self, proposal: ProposalId) -> ProposalRecord | None:
        return self.by_id.get(proposal)

    def put(self, record: ProposalRecord) -> None:
        self.by_id[record.id] = record

    def of_incident(self, incident: IncidentId) -> Sequence[ProposalRecord]:
        found = (record for record in self.by_id.values() if record.incident == incident)
        return sorted(found, key=lambda record: record.number)

    def live(self) -> Sequence[ProposalRecord]:
        return [record for record in self.by_id.values() if record.state in LIVE]

    def latest(self, states: Set[ProposalState], limit: int) -> Sequence[ProposalRecord]:
        found = (record for record in self.by_id.values() if record.state in states)
        return sorted(found, key=lambda record: (record.changed_at, record.id), reverse=True)[:limit]

    def all(self) -> Sequence[ProposalRecord]:
        return list(self.by_id.values())


@dataclass
class MemoryDecisions:
    by_click: dict[ClickId, Decision] = field(default_factory=dict)

    def answer(self, click: ClickId) -> Ruling | None:
        known = self.by_click.get(click)
        return known.ruling if known is not None else None

    def add(self, decision: Decision) -> None:
        self.by_click[decision.click.id] = decision

    def all(self) -> Sequence[Decided]:
        return [
            Decided(d.click.id, d.click.proposal_id, d.click.user_id, d.ruling.is_accepted)
            for d in self.by_click.values()
        ]


@dataclass
class MemoryClaims:
    """Claims in order of claiming, each with its incident."""

    by_key: dict[tuple[EffectKey, int], tuple[IncidentId, Claim]] = field(default_factory=dict)
    entries: dict[tuple[EffectKey, int], int] = field(default_factory=dict)

    def get(self, effect: EffectKey, attempt: int) -> Claim | None:
        found = self.by_key.get((effect, attempt))
        return found[1] if found is not None else None

    def last_attempt(self, effect: EffectKey) -> int:
        return max((attempt for key, attempt in self.by_key if key == effect), default=0)

    def of_incident(self, incident: IncidentId) -> Sequence[Claim]:
        return [claim for owner, claim in self.by_key.values() if owner == incident]

    def of_proposal(self, proposal: ProposalId) -> Sequence[Claim]:
        return [claim for _, claim in self.by_key.values() if claim.proposal_id == proposal]

    def since(self, start: datetime) -> Sequence[Claim]:
        return [claim for _, claim in self.by_key.values() if claim.claimed_at >= start]

    def add(self, claim: Claim, *, incident: IncidentId, entry: int) -> None:
        self.by_key[claim.effect_key, claim.attempt] = (incident, claim)
        self.entries[claim.effect_key, claim.attempt] = entry

    def all(self) -> Sequence[tuple[int, Claim]]:
        return [(self.entries[key], claim) for key, (_, claim) in self.by_key.items()]

    def finish(self, claim: Claim) -> None:
        incident, _ = self.by_key[claim.effect_key, claim.attempt]
        self.by_key[claim.effect_key, claim.attempt] = (incident, claim)


@dataclass
class MemoryTargets:
    by_target: dict[str, ProposalId] = field(default_factory=dict)
    last: dict[str, TargetUse] = field(default_factory=dict)

    def holder(self, target: str) -> ProposalId | None:
        return self.by_target.get(target)

    def take(self, target: str, use: TargetUse) -> None:
        self.by_target[target] = use.proposal
        self.last[target] = use

    def holders(self) -> Sequence[ProposalId]:
        return list(self.by_target.values())

    def last_use(self, target: str) -> TargetUse | None:
        return self.last.get(target)

    def free(self, proposal: ProposalId) -> None:
        self.by_target = {target: holder for target, holder in self.by_target.items() if holder != proposal}


@dataclass
class MemoryPosts:
    by_key: dict[str, Post] = field(default_factory=dict)

    def get(self, key: str) -> Post | None:
        return self.by_key.get(key)

    def put(self, post: Post) -> None:
        self.by_key[post.key] = post

    def all(self) -> Sequence[Post]:
        return list(self.by_key.values())


@dataclass
class MemorySwitches:
    killed: bool = False
    current_epoch: int = 0

    def is_killed(self) -> bool:
        return self.killed

    def set_killed(self, is_killed: bool) -> None:
        self.killed = is_killed

    def epoch(self) -> int:
        return self.current_epoch

    def set_epoch(self, epoch: int) -> None:
        self.current_epoch = epoch


@dataclass
class MemoryLog:
    all: list[Entry] = field(default_factory=list)

    def last(self) -> Entry | None:
        return self.all[-1] if self.all else None

    def last_signed(self) -> Entry | None:
        return next((entry for entry in reversed(self.all) if entry.seal is not None), None)

    def get(self, seq: int) -> Entry | None:
        return next((entry for entry in self.all if entry.seq == seq), None)

    def drop_until(self, seq: int) -> None:
        self.all = [entry for entry in self.all if entry.seq > seq]

    def add(self, entry: Entry) -> None:
        self.all.append(entry)

    def after(self, seq: int, limit: int) -> Sequence[Entry]:
        return [entry for entry in self.all if entry.seq > seq][:limit]

    def latest(self, incident: IncidentId | None, limit: int) -> Sequence[Entry]:
        found = [entry for entry in self.all if incident is None or entry.incident == incident]
        return found[max(0, len(found) - limit) :]


class MemoryTransactions:
    """Runs work on dictionaries. What raised has changed nothing, as in a database."""

    def __init__(
        self, *, redact: Redact, kill_file: Path | None, store_time: StoreTime | None, signer: Signer
    ) -> None:
        self._signer = signer
        self._redact = redact
        self._kill_file = kill_file
        self._store_time = store_time or _utc_now
        self._rows = Rows(
            incidents=MemoryIncidents(),
            proposals=MemoryProposals(),
            decisions=MemoryDecisions(),
            claims=MemoryClaims(),
            targets=MemoryTargets(),
            posts=MemoryPosts(),
            switches=MemorySwitches(),
            log=MemoryLog(),
            labels=MemoryLabels(),
            diagnoses=MemoryDiagnoses(),
            groups=MemoryGroups(),
        )

    async def write(self, work: Callable[[Transaction], T]) -> T:
        # Work never awaits, so the loop is the lock; giving way first lets callers meet as they do in SQL.
        await asyncio.sleep(0)
        rows = _copied(self._rows)
        answer = work(self._on(rows))
        self._rows = rows
        return answer

    async def read(self, work: Callable[[Transaction], T]) -> T:
        await asyncio.sleep(0)
        return work(self._on(self._rows))

    async def close(self) -> None:
        """Keep the rows: whoever holds this store may go on reading it."""

    def _on(self, rows: Rows) -> Transaction:
        return Transaction(rows, self._store_time(), self._redact, self._kill_file, self._signer)


def _copied(rows: Rows) -> Rows:
    """Return rows of their own dictionaries and lists; the values in them never change."""

    twin = copy(rows)
    for each in fields(rows):
        table = copy(getattr(rows, each.name))
        for name, value in vars(table).items():
            setattr(table, name, copy(value))
        object.__setattr__(twin, each.name, table)  # It is frozen for everybody else.
    return twin


def _utc_now() -> datetime:
    return datetime.now(UTC)
