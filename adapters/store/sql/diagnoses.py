"""Diagnoses and opinions as SQL rows, each with what it was thought from, compressed."""

import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, TypeVar

from pydantic import BaseModel
from sqlalchemy import Connection, Select, Table, bindparam, insert, select

from adapters.store.sql.label_tables import diagnoses, opinions
from adapters.store.sql.reading import read_json
from bot.domain.diagnosed import Diagnosed, DiagnosisId, Opined
from bot.domain.errors import Tampered
from bot.domain.ids import IncidentId

M = TypeVar("M", bound=BaseModel)

# Made once: every card needs both, and making a statement costs more than running it.
_GET: Final = select(diagnoses.c.facts).where(diagnoses.c.id == bindparam("wanted"))
_ADD: Final = insert(diagnoses)


@dataclass(frozen=True)
class SqlDiagnoses:
    connection: Connection

    def get(self, diagnosis: DiagnosisId) -> Diagnosed | None:
        text = self.connection.scalar(_GET, {"wanted": diagnosis})
        return read_json(Diagnosed, text) if text is not None else None

    def add(self, diagnosis: Diagnosed, snapshot: bytes) -> None:
        columns = {
            "id": diagnosis.id,
            "incident": diagnosis.incident,
            "at": diagnosis.at,
            "facts": diagnosis.model_dump_json(),
            "snapshot": zlib.compress(snapshot),
        }
        self.connection.execute(_ADD, columns)

    def add_opinion(self, opinion: Opined, dossier: bytes | None) -> None:
        if self.connection.scalar(select(opinions.c.id).where(opinions.c.id == opinion.id)) is not None:
            return
        self.connection.execute(
            insert(opinions).values(
                id=opinion.id,
                incident=opinion.incident,
                at=opinion.at,
                facts=opinion.model_dump_json(),
                snapshot=zlib.compress(dossier) if dossier is not None else None,
            )
        )

    def between(self, incident: IncidentId | None, start: datetime | None) -> Sequence[Diagnosed]:
        return self._read(Diagnosed, diagnoses, incident, start)

    def opinions(self, incident: IncidentId | None, start: datetime | None) -> Sequence[Opined]:
        return self._read(Opined, opinions, incident, start)

    def snapshot(self, diagnosis: DiagnosisId) -> bytes | None:
        return self._bytes(select(diagnoses.c.snapshot).where(diagnoses.c.id == diagnosis))

    def dossier(self, opinion: str) -> bytes | None:
        return self._bytes(select(opinions.c.snapshot).where(opinions.c.id == opinion))

    def _bytes(self, query: Select[Any]) -> bytes | None:
        found = self.connection.scalar(query)
        try:
            return zlib.decompress(found) if found is not None else None
        except zlib.error as exc:
            raise Tampered("A recorded snapshot cannot be unpacked.") from exc

    def _read(
        self, model: type[M], table: Table, incident: IncidentId | None, start: datetime | None
    ) -> list[M]:
        query = select(table.c.facts).order_by(table.c.at, table.c.id)
        if incident is not None:
            query = query.where(table.c.incident == incident)
        if start is not None:
            query = query.where(table.c.at >= start)
        return [read_json(model, text) for text in self.connection.scalars(query)]
