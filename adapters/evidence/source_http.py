"""How every HTTP source is asked: bounded, with its secrets in place, and answered in our own errors."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, TypeVar

import httpx
from pydantic import BaseModel, SecretStr, ValidationError

from adapters.evidence.fetching import NoAnswer, fetch
from adapters.runners.secrets import with_secrets
from bot.domain.errors import NotFound, Unavailable

MAX_BYTES: Final = 5 * 1024 * 1024
WITHIN_S: Final = 5.0
MOST_LINES: Final = 1_000
LONGEST_LINE: Final = 4_000  # Characters of one log line: room for the first part of a trace.

M = TypeVar("M", bound=BaseModel)


@dataclass(frozen=True)
class Asking:
    """A client, the secrets by name, and how long an answer may take in seconds."""

    client: httpx.AsyncClient
    secrets: Mapping[str, SecretStr]
    within_s: float = WITHIN_S

    async def ask(
        self,
        answer: type[M],
        url: str,
        *,
        params: dict[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        json: bytes | None = None,
    ) -> M:
        """Return the answer of *url*, read as *answer*.

        Raises:
            NotFound: the source answered 404, or a secret has no value.
            Unavailable: no answer in time, one that is too large, another status, or one that cannot be read.
        """
        filled = {name: with_secrets(value, self.secrets) for name, value in (headers or {}).items()}
        try:
            raw = await fetch(
                self.client,
                url,
                params=params,
                headers=filled,
                json=json,
                within_s=self.within_s,
                most=MAX_BYTES,
            )
            return answer.model_validate_json(raw)
        except NoAnswer as exc:
            if exc.status == httpx.codes.NOT_FOUND:
                raise NotFound(f"{url} knows nothing of it") from exc
            raise Unavailable(f"{url} gave nothing ({exc})") from exc
        except ValidationError as exc:
            raise Unavailable(f"{url} gave an answer that cannot be read") from exc
