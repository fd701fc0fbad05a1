"""PagerDuty's REST API through pdpyras: in threads, within deadlines, with our own errors."""

import asyncio
import threading
import time
import warnings
from collections.abc import Awaitable, Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from itertools import islice
from typing import TypeVar
from urllib.parse import quote

import requests
from pydantic import SecretStr
from requests.exceptions import ConnectionError as RequestsConnectionError
from requests.exceptions import ConnectTimeout
from tenacity import (
    AsyncRetrying,
    RetryCallState,
    retry_if_exception,
    retry_if_exception_type,
    stop_after_attempt,
    stop_before_delay,
    wait_random_exponential,
)
from urllib3.exceptions import MaxRetryError, NewConnectionError

from adapters.intake.strict_json import JsonObject
from adapters.pagerduty.transport import BoundedTransport
from bot.domain.errors import HandrailError, Invalid, NotFound, RateLimited, Unavailable, Unclear

with warnings.catch_warnings():
    # It says at import that it is past its end of life; this module is the one to replace then.
    warnings.simplefilter("ignore")
    import pdpyras  # type: ignore[import-untyped]

ANSWER_WITHIN = timedelta(seconds=5)
READ_WITHIN = timedelta(seconds=8)
THREADS = 4
MOST_ITEMS = 1_000  # Our choice, and the most alerts that PagerDuty keeps on an incident.
ATTEMPTS = 4
_DEFAULT_RESET = timedelta(seconds=3)

Params = Mapping[str, str | Sequence[str]]
_T = TypeVar("_T")
_backoff = wait_random_exponential(multiplier=0.2, max=1.0)


class _KeyRefused(Unavailable):
    """The API key may not do this; asking again would not help."""


class RestApi:
    """Reads are repeated while there is time; a write only when PagerDuty said that it did nothing.

    All methods raise `NotFound`, `Invalid` (the request was refused as wrong), `RateLimited` and
    `Unavailable`; writes also `Unclear`.
    """

    def __init__(
        self,
        api_key: SecretStr,
        *,
        base_url: str,
        from_email: str,
        answer_within: timedelta = ANSWER_WITHIN,
        read_within: timedelta = READ_WITHIN,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._api_key = api_key
        self._base_url = base_url.rstrip("/")
        self._from_email = from_email
        self._answer_within = answer_within
        self._read_within = read_within
        self._sleep = sleep
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="pagerduty")
        self._own = threading.local()
        self._sessions: list[requests.Session] = []

    async def get(self, path: str, *, params: Params | None = None) -> JsonObject:
        """Return the body of the answer."""

        def work() -> JsonObject:
            response = _checked(self._session().get(path, params=dict(params or {})), f"GET {path}")
            return _object_of(response)

        return await self._read(f"GET {path}", work)

    async def list(self, path: str, *, params: Params | None = None) -> list[JsonObject]:
        """Return the items of all pages, at most 1,000."""

        def work() -> list[JsonObject]:
            deadline = time.monotonic() + self._read_within.total_seconds()
            found: list[JsonObject] = []
            for item in islice(self._session().iter_all(path, params=dict(params or {})), MOST_ITEMS):
                if time.monotonic() > deadline:
                    raise Unavailable(f"PagerDuty took too long over GET {path}. Try again later.")
                found.append(item)
            return found

        return await self._read(f"GET {path}", work)

    async def write(self, method: str, path: str, body: JsonObject) -> None:
        """Send *body* with PUT or POST.

        Raises:
            Unclear: it was sent and the answer was lost, or was a server error: it may have happened.
        """

        def work() -> None:
            _checked(self._session().request(method, path, json=body), f"{method} {path}")

        retrying = AsyncRetrying(
            retry=retry_if_exception_type(RateLimited),
            stop=stop_after_attempt(3) | stop_before_delay(self._read_within.total_seconds()),
            wait=_wait,
            sleep=self._sleep,
            reraise=True,
        )
        await retrying(self._write_once, f"{method} {path}", work)

    async def aclose(self) -> None:
        """Wait for what is under way and close the connections."""
        await asyncio.to_thread(self._threads.shutdown, wait=True, cancel_futures=True)
        for session in self._sessions:
            session.close()

    async def _read(self, doing: str, work: Callable[[], _T]) -> _T:
        retrying = AsyncRetrying(
            retry=retry_if_exception(_is_worth_another_try),
            stop=stop_after_attempt(ATTEMPTS) | stop_before_delay(self._read_within.total_seconds()),
            wait=_wait,
            sleep=self._sleep,
            reraise=True,
        )

        async def attempt() -> _T:
            return await asyncio.wrap_future(self._threads.submit(_translated, work, doing, writes=False))

        try:
            async with asyncio.timeout(self._read_within.total_seconds()):
                return await retrying(attempt)
        except TimeoutError as exc:
            raise Unavailable(f"PagerDuty took too long over {doing}. Try again later.") from exc

    async def _write_once(self, doing: str, work: Callable[[], None]) -> None:
        future = self._threads.submit(_translated, work, doing, writes=True)
        try:
            async with asyncio.timeout(self._read_within.total_seconds()):
                await asyncio.wrap_future(future)
        except TimeoutError as exc:
            if future.cancelled():
                raise Unavailable(f"No thread was free for {doing}; nothing was sent. Try again.") from exc
            raise _unclear(doing) from exc

    def _session(self) -> "pdpyras.APISession":
        """Return this thread's session: requests' sessions are not for sharing."""
        known = getattr(self._own, "session", None)
        if known is not None:
            return known
        session = pdpyras.APISession(self._api_key.get_secret_value(), default_from=self._from_email)
        session.url = self._base_url
        session.timeout = self._answer_within.total_seconds()
        session.max_network_attempts = 0
        # pdpyras would sleep 3 s, 6 s, 12 s … over a 429 and never look at when the limit is lifted.
        session.hooks["response"] = [_raise_when_rate_limited]
        transport = BoundedTransport(self._answer_within)
        session.mount("http://", transport)
        session.mount("https://", transport)
        self._own.session = session
        self._sessions.append(session)
        return session


def _checked(response: requests.Response, doing: str) -> requests.Response:
    if not response.ok:
        raise pdpyras.PDHTTPError(doing, response)
    return response


def path_of(*parts: str) -> str:
    """Return the path of *parts*, of which none can leave its place."""
    return "/".join(quote(part, safe="") for part in parts)


def _translated(work: Callable[[], _T], doing: str, *, writes: bool) -> _T:
    try:
        return work()
    except pdpyras.PDClientError as exc:
        raise _error_for(exc, doing, writes=writes) from exc


def _error_for(exc: "pdpyras.PDClientError", doing: str, *, writes: bool) -> HandrailError:
    response: requests.Response | None = exc.response
    if response is None:
        if writes and not _never_connected(exc.__cause__):
            return _unclear(doing)
        return Unavailable(f"PagerDuty did not answer {doing}. Try again later.")
    status = response.status_code
    if status == 404:
        return NotFound(f"PagerDuty knows nothing under {doing}.")
    if status in (401, 402, 403):
        return _KeyRefused(f"PagerDuty refused {doing} ({status}). Check the API key and what it may do.")
    if status < 400 or status >= 500:
        unusable = Unavailable(f"PagerDuty gave no usable answer to {doing} ({status}). Try again later.")
        return _unclear(doing) if writes else unusable
    return Invalid(f"PagerDuty refused {doing} ({status}): {response.text[:300]}")


def _unclear(doing: str) -> Unclear:
    return Unclear(f"The answer to {doing} was lost. Look at PagerDuty before it is sent again.")


def _never_connected(cause: BaseException | None) -> bool:
    """Return whether the request cannot have left this machine."""
    if isinstance(cause, ConnectTimeout):
        return True
    inner = cause.args[0] if isinstance(cause, RequestsConnectionError) and cause.args else None
    return isinstance(inner, MaxRetryError) and isinstance(inner.reason, NewConnectionError)


def _raise_when_rate_limited(response: requests.Response, **_: object) -> None:
    if response.status_code == 429:
        after = _reset_of(response)
        raise RateLimited(
            f"PagerDuty asks to wait {after.total_seconds():.0f} s: too many requests.", retry_after=after
        )


def _reset_of(response: requests.Response) -> timedelta:
    seconds = response.headers.get("ratelimit-reset", "").strip()
    return timedelta(seconds=int(seconds[:6])) if seconds.isdecimal() else _DEFAULT_RESET


def _is_worth_another_try(exc: BaseException) -> bool:
    return isinstance(exc, Unavailable) and not isinstance(exc, _KeyRefused)


def _wait(state: RetryCallState) -> float:
    """Return how many seconds to wait: as PagerDuty said, else a little and then more."""
    error = state.outcome.exception() if state.outcome else None
    return error.retry_after.total_seconds() if isinstance(error, RateLimited) else _backoff(state)


def _object_of(response: requests.Response) -> JsonObject:
    try:
        body = response.json()
    except requests.exceptions.JSONDecodeError as exc:
        raise pdpyras.PDServerError("not JSON", response) from exc
    if not isinstance(body, dict):
        raise pdpyras.PDServerError("not an object", response)
    return body
