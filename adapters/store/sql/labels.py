"""Labels, and the answers to presses about diagnoses, as SQL rows."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Select, insert, select

from adapters.store.rows import Answered
from adapters.store.sql.label_tables import feedback, labels
from adapters.store.sql.reading import read_json
from bot.domain.ids import ClickId, IncidentId
from bot.domain.label import FeedbackRuling, Label


@dataclass(frozen=True)
class SqlLabels:
    connection: Connection

    def answer(self, click: ClickId) -> FeedbackRuling | None:
        text = self.connection.scalar(select(feedback.c.answer).where(feedback.c.click_id == click))
        return read_json(FeedbackRuling, text) if text is not None else None

    def add_answer(self, answered: Answered) -> None:
        press = answered.press
        self.connection.execute(
            insert(feedback).values(
                click_id=press.id,
                incident=press.incident,
                user=press.user_id,
                answer=answered.ruling.model_dump_json(),
                at=answered.at,
            )
        )

    def has(self, label: str) -> bool:
        return self.connection.scalar(select(labels.c.id).where(labels.c.id == label)) is not None

    def add(self, label: Label) -> None:
        self.connection.execute(
            insert(labels).values(
                id=label.id, incident=label.incident, at=label.at, facts=label.model_dump_json()
            )
        )

    def of_incident(self, incident: IncidentId) -> Sequence[Label]:
        return self._read(select(labels.c.facts).where(labels.c.incident == incident))

    def since(self, start: datetime) -> Sequence[Label]:
        return self._read(select(labels.c.facts).where(labels.c.at >= start))

    def _read(self, query: Select[Any]) -> list[Label]:
        ordered = query.order_by(labels.c.at, labels.c.id)
        return [read_json(Label, text) for text in self.connection.scalars(ordered)]
