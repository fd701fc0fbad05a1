"""Check who sent a body: HMAC-SHA256 over its raw bytes, with any of several secrets."""

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
        return tuple(hmac.digest(secret, body, "sha256").hex() for secret in self._secrets)

    def match(self, body: bytes, digests: Sequence[str]) -> bool:
        """Return whether one of *digests* signs *body*; all are compared, in constant time."""
        matches = [
            hmac.compare_digest(expected, digest) for expected in self.sign(body) for digest in digests
        ]
        return any(matches)


def digests_in(values: Sequence[str], *, prefix: str) -> tuple[str, ...]:
    """Return the digests in a signature header, e.g. `v1=<hex>,v1=<hex>` for the prefix "v1=".

    *values* are all headers of that name. More than one, or too many parts, give none; parts of another
    version, or that are not 64 lower-case hexadecimal digits, are left out.
    """
    if len(values) != 1 or values[0].count(",") >= MOST_PARTS:
        return ()
    return tuple(
        part[len(prefix) :]
        for part in map(str.strip, values[0].split(","))
        if part.startswith(prefix) and _DIGEST.fullmatch(part, len(prefix))
    )
