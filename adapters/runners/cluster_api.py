"""A cluster's API server through the official client, in threads; its errors become ours here.

The client is loaded with the first step that needs it: it takes a second and 60 MB.
"""

import asyncio
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, NoReturn

from pydantic import JsonValue

from adapters.intake.strict_json import JsonObject
from bot.domain.errors import Invalid, NotFound, Unavailable, Unclear
from bot.domain.target_steps import ClusterKind

if TYPE_CHECKING:
    from kubernetes.client import ApiClient

JSON_PATCH: Final = "application/json-patch+json"
MANAGER: Final = "handrail"
MAX_ANSWER: Final = 8 * 1024 * 1024


class Conflict(Invalid):
    """The object changed since it was read; nothing was changed by the attempt."""


@dataclass(frozen=True)
class Access:
    """How one API server is reached. *headers* hold the values of their secrets: never log them."""

    server: str
    headers: Mapping[str, str]
    ca_file: str | None
    timeout_s: int


class Cluster:
    """What steps ask of an API server.

    Every method raises `NotFound`, `Conflict`, `Invalid` (refused, the words say why), `Unavailable` (not
    sent), and, when it writes, `Unclear` (sent, and the answer was lost).
    """

    def __init__(self, access: Access) -> None:
        self._access = access

    async def read(self, kind: ClusterKind, namespace: str, name: str) -> JsonObject:
        return await self._ask("GET", f"{_path(kind, namespace)}/{name}")

    async def patch(
        self,
        kind: ClusterKind,
        namespace: str,
        name: str,
        operations: list[JsonObject],
        *,
        is_dry_run: bool = False,
    ) -> JsonObject:
        """Send a JSON Patch; a dry run goes through every check of the server and is not stored."""
        query = [("fieldManager", MANAGER), *([("dryRun", "All")] if is_dry_run else [])]
        body: list[JsonValue] = [*operations]
        return await self._ask("PATCH", f"{_path(kind, namespace)}/{name}", body=body, query=query)

    async def revisions(self, kind: ClusterKind, namespace: str) -> list[JsonObject]:
        """Return what keeps the earlier templates of the namespace's objects of *kind*."""
        plural = "replicasets" if kind is ClusterKind.DEPLOYMENT else "controllerrevisions"
        found = await self._ask("GET", f"/apis/apps/v1/namespaces/{namespace}/{plural}")
        items = found.get("items")
        return [item for item in items if isinstance(item, dict)] if isinstance(items, list) else []

    async def create(self, path: str, body: JsonObject) -> JsonObject:
        return await self._ask("POST", path, body=body)

    async def delete(self, path: str) -> None:
        await self._ask("DELETE", path)

    async def _ask(
        self,
        method: str,
        path: str,
        *,
        body: JsonValue = None,
        query: list[tuple[str, str]] | None = None,
    ) -> JsonObject:
        try:
            # The client's own limits are for each read; an answer that drips would never end by them.
            async with asyncio.timeout(self._access.timeout_s + 1):
                return await asyncio.to_thread(self._ask_now, method, path, body, query or [])
        except TimeoutError as exc:
            _lost(method, "it took too long", exc)

    def _ask_now(self, method: str, path: str, body: JsonValue, query: list[tuple[str, str]]) -> JsonObject:
        import urllib3.exceptions as wire

        client = _client(self._access)
        try:
            status, raw = self._send(client, method, path, body, query)
        except (wire.NewConnectionError, wire.ConnectTimeoutError, wire.LocationParseError) as exc:
            raise Unavailable(f"not sent: {type(exc).__name__}") from exc
        except wire.SSLError as exc:
            _lost(method, str(exc), exc)
        except ValueError:  # Its words may repeat a secret.
            raise Invalid("not sent: its address or a header cannot be sent as it is") from None
        except (wire.HTTPError, OSError) as exc:
            _lost(method, type(exc).__name__, exc)
        finally:
            client.rest_client.close()
        return _said(method, status, raw)

    def _send(
        self, client: "ApiClient", method: str, path: str, body: JsonValue, query: list[tuple[str, str]]
    ) -> tuple[int, bytes]:
        """Return the status and the body, read within the time-out of the whole."""
        from kubernetes.client.exceptions import ApiException

        kind = JSON_PATCH if method == "PATCH" else "application/json"
        headers = {"Accept": "application/json", **self._access.headers}
        if body is not None:
            headers["Content-Type"] = kind
        url = f"{self._access.server}{path}"
        if query:
            url += "?" + "&".join(f"{name}={value}" for name, value in query)
        try:
            answer = client.call_api(
                method, url, headers, body, None, _request_timeout=self._access.timeout_s
            )
        except ApiException as exc:
            return int(exc.status or 0), str(exc.body or "").encode()
        return int(answer.status), bytes(answer.response.read(MAX_ANSWER))


def _client(access: Access) -> "ApiClient":
    try:
        from kubernetes.client import ApiClient, Configuration
    except ImportError as exc:
        raise Unavailable(
            "not sent: kubernetes is not installed: pip install 'handrail[kubernetes]'"
        ) from exc
    # One try: sent twice, a write would be two. No proxy but the one that settings would name.
    configuration = Configuration(host=access.server, ssl_ca_cert=access.ca_file, retries=False, proxy="")
    return ApiClient(configuration)


def _path(kind: ClusterKind, namespace: str) -> str:
    if kind is ClusterKind.NODE:
        return "/api/v1/nodes"
    return f"/apis/apps/v1/namespaces/{namespace}/{kind.value}s"


def _said(method: str, status: int, raw: bytes) -> JsonObject:
    try:
        body = json.loads(raw) if raw else {}
    except ValueError as exc:
        _lost(method, f"an answer that is no JSON, status {status}", exc)
    found: JsonObject = body if isinstance(body, dict) else {}
    words = f"{method} answered {status}: {found.get('message') or found.get('reason') or 'no words'}"
    if 200 <= status < 300:
        return found
    if status == 404:
        raise NotFound(words)
    if status == 409:
        raise Conflict(words)
    if status >= 500 or status == 408:
        _lost(method, words, None)
    raise Invalid(words)


def _lost(method: str, why: str, cause: Exception | None) -> NoReturn:
    if method == "GET":
        raise Unavailable(f"no answer ({why})") from cause
    raise Unclear(f"sent, and the answer was lost ({why}): it may have taken effect") from cause
