"""Put the values of `secret:NAME` in place, after the start and for the wire only."""

from collections.abc import Mapping

from pydantic import SecretStr

from bot.domain.errors import NotFound
from bot.domain.words import SECRET


def with_secrets(text: str, secrets: Mapping[str, SecretStr]) -> str:
    """Return *text* with each `secret:NAME` replaced by its value.

    Raises:
        NotFound: no `HANDRAIL_SECRET_NAME` is set.
    """

    def value(name: str) -> str:
        if name not in secrets:
            raise NotFound(f"secret:{name} has no value: set HANDRAIL_SECRET_{name}")
        return secrets[name].get_secret_value()

    return SECRET.sub(lambda found: value(found.group(1)), text)
