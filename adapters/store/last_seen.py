"""Where the record ended when this bot last looked, kept beside it: then an older copy in its place shows."""

import asyncio
import os
import re
from pathlib import Path
from typing import Final

import structlog

from adapters.store.transaction import Transactions
from bot.domain.errors import HandrailError

log = structlog.get_logger()

EVERY_S: Final = 5.0  # Our choice: what an older copy may lack without being noticed at the next start.
_LINE: Final = re.compile(r"([1-9][0-9]{0,17}) ([0-9a-f]{64})\n")


class LastSeen:
    """The number and hash of the last entry, in a file of the data folder."""

    def __init__(self, path: Path, transactions: Transactions) -> None:
        self._path = path
        self._transactions = transactions
        self._kept = ""

    async def is_gone(self) -> bool:
        """Say whether the entry that was last seen is no longer what it was. Raises `Unavailable`."""
        known = _LINE.fullmatch(await asyncio.to_thread(self._read))
        if known is None:
            return False
        seq, digest = int(known[1]), known[2]
        found = await self._transactions.read(lambda tx: tx.rows.log.after(seq - 1, 1))
        # A later one than was asked for: that one was archived.
        return not found or (found[0].seq == seq and found[0].hash != digest)

    async def keep(self) -> None:
        """Note where the record ends now. What keeps it from being noted is told in the log."""
        try:
            last = await self._transactions.read(lambda tx: tx.rows.log.last())
            line = f"{last.seq} {last.hash}\n" if last is not None else ""
            if line not in ("", self._kept):
                await asyncio.to_thread(self._write, line)
                self._kept = line
        except (HandrailError, OSError) as exc:
            log.warning("last_entry_not_noted", error=str(exc))

    async def follow(self) -> None:
        """Note it for ever."""
        while True:
            await self.keep()
            await asyncio.sleep(EVERY_S)

    def _read(self) -> str:
        try:
            return self._path.read_text(encoding="ascii")
        except FileNotFoundError:
            return ""

    def _write(self, line: str) -> None:
        draft = self._path.with_name(f"{self._path.name}.new")
        with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
            file.write(line)
        draft.replace(self._path)
