"""Follow the record: raise the alarm when it does not fit, and have checkpoints kept elsewhere."""

from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime, timedelta
from typing import Final

import structlog

from bot.app.world import World
from bot.domain.audit import Act, Entry
from bot.domain.checkpoint import Checkpoint
from bot.domain.document import Document, Section, lines
from bot.domain.errors import HandrailError, Tampered
from bot.domain.ids import IncidentId
from bot.ports import PostState

log = structlog.get_logger()

EVERY_ENTRIES: Final = 500
"""A checkpoint is due after so many entries, whatever the time."""
_NO_INCIDENT: Final = IncidentId("-")

Keep = Callable[[str], Awaitable[None]]
"""Keeps one line where the record is not."""


class Witness:
    """Follows the record from where it ended when this bot started.

    Args:
        channel: where checkpoints and alarms are posted; without one, alarms go to the default channel.
        keep: keeps each checkpoint as a line.
        every: how long entries may wait for a checkpoint.
    """

    def __init__(self, world: World, *, channel: str | None, keep: Keep | None, every: timedelta) -> None:
        self._world = world
        self._channel = channel
        self._keep = keep
        self._every = every
        self._waiting = 0
        self._is_due = False
        self._kept_at: datetime = world.clock.now()

    async def look(self) -> None:
        """Check what was added since the last look; alarm, and let a checkpoint be kept when one is due.

        Raises:
            Unavailable: the record cannot be read.
        """
        try:
            while entries := await self._world.audit.news():
                await self._note(entries)
        except Tampered as exc:
            await self._alarm(str(exc), None, key=f"alarm:{self._world.clock.now():%Y%m%dT%H%M%S}")
        late = self._waiting > 0 and self._world.clock.now() - self._kept_at >= self._every
        if self._is_due or late or self._waiting >= EVERY_ENTRIES:
            await self._keep_checkpoint()

    async def _note(self, entries: Sequence[Entry]) -> None:
        for entry in entries:
            if entry.act == Act.TAMPERED:
                why = str(entry.body_values().get("why"))
                await self._alarm(why, entry.incident, key=f"alarm:{entry.seq}")
        self._waiting += len(entries)
        # An execution has ended: whoever doubts it later can start from here.
        self._is_due = self._is_due or any(entry.act == Act.CONCLUDED for entry in entries)

    async def _keep_checkpoint(self) -> None:
        checkpoint = await self._world.audit.checkpoint()
        if checkpoint is None:
            self._world.telemetry.degraded("audit checkpoint")
            return
        try:
            if self._keep is not None:
                await self._keep(checkpoint.as_text())
            if self._channel is not None:
                key = f"checkpoint:{checkpoint.seq}"
                await self._world.chat.post_document(self._channel, _told(checkpoint), key=key)
        except HandrailError as exc:
            # It stays due: the next look tries again.
            log.warning("checkpoint_not_kept", seq=checkpoint.seq, error=str(exc))
            self._world.telemetry.degraded("audit checkpoint")
            return
        self._waiting, self._is_due, self._kept_at = 0, False, self._world.clock.now()

    async def _alarm(self, why: str, incident: IncidentId | None, *, key: str) -> None:
        """Tell people, once for all bots, and count it; a log alone would be read too late."""
        log.error("record_tampered", why=why, incident_id=incident)
        self._world.telemetry.tampered()
        if not await self._is_ours_to_tell(key, incident):
            return
        document = _alarm(why)
        try:
            channel = self._channel or self._world.manners.default_channel
            await self._world.chat.post_document(channel, document, key=key)
            record = await self._world.book.get(incident) if incident is not None else None
            if record is not None and record.card is not None:
                await self._world.chat.reply(record.card, document, key=key)
        except HandrailError as exc:
            log.warning("alarm_not_posted", error=str(exc))
            self._world.telemetry.degraded("alarm")

    async def _is_ours_to_tell(self, key: str, incident: IncidentId | None) -> bool:
        try:
            return await self._world.outbox.claim(key, incident or _NO_INCIDENT) is PostState.FIRST
        except HandrailError:
            return True  # A record that takes nothing must not silence the alarm about it.


def _told(checkpoint: Checkpoint) -> Document:
    said = f"Entry {checkpoint.seq} of the record. `handrail audit verify --checkpoint` takes this line."
    section = Section(heading="Checkpoint", lines=lines([checkpoint.as_text()]))
    return Document(title=said, sections=(section,))


def _alarm(why: str) -> Document:
    return Document(
        title="The record contradicts itself",
        sections=(
            Section(heading="What was found", lines=lines([why])),
            Section(
                heading="What to do",
                lines=lines(
                    [
                        "Stop every start with `handrail kill` until somebody has looked.",
                        "Run `handrail audit verify` with a checkpoint: it names the first wrong entry.",
                    ]
                ),
            ),
        ),
    )
