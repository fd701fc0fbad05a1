"""What the commands of `handrail audit` do, once the libraries that they need are loaded."""

import json
import os
import re
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

from adapters.cli.operator import operator
from adapters.cli.recorded import moment
from adapters.settings import StoreSettings, store_settings
from adapters.store.archiving import Archived, archive
from adapters.store.keeping import replace_lost_key, rotate, vouch
from adapters.store.opening import Store, open_record, open_store
from adapters.store.segments import as_line
from adapters.store.signing import (
    KEY_FILE,
    NEXT_KEY_FILE,
    SEED_BYTES,
    SeedSigner,
    offline_signer,
    open_signer,
    sync_folder,
    write_seed,
)
from adapters.store.transaction import Transactions
from adapters.store.verification import Trust, verify_file, verify_record, walk
from bot.domain.audit import Entry
from bot.domain.chain_check import ChainReport
from bot.domain.checkpoint import Checkpoint, checkpoints_in
from bot.domain.errors import Invalid, Unavailable
from bot.domain.seal import PublicKey


class Wanted:
    """Which entries a search is after; what is None does not matter."""

    def __init__(
        self,
        *,
        act: str | None = None,
        actor: str | None = None,
        incident: str | None = None,
        since: str | None = None,
        text: str | None = None,
    ) -> None:
        self._act, self._actor, self._incident, self._text = act, actor, incident, text
        self._since = moment(since, datetime.now(UTC)) if since is not None else None

    def fits(self, entry: Entry) -> bool:
        return (
            (self._act is None or entry.act == self._act)
            and (self._actor is None or entry.actor == self._actor)
            and (self._incident is None or entry.incident == self._incident)
            and (self._since is None or entry.at >= self._since)
            and (self._text is None or self._text.lower() in f"{entry.actor} {entry.body}".lower())
        )


async def checked(
    checkpoint: str | None, key: str | None, accepted: Sequence[str], file: Path | None
) -> ChainReport:
    """Check the record, or an exported file alone."""
    where = store_settings(os.environ)
    trust = Trust(
        checkpoints=_checkpoints(checkpoint),
        key=_meant(key) if key is not None else _our_key(where),
        accepted=frozenset(_meant(each) for each in accepted),
    )
    if file is not None:
        report = verify_file(file, trust)
        if not report.entries and report.is_intact:
            raise Invalid(f"{file} holds no entry: there is nothing to check.")
        return report
    store = open_record(where.database_url)
    try:
        return await verify_record(store.transactions, where.audit_archive, trust)
    finally:
        await store.close()


async def found(wanted: Wanted) -> AsyncIterator[Entry]:
    """Yield the entries that fit, archived ones first."""
    where = store_settings(os.environ)
    store = open_record(where.database_url)
    try:
        async for entry in _all(store.transactions, where.audit_archive):
            if wanted.fits(entry):
                yield entry
    finally:
        await store.close()


async def archived() -> Archived | None:
    """Move what is older than the retention to a segment file."""
    where = store_settings(os.environ)
    before = datetime.now(UTC) - timedelta(days=where.audit_retention_days)
    async with _writing(where, may_archive=True) as store:
        return await archive(store.transactions, where.audit_archive, before, operator())


async def rotated(*, is_lost: bool) -> tuple[Entry, Path | None]:
    """Hand the record over to a new key; return the entry, and where that key waits to be set by a person."""
    where = store_settings(os.environ)
    if is_lost:
        signer = open_signer(where.data_dir, _given(where), may_create=True)
        store = open_store(where.database_url, redact=str, kill_file=None, signer=signer)
        try:
            who = operator()
            return await store.transactions.write(lambda tx: replace_lost_key(tx, who)), None
        finally:
            await store.close()
    waiting = where.data_dir / NEXT_KEY_FILE
    seed = os.urandom(SEED_BYTES)
    write_seed(waiting, seed)  # Before the record names it: a crash in between must not lose the key.
    async with _writing(where) as store:
        who, new = operator(), SeedSigner(seed)
        entry = await store.transactions.write(lambda tx: rotate(tx, new, who))
    if where.audit_key is not None:
        return entry, waiting
    waiting.rename(where.data_dir / KEY_FILE)
    sync_folder(where.data_dir)
    return entry, None


async def vouched(seq: int, reason: str) -> Entry:
    """Put the person's word behind an unsigned entry."""
    async with _writing(store_settings(os.environ)) as store:
        who = operator()
        return await store.transactions.write(lambda tx: vouch(tx, seq, who, reason))


def told(entry: Entry) -> str:
    """Return an entry as a line of JSON with its body's values, for people and for `jq`."""
    return json.dumps({**entry.model_dump(mode="json"), "body": entry.body_values()})


def exported(entry: Entry) -> str:
    """Return an entry as a line that `verify --file` can check."""
    return as_line(entry)


async def _all(transactions: Transactions, folder: Path) -> AsyncIterator[Entry]:
    async for page in walk(transactions, folder):
        for entry in page:
            yield entry


@asynccontextmanager
async def _writing(where: StoreSettings, *, may_archive: bool = False) -> AsyncIterator[Store]:
    signer = offline_signer(where.data_dir, _given(where))
    store = open_store(where.database_url, redact=str, kill_file=None, signer=signer, may_archive=may_archive)
    try:
        yield store
    finally:
        await store.close()


def _given(where: StoreSettings) -> str | None:
    return where.audit_key.get_secret_value() if where.audit_key is not None else None


def _meant(key: str) -> PublicKey:
    if re.fullmatch("[A-Za-z0-9_-]{43}", key) is None:
        raise Invalid("A public key is 43 signs of base64url, as `handrail audit verify` prints it.")
    return PublicKey(key)


def _our_key(where: StoreSettings) -> PublicKey | None:
    try:
        return offline_signer(where.data_dir, _given(where)).key
    except Unavailable:
        return None


def _checkpoints(given: str | None) -> list[Checkpoint]:
    """Read checkpoints from a file, or from the words themselves."""
    if given is None:
        return []
    if given.startswith("handrail-checkpoint."):
        return checkpoints_in(given)
    try:
        return checkpoints_in(Path(given).read_text(errors="replace"))
    except OSError as exc:
        raise Invalid(
            f"{given} cannot be read: {exc.strerror}. Give a file, or a checkpoint itself."
        ) from exc
