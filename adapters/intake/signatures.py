"""Check who sent a body: HMAC-SHA256 over its raw bytes, with any of several secrets."""

import hashlib
import hmac
import re
from collections.abc import Iterable, Sequence

from pydantic import SecretStr

from bot.domain.errors import Invalid

MOST_PARTS = 16  # Our choice: a sender signs with one or two secrets; more parts are an attack.
_DIGEST = re.compile(r"[0-9a-f]{64}")


class SigningSecrets:
    """The secrets with which one sender may sign; during a rotation there are two."""

    def __init__(self, name: str, secrets: Iterable[SecretStr]) -> None:
        """Keep the secrets of *name*, the setting they come from.

        Raises:
            Invalid: there is none, or one is blank: nobody could be told from anybody.
        """
        values = [secret.get_secret_value() for secret in secrets]
        if not values or not all(value.strip() for value in values):
            raise Invalid(f"{name} is empty. Set it to the secret that the sender signs with.")
        self._secrets = tuple(value.encode() for value in values)

    def sign(self, body: bytes) -> tuple[str, ...]:
        """Return the hexadecimal signatures of *body*, one for each secret."""
        return tuple(hmac.new(secret, body, hashlib.sha256).hexdigest() for secret in self._secrets)

    def match(self, body: bytes, digests: Sequence[str]) -> bool:
        """Return whether one of *digests* signs *body*; all are compared, in constant time."""
        matches = [
            hmac.compare_digest(expected.encode(), digest.encode())
            for expected in self.sign(body)
            for digest in digests
        ]
        return any(matches)


def digests_in(values: Sequence[str], *, prefix: str) -> tuple[str, ...]:
    """Return the digests in a signature header, e.g. `v1=<hex>,v1=<hex>` for the prefix "v1=".

    *values* are all headers of that name. More than one, or too many parts, give none; parts of another
    version, or that are not 64 lower-case hexadecimal digits, are left out.
    """
    if len(values) != 1 or values[0].count(",") >= MOST_PARTS:
        return ()
    parts = (part.strip() for part in values[0].split(","))
    digests = (part.removeprefix(prefix) for part in parts if part.startswith(prefix))
    return tuple(digest for digest in digests if _DIGEST.fullmatch(digest))
