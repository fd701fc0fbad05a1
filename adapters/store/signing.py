"""The key that signs the record: in a file of the data folder, or from a setting.

The library is imported when a key is first used: `handrail kill` must not wait for it.
"""

import base64
import binascii
import os
import stat
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Final, Protocol

from bot.domain.errors import Invalid, Unavailable
from bot.domain.seal import PublicKey, Signature

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

KEY_FILE: Final = "audit.key"
NEXT_KEY_FILE: Final = "audit.key.next"
SEED_BYTES: Final = 32


class Signer(Protocol):
    """Signs what is written."""

    @property
    def key(self) -> PublicKey:
        """The key to check with. Raises `Unavailable` when there is none to sign with."""
        ...

    def sign(self, message: bytes) -> Signature:
        """Raises `Unavailable`."""
        ...

    def refresh(self, wanted: PublicKey) -> None:
        """Read the key again: another process may have rotated it to *wanted*. Raises `Unavailable`."""
        ...


class NoSigner:
    """Stands where there is no key: it signs nothing, and says why."""

    def __init__(self, why: str) -> None:
        self._why = why

    @property
    def key(self) -> PublicKey:
        raise Unavailable(self._why)

    def sign(self, message: bytes) -> Signature:
        raise Unavailable(self._why)

    def refresh(self, wanted: PublicKey) -> None:
        """There is nothing to read."""


class SeedSigner:
    """Signs with the key that a seed of 32 bytes makes."""

    def __init__(self, seed: bytes) -> None:
        self._private = _private(seed)
        self._key = public_key(seed)

    @property
    def key(self) -> PublicKey:
        return self._key

    def sign(self, message: bytes) -> Signature:
        return Signature(_text(self._private.sign(message)))

    def refresh(self, wanted: PublicKey) -> None:
        """The seed is all there is."""


class FileSigner:
    """Signs with the key of a file that only this user can read.

    Raises:
        Invalid: the file is open to other users, or holds no key.
        Unavailable: it cannot be read.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._signer = SeedSigner(read_seed(path))

    @property
    def key(self) -> PublicKey:
        return self._signer.key

    def sign(self, message: bytes) -> Signature:
        return self._signer.sign(message)

    def refresh(self, wanted: PublicKey) -> None:
        try:
            self._signer = SeedSigner(read_seed(self._path))
            waiting = self._path.with_name(NEXT_KEY_FILE)
            if self._signer.key != wanted and waiting.exists():
                self._take(waiting, wanted)
        except Invalid as exc:
            raise Unavailable(str(exc)) from exc

    def _take(self, waiting: Path, wanted: PublicKey) -> None:
        """End a rotation that was interrupted after the record had been handed over."""
        following = SeedSigner(read_seed(waiting))
        if following.key == wanted:
            waiting.rename(self._path)
            sync_folder(self._path.parent)
            self._signer = following


def new_signer() -> SeedSigner:
    """Return a signer whose key nobody keeps."""
    return SeedSigner(os.urandom(SEED_BYTES))


def open_signer(folder: Path, given: str | None, *, may_create: bool) -> Signer:
    """Return the signer of the given key, else of the folder's key file, made if it may be.

    Raises:
        Invalid: the key is none, or open to other users; or there is none and none may be made.
        Unavailable: the file cannot be read or written.
    """
    if given is not None:
        return SeedSigner(seed_of(given, "HANDRAIL_AUDIT_KEY"))
    path = folder / KEY_FILE
    if may_create and not path.exists():
        write_seed(path, os.urandom(SEED_BYTES))
    return FileSigner(path)


def offline_signer(folder: Path, given: str | None) -> Signer:
    """Return the bot's signer for a command, or one that says why nothing can be signed."""
    try:
        return open_signer(folder, given, may_create=False)
    except (Invalid, Unavailable) as exc:
        return NoSigner(str(exc))


def verifies(key: PublicKey, message: bytes, signature: Signature) -> bool:
    """Say whether *signature* is the key's over *message*."""
    from cryptography.exceptions import InvalidSignature

    try:
        _public(key).verify(_bytes(signature), message)
    except (InvalidSignature, ValueError):  # binascii.Error is a ValueError.
        return False
    return True


def public_key(seed: bytes) -> PublicKey:
    """Return the public key of a seed."""
    return PublicKey(_text(_private(seed).public_key().public_bytes_raw()))


def seed_of(text: str, where: str) -> bytes:
    """Return the 32 bytes that *text* means. Raises `Invalid`, which never repeats the text."""
    try:
        seed = _bytes(text.strip())
    except (binascii.Error, ValueError) as exc:
        raise Invalid(f"{where}: holds no key: 32 bytes as base64url are one.") from exc
    if len(seed) != SEED_BYTES:
        raise Invalid(f"{where}: holds no key: {SEED_BYTES} bytes as base64url are one.")
    return seed


def read_seed(path: Path) -> bytes:
    """Read a key file. Raises `Invalid` or `Unavailable`."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW)
        try:
            status, text = os.fstat(fd), os.read(fd, 256)
        finally:
            os.close(fd)
    except FileNotFoundError as exc:
        raise Invalid(
            f"{path}: there is no such key file. Restore it, or see `handrail audit rotate`."
        ) from exc
    except OSError as exc:
        raise Unavailable(f"The key file {path} cannot be read: {exc.strerror}.") from exc
    if stat.S_IMODE(status.st_mode) & 0o077 or status.st_uid != os.geteuid():
        raise Invalid(
            f"{path}: the key that signs the record was open to other users. Run `chmod 600 {path}`, then "
            "`handrail audit rotate`."
        )
    return seed_of(text.decode("ascii", "replace"), str(path))


def write_seed(path: Path, seed: bytes) -> None:
    """Write a key file so that a crash leaves either none or a whole one. Raises `Unavailable`."""
    draft = path.with_name(f"{path.name}.{os.getpid()}.new")
    try:
        fd = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            os.write(fd, _text(seed).encode() + b"\n")
            os.fsync(fd)
        finally:
            os.close(fd)
        draft.rename(path)
        sync_folder(path.parent)
    except OSError as exc:
        raise Unavailable(f"The key file {path} cannot be written: {exc.strerror}.") from exc


def sync_folder(folder: Path) -> None:
    """Make names that were changed in *folder* durable."""
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def _private(seed: bytes) -> "Ed25519PrivateKey":
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    return Ed25519PrivateKey.from_private_bytes(seed)


@lru_cache(maxsize=16)
def _public(key: PublicKey) -> "Ed25519PublicKey":
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    return Ed25519PublicKey.from_public_bytes(_bytes(key))


def _text(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


def _bytes(text: str) -> bytes:
    return base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
