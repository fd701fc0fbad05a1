"""The data folder: where one bot on one machine keeps what must outlive it, locked for that one bot."""

import fcntl
import hmac
import os
import secrets
import stat
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from types import TracebackType
from typing import Self

from adapters.engine.embedded.errors import DataFolderLocked, DataFolderUnsafe, DataFolderUnusable

KEY_BYTES = 32
LOCK_PATIENCE = timedelta(
    seconds=3
)  # Our choice: after kill -9 the kernel needs a moment to end the children.
_POLL_S = 0.02
_FOLDER_MODE = 0o700
_FILE_MODE = 0o600


class DataFolder:
    """A folder that only this user can enter, held by at most one bot at a time.

    Opening creates the folder (0700) and its key where they are missing. The lock is the kernel's: it ends
    with the last process that holds `lock_fd`, so nothing stale remains after kill -9. Children get `lock_fd`
    too, so that no second bot starts on files which a dying child still writes.

    Raises:
        DataFolderUnsafe: the folder or the key is open to other users, or belongs to one.
        DataFolderUnusable: the folder cannot be made or written, or the key is damaged.
        DataFolderLocked: another bot has it, also after *patience*.
    """

    def __init__(
        self,
        path: Path,
        *,
        patience: timedelta = LOCK_PATIENCE,
        sleep: Callable[[float], None] = time.sleep,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self.path = path.expanduser().absolute()
        self._sleep = sleep
        self._monotonic = monotonic
        self._lock_fd: int | None = None
        _make_private(self.path)
        lock_fd = _open_lock(self.path / "lock")
        try:
            self._acquire(lock_fd, patience)
            self._key = _load_or_create_key(self.path / "key")
        except BaseException:  # Ctrl-C while waiting must free the lock too; raised on.
            os.close(lock_fd)
            raise
        self._lock_fd = lock_fd

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the folder; a child that still runs keeps it locked until it ends."""
        if self._lock_fd is not None:
            os.close(self._lock_fd)
            self._lock_fd = None

    @property
    def lock_fd(self) -> int:
        """The open lock file, to be inherited by every child that writes in the folder."""
        if self._lock_fd is None:
            raise DataFolderUnusable(f"The data folder {self.path} is closed.")
        return self._lock_fd

    @property
    def audit_file(self) -> Path:
        """The SQLite file of proposals, decisions, claims and the audit chain."""
        return self.path / "audit.db"

    @property
    def kill_file(self) -> Path:
        """While this file exists nothing with an effect starts."""
        return self.path / "KILL"

    @property
    def valkey_folder(self) -> Path:
        """Where the embedded Valkey or Redis keeps its append-only file."""
        return self._subfolder("valkey")

    @property
    def temporal_folder(self) -> Path:
        """Where the embedded Temporal keeps its engine files."""
        return self._subfolder("temporal")

    @property
    def logs_folder(self) -> Path:
        """Where the output of the children goes."""
        return self._subfolder("logs")

    def derive_key(self, purpose: str) -> bytes:
        """Return 32 bytes for *purpose*: the same each time, and unrelated to those of another purpose.

        HKDF-Expand of RFC 5869 with SHA-256, one block; the key file is uniformly random, so no extract step.
        """
        if not purpose:
            raise ValueError("a derived key needs a purpose")
        return hmac.digest(self._key, b"handrail/" + purpose.encode() + b"\x01", "sha256")

    def _subfolder(self, name: str) -> Path:
        path = self.path / name
        _make_private(path)
        return path

    def _acquire(self, lock_fd: int, patience: timedelta) -> None:
        deadline = self._monotonic() + patience.total_seconds()
        while True:
            try:
                fcntl.flock(lock_fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                if self._monotonic() >= deadline:
                    raise DataFolderLocked(_who_holds(self.path, lock_fd)) from None
                self._sleep(_POLL_S)
            else:
                break
        os.ftruncate(lock_fd, 0)
        os.pwrite(lock_fd, f"{os.getpid()}\n".encode(), 0)


def _who_holds(folder: Path, lock_fd: int) -> str:
    owner = os.pread(lock_fd, 32, 0).decode("ascii", "replace").strip()
    return (
        f"The data folder {folder} is in use by process {owner or 'unknown'} (or a child it left behind). "
        f"Stop that bot first ('fuser {folder / 'lock'}' lists its holders), or name another folder."
    )


def _make_private(folder: Path) -> None:
    try:
        folder.mkdir(mode=_FOLDER_MODE, parents=True, exist_ok=True)
        status = folder.stat()
    except OSError as exc:
        raise DataFolderUnusable(
            f"Cannot create the data folder {folder}: {exc.strerror}. Name a folder this user may write."
        ) from exc
    mode = stat.S_IMODE(status.st_mode)
    if status.st_uid != os.geteuid():
        raise DataFolderUnsafe(
            f"The data folder {folder} belongs to user id {status.st_uid}, the bot runs as {os.geteuid()}. "
            f"Run 'chown -R {os.geteuid()} {folder}', or name another folder."
        )
    if mode & 0o077:
        raise DataFolderUnsafe(
            f"The data folder {folder} is open to other users (mode {mode:04o}). Run 'chmod 700 {folder}'."
        )
    if mode & 0o700 != 0o700 or not os.access(folder, os.W_OK):
        raise DataFolderUnusable(
            f"The data folder {folder} is not writable (mode {mode:04o}). Run 'chmod 700 {folder}'."
        )


def _open_lock(path: Path) -> int:
    try:
        return os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, _FILE_MODE)
    except OSError as exc:
        raise DataFolderUnusable(f"Cannot open the lock file {path}: {exc.strerror}.") from exc


def _load_or_create_key(path: Path) -> bytes:
    try:
        if not path.exists():
            _create_key(path)
        return _load_key(path)
    except OSError as exc:
        raise DataFolderUnusable(f"Cannot read or write the key file {path}: {exc.strerror}.") from exc


def _create_key(path: Path) -> None:
    """Write a new random key so that a crash leaves either no key or a whole one."""
    draft = path.with_name("key.new")
    draft.unlink(missing_ok=True)
    fd = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, _FILE_MODE)
    try:
        os.write(fd, secrets.token_bytes(KEY_BYTES))
        os.fsync(fd)
    finally:
        os.close(fd)
    draft.rename(path)
    folder_fd = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(folder_fd)
    finally:
        os.close(folder_fd)


def _load_key(path: Path) -> bytes:
    fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW)
    try:
        status = os.fstat(fd)
        key = os.read(fd, KEY_BYTES + 1)
    finally:
        os.close(fd)
    if stat.S_IMODE(status.st_mode) & 0o077 or status.st_uid != os.geteuid():
        raise DataFolderUnsafe(
            f"The key file {path} was open to other users. Delete it: the bot makes a new one, and proposals "
            "that wait for approval must be made again."
        )
    if len(key) != KEY_BYTES:
        raise DataFolderUnusable(
            f"The key file {path} has not {KEY_BYTES} bytes. Restore it from a backup, or delete it: the bot "
            "makes a new one, and proposals that wait for approval must be made again."
        )
    return key
