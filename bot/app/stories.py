"""Tell each incident's story in the log under one correlation id, from its webhook to its note."""

from collections import OrderedDict
from contextlib import AbstractContextManager
from typing import Final

from structlog.contextvars import bind_contextvars, bound_contextvars

from bot.domain.errors import HandrailError
from bot.domain.ids import IncidentId
from bot.domain.record import IncidentRecord
from bot.ports import IncidentBook

MOST: Final = 1000
"""Incidents whose id is remembered: our choice, beyond them the record is asked."""


class Stories:
    """Binds incidents' ids to log lines, and remembers them: no record is read for a log line alone."""

    def __init__(self) -> None:
        self._ids: OrderedDict[IncidentId, str] = OrderedDict()

    def within(self, record: IncidentRecord) -> AbstractContextManager[object]:
        """Bind the ids for the length of a block."""
        return bound_contextvars(incident_id=record.id, correlation_id=self._remembered(record))

    def begin(self, record: IncidentRecord) -> None:
        """Bind the ids for the rest of this task, so that what is said of its failure bears them too."""
        bind_contextvars(incident_id=record.id, correlation_id=self._remembered(record))

    async def begin_with(self, incident: IncidentId, book: IncidentBook) -> None:
        """Do as `begin` does, knowing the incident by name only. A silent record leaves its id alone."""
        bind_contextvars(incident_id=incident)
        if (known := self._ids.get(incident)) is not None:
            bind_contextvars(correlation_id=known)
            return
        try:
            record = await book.get(incident)
        except HandrailError:
            return  # Whoever works on the incident meets the same silence, and decides what follows.
        if record is not None:
            self.begin(record)

    def _remembered(self, record: IncidentRecord) -> str:
        self._ids[record.id] = record.correlation_id
        self._ids.move_to_end(record.id)
        while len(self._ids) > MOST:
            self._ids.popitem(last=False)
        return record.correlation_id
