"""An Open Policy Agent that must agree as well: it can refuse what the rules allow, and never allow more."""

import asyncio
from collections.abc import Sequence

import httpx
import structlog
from pydantic import ConfigDict, TypeAdapter, ValidationError
from pydantic.dataclasses import dataclass

from adapters.intake.strict_json import parse_object
from bot.domain.errors import Invalid
from bot.domain.policy import Request
from bot.ports import Policies

log = structlog.get_logger()

DEADLINE_S = 0.3  # Our choice: a click is answered within 3 s, and this is the least of what it waits for.
MOST_BYTES = 65_536
_MOST_REASONS = 10
_LONGEST_REASON = 300


@dataclass(frozen=True, config=ConfigDict(strict=True, extra="ignore"))
class _Decision:
    allow: bool
    reasons: list[str]


@dataclass(frozen=True, config=ConfigDict(strict=True, extra="ignore"))
class _Answer:
    result: _Decision


_ANSWER = TypeAdapter(_Answer)


class OpaReferee:
    """The port `Referee` over OPA's HTTP API; the policy in force says where it is, or that there is none."""

    def __init__(
        self, client: httpx.AsyncClient, policies: Policies, *, deadline_s: float = DEADLINE_S
    ) -> None:
        self._client = client
        self._policies = policies
        self._deadline_s = deadline_s

    async def objections(self, request: Request) -> Sequence[str]:
        opa = self._policies.current().opa
        if opa is None:
            return ()
        try:
            async with asyncio.timeout(self._deadline_s):
                decision = await self._ask(opa.url, request)
        except TimeoutError:
            return self._denied(f"no answer within {self._deadline_s * 1000:g} ms")
        except (httpx.HTTPError, httpx.InvalidURL, UnicodeError) as exc:  # The last: a name that is none.
            return self._denied(type(exc).__name__)
        except Invalid as exc:
            return self._denied(str(exc))
        if decision.allow:
            return ()
        said = [reason[:_LONGEST_REASON] for reason in decision.reasons[:_MOST_REASONS] if reason.strip()]
        return tuple(f"the policy server says: {reason}" for reason in said) or (
            "the policy server refuses it and gives no reason",
        )

    async def _ask(self, url: str, request: Request) -> _Decision:
        body = {"input": request.model_dump(mode="json")}
        async with self._client.stream("POST", url, json=body, follow_redirects=False) as response:
            raw = b""
            async for part in response.aiter_bytes():
                raw += part
                if len(raw) > MOST_BYTES:
                    raise Invalid(f"its answer is longer than {MOST_BYTES} bytes")
        if response.status_code != 200:
            raise Invalid(f"it answered {response.status_code}")
        try:
            parse_object(raw)  # Stricter about the text than pydantic: no key twice, no NaN.
            return _ANSWER.validate_json(raw).result
        except ValidationError as exc:
            raise Invalid("its answer is no object with `allow` and `reasons`") from exc

    def _denied(self, why: str) -> Sequence[str]:
        log.warning("policy_server_failed", why=why)
        return (f"the policy server could not be asked ({why})",)
