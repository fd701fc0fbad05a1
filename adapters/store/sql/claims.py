"""Claims on effects and locks on targets as SQL rows."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, Select, delete, func, insert, select, update

from adapters.store.sql.reading import read_json
from adapters.store.sql.tables import claims, target_locks, target_uses
from bot.domain.execution import Claim, StepOutcome, TargetUse
from bot.domain.ids import EffectKey, IncidentId, ProposalId


@dataclass(frozen=True)
class SqlClaims:
    connection: Connection

    def get(self, effect: EffectKey, attempt: int) -> Claim | None:
        found = self._read(select(claims).where(claims.c.effect_key == effect, claims.c.attempt == attempt))
        return found[0] if found else None

    def last_attempt(self, effect: EffectKey) -> int:
        last = self.connection.scalar(select(func.max(claims.c.attempt)).where(claims.c.effect_key == effect))
        return last or 0

    def of_incident(self, incident: IncidentId) -> Sequence[Claim]:
        return self._read(select(claims).where(claims.c.incident == incident).order_by(claims.c.entry))

    def of_proposal(self, proposal: ProposalId) -> Sequence[Claim]:
        return self._read(select(claims).where(claims.c.proposal == proposal).order_by(claims.c.entry))

    def since(self, start: datetime) -> Sequence[Claim]:
        return self._read(select(claims).where(claims.c.claimed_at >= start).order_by(claims.c.entry))

    def add(self, claim: Claim, *, incident: IncidentId, entry: int) -> None:
        self.connection.execute(
            insert(claims).values(
                effect_key=claim.effect_key,
                attempt=claim.attempt,
                incident=incident,
                proposal=claim.proposal_id,
                step=claim.step_index,
                entry=entry,
                claimed_at=claim.claimed_at,
            )
        )

    def finish(self, claim: Claim) -> None:
        outcome = claim.outcome.model_dump_json() if claim.outcome is not None else None
        self.connection.execute(
            update(claims)
            .where(claims.c.effect_key == claim.effect_key, claims.c.attempt == claim.attempt)
            .values(finished_at=claim.finished_at, outcome=outcome)
        )

    def all(self) -> Sequence[tuple[int, Claim]]:
        rows = self.connection.execute(select(claims).order_by(claims.c.entry))
        return [(row.entry, _claim(row)) for row in rows]

    def _read(self, query: Select[Any]) -> list[Claim]:
        return [_claim(row) for row in self.connection.execute(query)]


def _claim(row: Row[Any]) -> Claim:
    return Claim(
        effect_key=row.effect_key,
        attempt=row.attempt,
        proposal_id=row.proposal,
        step_index=row.step,
        claimed_at=row.claimed_at,
        finished_at=row.finished_at,
        outcome=read_json(StepOutcome, row.outcome) if row.outcome is not None else None,
    )


@dataclass(frozen=True)
class SqlTargets:
    connection: Connection

    def holder(self, target: str) -> ProposalId | None:
        held = self.connection.scalar(select(target_locks.c.proposal).where(target_locks.c.target == target))
        return ProposalId(held) if held is not None else None

    def take(self, target: str, use: TargetUse) -> None:
        self.connection.execute(insert(target_locks).values(target=target, proposal=use.proposal))
        self.connection.execute(delete(target_uses).where(target_uses.c.target == target))
        self.connection.execute(insert(target_uses).values(target=target, proposal=use.proposal, at=use.at))

    def last_use(self, target: str) -> TargetUse | None:
        row = self.connection.execute(select(target_uses).where(target_uses.c.target == target)).one_or_none()
        return TargetUse(proposal=ProposalId(row.proposal), at=row.at) if row is not None else None

    def holders(self) -> Sequence[ProposalId]:
        return [ProposalId(held) for held in self.connection.scalars(select(target_locks.c.proposal))]

    def free(self, proposal: ProposalId) -> None:
        self.connection.execute(delete(target_locks).where(target_locks.c.proposal == proposal))
