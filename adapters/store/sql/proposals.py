"""Proposals and the decisions about them as SQL rows."""

from collections.abc import Sequence, Set
from dataclasses import dataclass
from typing import Any, Final

from pydantic import TypeAdapter, ValidationError
from sqlalchemy import Connection, Row, Select, bindparam, insert, select, update

from adapters.store.rows import Decided, Decision
from adapters.store.sql.reading import read_json
from adapters.store.sql.tables import decisions, proposals
from bot.domain.approval import Ruling
from bot.domain.errors import Tampered
from bot.domain.ids import ClickId, IncidentId, ProposalId
from bot.domain.proposal import LIVE, Approval, ProposalRecord, ProposalState

_APPROVALS = TypeAdapter(tuple[Approval, ...])
# Made once: each is needed several times for every card, and making one costs more than running it.
_GET: Final = select(proposals).where(proposals.c.id == bindparam("wanted"))
_OF_INCIDENT: Final = (
    select(proposals).where(proposals.c.incident == bindparam("wanted")).order_by(proposals.c.number)
)
_CHANGE: Final = update(proposals).where(proposals.c.id == bindparam("wanted"))
_ADD: Final = insert(proposals)
_FIXED: Final = {"id", "incident", "number", "epoch", "digest", "plan", "created_at", "expires_at"}
_ANSWER: Final = select(decisions.c.answer).where(decisions.c.click_id == bindparam("wanted"))
_ADD_DECISION: Final = insert(decisions)


@dataclass(frozen=True)
class SqlProposals:
    connection: Connection

    def get(self, proposal: ProposalId) -> ProposalRecord | None:
        row = self.connection.execute(_GET, {"wanted": proposal}).one_or_none()
        return _record(row) if row is not None else None

    def put(self, record: ProposalRecord) -> None:
        changing = {
            "state": record.state.value,
            "reason": record.reason,
            "changed_at": record.changed_at,
            "channel": record.channel,
            "message_ts": record.message_ts,
            "approvals": _APPROVALS.dump_json(record.approvals).decode(),
            "denied_by": record.denied_by,
        }
        changed = self.connection.execute(_CHANGE, {"wanted": record.id, **changing})
        if changed.rowcount == 0:
            self.connection.execute(_ADD, {**record.model_dump(include=_FIXED), **changing})

    def of_incident(self, incident: IncidentId) -> Sequence[ProposalRecord]:
        return [_record(row) for row in self.connection.execute(_OF_INCIDENT, {"wanted": incident})]

    def live(self) -> Sequence[ProposalRecord]:
        return self._read(
            select(proposals)
            .where(proposals.c.state.in_([state.value for state in LIVE]))
            .order_by(proposals.c.created_at, proposals.c.id)
        )

    def latest(self, states: Set[ProposalState], limit: int) -> Sequence[ProposalRecord]:
        return self._read(
            select(proposals)
            .where(proposals.c.state.in_(sorted(state.value for state in states)))
            .order_by(proposals.c.changed_at.desc(), proposals.c.id.desc())
            .limit(limit)
        )

    def all(self) -> Sequence[ProposalRecord]:
        return self._read(select(proposals).order_by(proposals.c.created_at, proposals.c.id))

    def _read(self, query: Select[Any]) -> list[ProposalRecord]:
        return [_record(row) for row in self.connection.execute(query)]


def _record(row: Row[Any]) -> ProposalRecord:
    columns = dict(row._mapping)
    try:
        approvals = _APPROVALS.validate_json(columns.pop("approvals"))
        return ProposalRecord.model_validate({**columns, "approvals": approvals})
    except ValidationError as exc:
        raise Tampered(f"Proposal {row.id} cannot be read from the record.") from exc


@dataclass(frozen=True)
class SqlDecisions:
    connection: Connection

    def answer(self, click: ClickId) -> Ruling | None:
        text = self.connection.scalar(_ANSWER, {"wanted": click})
        return read_json(Ruling, text) if text is not None else None

    def add(self, decision: Decision) -> None:
        click = decision.click
        columns = {
            "click_id": click.id,
            "proposal": click.proposal_id,
            "action": click.action.value,
            "user": click.user_id,
            "team": click.team_id,
            "digest": click.digest,
            "allowed": int(decision.permission.allowed),
            "grounds": decision.permission.grounds,
            "answer": decision.ruling.model_dump_json(),
            "at": decision.at,
        }
        self.connection.execute(_ADD_DECISION, columns)

    def all(self) -> Sequence[Decided]:
        columns = (decisions.c.click_id, decisions.c.proposal, decisions.c.user, decisions.c.answer)
        rows = self.connection.execute(select(*columns).order_by(decisions.c.at, decisions.c.click_id))
        return [
            Decided(row.click_id, row.proposal, row.user, read_json(Ruling, row.answer).is_accepted)
            for row in rows
        ]
