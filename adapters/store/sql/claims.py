"""Claims on effects and locks on targets as SQL rows."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Connection, Row, Select, Text, bindparam, delete, func, insert, select, update

from adapters.store.sql.reading import read_json
from adapters.store.sql.tables import claims, target_locks, target_uses
from bot.domain.execution import Claim, StepOutcome, TargetUse
from bot.domain.ids import EffectKey, IncidentId, ProposalId

# Made once: each is needed for every card or every step, and making one costs more than running it.
_WANTED: Final = bindparam("wanted", type_=Text())
_GET: Final = select(claims).where(claims.c.effect_key == _WANTED, claims.c.attempt == bindparam("nth"))
_LAST_ATTEMPT: Final = select(func.max(claims.c.attempt)).where(claims.c.effect_key == _WANTED)
_OF_INCIDENT: Final = select(claims).where(claims.c.incident == _WANTED).order_by(claims.c.entry)
_OF_PROPOSAL: Final = select(claims).where(claims.c.proposal == _WANTED).order_by(claims.c.entry)
_SINCE: Final = (
    select(claims)
    .where(claims.c.claimed_at >= bindparam("start", type_=claims.c.claimed_at.type))
    .order_by(claims.c.entry)
)
_ADD: Final = insert(claims)
_FINISH: Final = update(claims).where(claims.c.effect_key == _WANTED, claims.c.attempt == bindparam("nth"))
_HOLDER: Final = select(target_locks.c.proposal).where(target_locks.c.target == _WANTED)
_LAST_USE: Final = select(target_uses).where(target_uses.c.target == _WANTED)
_LOCK: Final = insert(target_locks)
_USE: Final = insert(target_uses)
_FORGET_USE: Final = delete(target_uses).where(target_uses.c.target == _WANTED)
_FREE: Final = delete(target_locks).where(target_locks.c.proposal == _WANTED)


@dataclass(frozen=True)
class SqlClaims:
    connection: Connection

    def get(self, effect: EffectKey, attempt: int) -> Claim | None:
        found = self._read(_GET, {"wanted": effect, "nth": attempt})
        return found[0] if found else None

    def last_attempt(self, effect: EffectKey) -> int:
        return self.connection.scalar(_LAST_ATTEMPT, {"wanted": effect}) or 0

    def of_incident(self, incident: IncidentId) -> Sequence[Claim]:
        return self._read(_OF_INCIDENT, {"wanted": incident})

    def of_proposal(self, proposal: ProposalId) -> Sequence[Claim]:
        return self._read(_OF_PROPOSAL, {"wanted": proposal})

    def since(self, start: datetime) -> Sequence[Claim]:
        return self._read(_SINCE, {"start": start})

    def add(self, claim: Claim, *, incident: IncidentId, entry: int) -> None:
        columns = {
            "effect_key": claim.effect_key,
            "attempt": claim.attempt,
            "incident": incident,
            "proposal": claim.proposal_id,
            "step": claim.step_index,
            "entry": entry,
            "claimed_at": claim.claimed_at,
        }
        self.connection.execute(_ADD, columns)

    def finish(self, claim: Claim) -> None:
        outcome = claim.outcome.model_dump_json() if claim.outcome is not None else None
        which = {"wanted": claim.effect_key, "nth": claim.attempt}
        self.connection.execute(_FINISH, {**which, "finished_at": claim.finished_at, "outcome": outcome})

    def all(self) -> Sequence[tuple[int, Claim]]:
        rows = self.connection.execute(select(claims).order_by(claims.c.entry))
        return [(row.entry, _claim(row)) for row in rows]

    def _read(self, query: Select[Any], which: Mapping[str, object]) -> list[Claim]:
        return [_claim(row) for row in self.connection.execute(query, which)]


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
        held = self.connection.scalar(_HOLDER, {"wanted": target})
        return ProposalId(held) if held is not None else None

    def take(self, target: str, use: TargetUse) -> None:
        self.connection.execute(_LOCK, {"target": target, "proposal": use.proposal})
        self.connection.execute(_FORGET_USE, {"wanted": target})
        self.connection.execute(_USE, {"target": target, "proposal": use.proposal, "at": use.at})

    def last_use(self, target: str) -> TargetUse | None:
        row = self.connection.execute(_LAST_USE, {"wanted": target}).one_or_none()
        return TargetUse(proposal=ProposalId(row.proposal), at=row.at) if row is not None else None

    def holders(self) -> Sequence[ProposalId]:
        return [ProposalId(held) for held in self.connection.scalars(select(target_locks.c.proposal))]

    def free(self, proposal: ProposalId) -> None:
        self.connection.execute(_FREE, {"wanted": proposal})
