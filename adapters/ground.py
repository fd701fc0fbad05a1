"""What a running bot stands on: the team's files, the data folder, the record, the engine's servers.

The servers take as long to start as the rest of the bot takes to import. So this module imports none of it,
and lets the caller do that in a thread while the servers start.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

import structlog

from adapters.detecting import further_detectors
from adapters.engine.embedded import DataFolder, EmbeddedEngine, embedded_engine
from adapters.files.catalogue import read_with_lines
from adapters.files.loading import at
from adapters.files.playbooks import missing_from, read_playbooks
from adapters.files.policy import read_policy
from adapters.logs import configure_logs
from adapters.settings import Settings
from adapters.store.last_seen import LastSeen
from adapters.store.opening import Store, open_store
from adapters.store.signing import open_signer
from adapters.telemetry import PrometheusTelemetry
from bot.domain.catalogue import Catalogue
from bot.domain.errors import InvalidCatalogue
from bot.domain.ids import PlaybookId
from bot.domain.playbook import LoadedPlaybook
from bot.domain.policy import Policy
from bot.domain.redaction import Redactor

log = structlog.get_logger()


@dataclass(frozen=True)
class Files:
    """The team's own data, read and checked before anything is started."""

    catalogue: Catalogue
    playbooks: Mapping[PlaybookId, LoadedPlaybook]
    policy: Policy


@dataclass(frozen=True)
class Ground:
    """What everything else stands on."""

    settings: Settings
    files: Files
    folder: DataFolder
    redactor: Redactor
    store: Store
    last_seen: LastSeen
    engine: EmbeddedEngine
    telemetry: PrometheusTelemetry


def read_files(settings: Settings) -> Files:
    """Read the catalogue, the playbooks and the policy.

    Raises:
        Invalid: a file is wrong; each problem names its file and line.
    """
    path = settings.handrail_services
    catalogue, where = read_with_lines(path)
    playbooks = read_playbooks(settings.handrail_playbooks)
    if missing := missing_from(catalogue, playbooks):
        raise InvalidCatalogue("\n".join(at(path, where.of(m.path), m.problem) for m in missing))
    policy = read_policy(settings.handrail_policy, catalogue.services)
    return Files(catalogue=catalogue, playbooks=playbooks, policy=policy)


def database_url(settings: Settings, folder: DataFolder) -> str:
    """Return where the record is kept: the configured database, else a file of the data folder."""
    return settings.database_url or f"sqlite:///{folder.audit_file}"


async def _epoch(store: Store, last_seen: LastSeen) -> int:
    """Return the epoch to begin with: a new one voids the approvals of a record that was put back."""
    epoch = await store.gate.epoch()
    if not await last_seen.is_gone():
        return epoch
    log.error("record_put_back", epoch=epoch + 1)
    return epoch + 1


def _audit_key(settings: Settings) -> str | None:
    key = settings.handrail_audit_key
    return key.get_secret_value() if key is not None else None


@asynccontextmanager
async def laid_ground(
    settings: Settings, *, meanwhile: Callable[[], object] = lambda: None
) -> AsyncIterator[Ground]:
    """Open the record and start the servers for the length of the block; end them on leaving.

    *meanwhile* is called in a thread while the servers start, and has returned before the block begins. It
    may import what this module does not: nothing here imports a library later on.

    Raises:
        Invalid, Unavailable, EmbeddedError: it cannot be; the message says what to do.
    """
    files = read_files(settings)
    async with AsyncExitStack() as stack:
        folder = stack.enter_context(DataFolder(settings.handrail_data_dir))
        redactor = Redactor(
            folder.derive_key("redaction"),
            known_secrets=settings.known_secrets(),
            detectors=further_detectors(settings.handrail_detector),
        )

        def redact(text: str) -> str:
            return redactor.redact(text).text

        configure_logs(settings.handrail_log_level, redact)
        telemetry = PrometheusTelemetry()
        store = await asyncio.to_thread(
            open_store,
            database_url(settings, folder),
            redact=redact,
            kill_file=folder.kill_file,
            signer=open_signer(folder.path, _audit_key(settings), may_create=True),
        )
        stack.push_async_callback(store.close)
        last_seen = LastSeen(folder.path / "last-seen", store.transactions)
        minimum_epoch = await _epoch(store, last_seen)
        stack.push_async_callback(last_seen.keep)
        done_meanwhile = asyncio.create_task(asyncio.to_thread(meanwhile))
        engine = await stack.enter_async_context(
            embedded_engine(
                folder,
                minimum_epoch=minimum_epoch,
                redis_url=settings.redis_url,
                temporal_address=settings.temporal_address,
                temporal_namespace=settings.temporal_namespace,
                on_restart=lambda child: telemetry.child_restarted(child.name, child.restarts),
            )
        )
        await done_meanwhile
        yield Ground(
            settings=settings,
            files=files,
            folder=folder,
            redactor=redactor,
            store=store,
            last_seen=last_seen,
            engine=engine,
            telemetry=telemetry,
        )
