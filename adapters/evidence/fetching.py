"""One bounded request: by size and by time, whatever the other side does."""

import asyncio
from collections.abc import Mapping

import httpx

ANSWER_S = 3.0  # Our choice: a check looks every second, and a slow answer must not hold it up for long.


class NoAnswer(Exception):
    """Nothing usable came; the message says why in a few words."""

    def __init__(self, why: str, *, status: int | None = None) -> None:
        super().__init__(why)
        self.status = status


async def fetch(
    client: httpx.AsyncClient,
    url: str,
    *,
    params: dict[str, str] | None = None,
    headers: Mapping[str, str] | None = None,
    json: bytes | None = None,
    within_s: float,
    most: int,
) -> bytes:
    """Return the body of a 2xx answer, at most *most* bytes as they are on the wire.

    It is a GET, or with *json*, which is sent as it is, a POST.

    Raises:
        NoAnswer: no answer in time, another status, or a larger body.
    """
    # Packed answers are not asked for: a few bytes could unpack to gigabytes.
    sent = {**(headers or {}), "Accept-Encoding": "identity"}
    if json is not None:
        sent["Content-Type"] = "application/json"
    read = bytearray()
    try:
        async with (
            asyncio.timeout(within_s),
            client.stream(
                "GET" if json is None else "POST",
                url,
                params=params,
                headers=sent,
                content=json,
                timeout=within_s,
                follow_redirects=False,
            ) as answer,
        ):
            answer.raise_for_status()
            async for part in answer.aiter_raw():
                read += part
                if len(read) > most:
                    raise NoAnswer(f"more than {most} bytes")
    except httpx.HTTPStatusError as exc:
        raise NoAnswer(f"status {exc.response.status_code}", status=exc.response.status_code) from exc
    except (httpx.HTTPError, httpx.InvalidURL, TimeoutError) as exc:
        raise NoAnswer(type(exc).__name__) from exc
    return bytes(read)
