"""A checkpoint: the head of the chain at one moment, signed, to be kept where the record is not."""

import re
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Final

from pydantic import AwareDatetime

from bot.domain.errors import Invalid
from bot.domain.frozen import Frozen
from bot.domain.ids import Digest
from bot.domain.seal import PublicKey, Seal, Signature, Verifies, checkpoint_statement

_TIME: Final = "%Y%m%dT%H%M%SZ"
_TEXT: Final = re.compile(
    r"handrail-checkpoint\.1\.([1-9][0-9]{0,17})\.([0-9]{8}T[0-9]{6}Z)\.([0-9a-f]{64})"
    r"\.([A-Za-z0-9_-]{43})\.([A-Za-z0-9_-]{86})"
)


class Checkpoint(Frozen):
    """What the chain's head was. *at* has whole seconds: the text form holds no more."""

    seq: int
    head: Digest
    at: AwareDatetime
    seal: Seal

    def as_text(self) -> str:
        """Return it as one word, to be pasted anywhere."""
        at = f"{self.at.astimezone(UTC):{_TIME}}"
        return f"handrail-checkpoint.1.{self.seq}.{at}.{self.head}.{self.seal.key}.{self.seal.signature}"

    def is_signed(self, verifies: Verifies) -> bool:
        statement = checkpoint_statement(self.seq, self.head, self.at)
        return verifies(self.seal.key, statement, self.seal.signature)


def checkpoints_in(text: str) -> list[Checkpoint]:
    """Return every checkpoint that stands in *text*, whatever is around them.

    Raises:
        Invalid: there is none, or one that cannot be.
    """
    try:
        found = [_read(match) for match in _TEXT.finditer(text)]
    except ValueError as exc:
        raise Invalid("A checkpoint in it names a time that there is not.") from exc
    if not found:
        raise Invalid(
            "There is no checkpoint in it: one begins with `handrail-checkpoint.1.` and is one word."
        )
    return found


def _read(match: re.Match[str]) -> Checkpoint:
    return Checkpoint(
        seq=int(match[1]),
        head=Digest(match[3]),
        at=datetime.strptime(match[2], _TIME).replace(tzinfo=UTC),
        seal=Seal(key=PublicKey(match[4]), signature=Signature(match[5])),
    )


class Witnesses:
    """Compares checkpoints with the chain as it passes by."""

    def __init__(self, checkpoints: Iterable[Checkpoint]) -> None:
        self._by_seq: dict[int, list[Checkpoint]] = {}
        for checkpoint in checkpoints:
            self._by_seq.setdefault(checkpoint.seq, []).append(checkpoint)

    def pass_by(self, seq: int, entry_hash: Digest) -> str | None:
        """Return what is wrong with this entry for whoever kept a checkpoint of it."""
        for checkpoint in self._by_seq.pop(seq, ()):
            if checkpoint.head != entry_hash:
                return f"a checkpoint of {checkpoint.at:%Y-%m-%d %H:%M:%S} UTC saw another entry here"
        return None

    def missing_after(self, last: int) -> str | None:
        """Return what the chain lacks once it ended at *last*."""
        later = [seq for seq in self._by_seq if seq > last]
        if not later:
            return None
        checkpoint = self._by_seq[max(later)][0]
        return (
            f"the end was cut off: a checkpoint of {checkpoint.at:%Y-%m-%d %H:%M:%S} UTC saw entry "
            f"{checkpoint.seq}, and the record ends at {last}"
        )
