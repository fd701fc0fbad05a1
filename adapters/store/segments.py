"""Entries as lines of a file: what `export` prints, and the segments that archiving moves out."""

import contextlib
import os
import re
from collections.abc import Iterable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Final, NamedTuple

import rfc8785
from pydantic import BaseModel, ConfigDict, ValidationError

from adapters.store.signing import sync_folder
from bot.domain.audit import Entry
from bot.domain.errors import Invalid, Unavailable
from bot.domain.ids import Digest, IncidentId
from bot.domain.seal import PublicKey, Seal, Signature

_NAME: Final = re.compile(r"audit-(\d{9,})-(\d{9,})\.jsonl")


class Segment(NamedTuple):
    """A file of archived entries, *first* to *last*."""

    path: Path
    first: int
    last: int


class _Line(BaseModel):
    """One entry as it stands in a file; `at` and `body` are the texts that were hashed."""

    model_config = ConfigDict(strict=True, extra="forbid")

    seq: int
    at: str
    incident: str | None
    act: str
    actor: str
    body: str
    prev: str
    hash: str
    key: str | None
    signature: str | None


def as_line(entry: Entry) -> str:
    """Return the entry as one line of JSON, without its end."""
    columns: dict[str, str | int | None] = {
        "seq": entry.seq,
        "at": entry.at.isoformat(),
        "incident": entry.incident,
        "act": entry.act,
        "actor": entry.actor,
        "body": entry.body,
        "prev": entry.prev,
        "hash": entry.hash,
        "key": entry.seal.key if entry.seal else None,
        "signature": entry.seal.signature if entry.seal else None,
    }
    return rfc8785.dumps(columns).decode()


def read_lines(path: Path) -> Iterator[Entry]:
    """Yield the entries of a file.

    Raises:
        Invalid: a line is no entry; the message names it.
        Unavailable: the file cannot be read.
    """
    try:
        with path.open(encoding="utf-8", newline="\n") as file:
            for number, line in enumerate(file, 1):
                yield _entry(line.rstrip("\r\n"), f"{path}:{number}")
    except (OSError, UnicodeDecodeError) as exc:
        raise Unavailable(f"{path} cannot be read: {exc}.") from exc


def _entry(line: str, where: str) -> Entry:
    try:
        told = _Line.model_validate_json(line)
        at = datetime.fromisoformat(told.at)
    except (ValidationError, ValueError) as exc:
        raise Invalid(f"{where}: is no entry of the record") from exc
    seal = None
    if told.key is not None or told.signature is not None:
        seal = Seal(key=PublicKey(str(told.key)), signature=Signature(str(told.signature)))
    entry = Entry(
        seq=told.seq,
        at=at,
        incident=IncidentId(told.incident) if told.incident is not None else None,
        act=told.act,
        actor=told.actor,
        body=told.body,
        prev=Digest(told.prev),
        hash=Digest(told.hash),
        seal=seal,
    )
    if as_line(entry) != line:  # Such as one with a key twice, of which another reader takes the first.
        raise Invalid(f"{where}: does not stand there as it was written")
    return entry


def segments_in(folder: Path) -> list[Segment]:
    """Return the segments of *folder* in order; none when there is no such folder."""
    found = []
    for path in sorted(folder.glob("audit-*.jsonl")):
        if name := _NAME.fullmatch(path.name):
            found.append(Segment(path, int(name[1]), int(name[2])))
    return sorted(found, key=lambda segment: segment.first)


def write_segment(folder: Path, entries: Iterable[Entry], first: int, last: int) -> Path:
    """Write a segment whole and durably; its last line's hash is what the next entry carries.

    Raises:
        Unavailable: it cannot be written.
    """
    path = folder / f"audit-{first:09}-{last:09}.jsonl"
    draft = path.with_suffix(".new")
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
            file.writelines(f"{as_line(entry)}\n" for entry in entries)
            file.flush()
            os.fsync(file.fileno())
        draft.chmod(0o400)
        draft.rename(path)
        sync_folder(folder)
    except OSError as exc:
        with contextlib.suppress(OSError):
            draft.unlink()  # A disk that is full gets back what was begun.
        raise Unavailable(f"The segment {path} cannot be written: {exc.strerror}.") from exc
    return path
