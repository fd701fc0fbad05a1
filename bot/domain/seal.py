"""What is signed of the record: the exact bytes, each kind with a heading of its own."""

from collections.abc import Callable
from typing import Final, NewType

from pydantic import AwareDatetime

from bot.domain.frozen import Frozen
from bot.domain.ids import Digest

PublicKey = NewType("PublicKey", str)
"""An Ed25519 public key, base64url without padding: 43 characters."""

Signature = NewType("Signature", str)
"""An Ed25519 signature, base64url without padding: 86 characters."""

Verifies = Callable[[PublicKey, bytes, Signature], bool]
"""Says whether the signature is the key's over these bytes; False for what is no key or no signature."""

_ENTRY: Final = b"handrail entry v1\n"
_CHECKPOINT: Final = b"handrail checkpoint v1\n"
_ROTATION: Final = b"handrail rotation v1\n"


class Seal(Frozen):
    """A signature, and the key that it is to be checked with."""

    key: PublicKey
    signature: Signature


def entry_statement(entry_hash: Digest) -> bytes:
    """Return what is signed of an entry: its hash binds every column, and all entries before it."""
    return _ENTRY + entry_hash.encode()


def checkpoint_statement(seq: int, head: Digest, at: AwareDatetime) -> bytes:
    """Return what is signed of a checkpoint."""
    return _CHECKPOINT + f"{seq}\n{head}\n{at.isoformat()}".encode()


def rotation_statement(old: PublicKey, new: PublicKey, head: Digest) -> bytes:
    """Return what a new key signs when it takes over: nobody can hand the record over to a key not theirs."""
    return _ROTATION + f"{old}\n{new}\n{head}".encode()
